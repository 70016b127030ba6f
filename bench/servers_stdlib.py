"""Servers that need nothing but the standard library: `socketserver`, and the recipe's own loop."""

from __future__ import annotations

import select
import socket
import socketserver
import time
from typing import Any

from serve import announce

ANY = ("127.0.0.1", 0)
BACKLOG = 1024


class EchoHandler(socketserver.BaseRequestHandler):
    """Recipe 11.2's handler, without its print."""

    def handle(self) -> None:
        while True:
            msg = self.request.recv(8192)
            if not msg:
                break
            self.request.send(msg)


class NoDelayEchoHandler(EchoHandler):
    """The same with Nagle's algorithm off, so that nobody wins by that alone."""

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class TimeHandler(socketserver.BaseRequestHandler):
    """Recipe 11.3's handler, without its print."""

    def handle(self) -> None:
        _, sock = self.request
        resp = time.ctime()
        sock.sendto(resp.encode("ascii"), self.client_address)


def run_threading(module: Any, handler: type) -> None:
    """``ThreadingTCPServer`` of a module with the standard one's names."""

    class Server(module.ThreadingTCPServer):  # type: ignore[misc, name-defined]
        daemon_threads = True
        request_queue_size = BACKLOG

    with Server(ANY, handler) as server:
        announce(server.socket)
        server.serve_forever()


def threading_server(nodelay: bool = False) -> None:
    run_threading(socketserver, NoDelayEchoHandler if nodelay else EchoHandler)


def udp_server() -> None:
    with socketserver.UDPServer(ANY, TimeHandler) as server:
        announce(server.socket, kind="udp")
        server.serve_forever()


# -- recipe 11.12, its classes as they stand there ------------------------------------------------


class EventHandler:
    def fileno(self) -> int:
        raise TypeError("must implement")

    def wants_to_receive(self) -> bool:
        return False

    def handle_receive(self) -> None:
        pass

    def wants_to_send(self) -> bool:
        return False

    def handle_send(self) -> None:
        pass


def event_loop(handlers: list[Any]) -> None:
    while True:
        wants_recv = [h for h in handlers if h.wants_to_receive()]
        wants_send = [h for h in handlers if h.wants_to_send()]
        can_recv, can_send, _ = select.select(wants_recv, wants_send, [])
        for h in can_recv:
            h.handle_receive()
        for h in can_send:
            h.handle_send()


class UDPServer(EventHandler):
    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(address)

    def fileno(self) -> int:
        return self.sock.fileno()

    def wants_to_receive(self) -> bool:
        return True


class UDPTimeServer(UDPServer):
    def handle_receive(self) -> None:
        _, addr = self.sock.recvfrom(1)
        self.sock.sendto(time.ctime().encode("ascii"), addr)


class TCPServer(EventHandler):
    def __init__(self, address: tuple[str, int], client_handler: Any, handler_list: Any) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        self.sock.bind(address)
        self.sock.listen(1)
        self.client_handler = client_handler
        self.handler_list = handler_list

    def fileno(self) -> int:
        return self.sock.fileno()

    def wants_to_receive(self) -> bool:
        return True

    def handle_receive(self) -> None:
        client, _ = self.sock.accept()
        self.handler_list.append(self.client_handler(client, self.handler_list))


class TCPClient(EventHandler):
    def __init__(self, sock: socket.socket, handler_list: Any) -> None:
        self.sock = sock
        self.handler_list = handler_list
        self.outgoing = bytearray()

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()
        self.handler_list.remove(self)

    def wants_to_send(self) -> bool:
        return True if self.outgoing else False  # noqa: SIM210 (the recipe's words)

    def handle_send(self) -> None:
        nsent = self.sock.send(self.outgoing)
        self.outgoing = self.outgoing[nsent:]


class TCPEchoClient(TCPClient):
    def wants_to_receive(self) -> bool:
        return True

    def handle_receive(self) -> None:
        data = self.sock.recv(8192)
        if not data:
            self.close()
        else:
            self.outgoing.extend(data)


def run_recipe(loop: Any, idle: int, kind: str = "tcp") -> None:
    """The recipe's handlers on the loop given: ``idle`` that nothing is ever sent to, one served.

    The served one is a TCP echo whose connections are the busy handlers, or with ``kind`` udp the
    time server.
    """
    handlers: list[Any] = [UDPTimeServer(ANY) for _ in range(idle)]
    if kind == "udp":
        served: Any = UDPTimeServer(ANY)
    else:
        served = TCPServer(ANY, TCPEchoClient, handlers)
    handlers.append(served)
    announce(served.sock, kind=kind)
    loop(handlers)


def recipe_loop(idle: int = 900, kind: str = "tcp") -> None:
    run_recipe(event_loop, idle, kind)
