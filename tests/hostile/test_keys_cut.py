"""Keyed arrays that come in part, and look-ups that are cut short: nothing half-done goes on."""

from __future__ import annotations

import contextlib
import functools
import socket
import struct

import numpy as np
import pytest

import fastnet
import fn1keyed
import fn1wire
import links
from fastnet import arrays
from fastnet.arrays._tls import TlsTransport
from fn1keyed import Keyed

KEY = bytes(range(32))


@pytest.fixture
def ends(keep):
    """A peer by hand, and the stream that hears it."""
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listening.address)))
    shaking = links.Background(wire.shake, KEY)
    server = keep(listening.accept(links.SOON))
    shaking.result()
    return wire, server


@pytest.mark.parametrize("how", ["out", "new", "strided", "skip"])
@pytest.mark.parametrize("sent", [1, 300_000, 900_000])
def test_what_a_timeout_cut_is_not_gone_on_with(how, sent, ends):
    """Holding bytes back must not shift those that follow, nor leave the rest of it unwritten."""
    wire, server = ends
    value = np.arange(500_000, dtype="u4").view("u1")
    first, *rest = fn1keyed.array(value)
    data = [wire.sealing.frame(first)] + [wire.sealing.frame(frame) for frame in rest]
    cut = len(data[0]) + fn1wire.HEAD.size + fn1keyed.TAG + sent
    sending = links.Background(wire.sock.sendall, b"".join(data)[:cut])
    server.peek(timeout=links.SOON)
    space = np.full((value.size, 2), 77, "u1")
    out = {"out": space.ravel()[: value.size], "strided": space[:, 0]}.get(how)
    receive = server.skip if how == "skip" else functools.partial(server.recv, out)
    with pytest.raises(fastnet.TransferTimeout):
        receive(timeout=0.3)
    sending.result()
    if out is not None:
        assert set(np.unique(out)) <= {0, 77}
        assert out[0] == 0
    sending = links.Background(send_rest, wire.sock, b"".join(data)[cut:])
    for _ in range(2):
        with pytest.raises(fastnet.Error, match="stopped inside an array"):
            server.recv(timeout=links.SOON)
    server.abort()
    sending.result()


def send_rest(sock, data):
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)


def test_a_timeout_before_the_first_byte_loses_nothing(ends):
    wire, server = ends
    value = np.arange(500_000, dtype="u4")
    frames = [wire.sealing.frame(frame) for frame in fn1keyed.array(value)]
    wire.sock.sendall(frames[0] + frames[1][: fn1wire.HEAD.size + fn1keyed.TAG])
    server.peek(timeout=links.SOON)
    with pytest.raises(fastnet.TransferTimeout):
        server.recv(timeout=0.05)
    sending = links.Background(wire.sock.sendall, b"".join(frames)[len(frames[0]) + 40 :])
    assert np.array_equal(server.recv(timeout=links.SOON), value)
    sending.result()


def test_a_look_up_that_is_interrupted(keep, caplog):
    """What stands behind the preface of a client that nobody answered is not looked at."""
    caplog.set_level("INFO", "fastnet.arrays")

    def find(key_id):
        raise KeyboardInterrupt

    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=find))
    error = fn1wire.frame(fn1wire.ERROR, struct.pack("<I", 5) + b"words of a stranger")
    with socket.create_connection(listening.address) as stranger:
        stranger.sendall(fn1keyed.hello(KEY) + error)
        with pytest.raises(KeyboardInterrupt):
            listening.accept(links.SOON)
        stranger.sendall(error)
        for _ in range(200):
            with pytest.raises(TimeoutError):
                listening.accept(0.02)
            if listening.stats()["bad_peers"]:
                break
    assert listening.stats()["bad_peers"] == 1
    assert "words of a stranger" not in caplog.text


def test_an_unknown_id_has_no_key_that_could_be_guessed(keep, monkeypatch):
    """Nor one that an end without a key would have: all zeroes, or that of no bytes."""
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=lambda key_id: None))
    guesses = [bytes(32), fn1keyed.extract(b"fn1 psk", b""), fn1keyed.extract(b"", b"")]
    for count, guess in enumerate(guesses, 1):
        monkeypatch.setattr(fn1keyed, "psk_of", lambda key, guess=guess: guess)
        with socket.create_connection(listening.address) as stranger:
            stranger.sendall(fn1keyed.hello(b""))
            for _ in range(200):
                with pytest.raises(TimeoutError):
                    listening.accept(0.02)
                if listening.stats()["bad_peers"] == count:
                    break
            with Keyed(stranger.dup()) as wire:
                assert fn1keyed.REFUSED in fn1keyed.extensions_of(wire.raw_preface())
    assert listening.stats()["bad_peers"] == len(guesses)


def test_an_interrupt_inside_tls_leaves_nothing_that_was_not_verified(
    keep, certificates, monkeypatch
):
    """What OpenSSL has written when Ctrl-C comes counts for nothing, and does not stay in `out`."""
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY, ssl_context=certificates.server))
    connecting = links.Background(
        arrays.connect,
        listening.address,
        authkey=KEY,
        ssl_context=certificates.client,
        server_hostname="localhost",
    )
    server = keep(listening.accept(links.SOON))
    client = keep(connecting.result())
    sending = links.Background(send_all, client, np.full(1_000_000, 9, "u1"))
    server.peek(timeout=links.SOON)
    read = TlsTransport._recv

    def interrupted(transport, view):
        count = read(transport, view)
        if len(view) > 100_000 and 9 in bytes(view[:count]):
            raise KeyboardInterrupt
        return count

    monkeypatch.setattr(TlsTransport, "_recv", interrupted)
    out = np.ones(1_000_000, "u1")
    with pytest.raises(KeyboardInterrupt):
        server.recv(out=out, timeout=links.SOON)
    assert not (out == 9).any()
    with pytest.raises(fastnet.Error, match="inside TLS"):
        server.recv(timeout=links.SOON)
    server.abort()
    sending.result()


def send_all(stream, value):
    with contextlib.suppress(fastnet.Error, OSError):
        stream.send(value, timeout=links.SOON)
