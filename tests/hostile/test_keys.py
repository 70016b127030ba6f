"""Peers without the key: what they hear, and what they cost the others."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct

import numpy as np
import pytest

import fastnet
import fn1keyed
import fn1wire
import links
from fastnet import Limits, arrays
from fn1keyed import HMAC_SHA256, REFUSED, Keyed, extensions_of

KEY = bytes(range(32))
FORMAT, LIMIT, SLOW, CLOSING, NO_KEY = 1, 2, 4, 6, 7


@pytest.fixture
def listener(keep):
    """Listens, and echoes whatever anybody sends who gets in, until the test is over."""
    limits = Limits(handshake_timeout=2.0, array_bytes=1 << 24)
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY, limits=limits))

    def echo(stream):
        with contextlib.suppress(fastnet.Error, OSError, EOFError):
            for array in stream:
                stream.send(array)

    serving = links.Background(listening.serve_forever, echo, threads=64)
    yield listening
    listening.close()
    serving.result()


def dial(listener, keep, source="127.0.0.1"):
    return keep(Keyed(socket.create_connection(listener.address, 10, (source, 0))))


def ends_with(wire, *codes):
    """All that comes is a preface that refuses with one of these codes."""
    said = wire.until_end()
    if said:  # a reset may have been quicker than the words
        assert struct.unpack("<I", extensions_of(said)[REFUSED])[0] in codes
        assert len(said) < 64
        assert said[7] == fn1keyed.KEYED


def works(address):
    with arrays.connect(address, authkey=KEY) as stream:
        stream.send(np.arange(5))
        assert stream.recv(timeout=links.SOON).size == 5


# ------------------------------------------------------------------ before the key

NONCE = bytes(32)


def without(kind):
    """A hello that lacks an extension, though its proof is right."""
    ext = fn1wire.ARRAYS
    values = {2: b"", 3: b"\x02\x01", 4: NONCE}
    for each, value in values.items():
        if each != kind:
            ext += fn1wire.extension(each, value)
    draft = fn1wire.preface(b"C", flags=1, extensions=ext + fn1wire.extension(5, bytes(32)))
    binder = fn1keyed.expand(fn1keyed.psk_of(KEY), b"fn1 binder")
    return draft[:-32] + fn1keyed.mac(binder, draft[:-32])


FIRST = {
    "another key": fn1keyed.hello(bytes(range(1, 33))),
    "no binder": fn1wire.preface(b"C", flags=1),
    "no key id": without(2),
    "no suites": without(3),
    "no nonce": without(4),
    "suites of the future": fn1keyed.hello(KEY, suites=(200, 201)),
    "a key id too long": fn1keyed.hello(KEY, key_id=bytes(65)),
    "no key": fn1wire.preface(b"C") + fn1wire.array(np.arange(3)),
    "a server": fn1keyed.hello(KEY).replace(b"\x01\x01C", b"\x01\x01S"),
    "not fn1": b"GET / HTTP/1.1\r\n\r\n" + bytes(2000),
    "a flood": bytes([0x93]) + b"FN1\x01\x01C\x01" + struct.pack("<H", 65535) + bytes(100_000),
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_strangers_hear_a_code_and_nothing_else(first, listener, keep):
    wire = dial(listener, keep)
    with contextlib.suppress(ConnectionError):
        wire.sock.sendall(first)
    ends_with(wire, NO_KEY, FORMAT, LIMIT)
    links.wait_until(lambda: listener.stats()["bad_peers"] == 1)
    assert listener.stats()["accepted"] == 0
    works(listener.address)


def test_a_hello_cut_anywhere_is_waited_for_and_then_dropped(listener, keep):
    hello = fn1keyed.hello(KEY)
    wires = []
    for cut in range(0, len(hello), 9):
        wires.append(dial(listener, keep, f"127.0.1.{1 + cut}"))
        wires[-1].sock.sendall(hello[:cut])
    for wire in wires:
        ends_with(wire, SLOW)
    links.wait_until(lambda: not listener.stats()["pending"])
    assert listener.stats()["handshake_timeouts"] == len(wires)
    works(listener.address)


def test_a_hello_and_no_proof(listener, keep):
    """A first flight that was heard on the wire gets an answer, and nowhere with it."""
    wire = dial(listener, keep)
    wire.sock.sendall(fn1keyed.hello(KEY))
    answer = extensions_of(wire.raw_preface())
    assert len(answer[fn1keyed.PROOF]) == 32
    again = dial(listener, keep)
    recorded = fn1keyed.hello(KEY, nonce=NONCE)
    again.sock.sendall(recorded)
    mine = again.raw_preface()
    keys = fn1keyed.derive(bytes(32), HMAC_SHA256, recorded, mine)
    guess = fn1keyed.Seal(HMAC_SHA256, keys.client)
    again.sock.sendall(guess.frame(fn1wire.frame(fn1keyed.AUTH, keys.client_proof)))
    assert again.until_end() == b""  # the preface was its answer: nothing follows it
    assert wire.until_end() == b""
    links.wait_until(lambda: not listener.stats()["pending"])
    assert listener.stats()["accepted"] == 0
    works(listener.address)


def test_the_frame_in_place_of_the_proof(listener, keep):
    for frame in (
        fn1wire.frame(fn1wire.PING),
        fn1wire.frame(fn1keyed.AUTH, bytes(32)),
        fn1wire.frame(fn1wire.DATA, b"", length=1 << 31),
        *fn1keyed.array(np.arange(3)),
    ):
        wire = dial(listener, keep)
        first = fn1keyed.hello(KEY)
        wire.sock.sendall(first)
        answer = wire.raw_preface()
        keys = fn1keyed.derive(KEY, extensions_of(answer)[3][0], first, answer)
        wire.sock.sendall(fn1keyed.Seal(keys.suite, keys.client).frame(frame))
        wire.until_end()
    links.wait_until(lambda: listener.stats()["bad_peers"] == 4)
    works(listener.address)


def test_a_second_proof(listener, keep):
    wire = dial(listener, keep)
    wire.shake(KEY)
    wire.send(fn1wire.frame(fn1keyed.AUTH, bytes(32)))
    code, text = wire.error()
    assert code == 1
    assert "where the protocol does not allow it" in text


def test_a_closing_listener_says_so(keep):
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = dial(listening, keep)
    with pytest.raises(TimeoutError):
        listening.accept(0.05)
    links.wait_until(lambda: listening.stats()["pending"] == 1)
    listening.close()
    ends_with(wire, CLOSING)


def test_a_thousand_silent_peers(listener, keep):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("not enough descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    known = arrays.connect(listener.address, authkey=KEY)
    silent = []
    try:
        for number in range(1000):
            sock = socket.create_connection(listener.address, 10)
            silent.append(sock)
            if number % 3 == 0:
                sock.sendall(fn1keyed.hello(KEY))
            if number % 100 == 0:  # who is in is served on
                known.send(np.arange(number))
                assert known.recv(timeout=links.SOON).size == number
                assert listener.stats()["pending"] <= 64
        links.wait_until(lambda: gets_in(listener.address))  # and others get in, in their turn
        links.wait_until(lambda: not listener.stats()["pending"])
        assert turned_away(listener) >= 1000
    finally:
        for sock in silent:
            sock.close()
        known.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    works(listener.address)


def gets_in(address):
    try:
        works(address)
    except (fastnet.Error, OSError):
        return False
    return True


def turned_away(listening):
    """By the limit; on a slow machine, the oldest to make room."""
    return listening.stats()["refused"] + listening.stats()["handshake_timeouts"]


def test_silent_peers_of_one_address_leave_room_for_others(keep):
    limits = Limits(pending=16, handshake_timeout=30)
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY, limits=limits))
    serving = links.Background(lambda: [listening.accept(links.SOON).abort() for _ in range(3)])
    for _ in range(12):  # 8 are waited for, the others turned away
        dial(listening, keep)
    links.wait_until(lambda: turned_away(listening) >= 4)
    for _ in range(3):
        wire = dial(listening, keep, "127.0.0.2")
        wire.shake(KEY)
    serving.result()
    assert listening.stats()["accepted"] == 3
