"""What a path between two ends of calls that have a key can do, and what they make of it."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

import fastnet
import links
from fastnet import rpc
from rpc_kit import KEY, SOON

SUITES = ["hmac-sha256", "aes-256-gmac"]
BRIEF = 0.3  # seconds: a length that was made larger, or bytes that are missing, are waited for
FORWARD, BACK = "to the server", "to the client"


class Path:
    """Passes everything on; once armed, `change(piece)` is what becomes of each piece one way."""

    def __init__(self, target):
        self.change = None
        self.way = FORWARD
        self.pieces = {FORWARD: [], BACK: []}
        self.ends = {}
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.running = links.Background(self._run, target)

    def arm(self, way, change):
        self.way, self.change = way, change

    def _run(self, target):
        with self.listening:
            inside = self.listening.accept()[0]  # once: who dials again is refused
        with inside, socket.create_connection(target) as outside:
            self.ends = {FORWARD: outside, BACK: inside}
            back = threading.Thread(target=self._pump, args=(outside, BACK))
            back.start()
            self._pump(inside, FORWARD)
            back.join()

    def _pump(self, source, way):
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                self.pieces[way].append(piece)
                given = [piece]
                if self.change is not None and way == self.way:
                    given = self.change(piece)
                for each in given:
                    self.ends[way].sendall(each)
        for sock in self.ends.values():  # one half that ends is the end of both
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=SUITES)
def served(request):
    """A server with a key, and what its handler was called with."""
    calls = []

    def note(value):
        calls.append(value)
        return value

    with rpc.RPCServer(("127.0.0.1", 0), authkey=KEY, suites=[request.param]) as server:
        server.register_function(note)
        server.start()
        yield server, calls


@contextlib.contextmanager
def session(server):
    path = Path(server.address)
    try:
        with rpc.RPCClient(path.address, authkey=KEY, timeout=SOON) as c:
            assert c.note("first") == "first"
            yield path, c
    finally:
        path.running.result()


def hurt(path, client, way, change):
    """The next call over a path that does this fails, and so does every one after it."""
    path.arm(way, change)
    for words in ("second", "third"):
        with pytest.raises((fastnet.Error, OSError)):
            client.options(timeout=BRIEF).note(words)


def hurt_calls(way, calls):
    """What the handler saw then: an answer that was changed belongs to a call that was made."""
    if way == FORWARD:
        assert calls == ["first"]
    else:
        assert calls in (["first", "second"], ["first", "second", "third"])


@pytest.mark.parametrize("way", [FORWARD, BACK])
def test_every_byte_of_a_call_and_of_its_answer(served, way):
    server, calls = served
    with session(server) as (path, client):
        before = len(path.pieces[way])
        client.note("second")
        size = sum(map(len, path.pieces[way][before:]))
    for place in range(size):
        del calls[:]
        seen = 0

        def flip(piece, place=place):
            nonlocal seen
            changed = bytearray(piece)
            if seen <= place < seen + len(piece):
                changed[place - seen] ^= 1 << (place % 8)
            seen += len(piece)
            return [changed]

        with session(server) as (path, client):
            hurt(path, client, way, flip)
        # An answer that was changed belongs to a call that was made.
        hurt_calls(way, calls)


CHANGES = {
    "twice": lambda piece: [piece, piece],
    "its end missing": lambda piece: [piece[:-1]],
    "a byte too many": lambda piece: [piece[:20], b"\0", piece[20:]],
}


@pytest.mark.parametrize("way", [FORWARD, BACK])
@pytest.mark.parametrize("how", CHANGES)
def test_pieces_that_come_otherwise_than_they_were_sent(served, way, how):
    server, calls = served
    with session(server) as (path, client):
        path.arm(way, CHANGES[how])
        failed = 0
        for n in range(10):  # what is whole may arrive: what comes behind it may not
            try:
                assert client.options(timeout=BRIEF).note(n) == n
                assert not failed
            except (fastnet.Error, OSError):
                failed += 1
        assert failed
    assert len(calls) == len(set(calls))


def test_a_call_that_was_left_out(served):
    server, calls = served
    with session(server) as (path, client):
        dropped = []

        def drop(piece):
            dropped.append(piece)
            return [piece] if len(dropped) > 1 else []

        path.arm(FORWARD, drop)
        client.notify("note", "dropped")
        for words in ("behind it", "and behind that"):
            with pytest.raises((fastnet.Error, OSError)):
                client.options(timeout=BRIEF).note(words)
    assert set(calls) <= {"first"}


def test_calls_that_change_places(served):
    server, calls = served
    with session(server) as (path, client):
        held = []

        def swap(piece):
            held.append(piece)
            return [] if len(held) == 1 else [piece, *held[:1]] if len(held) == 2 else [piece]

        path.arm(FORWARD, swap)
        one = client.submit("note", "one")
        for _ in range(2000):
            if held:
                break
            threading.Event().wait(0.005)
        two = client.submit("note", "two")
        for future in (one, two):
            with pytest.raises((fastnet.Error, OSError)):
                future.result(BRIEF)
    assert calls == ["first"]


@pytest.mark.parametrize("way", [FORWARD, BACK])
def test_what_somebody_said_is_not_said_back_to_him(served, way):
    server, calls = served
    other = BACK if way == FORWARD else FORWARD
    with session(server) as (path, client):

        def reflect(piece):
            path.ends[other].sendall(piece)
            return []

        hurt(path, client, way, reflect)
    hurt_calls(way, calls)


@pytest.mark.parametrize("way", [FORWARD, BACK])
def test_a_piece_of_another_session(served, way):
    server, calls = served
    with session(server) as (path, client):
        before = len(path.pieces[way])
        client.note("spliced")
        spliced = path.pieces[way][before:]
    del calls[:]
    with session(server) as (path, client):
        hurt(path, client, way, lambda piece: spliced)
    assert "spliced" not in calls
