"""fastnet.events: peers that reset, hang up or flood, and handlers that raise."""

from __future__ import annotations

import errno
import os
import resource
import socket

import pytest

import links
import recipe_loop
from fastnet import events
from recipe_loop import running
from test_events import OURS, OurEcho, Probe, WritingEcho

pytestmark = pytest.mark.parametrize("kind", OURS)


@pytest.fixture(params=[OurEcho, WritingEcho])
def served(request, kind):
    """An echo server at work: its handlers and its address."""
    handlers = []
    handlers.append(events.TCPServer(("127.0.0.1", 0), request.param, handlers))
    with running(kind, handlers):
        yield handlers, handlers[0].sock.getsockname()
        links.wait_until(lambda: len(handlers) == 1)


def works(address):
    """The server still serves others."""
    with socket.create_connection(address, links.SOON) as sock:
        sock.sendall(b"still there?")
        got = b""
        while len(got) < 12:
            got += sock.recv(12)
        return got == b"still there?"


def test_resets(served):
    handlers, address = served
    for stage in range(30):
        sock = socket.create_connection(address, links.SOON)
        if stage % 3:
            sock.sendall(b"x" * 100_000)
        if stage % 3 == 2:
            assert sock.recv(1000)
        links.reset(sock)
    assert works(address)
    links.wait_until(lambda: len(handlers) == 1)


def test_half_closes_and_unread_data(served):
    _, address = served
    for size in (0, 1, 8192, 100_000):
        with socket.create_connection(address, links.SOON) as sock:
            sock.sendall(b"x" * size)
            if size < 10_000:
                got = b""
                while len(got) < size:
                    got += sock.recv(10_000)
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""
    assert works(address)


def test_one_that_reads_nothing_holds_up_nobody(served):
    handlers, address = served
    with socket.create_connection(address, links.SOON) as deaf:
        deaf.setblocking(False)
        sent = 0
        while True:  # until both ends' buffers are full
            try:
                sent += deaf.send(b"x" * 65536)
            except BlockingIOError:
                links.wait_until(lambda: works(address))
                if len(handlers) > 1 and len(handlers[1].outgoing) >= 1 << 16:
                    break
        assert len(handlers[1].outgoing) < 1 << 17
        got = 0
        deaf.settimeout(links.SOON)
        while got < sent:
            got += len(deaf.recv(1 << 20))


class Numbered(events.TCPClient):
    """Answers with what it was sent, once, and its own number."""

    made = 0

    def __init__(self, sock, handlers):
        super().__init__(sock, handlers)
        Numbered.made += 1
        self.number = Numbered.made

    def wants_to_receive(self):
        return True

    def handle_receive(self):
        data = self.sock.recv(64)
        if data:
            self.outgoing += b"%d:%s" % (self.number, data)
        else:
            self.close()


def test_connections_that_come_and_go_never_mix(kind):
    handlers = []
    handlers.append(events.TCPServer(("127.0.0.1", 0), Numbered, handlers))
    address = handlers[0].sock.getsockname()
    numbers = set()
    with running(kind, handlers):
        for turn in range(400):
            batch = [socket.create_connection(address, links.SOON) for _ in range(25)]
            for k, sock in enumerate(batch):
                sock.send(b"%d.%d" % (turn, k))
            for k, sock in enumerate(batch):
                if k % 5 == 4:
                    links.reset(sock)
                    continue
                number, _, text = sock.recv(100).partition(b":")
                assert text == b"%d.%d" % (turn, k)
                assert number not in numbers
                numbers.add(number)
                sock.close()
        links.wait_until(lambda: len(handlers) == 1)
    assert len(numbers) == 8000


def test_a_datagram_that_cannot_be_answered(kind):
    class Echo(events.UDPServer):
        def handle_receive(self):
            msg, addr = self.sock.recvfrom(8192)
            self.sock.sendto(msg, ("127.0.0.1", 0) if msg == b"bad" else addr)

    server = Echo(("127.0.0.1", 0))
    address = server.sock.getsockname()
    with running(kind, [server]), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(links.SOON)
        sock.sendto(b"bad", address)  # as a datagram from port 0 would have it
        sock.sendto(b"good", address)
        assert sock.recv(100) == b"good"
        assert server.dropped == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_a_handler_raises_ends_the_loop_which_can_go_on(kind, keep, error):
    handler, other = keep(Probe()), keep(Probe())
    loop = keep(events.EventLoop([handler, other], poller=kind))
    handler.peer.send(b"x")
    other.peer.send(b"y")

    def fail():
        raise error("in the handler")

    handler.handle_receive = fail
    for _ in range(2):
        with pytest.raises(error, match="in the handler"):
            loop.run()
    del handler.handle_receive
    assert loop.run_once() == 2
    assert handler.log == [("", "receive", b"x")]
    assert other.log == [("", "receive", b"y")]
    other.wants_to_send = fail
    with pytest.raises(error, match="in the handler"):
        loop.run()
    del other.wants_to_send
    assert loop.run_once(0) == 0


def test_a_handler_that_deals_with_its_errors(kind, keep):
    class Dealing(Probe):
        def handle_receive(self):
            super().handle_receive()
            raise LookupError("mine")

        def handle_error(self, error):
            self.log.append(str(error))

    handler = keep(Dealing())
    loop = keep(events.EventLoop([handler], poller=kind))
    handler.peer.send(b"x")
    assert loop.run_once() == 1
    assert handler.log[1:] == ["mine"]


def test_the_functions_of_the_recipe_raise_what_handlers_raise(kind):
    class Failing(recipe_loop.UDPServer):
        def handle_receive(self):
            raise LookupError("mine")

    server = Failing(("127.0.0.1", 0))
    with server.sock as sock:
        sock.sendto(b"x", sock.getsockname())
        with pytest.raises(LookupError, match="mine"):
            events.event_loop([server], poller=kind)


def test_client_handlers_that_fail_to_be_made(kind):
    def gone(sock, handlers):
        raise OSError(errno.ENOTCONN, "gone")

    handlers = []
    server = events.TCPServer(("127.0.0.1", 0), gone, handlers)
    handlers.append(server)
    address = server.sock.getsockname()
    with running(kind, handlers):
        with socket.create_connection(address, links.SOON) as sock:
            assert sock.recv(1) == b""
        server.client_handler = OurEcho
        assert works(address)
        links.wait_until(lambda: len(handlers) == 1)
    server = events.TCPServer(("127.0.0.1", 0), lambda *args: 1 / 0, [])
    with links.closing(server), socket.create_connection(server.sock.getsockname()) as sock:
        with pytest.raises(ZeroDivisionError):
            events.event_loop([server], poller=kind)
        assert sock.recv(1) == b""


def test_no_descriptor_is_left(kind):
    handlers = []
    server = events.TCPServer(("127.0.0.1", 0), OurEcho, handlers)
    handlers.append(server)
    address = server.sock.getsockname()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running(kind, handlers), socket.socket() as early, socket.socket() as late:
        links.wait_until(lambda: works(address))
        links.wait_until(lambda: len(handlers) == 1)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
        try:
            early.connect(address)
            early.settimeout(links.SOON)
            assert early.recv(1) == b""
            links.wait_until(lambda: server.shed == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        late.connect(address)
        assert works(address)


def test_ipv6_and_unix(kind, tmp_path):
    addresses = [str(tmp_path / "s")]
    if links.has_ipv6():
        addresses.append(("::1", 0))
    for address in addresses:
        handlers = []
        server = events.TCPServer(address, OurEcho, handlers)
        handlers.append(server)
        with running(kind, handlers), socket.socket(server.sock.family) as sock:
            sock.settimeout(links.SOON)
            sock.connect(server.sock.getsockname())
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"
    with pytest.raises(OSError):
        events.TCPServer(("192.0.2.1", 9), OurEcho, [])
    with pytest.raises(OSError):
        events.UDPServer(("192.0.2.1", 9))
