"""Deadlines hold whatever the peer does meanwhile, and a limit may be without end."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import Limits, TransferTimeout, arrays
from fastnet.arrays._tls import TlsTransport

LINKS = pytest.mark.parametrize("pair", links.ALL, indirect=True)


@pytest.mark.parametrize("kind", [fn1wire.PING, fn1wire.PONG], ids=["PING", "PONG"])
@pytest.mark.parametrize("call", ["recv", "peek", "skip", "close"])
def test_a_flood_does_not_outlast_the_deadline(kind, call, raw_pair):
    stream, wire = raw_pair()
    blob = fn1wire.frame(kind) * 100_000
    wire.sock.settimeout(None)

    def flood():
        try:
            while True:
                wire.sock.sendall(blob)
        except OSError:
            pass

    flooding = links.Background(flood)
    links.wait_until(lambda: select.select([stream], [], [], 0)[0])
    began = time.monotonic()
    if call == "close":
        stream.close(0.1)
    else:
        with pytest.raises(TransferTimeout):
            getattr(stream, call)(timeout=0.1)
    took = time.monotonic() - began
    stream.abort()
    flooding.result()
    assert 0.09 < took < 2


def test_close_does_not_outlast_its_timeout_while_arrays_pour_in(pair):
    one, two = pair

    def pour():
        try:
            while True:
                one.send_items([np.zeros(16)] * 1000)
        except (OSError, fastnet.Error):
            pass

    pouring = links.Background(pour)
    assert two.recv(timeout=links.SOON).size == 16
    began = time.monotonic()
    two.close(0.1)
    assert time.monotonic() - began < 2
    pouring.result()


class Endless:
    """A container, or a generator, of arrays that never ends by itself."""

    def __init__(self):
        self.made = 0

    def __len__(self):
        return 1

    def __iter__(self):
        end = time.monotonic() + links.SOON
        while time.monotonic() < end:
            yield np.full(2, self.made)
            self.made += 1


@LINKS
@pytest.mark.parametrize("held", [True, False], ids=["container", "generator"])
def test_the_timeout_of_send_items_is_for_all_of_them(held, pair):
    one, two = pair
    items, got = Endless(), []

    def take():
        with contextlib.suppress(fastnet.IncompleteTransfer):  # the last one may be cut in two
            got.extend(int(array[0]) for array in two)

    receiving = links.Background(take)
    began = time.monotonic()
    with pytest.raises(TransferTimeout):
        one.send_items(items if held else iter(items), timeout=0.1)
    assert 0.09 < time.monotonic() - began < 2
    closing = links.Background(one.close)
    receiving.result()
    two.abort()
    with contextlib.suppress(fastnet.IncompleteTransfer):  # it was left without a word
        closing.result()
    assert got == list(range(len(got)))
    assert got


SLOW = 16384  # bytes in 4 ms: an array of 24 MiB takes six seconds


@pytest.mark.parametrize("way", ["send", "recv", "recv out", "skip"])
@pytest.mark.parametrize("pair", ["tls"], indirect=True)
def test_a_tls_deadline_holds_while_bytes_flow(way, pair, monkeypatch):
    one, two = pair
    slow_way = "write" if way == "send" else "read"
    whole = getattr(TlsTransport, slow_way)

    def slow(self, view, deadline):
        time.sleep(0.004)
        return whole(self, view[:SLOW], deadline)

    monkeypatch.setattr(TlsTransport, slow_way, slow)
    value = np.ones(24 << 20, "u1")
    calls = {
        "send": lambda: one.send(value, timeout=0.1),
        "recv": lambda: two.recv(timeout=0.1),
        "recv out": lambda: two.recv(out=np.empty_like(value), timeout=0.1),
        "skip": lambda: two.skip(timeout=0.1),
    }

    def other_side():
        with pytest.raises((OSError, EOFError, fastnet.Error)):
            _ = two.recv() if way == "send" else one.send(value)

    other = links.Background(other_side)
    began = time.monotonic()
    with pytest.raises(TransferTimeout):
        calls[way]()
    took = time.monotonic() - began
    for stream in pair:
        stream.abort()
    other.result()
    assert 0.09 < took < 1


# ------------------------------------------------------------- limits without end


@pytest.mark.parametrize("wait", [None, math.inf])
def test_a_listener_without_a_handshake_timeout(wait, listen, keep):
    listener = listen(limits=Limits(handshake_timeout=wait))
    keep(socket.create_connection(listener.address))  # and never says a word
    with pytest.raises(TimeoutError):
        listener.accept(0.05)
    assert listener.stats()["pending"] == 1
    keep(arrays.connect(listener.address))
    keep(listener.accept(math.inf))
    late = links.Background(listener.accept)
    keep(arrays.connect(listener.address))
    keep(late.result())


def test_accept_for_ever(listen, keep):
    listener = listen()
    waiting = links.Background(listener.accept, math.inf)
    also = links.Background(listener.accept, math.inf)
    for _ in range(2):
        keep(arrays.connect(listener.address))
    keep(waiting.result())
    keep(also.result())


@pytest.mark.parametrize("kind", links.ALL)
def test_limits_that_are_infinite(kind, make_pair):
    limits = Limits(stall_timeout=math.inf, close_timeout=math.inf, handshake_timeout=math.inf)
    one, two = make_pair(kind, limits=limits)
    receiving = links.Background(two.recv)
    links.wait_until(lambda: two._link.receiving_now)
    time.sleep(0.02)
    one.send(np.ones(3))
    assert receiving.result().size == 3
    closing = links.Background(one.close)
    two.close()
    closing.result()


@LINKS
def test_a_stall_limit_begins_anew_with_each_call(pair, make_pair, request):
    kind = request.node.callspec.params["pair"]
    one, two = make_pair(kind, limits=Limits(stall_timeout=0.25))
    with pytest.raises(TransferTimeout):
        two.recv(timeout=0.02)
    time.sleep(0.3)
    later = threading.Timer(0.05, one.send, (np.ones(2),))
    later.start()
    assert two.recv().size == 2
    later.join()
