"""One thread sends while another receives; timeouts, and what they leave behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import Limits, TransferTimeout

LINKS = pytest.mark.parametrize("pair", links.ALL, indirect=True)
BIG = 24 << 20


@LINKS
def test_full_duplex(pair):
    """Large arrays both ways at once, while nobody waits for the other."""
    rng = np.random.default_rng(7)
    values = [rng.integers(0, 256, BIG, dtype=np.uint8) for _ in range(2)]
    sending = [
        links.Background(lambda s=s, v=v: [s.send(v) for _ in range(2)])
        for s, v in zip(pair, values, strict=True)
    ]
    receiving = [links.Background(lambda s=s: [s.recv() for _ in range(2)]) for s in pair]
    for received, value in zip(receiving, reversed(values), strict=True):
        for array in received.result():
            assert (array == value).all()
    for each in sending:
        each.result()


@LINKS
def test_ping_pong(pair):
    one, two = pair
    answering = links.Background(lambda: [two.send(array + 1) for array in two])
    for i in range(200):
        one.send(np.full(10, i))
        assert one.recv(timeout=links.SOON)[0] == i + 1
    closing = links.Background(one.close)
    assert len(answering.result()) == 200
    two.close()
    closing.result()


@pytest.mark.parametrize("kind", links.ALL)
def test_a_first_send_beside_a_first_recv(kind, listen, certificates):
    """Sending looks for a refusal first; that must not get in a receiver's way."""
    listener = listen(kind)
    context = certificates.client if kind == "tls" else None
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            one, two = links.joined(listener, ssl_context=context)
            start = threading.Barrier(2)

            def receive(stream=one, start=start):
                start.wait()
                return stream.recv(timeout=links.SOON)

            receiving = links.Background(receive)
            start.wait()
            for _ in range(5):
                one.send(np.ones(2))
            two.send(np.ones(3))
            assert receiving.result().size == 3
            one.abort()
            two.abort()
    finally:
        sys.setswitchinterval(interval)


@LINKS
def test_a_second_sender_is_a_clear_error(pair):
    one, two = pair
    first = links.Background(one.send, np.ones(BIG, "u1"))
    links.wait_until(lambda: one.stats()["bytes_sent"] > 1000)
    time.sleep(0.02)
    with pytest.raises(RuntimeError, match="another thread is sending"):
        one.send(np.ones(1))
    with pytest.raises(RuntimeError, match="another thread is sending"):
        one.send_items([np.ones(1)])
    assert two.recv().size == BIG
    first.result()
    one.send(np.ones(1))
    assert two.recv().size == 1


@LINKS
def test_a_second_receiver_is_a_clear_error(pair):
    one, two = pair
    first = links.Background(two.recv)
    for method in (two.recv, two.recv_item, two.peek, lambda: next(iter(two))):
        links.wait_until(lambda: two._link.receiving_now)
        with pytest.raises(RuntimeError, match="another thread is receiving"):
            method()
    with pytest.raises(RuntimeError, match="another thread is receiving"):
        two.recv(out=np.ones(1))
    one.send(np.ones(3))
    assert first.result().size == 3


# ---------------------------------------------------------------------- timeouts


@LINKS
@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_timeout_before_the_first_byte_leaves_the_stream(pair, timeout):
    one, two = pair
    for call in (two.recv, two.recv_item, two.peek):
        began = time.monotonic()
        with pytest.raises(TransferTimeout):
            call(timeout=timeout)
        assert time.monotonic() - began >= timeout * 0.9
    with pytest.raises(TimeoutError):
        two.recv(out=np.ones(3), timeout=timeout)
    with pytest.raises(TimeoutError):
        next(two.items(timeout=timeout))
    one.send(np.ones(3))
    assert two.recv(timeout=links.SOON).size == 3
    two.send(np.ones(2))
    assert one.recv(timeout=links.SOON).size == 2


@pytest.mark.parametrize("out", [True, False])
def test_a_timeout_between_the_head_and_the_body_loses_nothing(out, raw_pair):
    stream, wire = raw_pair()
    head = fn1wire.header(fn1wire.atom("<u2"), (50_000,), name=b"n")
    value = np.arange(50_000, dtype="<u2")
    wrapped = fn1wire.envelope(head, (100_000,))
    wire.sock.sendall(fn1wire.frame(fn1wire.MESSAGE, wrapped))
    assert stream.peek(timeout=links.SOON).name == "n"
    for _ in range(2):
        with pytest.raises(TransferTimeout):
            stream.recv(out=np.zeros(50_000, "<u2") if out else None, timeout=0.02)
    wire.sock.sendall(fn1wire.frame(fn1wire.DATA, value.tobytes()))
    assert (stream.recv(timeout=links.SOON) == value).all()


@LINKS
def test_a_receivers_timeout_inside_an_array_ends_that_direction(pair):
    one, two = pair
    values = iter([np.ones(8 << 20, "u1")])
    stuck = threading.Event()

    def half():
        """An array, of which the second half never comes."""
        with pytest.raises(fastnet.Error):
            one.send(next(values), timeout=0.3)
        stuck.set()

    sending = links.Background(half)
    assert stuck.wait(links.SOON)
    sending.result()
    with pytest.raises(TransferTimeout):
        two.recv(timeout=0.3)
    for call in (two.recv, two.peek, lambda: next(iter(two))):
        with pytest.raises(fastnet.Error, match="stopped inside an array") as caught:
            call()
        assert not isinstance(caught.value, TransferTimeout)
    with pytest.raises(fastnet.Error, match="stopped inside an array"):
        one.send(np.ones(1))
    two.send(np.ones(3))  # the other direction is as it was
    assert one.recv(timeout=links.SOON).size == 3


def test_a_timeout_inside_an_array_says_so(raw_pair):
    stream, wire = raw_pair()
    text = fn1wire.array(np.ones(10_000, "u1"))
    wire.sock.sendall(text[: len(text) // 2])
    with pytest.raises(TransferTimeout):
        stream.recv(timeout=0.05)
    with pytest.raises(fastnet.Error, match="cannot be used any more"):
        stream.recv()


@LINKS
def test_a_senders_timeout_inside_an_array(pair):
    one, two = pair
    with pytest.raises(TransferTimeout):
        one.send(np.ones(80 << 20, "u1"), timeout=0.05)
    with pytest.raises(fastnet.Error, match="stopped inside an array"):
        one.send(np.ones(1), timeout=1)
    with pytest.raises(fastnet.Error, match="stopped inside an array"):
        one.send_items([np.ones(1)], timeout=1)
    one.close()
    with pytest.raises(fastnet.IncompleteTransfer):
        two.recv(timeout=links.SOON)


def fill(sock):
    """Fills a connection with frames that are skipped; what is left of the last one."""
    ignored = fn1wire.frame(200, bytes(10_000))
    rest, quiet = b"", 0
    while quiet < 70:  # until nothing moves any more: a probe of the closed window may make room
        try:
            rest = rest or ignored
            rest = rest[sock.send(rest, socket.MSG_DONTWAIT) :]
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)
    return rest


def test_a_senders_timeout_before_the_first_byte_leaves_the_stream(make_pair):
    one, two = make_pair(tuning=fastnet.Tuning(send_buffer=1 << 16, receive_buffer=1 << 16))
    with socket.socket(fileno=os.dup(one.fileno())) as sock:
        rest = fill(sock)
        for timeout in (0, 0.05):
            with pytest.raises(TransferTimeout):
                one.send(np.ones(3), timeout=timeout)
            with pytest.raises(TransferTimeout):
                one.send_items([np.ones(3)] * 10, timeout=timeout)
        receiving = links.Background(two.recv)
        sock.setblocking(True)
        sock.sendall(rest)
    one.send(np.full(4, 7))
    assert receiving.result().tolist() == [7] * 4


@LINKS
@pytest.mark.parametrize("timeout", [-1, -0.5, float("nan")])
def test_senseless_timeouts(pair, timeout):
    with pytest.raises(ValueError):
        pair[1].recv(timeout=timeout)
    with pytest.raises(ValueError):
        pair[0].send(np.ones(BIG, "u1"), timeout=timeout)


@LINKS
def test_timeouts_beyond_any_clock(pair):
    for timeout in (float("inf"), 1e300, 10**12):
        pair[0].send(np.ones(2), timeout=timeout)
        assert pair[1].recv(timeout=timeout).size == 2
        pair[0].send(np.ones(2), timeout=timeout)
        assert pair[1].recv(out=np.ones(2), timeout=timeout).size == 2


@LINKS
def test_stall_timeout(pair, make_pair, request):
    kind = request.node.callspec.params["pair"]
    one, two = make_pair(kind, limits=Limits(stall_timeout=0.1))
    began = time.monotonic()
    with pytest.raises(TransferTimeout):
        two.recv()
    assert 0.09 < time.monotonic() - began < 5
    with pytest.raises(TransferTimeout):
        one.send(np.ones(80 << 20, "u1"))


def test_a_slow_peer_that_moves_does_not_stall(raw_pair):
    stream, wire = raw_pair(limits=Limits(stall_timeout=0.25))
    text = fn1wire.array(np.ones(30, "u1"))

    def drip():
        for at in range(0, len(text), 8):
            wire.sock.sendall(text[at : at + 8])
            time.sleep(0.04)

    dripping = links.Background(drip)
    assert stream.recv().size == 30
    dripping.result()


# ------------------------------------------------------------------------ signals

INTERRUPTED = """
    import sys, time
    import numpy as np
    import fastnet.arrays
    stream = fastnet.arrays.connect(("127.0.0.1", int(sys.argv[1])))
    array = np.zeros(1 << 30, "u1")
    print("ready", flush=True)
    try:
        if sys.argv[2] == "send":
            stream.send(array)
        else:
            stream.recv()
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
    try:
        stream.send(array[:1]) if sys.argv[2] == "send" else stream.recv(timeout=0)
    except fastnet.Error as error:
        print(error, flush=True)
    stream.close()
"""


@pytest.mark.parametrize("direction", ["send", "receive", "receive nothing"])
def test_ctrl_c(direction, listen, keep, record_property):
    listener = listen()
    way = direction.split()[0]
    with links.program(INTERRUPTED, listener.address[1], way) as child:
        server = keep(listener.accept(links.SOON))
        assert child.stdout.readline() == "ready\n"
        if direction == "receive":
            with pytest.raises(TransferTimeout):
                server.send(np.zeros(1 << 30, "u1"), timeout=0.2)
        else:
            time.sleep(0.15)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        took = float(child.stdout.readline()) - began
        why = child.stdout.readline()
        server.abort()
        assert child.wait(links.SOON) == 0, child.stdout.read()
    print(f"Ctrl-C in {direction}: honoured after {took * 1e3:.0f} ms")
    record_property("milliseconds", took * 1e3)
    assert took < 0.5
    if direction == "receive nothing":  # nothing was begun, so nothing is lost
        assert "deadline" in why
    else:
        assert "stopped inside an array" in why


@LINKS
def test_signals_that_are_handled(pair):
    one, two = pair
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    stop = threading.Event()

    def shower():
        while not stop.wait(0.001):
            os.kill(os.getpid(), signal.SIGUSR1)

    try:
        showering = links.Background(shower)
        value = np.random.default_rng(8).integers(0, 256, BIG, dtype=np.uint8)
        sending = links.Background(one.send, value)
        assert (two.recv() == value).all()
        sending.result()
        receiving = links.Background(one.recv)
        two.send(value)
        assert (receiving.result() == value).all()
        stop.set()
        showering.result()
    finally:
        stop.set()
        signal.signal(signal.SIGUSR1, before)
    assert seen
