"""Recipe 11.12 as its text has it, to test fastnet.events against: for tests only."""

from __future__ import annotations

import contextlib
import select
import socket
import time

import links
from fastnet import events

KINDS = ["recipe", "epoll", "select"]


@contextlib.contextmanager
def running(kind, handlers, **options):
    """The recipe's loop, or ours with a poller of this kind, at work in a thread.

    Afterwards the loop is stopped and every handler that is left closed.
    """
    loop = (
        EventLoop(handlers)
        if kind == "recipe"
        else events.EventLoop(handlers, poller=kind, **options)
    )
    thread = links.Background(loop.run)
    try:
        yield loop
    finally:
        if thread.is_alive():
            loop.stop()
        try:
            thread.result()
        finally:
            loop.close()
            for handler in list(handlers):
                (getattr(handler, "close", None) or handler.sock.close)()


class EventHandler:
    def fileno(self):
        raise TypeError("must implement")

    def wants_to_receive(self):
        return False

    def handle_receive(self):
        pass

    def wants_to_send(self):
        return False

    def handle_send(self):
        pass


def event_loop(handlers, keep_on=lambda: True):
    """Everybody is asked, select() waits, and whoever it names is called."""
    while keep_on():
        receivers = [one for one in handlers if one.wants_to_receive()]
        senders = [one for one in handlers if one.wants_to_send()]
        receivers, senders, _ = select.select(receivers, senders, [])
        for one in receivers:
            one.handle_receive()
        for one in senders:
            one.handle_send()


class Waker(EventHandler):
    """What the recipe's loop lacks: a way to be woken, and so to be stopped."""

    def __init__(self):
        self.near, self.far = socket.socketpair()

    def fileno(self):
        return self.near.fileno()

    def wants_to_receive(self):
        return True

    def handle_receive(self):
        self.near.recv(100)

    def close(self):
        self.near.close()
        self.far.close()


class EventLoop:
    """The recipe's loop with the face of events.EventLoop."""

    def __init__(self, handlers):
        self.handlers = handlers
        self._waker = Waker()
        self._stopping = False

    def run(self):
        self.handlers.append(self._waker)
        try:
            event_loop(self.handlers, lambda: not self._stopping)
        finally:
            self._stopping = False
            self.handlers.remove(self._waker)

    def stop(self):
        self._stopping = True
        self._waker.far.send(b"x")

    def close(self):
        self._waker.close()


class UDPServer(EventHandler):
    def __init__(self, address):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(address)

    def fileno(self):
        return self.sock.fileno()

    def wants_to_receive(self):
        return True


class UDPTimeServer(UDPServer):
    def handle_receive(self):
        _, addr = self.sock.recvfrom(1)
        self.sock.sendto(time.ctime().encode("ascii"), addr)


class UDPEchoServer(UDPServer):
    def handle_receive(self):
        msg, addr = self.sock.recvfrom(8192)
        self.sock.sendto(msg, addr)


class TCPServer(EventHandler):
    def __init__(self, address, client_handler, handler_list):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        self.sock.bind(address)
        self.sock.listen(64)  # the recipe's 1 loses connections that come at once
        self.client_handler = client_handler
        self.handler_list = handler_list

    def fileno(self):
        return self.sock.fileno()

    def wants_to_receive(self):
        return True

    def handle_receive(self):
        client, _ = self.sock.accept()
        self.handler_list.append(self.client_handler(client, self.handler_list))


class TCPClient(EventHandler):
    def __init__(self, sock, handler_list):
        self.sock = sock
        self.handler_list = handler_list
        self.outgoing = bytearray()

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()
        self.handler_list.remove(self)

    def wants_to_send(self):
        return bool(self.outgoing)

    def handle_send(self):
        nsent = self.sock.send(self.outgoing)
        self.outgoing = self.outgoing[nsent:]


class TCPEchoClient(TCPClient):
    def wants_to_receive(self):
        return True

    def handle_receive(self):
        data = self.sock.recv(8192)
        if not data:
            self.close()
        else:
            self.outgoing.extend(data)
