"""Streams that nobody closes, waiting for a connection, and forks in the middle of it."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import client_kit as kit
import links
from client_kit import Scripted, reply
from fastnet import http
from fastnet.http._pool import Pool


class Wire:
    """As much of a connection as a pool looks at."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.idle = True
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Dropping(tuple[str, str]):
    """A key that drops a stream where it is looked up: as the collector may at any time."""

    pool: Any = None
    wire: Any = None

    def __hash__(self) -> int:
        if self.pool is not None:
            pool, self.pool = self.pool, None
            pool.forget(("key", "a"), self.wire)
        return super().__hash__()


def dropping(pool: Any) -> Any:
    key = Dropping(("key", "b"))
    key.pool, key.wire = pool, Wire()
    return key


@contextlib.contextmanager
def eager_collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(5)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_collector_may_come_at_any_time() -> None:
    """Streams in cycles are freed wherever it happens to run, the pool's own lines included."""

    class Box:
        mine: Any

    def work(session: http.Session, url: str) -> None:
        for _ in range(150):
            box = Box()
            box.mine = (box, session.get(url, stream=True))
            del box
            session.get(url)

    with kit.serving() as server, http.Session(trust_env=False) as session:
        with eager_collector():
            links.Background(work, session, f"{server.url}/x").result()
        gc.collect()
        assert not session._pool._used


def test_a_stream_dropped_under_the_lock() -> None:
    pool: Any = Pool(most=1)
    assert pool.take(("key", "a"), None) is None
    with pool._lock:
        pool.forget(("key", "a"), Wire())
        assert pool._used
    waiting = links.Background(pool.take, ("key", "a"), links.SOON)
    assert waiting.result() is None
    for method in (pool.take, pool.give, pool.forget):
        key = dropping(pool)
        argument = links.SOON if method == pool.take else Wire()
        links.Background(method, key, argument).result()
        assert pool.take(("key", "a"), 0.05) is None


def test_what_is_given_under_the_lock_is_kept() -> None:
    pool: Any = Pool(keep=1)
    wires = [Wire(), Wire()]
    for _ in wires:
        pool.take(("key", "a"), None)
    with pool._lock:
        for wire in wires:
            pool.give(("key", "a"), wire)
    assert pool.take(("key", "a"), None) is wires[0]
    assert wires[1].closed


def test_who_waits_is_woken_by_his_own_host() -> None:
    pool: Any = Pool(most=1)
    for name in "ab":
        assert pool.take(("key", name), None) is None
    done: list[str] = []

    def wait(name: str) -> None:
        pool.take(("key", name), links.SOON)
        done.append(name)

    threads = []
    for name in "ab":
        threads.append(links.Background(wait, name))
        links.wait_until(lambda name=name: ("key", name) in pool._waiting)
    pool.forget(("key", "b"))
    threads[1].result()
    assert done == ["b"]
    pool.forget(("key", "a"))
    threads[0].result()
    assert not pool._waiting
    assert pool._used == {("key", "a"): 1, ("key", "b"): 1}


def test_first_come_first_served_and_nothing_is_lost_by_giving_up() -> None:
    pool: Any = Pool(most=1)
    key = ("key", "a")
    pool.take(key, None)
    with pytest.raises(http.ConnectTimeout, match="all 1 connections to a were in use"):
        pool.take(key, 0.05)
    assert not pool._waiting
    threads = []
    for count in (1, 2):
        threads.append(links.Background(pool.take, key, links.SOON))
        links.wait_until(lambda count=count: len(pool._waiting.get(key, ())) == count)
    wire = Wire()
    pool.give(key, wire)
    assert threads[0].result() is wire
    pool.give(key, wire)
    assert threads[1].result() is wire
    assert pool._used == {key: 1}


def test_turns_among_threads() -> None:
    with kit.serving() as server, http.Session(most=2, trust_env=False) as session:

        def work(number: int) -> None:
            for turn in range(10):
                path = f"/{number}/{turn}"
                assert session.get(server.url + path).json()["path"] == path

        for thread in [links.Background(work, number) for number in range(8)]:
            thread.result()
        assert not session._pool._used
        assert not session._pool._waiting


def test_a_dropped_stream_makes_room() -> None:
    with Scripted(reply(b"x" * 10), reply(b"y")) as server:
        with http.Session(most=1, trust_env=False) as session:
            session.get(server.url, stream=True)
            gc.collect()
            assert session.get(server.url).text == "y"


def test_what_a_child_inherits_is_not_counted() -> None:
    """As after a fork, without one: the parent's connections are neither kept nor in use."""
    pool: Any = Pool(most=1)
    key = ("key", "a")
    theirs = [Wire() for _ in range(4)]
    pool.take(key, None)
    pool.give(key, theirs[0])
    pool.forked()
    pool.take(key, 0.05)
    assert theirs[0].closed
    pool.give(key, theirs[1])
    pool.forget(key, theirs[2])
    with pool._lock:
        pool.give(key, theirs[3])
    assert len(pool) == 0
    assert theirs[1].closed
    assert theirs[3].closed
    assert pool._used == {key: 1}
    with pytest.raises(http.ConnectTimeout):
        pool.take(key, 0.05)
    ours = Wire()
    pool.give(key, ours)
    assert pool.take(key, 0.05) is ours


def close_in_a_child(session: Any, url: str, stream: Any, read: Any, pipe: Any) -> None:
    stream.close()
    read.read()
    pipe.send((len(session._pool), session.get(url).json()["peer"]))
    pipe.close()


def test_a_fork_while_a_thread_has_the_lock() -> None:
    """What the child does with its parent's streams waits for no thread of the parent's."""
    with kit.serving() as server, http.Session(trust_env=False) as session:
        url = f"{server.url}/x"
        ours = session.get(url).json()["peer"]
        here, there = multiprocessing.get_context("fork").Pipe(False)
        locked, free = threading.Event(), threading.Event()

        def hold() -> None:
            with session._pool._lock:
                locked.set()
                free.wait(links.SOON)

        with session.get(url, stream=True) as stream, session.get(url, stream=True) as read:
            holder = links.Background(hold)
            assert locked.wait(links.SOON)
            args = (session, url, stream, read, there)
            child = multiprocessing.get_context("fork").Process(target=close_in_a_child, args=args)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks
                child.start()
            there.close()
            free.set()
            holder.result()
            assert here.poll(links.SOON)
            kept, theirs = here.recv()
            here.close()
            child.join()
            child.close()
        assert (kept, os.getpid()) == (0, os.getpid())
        assert theirs != ours
