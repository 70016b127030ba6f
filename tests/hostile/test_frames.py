"""Peers that introduce themselves well and then break the protocol."""

from __future__ import annotations

import socket
import struct
import time

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import Limits, ProtocolError
from fn1wire import CANCEL, CLOSE, CREDIT, DATA, ERROR, INLINE, MESSAGE, PING, PONG, frame

U1 = fn1wire.atom("|u1")
HEAD = fn1wire.header(U1, (3,))
WHOLE = fn1wire.message(HEAD, b"abc")
OPEN = frame(MESSAGE, fn1wire.envelope(HEAD, (3,)))

BROKEN = {
    "unknown type": frame(9),
    "type 0": frame(0),
    "type 127": frame(127),
    "reserved": frame(PING, zero=1),
    "reserved of an unknown": frame(200, zero=1),
    "flags of DATA": OPEN + frame(DATA, b"abc", flags=1),
    "flags of MESSAGE": frame(MESSAGE, fn1wire.envelope(HEAD, (3,)), flags=2),
    "flags of CLOSE": frame(CLOSE, flags=1),
    "stream": frame(MESSAGE, fn1wire.envelope(HEAD, (3,)), stream=1),
    "stream of DATA": OPEN + frame(DATA, b"abc", stream=1),
    "credit": frame(CREDIT, offset=10),
    "DATA without a message": frame(DATA, b"abc"),
    "DATA after a message": WHOLE + frame(DATA, b"abc"),
    "DATA of another message": OPEN + frame(DATA, b"abc", message=1),
    "empty DATA": OPEN + frame(DATA, b""),
    "DATA too long": OPEN + frame(DATA, b"abcd"),
    "DATA far too long": OPEN + frame(DATA, b"", length=0xFFFFFFFF),
    "DATA at another offset": OPEN + frame(DATA, b"abc", offset=1),
    "DATA again": OPEN + frame(DATA, b"a") + frame(DATA, b"a"),
    "DATA beyond": OPEN + frame(DATA, b"ab") + frame(DATA, b"ab", offset=2),
    "offset overflows": OPEN + frame(DATA, b"ab") + frame(DATA, b"c", offset=(1 << 64) - 1),
    "a message inside a message": OPEN + WHOLE,
    "CLOSE inside a message": OPEN + frame(CLOSE),
    "CANCEL without a message": frame(CANCEL),
    "CANCEL of another message": OPEN + frame(CANCEL, message=7),
    "payload of PING": frame(PING, b"x"),
    "payload of PONG": frame(PONG, b"x"),
    "payload of CLOSE": frame(CLOSE, b"x"),
    "payload of CANCEL": frame(CANCEL, b"x"),
    "payload of CREDIT": frame(CREDIT, b"x"),
    "huge payload of PING": frame(PING, length=0xFFFFFFFF),
    "short ERROR": frame(ERROR, b"abc"),
    "long ERROR": frame(ERROR, bytes(517)),
    "empty MESSAGE": frame(MESSAGE, b""),
    "short envelope": frame(MESSAGE, bytes(7)),
    "envelope cut": frame(MESSAGE, fn1wire.envelope(HEAD, (3,))[:-1]),
    "envelope with more": frame(MESSAGE, fn1wire.envelope(HEAD, (3,)) + b"x"),
    "meta_len too long": frame(MESSAGE, fn1wire.envelope(HEAD, (3,), meta_len=len(HEAD) + 1)),
    "meta_len huge": frame(MESSAGE, fn1wire.envelope(HEAD, (3,), meta_len=0xFFFFFFFF)),
    "segments too many": frame(MESSAGE, fn1wire.envelope(HEAD, (3,), segments=65_535)),
    "no segment": frame(MESSAGE, fn1wire.envelope(HEAD, ())),
    "two segments": frame(MESSAGE, fn1wire.envelope(HEAD, (1, 2)) + b"abc", flags=INLINE),
    "sizes overflow": frame(MESSAGE, fn1wire.envelope(HEAD, ((1 << 64) - 1, 4))),
    "size huge": frame(MESSAGE, fn1wire.envelope(HEAD, ((1 << 64) - 1,))),
    "inline too short": frame(MESSAGE, fn1wire.envelope(HEAD, (3,)) + b"ab", flags=INLINE),
    "inline too long": frame(MESSAGE, fn1wire.envelope(HEAD, (3,)) + b"abcd", flags=INLINE),
    "kind": frame(MESSAGE, fn1wire.envelope(HEAD, (3,), kind=2) + b"abc", flags=INLINE),
    "kind 0": frame(MESSAGE, fn1wire.envelope(HEAD, (3,), kind=0) + b"abc", flags=INLINE),
    "body of another size": frame(MESSAGE, fn1wire.envelope(HEAD, (4,)) + b"abcd", flags=INLINE),
    "body missing": frame(MESSAGE, fn1wire.envelope(HEAD, (0,)), flags=INLINE),
    "after CLOSE": frame(CLOSE) + WHOLE,
    "garbage": bytes(range(256)),
}


def drain(stream, timeout=links.SOON):
    """Receives until the end; the exception that it ended with, None for a regular end."""
    try:
        while True:
            stream.recv(timeout=timeout)
    except EOFError as error:
        return error if isinstance(error, fastnet.Error) else None
    except Exception as error:
        return error


@pytest.mark.parametrize("way", ["recv", "out", "iterate", "peek"])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_frames(kind, way, raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(BROKEN[kind])
    wire.sock.shutdown(socket.SHUT_WR)
    out = np.zeros(3, "u1")
    use = {
        "recv": lambda: stream.recv(timeout=links.SOON),
        "out": lambda: stream.recv(out=out, timeout=links.SOON),
        "iterate": lambda: list(stream),
        "peek": lambda: (stream.peek(timeout=links.SOON), stream.recv(timeout=links.SOON)),
    }[way]
    if kind == "after CLOSE":  # a regular end comes first, and nothing is read behind it
        with pytest.raises(EOFError):
            stream.recv(timeout=links.SOON)
        return
    with pytest.raises(ProtocolError) as caught:
        [use() for _ in range(2)]  # some arrive whole, with the breach behind them
    assert isinstance(caught.value, OSError)
    with pytest.raises(fastnet.Error):  # and it stays so
        stream.recv(timeout=links.SOON)
    code, text = wire.error()  # the peer is told
    assert code in (1, 2)
    assert text
    stream.close(0.1)


@pytest.mark.parametrize("kind", ["stream", "unknown type", "size huge", "kind"])
def test_the_other_direction_ends_as_well(kind, raw_pair):
    """After a breach nothing more is sent: the ERROR was the last word."""
    stream, wire = raw_pair()
    wire.sock.sendall(BROKEN[kind])
    with pytest.raises(ProtocolError):
        stream.recv(timeout=links.SOON)
    with pytest.raises((fastnet.Error, ConnectionError)):
        stream.send(np.ones(3))
    assert wire.error()[0] in (1, 2)
    stream.abort()
    assert wire.until_end() == b""


def test_cancel_gives_up_one_array(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(OPEN + frame(DATA, b"a") + frame(CANCEL))
    with pytest.raises(fastnet.Error, match="gave the array up"):
        stream.recv(timeout=links.SOON)


@pytest.mark.parametrize("text", ["no room", "", "\0\x1b[31m\u202e", "x" * 512])
def test_an_error_from_the_peer(text, raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(fn1wire.error(5, text))
    with pytest.raises(ProtocolError, match="the peer ended the connection") as caught:
        stream.recv(timeout=links.SOON)
    assert str(caught.value).isprintable()
    if text == "no room":
        assert text in str(caught.value)
    with pytest.raises(fastnet.Error):
        stream.recv(timeout=links.SOON)


def test_an_error_that_is_no_utf8(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(frame(ERROR, struct.pack("<I", 77) + b"\xff\xfe" * 100))
    with pytest.raises(ProtocolError):
        stream.recv(timeout=links.SOON)


def test_a_limit_error_from_the_peer(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(fn1wire.error(2, "too large"))
    with pytest.raises(fastnet.LimitError, match="too large"):
        stream.recv(timeout=links.SOON)


SESSION = (
    fn1wire.array(np.arange(3, dtype="<i2"), name="ab", meta={"k": [1]})
    + frame(MESSAGE, fn1wire.envelope(HEAD, (3,)), message=1)
    + frame(DATA, b"ab", message=1)
    + frame(PING, offset=3)
    + frame(DATA, b"c", message=1, offset=2)
    + fn1wire.CLOSED
)


def test_a_session_cut_at_every_byte(listen, keep):
    listener = listen()
    for cut in range(len(SESSION)):
        with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(fn1wire.preface() + SESSION[:cut])
            wire.sock.shutdown(socket.SHUT_WR)
            stream = listener.accept(links.SOON)
            assert isinstance(drain(stream), fastnet.IncompleteTransfer), cut
            stream.abort()
    assert listener.stats()["open"] == 0


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF, 0x20])
def test_a_session_with_every_byte_changed(change, listen, keep):
    """Other values or one clear exception; never a hang, a crash or anything else."""
    listener = listen()
    clear = (fastnet.Error, TypeError, MemoryError, ConnectionError)
    for at in range(len(SESSION)):
        text = bytearray(SESSION)
        text[at] ^= change
        with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(fn1wire.preface() + text)
            wire.sock.shutdown(socket.SHUT_WR)
            stream = listener.accept(links.SOON)
            began = time.monotonic()
            error = drain(stream)
            assert error is None or isinstance(error, clear), (at, error)
            assert not isinstance(error, TimeoutError), at
            assert time.monotonic() - began < 5
            stream.abort()
    client, server = links.joined(listener)
    keep(client).send(np.ones(3))
    assert keep(server).recv(timeout=links.SOON).size == 3


def test_random_streams(listen):
    rng = np.random.default_rng(13)
    listener = listen()
    for _ in range(200):
        kinds = rng.integers(0, 12, 20)
        text = b"".join(
            frame(int(k), bytes(rng.integers(0, 9)), stream=int(rng.integers(0, 2)),
                  message=int(rng.integers(0, 2)), offset=int(rng.integers(0, 4)))
            for k in kinds
        )  # fmt: skip
        with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(fn1wire.preface() + text)
            wire.sock.shutdown(socket.SHUT_WR)
            stream = listener.accept(links.SOON)
            assert isinstance(drain(stream), (fastnet.Error, type(None)))
            stream.abort()


def test_a_flood_of_pings(raw_pair):
    """Answers do not pile up, whether or not the peer reads them."""
    stream, wire = raw_pair()
    before = links.resident()

    def flood():
        ping = b"".join(frame(PING, offset=i) for i in range(10_000))
        try:
            for _ in range(10):
                wire.sock.sendall(ping)
            wire.sock.sendall(WHOLE)
        except OSError:
            pass

    flooding = links.Background(flood)
    try:
        assert stream.recv(timeout=2).tobytes() == b"abc"
    except fastnet.TransferTimeout:
        pass  # the peer takes no answers: then it gets none, and that is all
    assert links.growth(before) < 16 << 20
    stream.abort()
    wire.close()
    flooding.result()


def test_a_flood_of_unknown_frames(raw_pair):
    stream, wire = raw_pair()
    before = links.resident()
    huge = frame(255, bytes(1 << 20))

    def flood():
        for _ in range(64):
            wire.sock.sendall(huge)
        wire.sock.sendall(WHOLE)

    flooding = links.Background(flood)
    assert stream.recv(timeout=links.SOON).tobytes() == b"abc"
    flooding.result()
    assert links.growth(before) < 16 << 20


def test_a_peer_that_never_reads(raw_pair):
    stream, _wire = raw_pair(limits=Limits(stall_timeout=0.15))
    began = time.monotonic()
    with pytest.raises(fastnet.TransferTimeout):
        stream.send(np.zeros(80 << 20, "u1"))
    assert time.monotonic() - began < 5
    stream.close(0.1)  # does not wait for it either


def test_closing_beside_a_peer_that_never_closes(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(WHOLE)
    began = time.monotonic()
    stream.close(0.1)
    assert time.monotonic() - began < 4


def test_closing_beside_a_peer_that_never_stops(raw_pair):
    """What still comes is thrown away, for as long as the close may take."""
    stream, wire = raw_pair()

    def flood():
        try:
            number = 0
            while True:
                wire.sock.sendall(fn1wire.message(HEAD, b"abc", number=number) * 1)
                number += 1
        except OSError:
            pass

    flooding = links.Background(flood)
    began = time.monotonic()
    stream.close(0.2)
    assert time.monotonic() - began < 4
    flooding.result()


def test_a_breach_while_closing(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(BROKEN["unknown type"])
    with pytest.raises(ProtocolError):
        stream.close()
    assert stream.closed
