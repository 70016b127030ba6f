"""The wire format as the headers describe it, against a second implementation."""

from __future__ import annotations

import socket

import numpy as np
import pytest

import fn1wire
import links
from fastnet import arrays
from fn1wire import Wire

VALUES = [
    np.arange(12, dtype="<i4").reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=">f8").reshape(3, 4)),
    np.array(3.5),
    np.zeros((0, 7), "u2"),
    np.array(["2026-01-01", "NaT"], "M8[25s]"),
    np.array([b"ab", b""], "S5"),
    np.array(["äö", "x"], "U3"),
    np.arange(3 * 16384 + 5, dtype="u2"),
    np.arange(700_000, dtype="u4"),
    np.array([(1, 2.5, b"x")], np.dtype([("a", "<i2"), (("t", "b"), ">f8"), ("c", "S3")])),
    np.zeros(3, np.dtype([("m", "<f4", (2, 3)), ("n", [("x", "u1"), ("y", "<c16")])], align=True)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype.str}{v.shape}")
def test_what_is_sent_reads_as_described(value, raw_pair):
    stream, wire = raw_pair()
    sending = links.Background(stream.send, value, name="näme", meta={"step": [1, None]})
    got = wire.array()
    sending.result()
    assert got.array.dtype == value.dtype
    assert got.array.shape == value.shape
    assert got.array.tobytes() == value.tobytes()
    assert (got.name, got.meta) == ("näme", {"step": [1, None]})
    assert got.order == ("C" if value.flags.c_contiguous else "F")


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype.str}{v.shape}")
def test_what_is_described_can_be_received(value, raw_pair):
    stream, wire = raw_pair()
    text = fn1wire.array(value, name="n", meta=[1])
    sending = links.Background(wire.sock.sendall, text + fn1wire.CLOSED)
    item = stream.recv_item()
    sending.result()
    assert item.array.dtype == value.dtype
    assert item.array.shape == value.shape
    assert item.array.tobytes() == value.tobytes()
    assert (item.name, item.meta) == ("n", [1])
    with pytest.raises(EOFError):
        stream.recv()


def test_prefaces(listen, keep):
    listener = listen()
    wire = keep(Wire(socket.create_connection(listener.address)))
    wire.sock.sendall(fn1wire.preface())
    keep(listener.accept(links.SOON))
    theirs = wire.preface()
    assert theirs.role == b"S"
    assert theirs.versions == (1, 1)
    assert theirs.flags == 0
    assert theirs.fragment >= 1 << 20
    assert theirs.message == 64 << 30  # Limits().array_bytes
    assert theirs.extensions[1] == b"arrays"


def test_the_connecting_end_speaks_first(keep):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = keep(arrays.connect(listening.getsockname()))
        stream.send(np.arange(3, dtype="u1"))  # before any answer
        wire = keep(Wire(listening.accept()[0]))
        assert wire.preface().role == b"C"
        assert wire.array().array.tolist() == [0, 1, 2]
        wire.sock.sendall(fn1wire.preface(b"S") + fn1wire.array(np.arange(4, dtype="u1")))
        assert stream.recv().tolist() == [0, 1, 2, 3]


def test_unknown_extensions_and_later_versions_are_skipped(raw_pair):
    more = fn1wire.extension(77, b"x" * 100) + fn1wire.ARRAYS + fn1wire.extension(4000, b"")
    stream, wire = raw_pair(fn1wire.preface(extensions=more, versions=(1, 9)))
    wire.sock.sendall(fn1wire.array([1.5]))
    assert stream.recv().tolist() == [1.5]


def test_frames_of_later_versions_are_skipped(raw_pair):
    stream, wire = raw_pair()
    unknown = fn1wire.frame(200, b"y" * 70_000, flags=255, stream=9, message=7, offset=5)
    wire.sock.sendall(unknown + fn1wire.array([1.5]) + unknown + fn1wire.CLOSED)
    assert [a.tolist() for a in stream] == [[1.5]]


def test_fragments_of_any_size(raw_pair):
    value = np.random.default_rng(1).integers(0, 256, 90_001, dtype=np.uint8)
    stream, wire = raw_pair()
    for number, size in enumerate((1 << 20, 65_536, 7_777, 1_000)):
        wire.sock.sendall(fn1wire.array(value, number=number, fragment=size))
        assert (stream.recv() == value).all()


def test_ping_is_answered_with_its_token(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(fn1wire.frame(fn1wire.PING, offset=12345) + fn1wire.array([1]))
    assert stream.recv().tolist() == [1]
    answer = wire.frame()
    assert (answer.kind, answer.offset) == (fn1wire.PONG, 12345)
    wire.sock.sendall(fn1wire.frame(fn1wire.PONG, offset=1) + fn1wire.array([2]))
    assert stream.recv().tolist() == [2]


def test_close_is_a_frame(raw_pair):
    stream, wire = raw_pair()
    closing = links.Background(stream.close)
    assert wire.frame().kind == fn1wire.CLOSE
    wire.sock.sendall(fn1wire.CLOSED)
    closing.result()


def test_the_peers_smallest_fragment_is_kept(raw_pair):
    stream, wire = raw_pair(fn1wire.preface(fragment=1 << 20))
    sending = links.Background(stream.send, np.zeros(5 << 20, "u1"))
    wire.frame()
    sizes = [len(wire.frame().payload) for _ in range(5)]
    sending.result()
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == 5 << 20


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_session_in_small_pieces(step, raw_client, keep):
    listener, wire = raw_client()
    wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = (
        fn1wire.preface() + fn1wire.array([1, 2], name="a", meta=1) + fn1wire.array(np.eye(3))
    ) + fn1wire.CLOSED

    def drip():
        for at in range(0, len(session), step):
            wire.sock.sendall(session[at : at + step])

    dripping = links.Background(drip)
    stream = keep(listener.accept(links.SOON))
    assert [item.array.tolist() for item in stream.items()] == [[1, 2], np.eye(3).tolist()]
    dripping.result()
