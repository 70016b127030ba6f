"""Interrupts and forks at awkward moments: a stream says what it lost, or has lost nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

import fastnet
import links
from fastnet import Limits
from fastnet.arrays import _text
from fastnet.arrays._tls import TlsTransport

TLS = pytest.mark.parametrize("pair", ["tls"], indirect=True)


class Alarm(Exception):
    """What a signal handler raises."""


@pytest.fixture
def on_signal():
    """on_signal(handler) sets what SIGUSR1 does in this test."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, lambda *_: handler())
    signal.signal(signal.SIGUSR1, before)


def signal_while_receiving(stream):
    """Sends SIGUSR1 from another thread when somebody is inside a receiving call."""

    def work():
        links.wait_until(lambda: stream._link.receiving_now)
        time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGUSR1)

    return links.Background(work)


def raise_alarm():
    raise Alarm


# ----------------------------------------------------------------------------- TLS


@TLS
def test_a_cut_under_a_receiver_never_bares_ciphertext(pair, monkeypatch):
    """serve_forever cuts its streams on Ctrl-C; records not yet decrypted are no array data."""
    one, two = pair
    out = np.zeros(4 << 20, "u1")
    receive, calls = TlsTransport._recv, []

    def cut_before(self, view):
        if self.sock is two._socket:
            calls.append(len(view))
            if len(calls) == 8:
                two._cut()
        return receive(self, view)

    monkeypatch.setattr(TlsTransport, "_recv", cut_before)

    def sending():
        try:
            while True:
                one.send(np.zeros_like(out))
        except (OSError, fastnet.Error):
            pass

    def receiving():
        while True:
            two.recv(out=out, timeout=links.SOON)

    work = links.Background(sending)
    with pytest.raises((OSError, EOFError, fastnet.Error)):
        receiving()
    assert len(calls) >= 8
    assert not out.any()
    for stream in pair:
        stream.abort()
    work.result()


@TLS
@pytest.mark.parametrize("kind", [KeyboardInterrupt, Alarm])
@pytest.mark.parametrize("first", [True, False], ids=["in the head", "in the body"])
def test_an_interrupt_inside_tls_is_told_ever_after(kind, first, pair, monkeypatch):
    one, two = pair
    values = [np.arange(1 << 13, dtype="f8") + 1e6 * i for i in range(2)]
    for value in values:
        one.send(value)
    if not first:
        assert two.peek(timeout=links.SOON).shape == values[0].shape
    receive, armed = TlsTransport._recv, [True]

    def interrupted(self, view):
        count = receive(self, view)
        if armed and armed.pop():
            raise kind
        return count

    monkeypatch.setattr(TlsTransport, "_recv", interrupted)
    with pytest.raises(kind):
        two.recv(timeout=links.SOON)
    for call in (two.recv, two.peek, two.skip, lambda: next(iter(two))):
        with pytest.raises(fastnet.Error, match="inside TLS"):
            call()


# ------------------------------------------------------------------ decoding a head


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Alarm, TimeoutError])
@pytest.mark.parametrize("way", ["recv", "peek", "iterate"])
def test_an_interrupt_while_a_head_is_decoded_keeps_the_array(kind, way, pair, monkeypatch):
    one, two = pair
    for size in (1, 2, 2, 3):
        one.send(np.full(size, size))
    assert two.recv(timeout=links.SOON).size == 1
    check, armed = _text.check_meta, [True]

    def interrupted(encoded):
        if armed and armed.pop():
            raise kind
        check(encoded)

    monkeypatch.setattr(_text, "check_meta", interrupted)
    call = {"recv": two.recv, "peek": two.peek, "iterate": lambda: next(iter(two))}[way]
    with pytest.raises(kind):
        call()
    got = [two.recv(timeout=links.SOON).tolist() for _ in range(3)]
    assert got == [[2, 2], [2, 2], [3, 3, 3]]


# --------------------------------------------------------------- what a handler does


@pytest.mark.parametrize("kind", links.ALL)
def test_a_stall_limit_forgets_a_call_that_was_interrupted(kind, make_pair, on_signal):
    one, two = make_pair(kind, limits=Limits(stall_timeout=0.3))
    on_signal(raise_alarm)
    signalling = signal_while_receiving(two)
    with pytest.raises(Alarm):
        two.recv()
    signalling.result()
    time.sleep(0.35)
    later = threading.Timer(0.05, one.send, (np.ones(2),))
    later.start()
    assert two.recv().size == 2
    later.join()


@pytest.mark.parametrize("pair", links.ALL, indirect=True)
@pytest.mark.parametrize("way", ["close", "abort"])
def test_a_handler_may_end_the_stream_that_it_interrupts(way, pair, on_signal):
    """The receiver below the handler cannot go on before it returns: no waiting for it."""
    one, two = pair
    took = []

    def end():
        began = time.monotonic()
        getattr(two, way)()
        took.append(time.monotonic() - began)

    on_signal(end)
    signalling = signal_while_receiving(two)
    with pytest.raises((OSError, EOFError, fastnet.Error)):
        two.recv()
    signalling.result()
    assert two.closed
    assert two.fileno() == -1
    assert took[0] < 1
    one.abort()


CLOSED_BY_A_HANDLER = """
    import faulthandler, os, signal, threading
    from fastnet import arrays
    faulthandler.dump_traceback_later(10, exit=True)

    def accept(listener):
        try:
            listener.accept()
        except OSError as error:
            print(error, flush=True)

    for wait in (accept, list, lambda listener: listener.serve_forever(print)):
        listener = arrays.listen(("127.0.0.1", 0))
        signal.signal(signal.SIGTERM, lambda *_: listener.close())
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        wait(listener)
        print("ended", listener.fileno(), flush=True)
"""


def test_a_handler_may_close_the_listener_that_it_interrupts():
    ended = ["ended -1"] * 3
    assert links.run(CLOSED_BY_A_HANDLER).splitlines() == ["the listener is closed", *ended]


class At:
    """Runs something once, where the interpreter would let a signal handler run.

    That is at the beginning of a Python function and after each built-in one.
    """

    def __init__(self, moment, work):
        self.left = moment
        self.work = work
        self.reached = False

    def __call__(self, frame, event, _argument):
        if "/fastnet/" not in frame.f_code.co_filename or event not in ("call", "c_return"):
            return
        self.left -= 1
        if self.left == 0:
            self.reached = True
            sys.setprofile(None)
            self.work()


def accept_with(listener, at):
    sys.setprofile(at)
    try:
        return listener.accept(links.SOON)
    finally:
        sys.setprofile(None)


def test_close_by_a_handler_at_any_moment_of_accept(listen, keep):
    for moment in range(1, 200):
        listener = listen()
        stream = keep(fastnet.arrays.connect(listener.address))
        at = At(moment, listener.close)
        accepting = links.Background(accept_with, listener, at)
        try:
            keep(accepting.result(2))
        except OSError:
            assert at.reached
        listener.close()
        stream.abort()
        if not at.reached:
            break  # there are no more moments
    assert moment > 20
    assert not at.reached


# ---------------------------------------------------------------------------- forks

FORKED_STREAM = """
    import os, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from 3.12 on
    import numpy as np
    from fastnet import arrays
    listener = arrays.listen(("127.0.0.1", 0))
    client = arrays.connect(listener.address)
    server = listener.accept(5)
    got = []

    def leave_by_exception():
        with client:
            raise SystemExit

    for leave in (leave_by_exception, client.close, client.abort):
        work = lambda: got.append(client.recv(timeout=5).size)
        reading = threading.Thread(target=work)
        reading.start()
        while not client._link.receiving_now:
            time.sleep(0.002)
        pid = os.fork()
        if pid == 0:
            try:
                leave()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        server.send(np.ones(3))
        reading.join()
        client.send(np.ones(2))
        got.append(server.recv(timeout=5).size)
    print(got)
    server.abort()
"""


def test_a_forked_child_that_leaves_does_not_cut_the_parents_connection():
    assert links.run(FORKED_STREAM) == "[3, 2, 3, 2, 3, 2]\n"


FORKED_LISTENER = """
    import os
    import fastnet
    from fastnet import arrays
    listener = arrays.listen(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        calls = (
            listener.accept,
            lambda: next(iter(listener)),
            lambda: listener.serve_forever(print),
        )
        for call in calls:
            try:
                call()
            except fastnet.Error as error:
                print(error, flush=True)
        listener.close()
        os._exit(0)
    os.waitpid(pid, 0)
    client = arrays.connect(listener.address)
    listener.accept(5).abort()
    client.abort()
    listener.close()
    print("the parent went on")
"""


def test_a_listener_in_a_forked_child_says_whose_it_is():
    *child, parent = links.run(FORKED_LISTENER).splitlines()
    assert child == ["the listener belongs to the process that opened it"] * 3
    assert parent == "the parent went on"
