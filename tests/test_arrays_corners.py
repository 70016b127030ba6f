"""Corners where wrong bytes could be handed out, an array lost, or another connection touched."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import ssl
from types import SimpleNamespace

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import ProtocolError, TransferTimeout
from fastnet.arrays import _stream

STOPPED = "stopped inside an array"


def foreign_at(number, keep):
    """Another connection of which one end has this descriptor number: (that end, the other)."""
    mine, other = socket.socketpair()
    if mine.fileno() != number:
        os.dup2(mine.fileno(), number)
        mine.close()
        mine = socket.socket(fileno=number)
    keep(mine).settimeout(links.SOON)
    keep(other).settimeout(links.SOON)
    return mine, other


def is_silent(sock):
    """Whether nothing has come on it, not even its end."""
    return not select.select([sock], [], [], 0)[0]


# ------------------------------------------------------------- skip stopped in a body


def test_a_skip_that_stops_inside_an_array_says_so(raw_pair):
    stream, wire = raw_pair()
    text = fn1wire.array(np.arange(1 << 15, dtype="<f8"))
    wire.sock.sendall(text[: len(text) // 2])
    with pytest.raises(TransferTimeout):
        stream.skip(timeout=0.05)
    wire.sock.sendall(text[len(text) // 2 :] + fn1wire.array(np.ones(3), number=1))
    for call in (stream.recv, stream.peek, stream.skip, lambda: next(iter(stream))):
        with pytest.raises(fastnet.Error, match=STOPPED) as caught:
            call()
        assert not isinstance(caught.value, TransferTimeout)


# ------------------------------------------------- a number that is another connection's


@pytest.mark.parametrize("peeked", [False, True])
def test_an_iterator_after_abort_never_reads_another_connection(peeked, pair, keep):
    one, two = pair
    one.send_items([np.ones(3), np.ones(4)])
    iterators = [iter(two), two.items()]
    assert next(iterators[0]).size == 3
    if peeked:
        two.peek()
    number = two.fileno()
    two.abort()
    mine, other = foreign_at(number, keep)
    text = fn1wire.array(np.full(1, 666.0))
    other.sendall(text)
    for iterator in iterators:
        with pytest.raises(fastnet.Error):
            next(iterator)
    assert mine.recv(len(text), socket.MSG_WAITALL) == text


def test_a_send_after_abort_never_writes_to_another_connection(pair, keep):
    one, two = pair
    one.send(np.ones(3))
    number = one.fileno()
    one.abort()
    _mine, other = foreign_at(number, keep)
    value = np.ones(3)
    calls = (
        lambda: one.send(value),
        lambda: one.send_items([value]),
        lambda: one._link.send_like_before(value, 1.0),
        lambda: one._link.send_many([value], True, 1.0),
    )
    for call in calls:
        with pytest.raises((ValueError, fastnet.Error)):
            call()
    assert is_silent(other)
    assert two.recv().size == 3


def test_an_abort_between_the_items_of_a_send_ends_it(pair, keep):
    one, _two = pair
    number, found = one.fileno(), []

    def items():
        yield np.ones(3)
        one.abort()
        found.extend(keep(sock).fileno() for sock in socket.socketpair())
        yield np.ones(3)

    with pytest.raises((OSError, fastnet.Error)):
        one.send_items(items())
    assert number not in found  # it was not given away while the call was inside
    assert one.fileno() == -1


@pytest.mark.parametrize("sending", [True, False], ids=["send_from", "recv_into"])
def test_a_raw_transfer_stays_with_its_own_connection(sending, keep):
    """Another thread closes the socket in the middle, and its number becomes another's."""
    ours, peer = map(keep, socket.socketpair())
    peer.settimeout(links.SOON)
    value = np.arange(1 << 18, dtype="<f8")
    out = np.zeros_like(value)
    number = ours.fileno()
    what = links.descriptors()[str(number)]
    if sending:
        work = links.Background(fastnet.send_from, value, ours)
    else:
        work = links.Background(fastnet.recv_into, out, ours)
    # it waits on a number of its own from then on
    links.wait_until(lambda: list(links.descriptors().values()).count(what) == 2)
    ours.close()
    mine, other = foreign_at(number, keep)
    if sending:
        assert fastnet.recv_into(out, peer) == value.nbytes
        assert is_silent(other)
    else:
        other.sendall(b"not for it")
        peer.sendall(value)
        links.wait_until(lambda: not work.is_alive())
        assert mine.recv(100) == b"not for it"
    assert work.result() == value.nbytes
    assert (out == value).all()


# ---------------------------------------------------------- abort beside a receiver


@pytest.mark.parametrize("when", ["at once", "afterwards"])
def test_abort_with_words_leaves_a_receivers_bytes_alone(when, raw_pair, monkeypatch):
    value = np.arange(1 << 16, dtype="<f8")
    text = fn1wire.array(value)
    for _ in range(5):
        stream, wire = raw_pair()
        beside = []  # whether a receiver was inside when abort began to read by itself
        link = stream._link
        monkeypatch.setattr(
            _stream, "linger", lambda _, s=beside, k=link: s.append(k.receiving_now)
        )
        wire.sock.sendall(text[:1000])
        receiving = links.Background(stream.recv)
        links.wait_until(lambda s=stream: s.stats()["bytes_received"] >= 1000)
        aborting = links.Background(stream.abort, "my words")
        assert wire.error() == (5, "my words")
        if when == "afterwards":
            aborting.result()
            assert beside == []
        with contextlib.suppress(ConnectionError):
            wire.sock.sendall(text[1000:])
        aborting.result()
        assert True not in beside
        with contextlib.suppress(OSError, fastnet.Error):
            assert (receiving.result() == value).all()


def test_a_receiver_that_comes_while_abort_lingers_gets_nothing(raw_pair, monkeypatch):
    stream, wire = raw_pair()
    iterator, seen, linger = iter(stream), [], _stream.linger
    wire.sock.sendall(fn1wire.array(np.ones(3)))

    def meanwhile(sock):
        with pytest.raises(fastnet.Error, match="closed"):
            next(iterator)
        seen.append(sock)
        wire.close()
        linger(sock)

    monkeypatch.setattr(_stream, "linger", meanwhile)
    stream.abort("my words")
    assert seen


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_abort_with_words_on_a_large_descriptor_number(kind, make_pair):
    """select() would refuse it, or worse."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip("this machine has too few descriptors")
    if soft != resource.RLIM_INFINITY and soft < 2048:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1100:
            taken.append(os.dup(taken[0]))
        one, two = make_pair(kind)
        assert two.fileno() >= 1024
        one.send(np.ones(2))
        assert two.recv(timeout=links.SOON).size == 2
        aborting = links.Background(two.abort, "my words")
        with pytest.raises(ProtocolError, match="my words"):
            one.recv(timeout=links.SOON)
        one.abort()
        aborting.result()
        assert two.fileno() == -1
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ------------------------------------------------------------ a send that fails


@pytest.mark.parametrize("peeked", [True, False], ids=["peeked", "unread"])
@pytest.mark.parametrize("early", [True, False], ids=["all here", "more to come"])
def test_a_failed_send_loses_no_array_that_has_arrived(peeked, early, listen, keep):
    listener = listen("unix")
    wire = keep(fn1wire.Wire(socket.socket(socket.AF_UNIX)))
    wire.sock.connect(listener.address)
    wire.sock.sendall(fn1wire.preface() + fn1wire.array(np.full(4000, 1.0)))
    stream = keep(listener.accept(links.SOON))
    rest = fn1wire.array(np.full(4000, 2.0), number=1)
    rest += fn1wire.array(np.full(40_000, 3.0), number=2) + fn1wire.CLOSED
    if peeked:
        assert stream.peek(timeout=links.SOON).shape == (4000,)
    wire.sock.shutdown(socket.SHUT_RD)
    late = links.Background(wire.sock.sendall, rest) if early else None
    for _ in range(3):
        with pytest.raises((ConnectionError, fastnet.Error)):
            stream.send(np.zeros(1000))
    late = late or links.Background(wire.sock.sendall, rest)
    got = [(array.size, set(array.tolist())) for array in stream]
    late.result()
    assert got == [(4000, {1.0}), (4000, {2.0}), (40_000, {3.0})]


@pytest.fixture
def tls_gone(make_pair, monkeypatch):
    """Two streams over TLS, of which the first finds its peer gone whenever it sends."""
    one, two = make_pair("tls")
    two.send(np.ones(3))
    assert one.recv(timeout=links.SOON).size == 3

    def send(*_):
        raise ssl.SSLEOFError("EOF occurred in violation of protocol")

    monkeypatch.setattr(one._socket, "send", send)
    return one, two


def test_close_over_tls_when_the_peer_is_gone_for_good(tls_gone):
    one, two = tls_gone
    two._cut()
    one.close()  # it sent nothing that could be lost


def test_a_failed_send_over_tls_gives_the_peers_words(tls_gone):
    one, two = tls_gone
    aborting = links.Background(two.abort, "my words")
    assert select.select([one], [], [], links.SOON)[0]
    with pytest.raises(ProtocolError, match="my words"):
        one.send(np.ones(3))
    one.abort()
    aborting.result()


# ------------------------------------------------------- bytes that are counted


LAYOUTS = {
    "bytes": lambda: np.zeros((300, 2), "u1")[:, 0],
    "items": lambda: np.zeros((300, 3), "<u4")[::2, 1:],
    "fortran": lambda: np.zeros((40, 50), "<u2", order="F"),
    "backwards": lambda: np.zeros(300, "<u4")[::-1],
    "large": lambda: np.zeros((1 << 18, 2), "<f8")[:, 0],
}


@pytest.mark.parametrize("end", [True, False], ids=["end", "timeout"])
@pytest.mark.parametrize("method", [True, False], ids=["by method", "plain"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bytes_that_are_counted_are_in_the_array(layout, method, end, sockets):
    one, two = sockets
    out = LAYOUTS[layout]()
    some = np.random.default_rng(3).integers(1, 256, out.nbytes // 2 + 3, dtype=np.uint8).tobytes()
    sending = links.Background(lambda: (one.sendall(some), end and one.close()))
    # what is no socket of the system's own kind is used through its methods
    names = ("recv_into", "settimeout", "gettimeout")
    source = SimpleNamespace(**{n: getattr(two, n) for n in names}) if method else two
    kind = fastnet.IncompleteTransfer if end else fastnet.TransferTimeout
    with pytest.raises(kind) as caught:
        fastnet.recv_into(out, source, timeout=links.SOON if end else 0.1)
    sending.result()
    assert caught.value.transferred == len(some)
    assert out.tobytes()[: len(some)] == some
    assert not any(out.tobytes()[len(some) :])


def test_bytes_that_a_stream_counted_are_in_the_array(raw_pair):
    stream, wire = raw_pair()
    value = np.arange(1, 40_001, dtype="<u4")
    out = np.zeros((40_000, 2), "<u4")[:, 0]
    text = fn1wire.array(value)
    wire.sock.sendall(text[:-50_001])
    with pytest.raises(fastnet.TransferTimeout) as caught:
        stream.recv(out=out, timeout=0.1)
    count = value.nbytes - 50_001
    assert caught.value.transferred == count
    assert out.tobytes()[:count] == value.tobytes()[:count]


# --------------------------------------------------------- dtypes changed in place


def send_one(stream, array):
    stream.send(array)


def send_several(stream, array):
    stream.send_items([array])


@pytest.mark.parametrize("send", [send_one, send_several])
def test_field_names_changed_in_place_are_sent_as_they_are(send, pair):
    one, two = pair
    inner = np.dtype([("x", "f4"), ("y", "f4")])
    value = np.zeros(3, [("a", "f8"), ("b", inner)])
    send(one, value)
    value.dtype.names = ("c", "d")
    send(one, value)
    value.dtype["d"].names = ("u", "v")
    send(one, value)
    got = [two.recv(timeout=links.SOON).dtype for _ in range(3)]
    assert [dtype.names for dtype in got] == [("a", "b"), ("c", "d"), ("c", "d")]
    assert [dtype[1].names for dtype in got] == [("x", "y"), ("x", "y"), ("u", "v")]


def test_field_names_changed_in_what_came_do_not_change_what_comes(pair):
    one, two = pair
    for _ in range(2):
        one.send(np.zeros(3, [("a", "f8")]))
    first = two.recv(timeout=links.SOON)
    first.dtype.names = ("mine",)
    assert two.recv(timeout=links.SOON).dtype.names == ("a",)
