"""The keyed wire format as it is described, against a second implementation, both roles."""

from __future__ import annotations

import socket

import numpy as np
import pytest

import fn1keyed
import fn1wire
import links
from fastnet import ProtocolError, arrays
from fn1keyed import AES_256_GMAC, HMAC_SHA256, NAMES, Keyed

KEY = bytes(range(16, 48))
SUITES = [HMAC_SHA256, AES_256_GMAC]
# Bodies on both sides of every threshold: inline, one short frame, one chunk, several, fragments.
SIZES = [0, 1, 16_000, 16_384, 16_385, 262_144, 262_145, 600_000, 1 << 20, (1 << 20) + 5, 2_500_000]
VALUES = [np.random.default_rng(n).integers(0, 256, n, dtype="u1") for n in SIZES]


@pytest.mark.parametrize("suite", SUITES, ids=NAMES.get)
def test_a_client_of_another_make(suite, keep):
    listener = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listener.address)))
    shaking = links.Background(wire.shake, KEY, suites=(suite,), key_id=b"whatever")
    stream = keep(listener.accept(links.SOON))
    shaking.result()
    assert stream.stats()["transport"]["suite"] == NAMES[suite]
    exchange(stream, wire)


@pytest.mark.parametrize("suite", SUITES, ids=NAMES.get)
def test_a_server_of_another_make(suite, keep):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connecting = links.Background(
            arrays.connect, listening.getsockname(), authkey=KEY, key_id="some name"
        )
        wire = keep(Keyed(listening.accept()[0]))
        assert wire.answer(KEY, suite) == b"some name"
    stream = keep(connecting.result())
    assert stream.stats()["transport"]["suite"] == NAMES[suite]
    exchange(stream, wire)


def exchange(stream, wire):
    """Every array both ways, PING and PONG between, and a close that both hear."""
    for number, value in enumerate(VALUES):
        sending = links.Background(stream.send, value)
        got = wire.array()
        sending.result()
        assert got.array.tobytes() == value.tobytes()
        frames = fn1keyed.array(value, number=number)
        sending = links.Background(wire.send, *frames, fn1wire.frame(fn1wire.PING, offset=number))
        assert stream.recv(timeout=links.SOON).tobytes() == value.tobytes()
        sending.result()
    wire.send(fn1wire.frame(200, bytes(40_000)), fn1wire.frame(200), *fn1keyed.array(VALUES[1]))
    assert stream.recv(timeout=links.SOON).size == 1
    closing = links.Background(stream.close)
    assert wire.frame().kind == fn1wire.CLOSE
    assert wire.pongs
    assert wire.pongs == sorted(wire.pongs)
    wire.send(fn1wire.CLOSED)
    wire.sock.shutdown(socket.SHUT_WR)
    closing.result()
    assert wire.until_end() == b""


def test_an_envelope_that_is_long(keep):
    """Metadata beyond what shares a tag with its head: under one tag of its own."""
    listener = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listener.address)))
    shaking = links.Background(wire.shake, KEY)
    stream = keep(listener.accept(links.SOON))
    shaking.result()
    meta = b'"' + b"m" * 50_000 + b'"'
    head = fn1wire.header(fn1wire.atom("|u1"), (3,), meta=meta)
    wire.send(*fn1keyed.message(head, b"abc"))
    item = stream.recv_item(timeout=links.SOON)
    assert item.array.tobytes() == b"abc"
    assert item.meta == "m" * 50_000
    sending = links.Background(stream.send, np.arange(3), meta="x" * 60_000)
    assert wire.array().meta == "x" * 60_000
    sending.result()


def test_a_long_message_may_not_be_inline(keep):
    listener = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listener.address)))
    shaking = links.Background(wire.shake, KEY)
    stream = keep(listener.accept(links.SOON))
    shaking.result()
    head = fn1wire.header(fn1wire.atom("|u1"), (20_000,))
    wire.send(
        fn1wire.frame(
            fn1wire.MESSAGE, fn1wire.envelope(head, (20_000,)) + bytes(20_000), flags=fn1wire.INLINE
        )
    )
    with pytest.raises(ProtocolError, match="length"):
        stream.recv(timeout=links.SOON)
    code, text = wire.error()
    assert code == 1
    assert "length" in text
