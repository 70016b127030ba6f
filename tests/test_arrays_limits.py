"""Limits and Tuning: what they bound, what they change, and what stats() says of it."""

from __future__ import annotations

import dataclasses
import socket

import numpy as np
import pytest

import fastnet
import fn1wire
import layouts
import links
from fastnet import LimitError, Limits, ProtocolError, Tuning, arrays

# ------------------------------------------------------------------- on the arrays


@pytest.mark.parametrize("kind", links.ALL)
def test_a_sender_that_knows_the_limit_is_told_at_once(kind, make_pair):
    one, two = make_pair(kind, there={"limits": Limits(array_bytes=1000)})
    two.send(np.ones(1))
    one.recv()  # now the peer's preface has come
    with pytest.raises(LimitError):
        one.send(np.ones(126))
    assert one.send(np.ones(125)) == 1000
    assert two.recv().size == 125


def test_a_sender_that_does_not_know_hears_it_from_the_peer(raw_client, keep):
    listener, wire = raw_client(limits=Limits(array_bytes=1000))
    wire.sock.sendall(fn1wire.preface() + fn1wire.array(np.ones(126)))
    stream = keep(listener.accept(links.SOON))
    assert wire.preface().message == 1000
    with pytest.raises(LimitError, match="larger than its receiver accepts"):
        stream.recv()
    with pytest.raises(fastnet.Error):
        stream.recv()
    code, text = wire.error()
    assert code == 2
    assert "larger" in text


def test_the_connecting_end_has_limits_too(make_pair):
    one, two = make_pair(limits=Limits(array_bytes=1000), there={"limits": Limits()})
    with pytest.raises(LimitError):
        two.send(np.ones(126))
    two.send(np.ones(125))
    assert one.recv().size == 125


def test_no_limit_at_all(make_pair):
    one, two = make_pair(limits=Limits(array_bytes=None))
    one.send(np.ones(10))
    assert two.recv().size == 10


@pytest.mark.parametrize("nbytes", [999, 1000, 1001])
def test_the_limit_is_inclusive(nbytes, raw_pair):
    stream, wire = raw_pair(limits=Limits(array_bytes=1000))
    wire.sock.sendall(fn1wire.array(np.ones(nbytes, "u1")))
    if nbytes <= 1000:
        assert stream.recv().size == nbytes
    else:
        with pytest.raises(LimitError):
            stream.recv()


HEADERS = {
    "name": (Limits(name_bytes=10), {"name": b"x" * 10}, {"name": b"x" * 11}),
    "meta": (Limits(meta_bytes=10), {"meta": b'"' + b"x" * 8 + b'"'},
             {"meta": b'"' + b"x" * 9 + b'"'}),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADERS)
def test_text_beside_an_array(what, raw_pair):
    limits, good, bad = HEADERS[what]
    stream, wire = raw_pair(limits=limits)
    for number, options in enumerate((good, bad)):
        head = fn1wire.header(fn1wire.atom("|u1"), (3,), **options)
        wire.sock.sendall(fn1wire.message(head, b"abc", number=number))
    assert stream.recv().tobytes() == b"abc"
    with pytest.raises(LimitError, match=what):
        stream.recv()
    assert wire.error()[0] == 2


def _fields(n):
    return np.dtype([(f"f{i}", "u1") for i in range(n)])


def _nested(depth):
    dtype = np.dtype("u1")
    for _ in range(depth - 1):
        dtype = np.dtype([("a", dtype)])
    return dtype


def _subarrays(depth):
    text = fn1wire.atom("|u1")
    for _ in range(depth - 1):
        text = fn1wire.subarray((1,), text)
    return text


@pytest.mark.parametrize(
    ("limits", "good", "bad", "words"),
    [
        (Limits(fields=7), _fields(7), _fields(8), "fields"),
        (Limits(), _fields(1024), _fields(1025), "fields"),
        (Limits(fields=3), np.dtype([("a", _fields(2))]), np.dtype([("a", _fields(3))]), "fields"),
        (Limits(dtype_depth=3), _nested(3), _nested(4), "deep"),
        (Limits(), _nested(16), _nested(17), "deep"),
    ],
)
def test_structures(limits, good, bad, words, raw_pair):
    stream, wire = raw_pair(limits=limits)
    for number, dtype in enumerate((good, bad)):
        head = fn1wire.header(fn1wire.describe(dtype), (1,))
        body = np.zeros(1, dtype).tobytes()
        wire.sock.sendall(fn1wire.message(head, body, number=number))
    assert stream.recv().dtype == good
    with pytest.raises(LimitError, match=words):
        stream.recv()
    assert wire.error()[0] == 2


def test_depth_counts_subarrays(raw_pair):
    stream, wire = raw_pair(limits=Limits(dtype_depth=4))
    wire.sock.sendall(fn1wire.message(fn1wire.header(_subarrays(5), (1,)), b"x"))
    with pytest.raises(LimitError, match="deep"):
        stream.recv()


# ---------------------------------------------------------------- on the connections


def refused(listener):
    """What a stream hears that is one too many."""
    stream = arrays.connect(listener.address)
    try:
        with pytest.raises(ProtocolError) as caught:
            stream.recv(timeout=links.SOON)
    finally:
        stream.abort()
    return str(caught.value)


@pytest.mark.parametrize(
    "limits", [Limits(connections=2), Limits(connections_per_address=2)], ids=["all", "address"]
)
def test_connections(limits, listen, keep):
    listener = listen(limits=limits)
    streams = [links.joined(listener) for _ in range(2)]
    waiting = links.Background(listener.accept)
    assert "too many connections" in refused(listener)
    assert "limit is 2" in refused(listener)
    assert listener.stats()["refused"] == 2
    assert listener.stats()["open"] == 2
    for each in streams[0]:
        each.abort()
    third = keep(arrays.connect(listener.address))
    third.send(np.ones(7))
    assert keep(waiting.result()).recv().size == 7
    for each in streams[1]:
        each.abort()


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
@pytest.mark.parametrize(
    "limits", [Limits(pending=3), Limits(pending_per_address=3)], ids=["all", "address"]
)
def test_handshakes_under_way(limits, kind, listen, keep):
    listener = listen(kind, limits=limits)
    accepting = links.Background(links.nobody_comes, listener, 0.5)
    silent = [keep(socket.create_connection(listener.address)) for _ in range(3)]
    links.wait_until(lambda: listener.stats()["pending"] == 3)
    more = keep(socket.create_connection(listener.address))
    more.settimeout(links.SOON)
    links.wait_until(lambda: listener.stats()["refused"] == 1)
    try:
        while more.recv(1000):
            pass
    except ConnectionResetError:
        pass
    for sock in silent:
        sock.close()
    links.wait_until(lambda: listener.stats()["pending"] == 0)
    accepting.result()


def test_a_silent_peer_has_a_deadline(listen, keep):
    listener = listen(limits=Limits(handshake_timeout=0.1))
    wire = keep(fn1wire.Wire(socket.create_connection(listener.address)))
    links.nobody_comes(listener, 0.5)
    assert listener.stats()["handshake_timeouts"] == 1
    assert listener.stats()["pending"] == listener.stats()["open"] == 0
    assert wire.preface().role == b"S"
    assert wire.error()[0] == 4
    assert wire.until_end() == b""


@pytest.mark.parametrize("limits", [None, Limits(handshake_timeout=None, pending=None)])
def test_unlimited_waits(limits, listen, keep):
    listener = listen(limits=limits)
    for stream in links.joined(listener):
        keep(stream)


# ---------------------------------------------------------------- the classes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("connections", 0), ("connections", -1), ("pending", 0), ("pending_per_address", 0),
        ("connections_per_address", 0), ("handshake_timeout", -1), ("close_timeout", -0.1),
        ("stall_timeout", float("nan")), ("array_bytes", -1), ("meta_bytes", -1),
        ("meta_bytes", None), ("meta_bytes", 1 << 30), ("name_bytes", 65_536), ("name_bytes", 1.5),
        ("fields", 65_536), ("dtype_depth", 33), ("dtype_depth", "16"),
    ],
)  # fmt: skip
def test_senseless_limits(field, value):
    with pytest.raises(ValueError, match=field):
        Limits(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("congestion", ""), ("congestion", "x" * 16), ("send_buffer", 0), ("receive_buffer", -1),
        ("send_buffer", 1 << 31), ("chunk", 100), ("chunk", None), ("fragment", 0), ("spin", -1),
        ("fragment", 1 << 31), ("spin", "fast"), ("read_ahead", 1), ("coalesce", -1),
        ("pool_bytes", -1), ("pool_idle", -1), ("pool_idle", float("nan")),
    ],
)  # fmt: skip
def test_senseless_tuning(field, value):
    with pytest.raises(ValueError, match=field):
        Tuning(**{field: value})


@pytest.mark.parametrize("kind", [Limits, Tuning])
def test_they_are_frozen_and_documented(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().pool_bytes = 3
    with pytest.raises(TypeError):
        kind(1)
    assert dataclasses.replace(kind()) == kind()
    for field in dataclasses.fields(kind):
        assert field.name in kind.__doc__


# ------------------------------------------------------------------------- tuning


@pytest.mark.parametrize("kind", links.ALL)
def test_stats_show_the_transport(kind, make_pair):
    for stream in make_pair(kind):
        transport = stream.stats()["transport"]
        assert transport["chunk"] == transport["fragment"] == 1 << 20
        assert transport["refused"] == []
        assert transport["send_buffer"] > 0
        assert transport["tls"] == (kind == "tls")
        assert transport["nodelay"] == (kind != "unix")
        assert transport["spin_us"] in (0, 150)
        if kind == "unix":
            assert transport["congestion"] is None
        else:
            assert transport["congestion"] != "bbr"  # on loopback
            assert transport["congestion_default"]


def test_every_choice_can_be_overruled(make_pair):
    tuning = Tuning(
        congestion="reno", send_buffer=100_000, receive_buffer=120_000, nodelay=False,
        chunk=8192, fragment=4096, spin=0.00002, read_ahead=512, coalesce=0,
    )  # fmt: skip
    one, two = make_pair(tuning=tuning)
    transport = one.stats()["transport"]
    assert transport["congestion"] == "reno"
    assert transport["send_buffer"] == 200_000  # the kernel doubles it, socket(7)
    assert transport["receive_buffer"] == 240_000
    assert (transport["chunk"], transport["fragment"]) == (8192, 4096)
    assert transport["nodelay"] is False
    assert transport["spin_us"] == 20
    values = [layouts.filled("<f8", (n,)) for n in (1, 3, 700, 50_000, 300_000)]
    sending = links.Background(lambda: (one.send_items(values), [one.send(v) for v in values]))
    for value in [*values, *values]:
        assert (two.recv() == value).all()
    sending.result()


def test_what_the_system_refuses_is_no_error(make_pair):
    one, two = make_pair(tuning=Tuning(congestion="nonexistent"))
    assert one.stats()["transport"]["refused"] == ["congestion"]
    assert one.stats()["transport"]["congestion"]
    one.send(np.ones(3))
    assert two.recv().size == 3


def test_the_systems_own_congestion_control(make_pair):
    one, _ = make_pair(tuning=Tuning(congestion=None))
    transport = one.stats()["transport"]
    assert transport["congestion"] == transport["congestion_default"]


def test_unix_sockets_have_buffers_only(make_pair):
    one, _ = make_pair("unix", tuning=Tuning(congestion="reno", send_buffer=100_000))
    transport = one.stats()["transport"]
    assert transport["congestion"] is None
    assert transport["nodelay"] is False
    assert transport["send_buffer"] == 200_000
    assert transport["refused"] == []


@pytest.mark.parametrize("fragment", [4096, 65_536, 1 << 20, 8 << 20])
@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_fragments_and_chunks_of_every_size(fragment, kind, make_pair):
    one, two = make_pair(kind, tuning=Tuning(fragment=fragment, chunk=max(4096, fragment // 3)))
    value = np.random.default_rng(9).integers(0, 256, 3_000_001, dtype=np.uint8)
    for _ in range(2):
        sending = links.Background(one.send, value)
        assert (two.recv() == value).all()
        sending.result()
        two.send(np.ones(1))
        one.recv()  # after the peer's preface fragments may be larger
