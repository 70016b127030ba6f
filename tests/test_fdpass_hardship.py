"""`fdpass.Dispatcher` without descriptors, and with handlers that do what they should not."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import time

import pytest

import links
from dispatch_kit import connect, dispatching, echo, line, rest
from fastnet import fdpass
from fastnet.fdpass._board import COUNTERS, Board
from test_serve_workers import alive

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@contextlib.contextmanager
def few_descriptors(free):
    """What is forked inside may open so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = set(map(int, os.listdir("/proc/self/fd")))
    unused = (number for number in itertools.count() if number not in used)
    limit = next(itertools.islice(unused, free, None))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --------------------------------------------------------------------- without descriptors


def test_a_worker_is_replaced_when_accepting_has_taken_every_descriptor():
    with contextlib.ExitStack() as stack:
        dispatcher = fdpass.Dispatcher(("127.0.0.1", 0), echo, workers=1, threads=100)
        stack.callback(dispatcher.shutdown)
        with few_descriptors(20):
            dispatcher.start()
        links.wait_until(lambda: dispatcher.pids)
        (pid,) = dispatcher.pids
        os.kill(pid, signal.SIGSTOP)  # it takes none, so that all stay with who accepts
        socks = [stack.enter_context(connect(dispatcher)) for _ in range(40)]
        links.wait_until(lambda: dispatcher.stats()["shed"])
        os.kill(pid, signal.SIGKILL)
        found = line(socks[0])
        assert found != pid
        links.wait_until(lambda: dispatcher.pids == [found])  # it may answer before that is noted
        for sock in socks:
            rest(sock)


def greedy(sock, address):
    """Leaves its process not one descriptor, until it is told to end."""
    sock.sendall(b"%d\n" % os.getpid())
    if sock.recv(100) != b"all":
        return
    kept = [os.dup(sock.fileno())]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (kept[0] + 1, hard))
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.dup(sock.fileno()))
    sock.sendall(b"0\n")
    sock.recv(100)
    for fd in kept:
        os.close(fd)


def test_a_worker_without_descriptors_gives_back_and_goes_on():
    with dispatching(greedy, workers=1, threads=3) as dispatcher:
        with connect(dispatcher) as first:
            pid = line(first)
            first.sendall(b"all")
            assert line(first) == 0
            with connect(dispatcher) as second:
                links.wait_until(lambda: dispatcher.stats()["waiting"] == 1)
                rest(first)
                assert line(second) == pid
                rest(second)
        with connect(dispatcher) as third:
            assert line(third) == pid
            rest(third)
        links.wait_until(lambda: dispatcher.stats()["done"] == 3)
        assert dispatcher.stats()["replaced"] == 0


# ------------------------------------------------------------------------------- handlers


def test_a_worker_that_stands_still_does_not_hold_up_the_end():
    with dispatching(echo, workers=2) as dispatcher:
        pids = dispatcher.pids
        os.kill(pids[0], signal.SIGSTOP)
        ending = links.Background(dispatcher.shutdown, 0.05)
        try:
            ending.result(links.SOON)
        finally:
            if alive(pids[0]):
                os.kill(pids[0], signal.SIGKILL)
    assert not any(map(alive, pids))


def _close_by_number(sock, address):
    sock.sendall(b"%d\n" % os.getpid())
    os.close(sock.fileno())


def test_a_handler_that_closes_its_descriptor():
    """With threads it could close another's, whose number is the same by then."""
    with dispatching(_close_by_number, workers=1) as dispatcher:
        for _ in range(3):
            with connect(dispatcher) as sock:
                assert line(sock) == dispatcher.pids[0]
                assert sock.recv(1) == b""
        links.wait_until(lambda: dispatcher.stats()["done"] == 3)
        assert dispatcher.stats()["replaced"] == 0


def _close_all(sock, address):
    sock.sendall(b"%d\n" % os.getpid())
    os.closerange(3, 4096)
    time.sleep(60)


def test_a_handler_that_closes_every_descriptor_is_missed():
    with dispatching(_close_all, workers=1) as dispatcher:
        with connect(dispatcher) as sock:
            pid = line(sock)
        with connect(dispatcher) as sock:
            assert line(sock) != pid
        assert not alive(pid)


def test_a_handler_that_shuts_its_dispatcher_down():
    """Which only its own process can; and a number of this one must not be closed for it."""
    made = []

    def quitting(sock, address):
        made[0].shutdown()
        echo(sock, address)

    with fdpass.Dispatcher(("127.0.0.1", 0), quitting, workers=1) as dispatcher:
        made.append(dispatcher)
        dispatcher.start()
        for _ in range(2):
            with connect(dispatcher) as sock:
                assert line(sock)
                assert rest(sock) == b""


def test_counters_are_never_seen_half_written():
    board = Board(1)
    board.write(dict.fromkeys(COUNTERS, 1 << 40), [4711])
    writer = os.fork()
    if not writer:
        for number in range(100_000):
            board.write(dict.fromkeys(COUNTERS, (1 << 40) + number), [4711])
        os._exit(0)
    half = 0
    while not os.waitpid(writer, os.WNOHANG)[0]:
        for _ in range(1000):
            half += board.pids() != [4711] or min(board.counts().values()) < 1 << 40
    assert half == 0
