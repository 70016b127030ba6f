"""send_from and recv_into when the peer, the clock or a signal ends them."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
import time

import numpy as np
import pytest

import fastnet
import links

KINDS = pytest.mark.parametrize("sockets", links.ALL, indirect=True)
MODES = pytest.mark.parametrize("mode", [None, 30.0, 0.0])


def hang_up(sock):
    """Ends a connection in order, TLS included."""
    if hasattr(sock, "unwrap"):
        sock.settimeout(0.01)
        try:
            sock.unwrap()
        except OSError:
            pass
    sock.close()


def drain(sock):
    """How many bytes come until the end."""
    sock.settimeout(links.SOON)
    count = 0
    while piece := sock.recv(1 << 20):
        count += len(piece)
    return count


# ------------------------------------------------------------------------- the end


@KINDS
@MODES
@pytest.mark.parametrize("sent", [0, 1, 99_999])
def test_an_early_end_tells_how_far_it_came(sockets, mode, sent):
    one, two = sockets
    one.sendall(bytes(sent))
    closing = links.Background(hang_up, one)
    two.settimeout(mode)
    with pytest.raises(fastnet.IncompleteTransfer) as caught:
        fastnet.recv_into(np.zeros(100_000, "u1"), two)
    closing.result()
    assert (caught.value.transferred, caught.value.expected) == (sent, 100_000)
    assert isinstance(caught.value, EOFError)
    assert f"{sent} of 100000" in str(caught.value)


@pytest.mark.parametrize("sent", [0, 1, 29, 400])
def test_an_early_end_in_a_strided_array(sockets, sent):
    target = np.zeros((100, 20), "u1")[:, ::4]
    sockets[0].sendall(bytes(range(1, 101)) * 4 if sent == 400 else bytes(range(1, sent + 1)))
    sockets[0].close()
    with pytest.raises(fastnet.IncompleteTransfer) as caught:
        fastnet.recv_into(target, sockets[1])
    assert (caught.value.transferred, caught.value.expected) == (sent, 500)


def test_an_early_end_of_a_duck():
    class Ended:
        left = 5

        def recv_into(self, view):
            n = min(2, self.left, len(view))
            self.left -= n
            return n

    with pytest.raises(fastnet.IncompleteTransfer) as caught:
        fastnet.recv_into(bytearray(10), Ended())
    assert (caught.value.transferred, caught.value.expected) == (5, 10)


@pytest.mark.parametrize("sockets", links.PLAIN, indirect=True)
def test_a_peer_that_goes_away_fails_the_sender(sockets):
    one, two = sockets
    two.close()
    with pytest.raises(OSError) as caught:
        fastnet.send_from(np.zeros(50 << 20, "u1"), one)
    assert isinstance(caught.value, ConnectionError)
    assert 0 <= caught.value.transferred < 50 << 20


def test_a_reset_fails_the_receiver(sockets):
    sockets[0].sendall(b"abc")
    links.reset(sockets[0])
    with pytest.raises(ConnectionResetError) as caught:
        fastnet.recv_into(np.zeros(10, "u1"), sockets[1])
    assert caught.value.transferred in (0, 3)


# ----------------------------------------------------------------------- the clock


@KINDS
@pytest.mark.parametrize("how", ["argument", "socket"])
@pytest.mark.parametrize("sent", [0, 1000])
def test_a_receivers_deadline(sockets, how, sent):
    one, two = sockets
    one.sendall(bytes(sent))
    options = {}
    if how == "argument":
        options["timeout"] = 0.05
    else:
        two.settimeout(0.05)
    began = time.monotonic()
    with pytest.raises(fastnet.TransferTimeout) as caught:
        fastnet.recv_into(np.zeros(2000, "u1"), two, **options)
    assert time.monotonic() - began >= 0.045
    assert (caught.value.transferred, caught.value.expected) == (sent, 2000)
    assert isinstance(caught.value, TimeoutError)
    assert two.gettimeout() == (None if how == "argument" else 0.05)


@KINDS
@MODES
def test_a_senders_deadline_counts_exactly(sockets, mode):
    two, one = sockets  # the connecting end of TLS has unread tickets, so the other one sends
    one.settimeout(mode)
    with pytest.raises(fastnet.TransferTimeout) as caught:
        fastnet.send_from(np.zeros(80 << 20, "u1"), one, timeout=0.1)
    assert caught.value.expected == 80 << 20
    assert 0 < caught.value.transferred < 80 << 20
    assert one.gettimeout() == mode
    counting = links.Background(drain, two)
    one.shutdown(socket.SHUT_WR)
    one.close()
    assert counting.result() == caught.value.transferred


def test_the_deadline_is_for_the_whole_call(sockets):
    one, two = sockets
    stop = threading.Event()

    def drip():
        while not stop.wait(0.01):
            one.sendall(b"x")

    dripping = links.Background(drip)
    with pytest.raises(fastnet.TransferTimeout) as caught:
        fastnet.recv_into(np.zeros(1 << 20, "u1"), two, timeout=0.15)
    stop.set()
    dripping.result()
    assert 0 < caught.value.transferred < 1000


@KINDS
def test_none_overrules_the_sockets_own(sockets):
    one, two = sockets
    two.settimeout(0.02)
    sending = threading.Timer(0.1, one.sendall, [bytes(100)])
    sending.start()
    assert fastnet.recv_into(bytearray(100), two, timeout=None) == 100
    sending.join()
    assert two.gettimeout() == 0.02


def test_zero_takes_what_is_there(sockets):
    one, two = sockets
    one.sendall(bytes(100))
    target = bytearray(100)
    links.wait_until(lambda: len(two.recv(100, socket.MSG_PEEK)) == 100)
    assert fastnet.recv_into(target, two, timeout=0) == 100
    one.sendall(bytes(40))
    links.wait_until(lambda: len(two.recv(100, socket.MSG_PEEK)) == 40)
    with pytest.raises(fastnet.TransferTimeout) as caught:
        fastnet.recv_into(target, two, timeout=0)
    assert caught.value.transferred == 40
    assert fastnet.send_from(target, one, timeout=0) == 100


@KINDS
def test_zero_with_nothing_there(sockets):
    with pytest.raises(fastnet.TransferTimeout) as caught:
        fastnet.recv_into(bytearray(10), sockets[1], timeout=0)
    assert (caught.value.transferred, caught.value.expected) == (0, 10)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf")])
@pytest.mark.parametrize("sockets", ["tcp4", "tls"], indirect=True)
def test_senseless_timeouts(sockets, timeout):
    with pytest.raises(ValueError, match="timeout"):
        fastnet.send_from(bytes(10), sockets[0], timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        fastnet.recv_into(bytearray(10), sockets[0], timeout=timeout)


def test_timeouts_that_are_no_numbers(sockets):
    with pytest.raises(TypeError):
        fastnet.send_from(bytes(10), sockets[0], timeout="soon")


@pytest.mark.parametrize("timeout", [float("inf"), 1e18, 10**9])
@pytest.mark.parametrize("sockets", ["tcp4", "tls"], indirect=True)
def test_a_timeout_beyond_any_clock_waits_for_ever(sockets, timeout):
    fastnet.send_from(bytes(10), sockets[0], timeout=timeout)
    assert fastnet.recv_into(bytearray(10), sockets[1], timeout=timeout) == 10


def test_an_empty_array_needs_no_peer(sockets):
    assert fastnet.recv_into(np.zeros(0), sockets[1], timeout=0) == 0
    assert fastnet.send_from(np.zeros((3, 0)), sockets[0], timeout=0) == 0


def test_partial_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(fastnet.IncompleteTransfer("text", 3, 7)))
    assert (type(error), str(error)) == (fastnet.IncompleteTransfer, "text")
    assert (error.transferred, error.expected) == (3, 7)


# ------------------------------------------------------------------------- signals

INTERRUPTED = """
    import socket, sys, time
    import numpy as np
    import fastnet
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.settimeout(None if sys.argv[3] == "blocking" else 0)
    array = np.zeros(1 << 30, "u1")
    print("ready", flush=True)
    try:
        if sys.argv[2] == "send":
            fastnet.send_from(array, sock)
        else:
            fastnet.recv_into(array, sock)
    except KeyboardInterrupt:
        print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("mode", ["blocking", "non-blocking"])
@pytest.mark.parametrize("direction", ["send", "receive"])
def test_ctrl_c_is_honoured_at_once(sockets, direction, mode, record_property):
    number = sockets[1].fileno()
    with links.program(INTERRUPTED, number, direction, mode, pass_fds=[number]) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.15)  # well inside the transfer
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        text = child.stdout.readline()
        took = float(text) - began
    print(f"Ctrl-C in {direction}: honoured after {took * 1e3:.0f} ms")
    record_property("milliseconds", took * 1e3)
    assert took < 0.5  # 50 ms on an idle machine


@pytest.mark.parametrize("sockets", ["tcp4", "unix", "tls"], indirect=True)
def test_a_signal_that_is_handled_does_not_disturb(sockets):
    one, two = sockets
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
    stop = threading.Event()

    def shower():
        while not stop.wait(0.001):
            os.kill(os.getpid(), signal.SIGUSR1)

    try:
        showering = links.Background(shower)
        array = np.random.default_rng(3).integers(0, 256, 24 << 20, dtype=np.uint8)
        target = np.zeros_like(array)
        sending = links.Background(fastnet.send_from, array, one)
        assert fastnet.recv_into(target, two) == array.nbytes
        sending.result()
        receiving = links.Background(fastnet.recv_into, target, one)
        assert fastnet.send_from(array, two) == array.nbytes
        receiving.result()
        stop.set()
        showering.result()
    finally:
        stop.set()
        signal.signal(signal.SIGUSR1, before)
    assert seen
    assert (target == array).all()


def test_a_handler_that_raises_ends_the_transfer(sockets):
    class Enough(Exception):
        pass

    def handler(*_):
        raise Enough

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGUSR1])
        timer.start()
        with pytest.raises(Enough):
            fastnet.recv_into(np.zeros(10), sockets[0])
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
