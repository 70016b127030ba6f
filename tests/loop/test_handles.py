"""The inner part of the loop beside asyncio's own: handles, timers, turns, errors."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import re
import time
import weakref
from typing import Any

import pytest

import links
from fastnet._native.handles import LoopCore


class Loop(LoopCore, asyncio.SelectorEventLoop):
    """Ours on asyncio's own selector."""


@pytest.fixture(params=[asyncio.SelectorEventLoop, Loop], ids=["asyncio", "fastnet"])
def loop(request):
    loop = request.param()
    loop.told = []
    loop.set_exception_handler(lambda loop, context: loop.told.append(context))
    yield loop
    loop.close()


def turn(loop, count=1):
    """So many turns of a loop that is not running."""
    for _ in range(count):
        loop.stop()
        loop.run_forever()


def nothing(*args):
    """A callback that does nothing."""


class Recorder:
    """A selector that notes for how long it was to wait, and finds nothing."""

    def __init__(self, selector):
        self.selector, self.timeouts = selector, []

    def __getattr__(self, name):
        return getattr(self.selector, name)

    def select(self, timeout):
        self.timeouts.append(timeout)
        return []


# ------------------------------------------------------------------------------ handles


def test_handles_are_asyncios_to_everybody(loop):
    handle, timer = loop.call_soon(nothing), loop.call_later(60, nothing)
    assert isinstance(handle, asyncio.Handle)
    assert not isinstance(handle, asyncio.TimerHandle)
    assert isinstance(timer, asyncio.TimerHandle)
    assert isinstance(timer, asyncio.Handle)
    assert type(loop.call_soon_threadsafe(nothing)) is type(handle)
    assert weakref.ref(handle)() is handle
    assert handle._callback is nothing
    assert handle._args == ()
    assert handle._source_traceback is None


def test_what_they_look_like(loop):
    where = r"nothing\(\).* at .*test_handles\.py:\d+>$"
    handle, timer = loop.call_soon(nothing), loop.call_at(12.5, nothing)
    assert re.search("<Handle " + where, repr(handle))
    assert re.search(r"<TimerHandle when=12\.5 " + where, repr(timer))
    handle.cancel()
    timer.cancel()
    assert repr(handle) == "<Handle cancelled>"
    assert repr(timer) == "<TimerHandle cancelled when=12.5>"


def test_cancelling(loop):
    calls = []
    handle, timer = loop.call_soon(calls.append, 1), loop.call_later(0, calls.append, 2)
    loop.call_soon(calls.append, 3)
    for each in (handle, timer):
        assert not each.cancelled()
        each.cancel()
        each.cancel()
        assert each.cancelled()
    turn(loop, 2)
    assert calls == [3]


def test_what_a_cancelled_handle_held_is_let_go(loop):
    class Thing:
        pass

    thing = Thing()
    seen = weakref.ref(thing)
    handle, timer = loop.call_soon(nothing, thing), loop.call_later(60, nothing, thing)
    del thing
    handle.cancel()
    timer.cancel()
    gc.collect()
    assert seen() is None


def test_a_loop_with_its_handles_is_collected():
    loop = Loop()
    seen = weakref.ref(loop)
    loop.call_later(60, nothing, loop.call_soon(nothing, loop))
    loop._selector.close()  # close() would let go of them
    loop._closed = True
    loop._ssock.close()
    loop._csock.close()
    del loop
    gc.collect()
    assert seen() is None


def test_nobody_else_makes_them():
    loop = Loop()
    kinds = type(loop.call_soon(nothing)), type(loop.call_later(1, nothing))
    loop.close()
    for kind in kinds:
        with pytest.raises(TypeError):
            kind(nothing, (), loop)
        empty = kind.__new__(kind)
        empty.cancel()
        assert empty.cancelled()
        empty._run()


# ------------------------------------------------------------------------------- timers


def test_timers_compare_by_time_across_kinds(loop):
    other = asyncio.SelectorEventLoop()
    early = loop.call_at(1, nothing)
    for late in (loop.call_at(2.5, nothing), other.call_at(2.5, nothing)):
        assert early < late
        assert early <= late
        assert late > early
        assert late >= early
        assert early != late
    same = loop.call_at(1, nothing)
    assert early == same
    assert early <= same
    assert early >= same
    assert hash(early) == hash(same)
    assert early.when() == 1
    assert isinstance(early.when(), int)
    with pytest.raises(TypeError):
        _ = early < 3
    other.close()


def test_timers_run_in_order(loop):
    calls = []
    now = loop.time()
    for place in (3, 1, 2):
        loop.call_at(now - 1 + place / 1000, calls.append, place)
    loop.call_soon(calls.append, 0)
    turn(loop)
    assert calls == [0, 1, 2, 3]


def test_many_cancelled_timers_are_dropped(loop):
    timers = [loop.call_later(60, nothing) for _ in range(300)]
    for timer in timers[50:]:
        timer.cancel()
    assert loop._timer_cancelled_count == 250
    turn(loop)
    assert len(loop._scheduled) == 50
    assert loop._timer_cancelled_count == 0
    for timer in timers[:50]:
        timer.cancel()
    turn(loop)
    assert loop._scheduled == []


def test_how_long_the_selector_waits(loop):
    loop._selector = recorder = Recorder(loop._selector)
    loop._run_once()
    loop.call_soon(nothing)
    loop._run_once()
    timer = loop.call_later(60, nothing)
    loop._run_once()
    timer.cancel()
    timer = loop.call_later(10**9, nothing)
    loop._run_once()
    timer.cancel()
    loop._run_once()
    loop.call_later(-5, nothing)
    loop._run_once()
    assert recorder.timeouts[:2] == [None, 0]
    assert 59 < recorder.timeouts[2] <= 60
    assert recorder.timeouts[3:] == [24 * 3600, None, 0]
    loop._selector = recorder.selector


# -------------------------------------------------------------------------------- turns


def test_what_a_callback_schedules_waits_for_the_next_turn(loop):
    calls = []

    def first():
        calls.append("first")
        loop.call_soon(calls.append, "next turn")
        loop.call_soon_threadsafe(calls.append, "and this")

    loop.call_soon(first)
    loop.call_soon(calls.append, "second")
    turn(loop)
    assert calls == ["first", "second"]
    turn(loop)
    assert calls == ["first", "second", "next turn", "and this"]


def test_each_callback_has_its_context(loop):
    variable = contextvars.ContextVar("variable", default=0)
    mine = contextvars.Context()
    seen = []

    def look(change):
        seen.append(variable.get())
        variable.set(change)

    loop.call_soon(look, 1)
    loop.call_soon(look, 2, context=mine)
    loop.call_later(0, look, 3, context=mine)
    handle = loop.call_soon(nothing, context=mine)
    turn(loop, 2)
    assert seen == [0, 0, 2]
    assert variable.get() == 0
    assert mine[variable] == 3
    if hasattr(asyncio.Handle, "get_context"):
        assert handle.get_context() is mine


def test_threads_wake_the_loop(loop):
    done = loop.create_future()
    worker = links.Background(lambda: loop.call_soon_threadsafe(done.set_result, 5))
    assert loop.run_until_complete(done) == 5
    worker.result()


def test_foreign_descriptors(loop):
    ours, theirs = links.socket_pair("unix")
    heard: list[bytes] = []

    def hear():
        heard.append(ours.recv(10))
        loop.remove_reader(ours)

    with ours, theirs:
        loop.add_reader(ours, hear)
        loop.add_writer(ours, loop.remove_writer, ours)
        theirs.send(b"x")
        turn(loop, 3)
        assert heard == [b"x"]
        assert not loop.remove_reader(ours)
        assert not loop.remove_writer(ours)


def test_a_closed_loop_takes_nothing(loop):
    loop.close()
    for call in (
        lambda: loop.call_soon(nothing),
        lambda: loop.call_later(1, nothing),
        lambda: loop.call_at(1, nothing),
        lambda: loop.call_soon_threadsafe(nothing),
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            call()
    assert loop.is_closed()


def test_wrong_times(loop):
    for call in (loop.call_later, loop.call_at):
        for wrong in (None, "soon"):
            with pytest.raises(TypeError):
                assert call(wrong, nothing) is None or loop._run_once()
    loop._scheduled.clear()


# ------------------------------------------------------------------------------- errors


def fail(error):
    """Raises."""
    raise error


def test_errors_go_to_the_handler(loop):
    error = ValueError("no")
    calls: list[Any] = []
    handle = loop.call_soon(fail, error)
    loop.call_soon(calls.append, 1)
    turn(loop)
    (told,) = loop.told
    assert calls == [1]
    assert set(told) == {"message", "exception", "handle"}
    assert re.search(r"Exception in callback fail\(.*\) at .*:\d+$", told["message"])
    assert told["exception"] is error
    assert told["handle"] is handle


def test_a_context_that_is_in_use(loop, caplog):
    context = contextvars.copy_context()
    loop.call_soon(nothing, context=context)
    context.run(turn, loop)
    # From 3.12 on the handler is called in that context as well, which asyncio can only log.
    texts = [str(told["exception"]) for told in loop.told] or [caplog.text]
    assert len(texts) == 1
    assert "cannot enter context" in texts[0]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_program_passes(loop, kind):
    calls: list[Any] = []
    loop.call_soon(fail, kind())
    loop.call_soon(calls.append, "left for later")
    with pytest.raises(kind):
        turn(loop)
    assert calls == []
    turn(loop)
    assert calls == ["left for later"]
    assert loop.told == []


def test_debug_mode_is_asyncios(loop, caplog):
    calls: list[Any] = []
    early = loop.call_soon(calls.append, 1)
    loop.set_debug(True)
    loop.slow_callback_duration = 0.001
    late = loop.call_soon(time.sleep, 0.002)
    loop.call_later(0, fail, ValueError())
    assert late._source_traceback[-1].name == "test_debug_mode_is_asyncios"
    turn(loop, 2)
    assert calls == [1]
    assert "Executing <Handle sleep(0.002)" in caplog.text
    assert loop.told[0]["source_traceback"][-1].name == "test_debug_mode_is_asyncios"
    with pytest.raises(TypeError):
        loop.call_soon(None)
    loop.set_debug(False)
    assert loop.get_debug() is False
    assert not early.cancelled()


def test_a_handle_cancelled_in_debug_mode_says_what_it_was(loop):
    handle = loop.call_soon(nothing)
    loop.set_debug(True)
    handle.cancel()
    assert "nothing" in repr(handle)
