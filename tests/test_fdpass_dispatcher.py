"""`fdpass.Dispatcher`: one process accepts, others handle; none of them is trusted to live."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time

import pytest

import links
from dispatch_kit import connect, dispatching, echo, line, rest
from test_serve_workers import alive

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def log(tmp_path):
    """What the processes log."""
    path = tmp_path / "log"
    handler = logging.FileHandler(path)
    logging.getLogger("fastnet.fdpass").addHandler(handler)
    yield path.read_text
    logging.getLogger("fastnet.fdpass").removeHandler(handler)
    handler.close()


def bound_to_die(sock, address):
    """Dies on the word."""
    sock.sendall(b"%d\n" % os.getpid())
    if sock.recv(100) == b"die":
        os._exit(7)


def failing(sock, address):
    raise RuntimeError("of the handler")


@pytest.mark.parametrize("policy", ["least-loaded", "round-robin"])
def test_connections_go_to_all_workers(policy):
    with dispatching(echo, workers=3, policy=policy) as dispatcher:
        pids = set(dispatcher.pids)
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(dispatcher)) for _ in range(3)]
            assert {line(sock) for sock in socks} == pids
            for number, sock in enumerate(socks):
                sock.sendall(b"to worker %d" % number)
                assert rest(sock) == b"to worker %d" % number
        links.wait_until(lambda: dispatcher.stats()["done"] == 3)
        assert dispatcher.stats()["accepted"] == 3
    assert not any(map(alive, pids))


def test_the_least_loaded_is_next():
    with dispatching(echo, workers=2, threads=3) as dispatcher:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(dispatcher)) for _ in range(4)]
            pids = [line(sock) for sock in socks]
            first = [sock for sock, pid in zip(socks, pids, strict=True) if pid == pids[0]]
            assert len(first) == 2
            for sock in first:
                rest(sock)
            links.wait_until(lambda: dispatcher.stats()["done"] == 2)
            for _ in range(2):  # though in turn it would be the other's
                assert line(stack.enter_context(connect(dispatcher))) == pids[0]


def test_round_robin_goes_on_in_turn():
    with dispatching(echo, workers=2, threads=3, policy="round-robin") as dispatcher:
        with contextlib.ExitStack() as stack:
            pids = []
            for _ in range(4):
                pids.append(line(stack.enter_context(connect(dispatcher))))
            assert pids[0] != pids[1]
            assert pids[:2] == pids[2:]


def test_those_without_a_place_wait_and_are_served():
    with dispatching(echo, workers=1) as dispatcher, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(dispatcher)) for _ in range(10)]
        for sock in socks:
            assert line(sock) == dispatcher.pids[0]
            links.wait_until(lambda: dispatcher.stats()["open"] == 1)
            assert rest(sock) == b""


def test_a_unix_socket_comes_and_goes(tmp_path):
    path = tmp_path / "socket"
    with dispatching(echo, path, workers=1) as dispatcher:
        with connect(dispatcher) as sock:
            line(sock)
            sock.sendall(b"x" * 100_000)
            assert len(rest(sock)) == 100_000
    assert not path.exists()


def test_a_handlers_failure_ends_its_connection_only(log):
    with dispatching(failing, workers=1) as dispatcher:
        pids = dispatcher.pids
        for _ in range(3):
            with connect(dispatcher) as sock:
                assert sock.recv(1) == b""
        links.wait_until(lambda: dispatcher.stats()["done"] == 3)
        assert dispatcher.pids == pids
    assert log().count("RuntimeError: of the handler") == 3


def test_a_peer_that_resets_while_it_waits():
    with dispatching(echo, workers=1) as dispatcher:
        with connect(dispatcher) as first, connect(dispatcher) as last:
            assert line(first)
            with connect(dispatcher) as sock:
                links.reset(sock)
            rest(first)
            assert line(last) == dispatcher.pids[0]
            rest(last)
        links.wait_until(lambda: dispatcher.stats()["open"] == 0)


# ------------------------------------------------------------------------ those who die


def test_a_dead_worker_is_replaced(log):
    with dispatching(bound_to_die, workers=2) as dispatcher:
        before = set(dispatcher.pids)
        with connect(dispatcher) as sock:
            pid = line(sock)
            sock.sendall(b"die")
            assert sock.recv(1) == b""
        links.wait_until(lambda: len(set(dispatcher.pids) - {pid}) == 2)
        assert len(set(dispatcher.pids) - before) == 1
        assert dispatcher.stats()["replaced"] == 1
        for _ in range(4):
            with connect(dispatcher) as sock:
                assert line(sock) in dispatcher.pids
    assert "died with 1 connections in work" in log()


def test_what_a_dead_worker_had_not_begun_goes_to_another():
    with dispatching(echo, workers=1, threads=3) as dispatcher, contextlib.ExitStack() as stack:
        (pid,) = dispatcher.pids
        os.kill(pid, signal.SIGSTOP)
        socks = [stack.enter_context(connect(dispatcher)) for _ in range(5)]
        links.wait_until(lambda: dispatcher.stats()["open"] == 3)
        os.kill(pid, signal.SIGKILL)
        found = {line(sock) for sock in socks[:3]}
        assert len(found) == 1
        assert pid not in found
        assert dispatcher.stats()["handed_again"] == 3
        for sock in socks:
            rest(sock)


def test_a_worker_whose_child_lives_on_is_missed():
    with dispatching(_leave_a_child, workers=1) as dispatcher:
        (pid,) = dispatcher.pids
        with connect(dispatcher) as sock:
            child = line(sock)
            try:
                links.wait_until(lambda: dispatcher.pids not in ([pid], []))
            finally:
                os.kill(child, signal.SIGKILL)


def _leave_a_child(sock, address):
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    sock.sendall(b"%d\n" % child)
    os._exit(0)


def test_workers_that_die_at_once_do_not_busy_the_machine():
    with dispatching(bound_to_die, workers=1) as dispatcher:
        for _ in range(3):
            with connect(dispatcher) as sock:
                line(sock)
                sock.sendall(b"die")
        links.wait_until(lambda: dispatcher.stats()["replaced"] == 3)
        with connect(dispatcher) as sock:
            assert line(sock)


def test_sigterm_lets_a_worker_finish():
    with dispatching(echo, workers=1) as dispatcher:
        (pid,) = dispatcher.pids
        with connect(dispatcher) as sock:
            line(sock)
            os.kill(pid, signal.SIGTERM)
            sock.sendall(b"still here")
            assert rest(sock) == b"still here"
        links.wait_until(lambda: dispatcher.pids not in ([pid], []))
        with connect(dispatcher) as sock:
            assert line(sock) != pid


def test_the_accepting_process_dies(tmp_path):
    path = tmp_path / "socket"
    with contextlib.suppress(ChildProcessError):
        with dispatching(echo, path, workers=2) as dispatcher:
            pids = dispatcher.pids
            os.kill(dispatcher._pid, signal.SIGKILL)
            links.wait_until(lambda: not any(map(alive, pids)))
            with pytest.raises(ChildProcessError, match="signal 9"):
                dispatcher.shutdown()
            dispatcher.shutdown()
    assert not path.exists()


PARENT = """
import sys
from fastnet import fdpass
def handler(sock, address):
    sock.recv(1)
with fdpass.Dispatcher(("127.0.0.1", 0), handler, workers=2) as dispatcher:
    dispatcher.start()
    while len(dispatcher.pids) < 2:
        pass
    print(dispatcher._pid, *dispatcher.pids, flush=True)
    sys.stdin.read()
"""


def test_all_end_when_their_parent_is_killed():
    with links.program(PARENT) as parent:
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == 3
        parent.kill()
        links.wait_until(lambda: not any(map(alive, pids)))
