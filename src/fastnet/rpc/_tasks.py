"""Coroutine handlers: an event loop in a thread of its own, started when it is needed."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from fastnet._native.rpchub import CURRENT
from fastnet.loop import new_event_loop

__all__ = ["Tasks"]

_log = logging.getLogger("fastnet.rpc")


class Tasks:
    """Runs handlers that are coroutines or asynchronous generators."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def run(self, context: Any, thing: Any) -> None:
        """Starts a handler; any thread."""
        loop = self._started()
        if loop is None:
            if hasattr(thing, "close"):
                thing.close()
            context.fail(RuntimeError("the server has ended"))
            return
        try:
            loop.call_soon_threadsafe(self._begin, context, thing)
        except RuntimeError as error:  # the server ends just now
            if hasattr(thing, "close"):
                thing.close()
            context.fail(error)

    def _started(self) -> asyncio.AbstractEventLoop | None:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._closed:
                return None
            if self._loop is None:
                self._loop = new_event_loop()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._loop,), name="fastnet-rpc-tasks", daemon=True
                )
                self._thread.start()
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._closed:
                try:
                    loop.run_forever()
                except (SystemExit, KeyboardInterrupt):  # of a task that a handler has left behind
                    _log.exception("a task asked to exit")
            left = list(self._tasks)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.wait(left, timeout=5.0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _begin(self, context: Any, thing: Any) -> None:
        work = (
            self._stream(context, thing)
            if hasattr(thing, "__aiter__")
            else self._answer(context, thing)
        )
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, context: Any, thing: Any) -> None:
        CURRENT.set(context)
        scope: asyncio.Timeout | None = None
        try:
            with self._cancellable(context):
                async with asyncio.timeout(context.remaining) as scope:
                    result = await thing
        except asyncio.CancelledError:
            context.fail(RuntimeError("the call was cancelled"))
        except BaseException as error:  # to exit is not for a handler to say
            if scope is not None and scope.expired():
                context.leave()  # nobody waits any more
            else:
                context.fail(error)
        else:
            context.finish(result)

    async def _stream(self, context: Any, thing: Any) -> None:
        CURRENT.set(context)
        loop = asyncio.get_running_loop()
        room = asyncio.Event()

        def more() -> None:
            _tell(loop, room.set)

        scope: asyncio.Timeout | None = None
        try:
            with self._cancellable(context, more):
                async with asyncio.timeout(context.remaining) as scope:
                    async for item in thing:
                        while not context.room and not context.notify:
                            room.clear()
                            if not context.room:
                                await room.wait()
                        context.item(item)
        except asyncio.CancelledError:
            context.fail(RuntimeError("the call was cancelled"))
        except BaseException as error:  # to exit is not for a handler to say
            if scope is not None and scope.expired():
                context.leave()  # nobody waits any more
            else:
                context.fail(error)
        else:
            context.end()
        finally:
            if hasattr(thing, "aclose"):
                await thing.aclose()

    def _cancellable(self, context: Any, more: Any = None) -> _Cancellable:
        return _Cancellable(context, more)

    def close(self) -> None:
        """Cancels what still runs, and ends the loop."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            _tell(loop, loop.stop)
            thread.join()


class _Cancellable:
    """While it is entered, the call's cancellation cancels the task."""

    def __init__(self, context: Any, more: Any) -> None:
        self._context, self._more = context, more

    def __enter__(self) -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None

        def cancel(task: asyncio.Task[Any] = task) -> None:
            _tell(loop, task.cancel)

        self._context.hooks(cancel, self._more)

    def __exit__(self, *exc: object) -> None:
        self._context.hooks(_nothing)


def _nothing() -> None:
    pass


def _tell(loop: asyncio.AbstractEventLoop, what: Any) -> None:
    try:
        loop.call_soon_threadsafe(what)
    except RuntimeError:
        pass  # it has ended
