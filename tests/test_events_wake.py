"""fastnet.events: stopping, waking, signals, forks and the pool of threads."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest

import links
from fastnet import events
from test_events import OURS, Probe

pytestmark = pytest.mark.parametrize("kind", OURS)


@pytest.fixture
def probe(keep):
    """A handler that is closed afterwards."""
    return keep(Probe())


@pytest.fixture
def loop(kind, keep):
    """A loop without handlers."""
    return keep(events.EventLoop([], poller=kind))


# -------------------------------------------------------------- stopping and waking


def test_stop_from_a_thread(loop):
    for _ in range(100):
        thread = links.Background(loop.run)
        loop.stop()  # before it runs, or while
        thread.result()
    assert not loop.running


def test_stop_from_a_handler(loop, probe):
    loop.add(probe)
    probe.handle_receive = lambda: (probe.log.append("called"), loop.stop())
    probe.peer.send(b"x")
    loop.run()
    assert probe.log == ["called"]
    loop.stop()
    loop.run()
    loop.stop()
    assert loop.run_once() == 0


def test_a_timeout(loop, probe):
    loop.add(probe)
    start = time.monotonic()
    assert loop.run_once(0.02) == 0
    assert time.monotonic() - start >= 0.02
    with pytest.raises(ValueError, match="timeout"):
        loop.run_once(-1)


def test_handlers_that_another_thread_adds(loop, probe):
    thread = links.Background(loop.run)
    probe.peer.send(b"x")
    loop.add(probe)
    links.wait_until(lambda: probe.log)
    loop.remove(probe)
    with pytest.raises(ValueError):
        loop.remove(probe)
    probe.peer.send(b"y")
    loop.stop()
    thread.result()
    assert len(probe.log) == 1


def test_changed_wakes_the_loop(loop, keep):
    class Quiet(Probe, events.EventHandler):
        pass

    handler = keep(Quiet())
    handler.receives = False
    handler.changed()  # no loop runs
    thread = links.Background(loop.run)
    loop.add(handler)
    for count in range(1, 50):
        handler.sends = True
        handler.changed()
        links.wait_until(lambda: len(handler.log) == count)  # noqa: B023
    loop.changed(object())
    loop.stop()
    thread.result()


def test_only_one_may_run_it(loop, probe):
    seen = []

    def inside():
        for call in (loop.run, loop.run_once, loop.close):
            with pytest.raises(RuntimeError, match="running"):
                call()
        seen.append(loop.running)

    loop.add(probe)
    probe.handle_receive = lambda: (inside(), loop.stop())
    probe.peer.send(b"x")
    loop.run()
    assert seen == [True]


def test_a_loop_within_a_handler(loop, kind, keep):
    outer, inner = keep(Probe()), keep(Probe())
    outer.peer.send(b"x")
    inner.peer.send(b"y")
    loop.add(outer)

    def run_another():
        outer.sock.recv(1)
        with events.EventLoop([inner], poller=kind) as another:
            assert another.run_once() == 1

    outer.handle_receive = run_another
    assert loop.run_once() == 1
    assert inner.log == [("", "receive", b"y")]


def test_closing(loop):
    loop.close()
    loop.close()
    loop.stop()
    loop.wake()
    assert loop.closed
    with pytest.raises(ValueError, match="closed"):
        loop.run()


def test_options(kind, monkeypatch):
    monkeypatch.setenv("FASTNET_POLLER", kind)
    with events.EventLoop() as loop:
        assert loop.poller == kind
        assert loop.handlers == []
    for bad in ({"poller": "kqueue"}, {"sweep": 0}, {"sweep": -1}, {"spin": 2}, {"spin": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            events.EventLoop([], **bad)
    with events.EventLoop([], poller=kind, spin=0, sweep=1) as loop:
        assert loop.run_once(0) == 0
        assert loop.stats()["handlers"] == 0


# ---------------------------------------------------------------- signals and forks


def test_stop_from_a_signal_handler(loop, probe):
    loop.add(probe)
    before = signal.signal(signal.SIGALRM, lambda *_: loop.stop())
    try:
        for delay in (0.0001, 0.001, 0.01):
            signal.setitimer(signal.ITIMER_REAL, delay)
            loop.run()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c(kind, busy):
    program = """
        import socket, sys, threading, time
        from fastnet import events

        class Echo(events.UDPServer):
            def handle_receive(self):
                data, _ = self.sock.recvfrom(10)
                self.sock.sendto(data, self.sock.getsockname())

        server = Echo(("127.0.0.1", 0))
        if sys.argv[2] == "True":
            server.sock.sendto(b"for ever", server.sock.getsockname())
        print("ready", flush=True)
        try:
            events.event_loop([server], poller=sys.argv[1])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with links.program(program, kind, busy) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.02)
        start = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
        assert time.monotonic() - start < 1
        assert child.wait(links.SOON) == 0


def test_a_forked_child_has_a_poller_of_its_own(kind):
    program = """
        import os, socket, sys, warnings
        from fastnet import events

        class Reader(events.EventHandler):
            def __init__(self):
                self.near, self.far = socket.socketpair()
                self.got = []
            def fileno(self):
                return self.near.fileno()
            def wants_to_receive(self):
                return True
            def handle_receive(self):
                self.got.append(self.near.recv(10))

        one, two = Reader(), Reader()
        loop = events.EventLoop([one, two], poller=sys.argv[1])
        assert loop.run_once(0) == 0
        child = os.fork()
        if child == 0:
            loop.handlers.remove(one)
            one.far.send(b"x")
            two.far.send(b"y")
            assert loop.run_once() == 1 and two.got == [b"y"]
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert loop.run_once() == 1 and one.got == [b"x"]
        print("well")
    """
    assert links.run(program, kind) == "well\n"


# --------------------------------------------------------------- the pool of threads


@pytest.fixture
def pool(loop, keep):
    """A pool in the loop's list."""
    pool = keep(events.ThreadPoolHandler(4))
    loop.add(pool)
    return pool


def turns_until(loop, condition):
    end = time.monotonic() + links.SOON
    while not condition():
        assert time.monotonic() < end
        loop.run_once(links.SOON)


def test_results_come_back_into_the_loops_thread(loop, pool):
    got = []
    for n in range(200):
        pool.run(
            lambda a, b: (a + b, threading.get_ident()),
            (n,),
            {"b": 1},
            callback=lambda r: got.append((r[0], r[1], threading.get_ident())),
        )
    turns_until(loop, lambda: len(got) == 200)
    assert sorted(value for value, _, _ in got) == list(range(1, 201))
    here = threading.get_ident()
    assert all(there != here and back == here for _, there, back in got)


def test_a_slow_one_holds_up_nobody(loop, pool, probe):
    release = threading.Event()
    got = []
    pool.run(release.wait, (links.SOON,), callback=got.append)
    loop.add(probe)
    probe.peer.send(b"x")
    turns_until(loop, lambda: probe.log)
    assert got == []
    release.set()
    turns_until(loop, lambda: got)
    assert got == [True]


def test_errors_of_the_work(loop, pool):
    got = []
    pool.run(int, ("seven",), callback=got.append, error_callback=got.append)
    turns_until(loop, lambda: got)
    assert isinstance(got[0], ValueError)
    assert pool.run(int, ("7",)).result(links.SOON) == 7
    with pytest.raises(ValueError, match="seven"):
        pool.run(int, ("seven",)).result(links.SOON)
    pool.run(int, ("eight",), callback=got.append)
    with pytest.raises(ValueError, match="eight"):
        loop.run()
    pool.run(int, ("9",), error_callback=got.append).result(links.SOON)
    assert loop.run_once() == 1
    assert len(got) == 1


def test_errors_of_a_callback_lose_no_other(loop, pool):
    got = []
    futures = [pool.run(int, ("0",), callback=lambda _: 1 / 0)]
    futures += [pool.run(int, (str(n),), callback=got.append) for n in range(10)]
    for future in futures:
        future.result(links.SOON)
    with pytest.raises(ZeroDivisionError):
        turns_until(loop, lambda: len(got) == 10)
    turns_until(loop, lambda: len(got) == 10)


def test_closing_the_pool(kind):
    begun, release = threading.Event(), threading.Event()
    called = []
    pool = events.ThreadPoolHandler(1)
    loop = events.EventLoop([pool], poller=kind)
    with links.closing(loop, pool):
        pool.run(lambda: (begun.set(), release.wait(links.SOON)), callback=called.append)
        cancelled = pool.run(int, callback=called.append)
        assert begun.wait(links.SOON)
        timer = threading.Timer(0.02, release.set)
        timer.start()
        pool.close()
        timer.join()
        assert cancelled.cancelled()
        loop.remove(pool)
        assert loop.run_once(0) == 0
        with pytest.raises(RuntimeError):
            pool.run(int)
    assert called == []


def test_work_and_answers_over_udp(kind, loop, pool):
    class Squares(events.UDPServer):
        def handle_receive(self):
            data, addr = self.sock.recvfrom(100)
            pool.run(pow, (int(data), 2), callback=lambda r: self.sock.sendto(b"%d" % r, addr))

    server = Squares(("127.0.0.1", 0))
    loop.add(server)
    thread = links.Background(loop.run)
    with links.closing(server), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(links.SOON)
        sock.connect(server.sock.getsockname())
        for n in range(50):
            sock.send(b"%d" % n)
        assert sorted(int(sock.recv(100)) for _ in range(50)) == [n * n for n in range(50)]
        loop.stop()
        thread.result()
