"""What happens to a Socket's call while it waits: signals, closing, forks, other threads."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

import links
from fastnet.sockets import socketpair


@pytest.fixture
def pair(keep):
    one, two = socketpair()
    return keep(one), keep(two)


class Stop(Exception):
    pass


def raising(_number, _frame):
    raise Stop


@pytest.fixture
def alarm():
    """alarm(handler, seconds) sends a signal soon."""
    before = signal.getsignal(signal.SIGALRM)

    def alarm(handler, seconds=0.05):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


CALLS = {
    "recv": lambda sock: sock.recv(10),
    "recv_into": lambda sock: sock.recv_into(bytearray(100_000)),
    "sendall": lambda sock: sock.sendall(bytes(5_000_000)),
    "large sendall": lambda sock: sock.sendall(bytes(100_000_000)),
}


@pytest.mark.parametrize("timeout", [None, links.SOON])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_signal_ends_a_wait(pair, alarm, call, timeout):
    one, _ = pair
    one.settimeout(timeout)
    alarm(raising)
    with pytest.raises(Stop):
        call(one)
    assert signal.set_wakeup_fd(-1) == -1  # nothing of the wait is left


@pytest.mark.parametrize("timeout", [None, links.SOON])
def test_a_handler_that_returns_does_not_end_a_wait(pair, alarm, timeout):
    one, two = pair
    two.settimeout(timeout)
    alarm(lambda *_: one.sendall(b"from the handler"))
    assert two.recv(100) == b"from the handler"


def test_a_handler_may_close_the_socket(pair, alarm):
    _, two = pair
    alarm(lambda *_: two.close())
    with pytest.raises(OSError, match="Bad file descriptor"):
        two.recv(10)


@pytest.mark.parametrize("timeout", [None, links.SOON])
@pytest.mark.parametrize("spin", [0, 1])
def test_closing_under_a_receiver(keep, timeout, spin):
    """The number of the descriptor is not given to others while a call waits on it."""
    one, two = map(keep, socketpair(spin=spin))
    two.settimeout(timeout)
    number = two.fileno()
    began = threading.Event()

    def receive():
        began.set()
        return two.recv(100)

    waiting = links.Background(receive)
    began.wait()
    links.wait_until(lambda: two.fileno() < 0 or close_when_inside(two, waiting))
    others = [keep(sock) for _ in range(4) for sock in socket.socketpair()]
    assert number not in [sock.fileno() for sock in others]
    for sock in others:
        sock.sendall(b"of another connection")
    one.sendall(b"its own")
    assert waiting.result() == b"its own"
    assert str(number) not in links.descriptors()
    with pytest.raises(BrokenPipeError):
        one.sendall(b"x")  # closed by the call that was inside


def close_when_inside(sock, waiting):
    time.sleep(0.05)  # nothing tells when the thread has come to the wait
    assert waiting.is_alive()
    sock.close()
    return True


def test_closing_under_a_sender(pair):
    one, two = pair
    size = 5_000_000
    sending = links.Background(one.sendall, bytes(size))
    links.wait_until(lambda: two.recv(1, socket.MSG_PEEK))
    close_when_inside(one, sending)
    got = 0
    while chunk := two.recv(1_000_000):
        got += len(chunk)
    sending.result()
    assert got == size


def test_a_shutdown_wakes_a_receiver(pair):
    _, two = pair
    waiting = links.Background(two.recv, 10)
    close = threading.Timer(0.02, lambda: (two.shutdown(socket.SHUT_RDWR), two.close()))
    close.start()
    assert waiting.result() == b""
    close.join()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_closes_what_a_thread_of_its_parent_waits_on(pair):
    one, two = pair
    number = two.fileno()
    waiting = links.Background(two.recv, 10)
    time.sleep(0.05)  # nothing tells when the thread has come to the wait
    pid = os.fork()
    if not pid:
        two.close()
        os._exit(str(number) in links.descriptors())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    one.sendall(b"here")
    assert waiting.result() == b"here"


def test_many_receivers_of_one_socket(pair):
    one, two = pair
    waiting = [links.Background(two.recv, 1) for _ in range(8)]
    one.sendall(b"12345678")
    assert sorted(b"".join(one.result() for one in waiting)) == list(b"12345678")


@pytest.mark.parametrize("spin", [0, None])
def test_ping_pong(keep, spin):
    one, two = map(keep, socketpair(spin=spin))

    def echo():
        while message := two.recv(64):
            two.sendall(message)

    other = links.Background(echo)
    for number in range(2000):
        one.sendall(b"%d" % number)
        assert one.recv(64) == b"%d" % number
    one.shutdown(socket.SHUT_WR)
    other.result()


def test_full_duplex(pair):
    size = 5_000_000

    def take(sock):
        buffer = bytearray(200_000)
        left = size
        while left:
            left -= sock.recv_into(buffer)

    ways = [links.Background(sock.sendall, bytes(size)) for sock in pair]
    ways += [links.Background(take, sock) for sock in pair]
    for way in ways:
        way.result()


def test_a_socket_for_each_thread_leaves_nothing():
    def use():
        for _ in range(20):
            one, two = socketpair()
            with one, two:
                one.sendall(b"x")
                assert two.recv(1) == b"x"
                two.settimeout(0.001)
                with pytest.raises(TimeoutError):
                    two.recv(1)

    for thread in [links.Background(use) for _ in range(8)]:
        thread.result()
