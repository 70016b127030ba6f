"""Peers that do not introduce themselves as they should, at both ends."""

from __future__ import annotations

import os
import socket
import time

import numpy as np
import pytest

import fastnet
import fn1keyed
import fn1wire
import links
from fastnet import Limits, arrays
from fn1wire import Wire

GOOD = fn1wire.preface()
WRONG = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(180),
    "zeros": bytes(64),
    "random": np.random.default_rng(12).integers(0, 256, 4096, dtype=np.uint8).tobytes(),
    "one byte": b"G",
    "magic": fn1wire.preface(magic=b"\x93FN2"),
    "version 0": fn1wire.preface(versions=(0, 0)),
    "later versions": fn1wire.preface(versions=(2, 9)),
    "no versions": fn1wire.preface(versions=(2, 1)),
    "role": fn1wire.preface(b"X"),
    "same role": fn1wire.preface(b"S"),
    "flags": fn1wire.preface(flags=2),
    "all flags": fn1wire.preface(flags=255),
    "key": fn1wire.preface(flags=1),
    "reserved": fn1wire.preface(zero=1),
    "fragment": fn1wire.preface(fragment=(1 << 20) - 1),
    "no fragment": fn1wire.preface(fragment=0),
    "extensions too long": fn1wire.preface(extensions=bytes(993)),
    "extensions far too long": fn1wire.preface(extensions=b"", ext_len=65_535),
    "half an extension": fn1wire.preface(extensions=b"\1\0\6"),
    "an extension too long": fn1wire.preface(extensions=b"\1\0\7\0arrays"),
    "application": fn1wire.preface(extensions=fn1wire.extension(1, b"rpc")),
    "no application": fn1wire.preface(extensions=b""),
    "long application": fn1wire.preface(extensions=fn1wire.extension(1, b"arrays" * 100)),
    "unprintable application": fn1wire.preface(extensions=fn1wire.extension(1, bytes(6))),
}


def honest(listener, keep):
    """An honest peer gets through as if nothing had happened."""
    client, server = links.joined(listener)
    keep(client).send(np.ones(3))
    assert keep(server).recv(timeout=links.SOON).size == 3


@pytest.mark.parametrize("kind", WRONG)
def test_a_listener_turns_them_away(kind, raw_client, keep):
    listener, wire = raw_client()
    wire.sock.sendall(WRONG[kind])
    links.nobody_comes(listener, 0.02)
    links.wait_until(lambda: _settled(listener))
    assert listener.stats()["bad_peers"] == 1
    assert listener.stats()["pending"] == listener.stats()["open"] == 0
    wire.preface()
    answer = wire.until_end()
    if answer:  # where a reset did not overtake it
        assert answer[0] == fn1wire.ERROR
    honest(listener, keep)


@pytest.mark.parametrize(
    "first",
    [WRONG["later versions"], WRONG["same role"], WRONG["application"], fn1keyed.hello(bytes(32))],
    ids=["later versions", "same role", "application", "a key"],
)
def test_a_listener_says_what_is_wrong(first, raw_client):
    """All that came was read: no reset can overtake the words."""
    listener, wire = raw_client()
    wire.sock.sendall(first)
    links.nobody_comes(listener, 0.02)
    links.wait_until(lambda: _settled(listener))
    wire.preface()
    assert wire.until_end()[0] == fn1wire.ERROR


@pytest.mark.parametrize("kind", WRONG)
def test_a_connecting_end_says_what_is_wrong(kind, keep):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = keep(arrays.connect(listening.getsockname()))
        peer = keep(Wire(listening.accept()[0]))
        text = fn1wire.preface(b"C") if kind == "same role" else WRONG[kind]
        if fn1wire.MAGIC in text[:4]:
            text = text.replace(b"C", b"S", 1) if kind != "same role" else text
        peer.sock.sendall(text)
        with pytest.raises(fastnet.AuthenticationError if kind == "key" else fastnet.ProtocolError):
            stream.recv(timeout=links.SOON)
        with pytest.raises(fastnet.Error):
            stream.recv(timeout=links.SOON)
        with pytest.raises(fastnet.Error):
            stream.send(np.ones(1 << 20))


def test_a_preface_cut_at_every_byte(listen, keep):
    listener = listen()
    for cut in range(len(GOOD)):
        with Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(GOOD[:cut])
            wire.sock.shutdown(socket.SHUT_WR)
            accepting = pytest.raises(TimeoutError)
            with accepting:
                listener.accept(0.001)
            links.wait_until(lambda: _settled(listener))
    assert listener.stats()["accepted"] == 0
    assert listener.stats()["bad_peers"] == len(GOOD)
    honest(listener, keep)


def _settled(listener):
    if listener.stats()["pending"]:
        links.nobody_comes(listener, 0.001)
    return not listener.stats()["pending"]


def test_a_preface_with_every_byte_changed(listen, keep):
    """Each either gets through (a larger window, say) or is turned away, at once."""
    listener = listen()
    accepted = 0
    for at in range(len(GOOD)):
        for change in (0xFF, 0x01, 0x80):
            text = bytearray(GOOD)
            text[at] ^= change
            with Wire(socket.create_connection(listener.address)) as wire:
                wire.sock.sendall(text)
                wire.sock.shutdown(socket.SHUT_WR)
                try:
                    stream = listener.accept(0.01)
                except TimeoutError:
                    assert _settled(listener)
                    continue
                accepted += 1
                with pytest.raises((fastnet.Error, ConnectionError)):
                    stream.recv(timeout=1)
                stream.abort()
    stats = listener.stats()
    assert stats["accepted"] == accepted
    assert stats["accepted"] + stats["bad_peers"] == 3 * len(GOOD)
    honest(listener, keep)


@pytest.mark.parametrize("stage", ["at once", "mid-preface", "after it", "mid-array"])
def test_resets_at_every_stage(stage, raw_client, keep):
    listener, wire = raw_client()
    text = {
        "at once": b"",
        "mid-preface": GOOD[:17],
        "after it": GOOD,
        "mid-array": GOOD + fn1wire.array(np.ones(1000))[:3000],
    }[stage]
    wire.sock.sendall(text)
    if stage in ("after it", "mid-array"):
        stream = keep(listener.accept(links.SOON))
        links.reset(wire.sock)
        with pytest.raises((fastnet.IncompleteTransfer, ConnectionResetError)):
            stream.recv(timeout=links.SOON)
    else:
        links.reset(wire.sock)
        links.nobody_comes(listener, 0.02)
        links.wait_until(lambda: _settled(listener))
    honest(listener, keep)


def test_a_peer_that_resets_while_it_waits_to_be_accepted(listen, keep):
    listener = listen()
    for _ in range(50):
        links.reset(socket.create_connection(listener.address))
    honest(listener, keep)


def test_slow_drip(raw_client, keep):
    """A byte now and then does not buy more time than the handshake has."""
    listener, wire = raw_client(limits=Limits(handshake_timeout=0.15))
    accepting = links.Background(links.nobody_comes, listener, 0.4)
    began = time.monotonic()
    try:
        for byte in GOOD:
            wire.sock.sendall(bytes([byte]))
            time.sleep(0.02)
    except ConnectionError:
        pass
    assert time.monotonic() - began < 3
    accepting.result()
    assert listener.stats()["handshake_timeouts"] == 1
    honest(listener, keep)


def test_two_hundred_silent_peers(listen, keep):
    """While they wait for their deadline, an honest one gets through at once."""
    listener = listen(limits=Limits(pending=None), backlog=300)
    silent = [keep(socket.create_connection(listener.address)) for _ in range(200)]
    began = time.monotonic()
    honest(listener, keep)
    took = time.monotonic() - began
    assert listener.stats()["pending"] == 200
    assert took < 2  # their deadline is 5
    for sock in silent:
        sock.close()
    links.wait_until(lambda: _settled(listener))
    assert listener.stats()["bad_peers"] == 200


def test_silent_peers_beyond_the_limit_do_not_lock_out(listen, keep):
    """With all places of the default limit taken by silent peers, one frees up in time."""
    listener = listen(limits=Limits(pending=8, handshake_timeout=0.3), backlog=300)
    for _ in range(30):
        keep(socket.create_connection(listener.address))
    links.nobody_comes(listener, 0.4)
    stats = listener.stats()
    assert stats["refused"] + stats["handshake_timeouts"] == 30
    assert stats["pending"] == 0
    honest(listener, keep)


def test_no_memory_is_taken_for_those_that_wait(listen, keep):
    listener = listen(limits=Limits(pending=None), backlog=300)
    before = links.resident()
    for _ in range(100):
        sock = keep(socket.create_connection(listener.address))
        sock.sendall(fn1wire.preface(extensions=bytes(992))[:-1])
    end = time.monotonic() + links.SOON
    while listener.stats()["pending"] < 100 and time.monotonic() < end:
        links.nobody_comes(listener, 0.01)
    assert listener.stats()["pending"] == 100
    assert links.growth(before) < 8 << 20


def test_an_error_instead_of_a_preface(raw_client):
    """A refusal comes behind the refusing end's preface; alone it is no fn1."""
    listener, wire = raw_client()
    wire.sock.sendall(fn1wire.error(3, "busy"))
    links.nobody_comes(listener, 0.05)
    assert listener.stats()["bad_peers"] == 1


def test_a_preface_in_one_go_with_garbage(raw_client, keep):
    listener, wire = raw_client()
    wire.sock.sendall(GOOD + os.urandom(3) * 100)
    stream = keep(listener.accept(links.SOON))
    with pytest.raises(fastnet.ProtocolError):
        stream.recv(timeout=links.SOON)
    honest(listener, keep)
