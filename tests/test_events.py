"""fastnet.events against the recipe's own loop: whatever works there works here."""

from __future__ import annotations

import os
import socket
import threading

import pytest

import links
import recipe_loop
from fastnet import events
from recipe_loop import KINDS, running

OURS = ["epoll", "select"]


class Probe:
    """A handler that derives from nothing, on one end of a socket pair; records its calls."""

    def __init__(self, log=None, name=""):
        self.sock, self.peer = socket.socketpair()
        self.log = [] if log is None else log
        self.name = name
        self.receives, self.sends = True, False

    def fileno(self):
        return self.sock.fileno()

    def wants_to_receive(self):
        return self.receives

    def handle_receive(self):
        self.log.append((self.name, "receive", self.sock.recv(8192)))

    def wants_to_send(self):
        return self.sends

    def handle_send(self):
        self.sends = False
        self.log.append((self.name, "send", self.sock.send(b"sent")))

    def close(self):
        self.sock.close()
        self.peer.close()


@pytest.fixture
def probe(keep):
    """probe(...) makes a handler that is closed afterwards."""
    return lambda *args: keep(Probe(*args))


@pytest.fixture(params=OURS)
def loop(request, keep):
    """A loop of ours without handlers, of either poller."""
    return keep(events.EventLoop([], poller=request.param))


# ------------------------------------------------------------------- what works there


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [True, False], ids=["ours", "recipes"])
def test_udp_echo(kind, own):
    class Echo(events.UDPServer if own else recipe_loop.UDPServer):
        def handle_receive(self):
            msg, addr = self.sock.recvfrom(8192)
            self.sock.sendto(msg, addr)

    handlers = [Echo(("127.0.0.1", 0)) for _ in range(5)]
    addresses = [handler.sock.getsockname() for handler in handlers]
    with running(kind, handlers), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(links.SOON)
        for turn in range(20):
            for address in addresses:
                sock.sendto(b"%d" % turn, address)
            answers = [sock.recvfrom(100) for _ in addresses]
            assert sorted(answers) == sorted((b"%d" % turn, one) for one in addresses)


class OurEcho(events.TCPClient):
    def wants_to_receive(self):
        return len(self.outgoing) < 1 << 16

    def handle_receive(self):
        data = self.sock.recv(8192)
        if not data:
            self.close()
        else:
            self.outgoing += data


class WritingEcho(OurEcho):
    def handle_receive(self):
        data = self.sock.recv(8192)
        if not data:
            self.close()
        else:
            self.write(data)


ECHOES = {
    "recipes": (recipe_loop.TCPServer, recipe_loop.TCPEchoClient),
    "ours": (events.TCPServer, OurEcho),
    "writing": (events.TCPServer, WritingEcho),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ECHOES)
def test_tcp_echo(kind, which):
    server, echo = ECHOES[which]
    handlers = []
    handlers.append(server(("127.0.0.1", 0), echo, handlers))
    address = handlers[0].sock.getsockname()
    messages = [os.urandom(50_000) for _ in range(10)]

    def talk(message):
        with socket.create_connection(address, links.SOON) as sock:
            sock.sendall(message)
            got = b""
            while len(got) < len(message):
                got += sock.recv(65536)
            return got

    with running(kind, handlers):
        threads = [links.Background(talk, message) for message in messages]
        assert [thread.result() for thread in threads] == messages
        links.wait_until(lambda: len(handlers) == 1 + (kind == "recipe"))


@pytest.mark.parametrize("kind", KINDS)
def test_one_handler_fills_anothers_buffer(kind):
    class Writer(Probe):
        def __init__(self):
            super().__init__()
            self.receives, self.outgoing = False, b""

        def wants_to_send(self):
            return self.outgoing

        def handle_send(self):
            self.outgoing = self.outgoing[self.sock.send(self.outgoing) :]

    class Relay(Probe):
        def __init__(self, to):
            super().__init__()
            self.to = to

        def handle_receive(self):
            self.to.outgoing += self.sock.recv(100)

    idle = [Writer() for _ in range(50)]
    writers = [Writer() for _ in range(20)]
    relays = [Relay(to) for to in writers]
    everybody = [*relays, *idle, *writers]
    with links.closing(*everybody), running(kind, list(everybody)):
        for writer in writers:
            writer.peer.settimeout(links.SOON)
        for _ in range(50):
            for relay, writer in zip(relays, writers, strict=True):
                relay.peer.send(b"through")
                assert writer.peer.recv(100) == b"through"


def test_nobody_is_called_who_stopped_wanting_it(loop, probe):
    one, two = probe([], "one"), probe([], "two")
    loop.handlers[:] = [one, two]
    two.peer.send(b"early")
    two.receives = False

    def let_it_in():
        one.log.append(one.sock.recv(100))
        two.receives = len(one.log) == 2

    one.handle_receive = let_it_in
    one.peer.send(b"1")
    assert loop.run_once() == 1
    assert loop.run_once(0) == 0
    one.peer.send(b"2")
    assert loop.run_once() == 1
    assert two.log == []
    assert loop.run_once() == 1
    assert two.log == [("two", "receive", b"early")]
    two.peer.send(b"late")
    two.receives = False
    assert loop.run_once(0) == 0


def test_receives_come_first_and_in_the_lists_order(loop):
    log = []
    probes = [Probe(log, number) for number in range(40)]
    with links.closing(*probes):
        loop.handlers[:] = probes[20:] + probes[:20]
        for one in reversed(probes):
            one.sends = True
            one.peer.send(b"x")
        assert loop.run_once() == 80
    order = [*range(20, 40), *range(20)]
    ways = [(number, "receive") for number in order] + [(number, "send") for number in order]
    assert [entry[:2] for entry in log] == ways


def test_a_busy_handler_does_not_starve_the_rest(loop, probe):
    busy, other = probe(), probe()
    seen = threading.Event()

    def again():
        busy.sock.recv(1)
        busy.peer.send(b"x")  # ready for ever: the loop never rests

    busy.handle_receive = again
    other.receives = False
    other.handle_send = lambda: (seen.set(), loop.stop())
    busy.peer.send(b"x")
    loop.handlers[:] = [busy, other]
    thread = links.Background(loop.run)
    links.wait_until(lambda: loop.stats()["turns"] > 100)
    other.sends = True  # and tells nobody
    assert seen.wait(links.SOON)
    thread.result()


@pytest.mark.parametrize("kind", OURS)
def test_it_sleeps_when_all_is_quiet(kind, probe):
    quiet = [probe() for _ in range(30)]
    with running(kind, quiet) as loop:
        for one in quiet:
            one.peer.send(b"x")
        links.wait_until(lambda: all(one.log for one in quiet))
        links.wait_until(lambda: _rests(loop))
        asked = loop.stats()["asked"]
        quiet[7].peer.send(b"x")
        links.wait_until(lambda: len(quiet[7].log) == 2)
        links.wait_until(lambda: _rests(loop))
        assert loop.stats()["asked"] - asked < 100


def _rests(loop):
    before = loop.stats()["turns"]
    threading.Event().wait(0.02)
    return loop.stats()["turns"] == before


def test_plain_files_are_always_ready(loop, tmp_path):
    class Lines:
        def __init__(self, file):
            self.file, self.lines = file, []

        def fileno(self):
            return self.file.fileno()

        def wants_to_receive(self):
            return len(self.lines) < 3

        def handle_receive(self):
            self.lines.append(self.file.readline())

        def wants_to_send(self):
            return False

    path = tmp_path / "lines"
    path.write_text("one\ntwo\nthree\n")
    with open(path) as file:
        loop.handlers.append(Lines(file))
        assert [loop.run_once() for _ in range(3)] == [1, 1, 1]
        assert loop.handlers[0].lines == ["one\n", "two\n", "three\n"]
        assert loop.run_once(0) == 0
