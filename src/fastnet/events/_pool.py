"""Long work in threads, its results in the loop."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from fastnet.events._handlers import EventHandler


class ThreadPoolHandler(EventHandler):
    """A handler that runs functions in threads and their callbacks in the loop.

    Put it into the loop's list like any other. A worker that is done writes to a pipe, which
    wakes the loop; handlers that a callback changes should say so by `changed`, or are found by
    the sweep.

    Args:
        nworkers: threads at most; None for `ThreadPoolExecutor`'s default.

    Attributes:
        pool: the `concurrent.futures.ThreadPoolExecutor`.

    A context manager, closed at its end.

    Source: Python Cookbook, 3rd edition, recipe 11.12.
    """

    def __init__(self, nworkers: int | None = None) -> None:
        self.pool = ThreadPoolExecutor(nworkers)
        self._done: deque[tuple[Future[Any], Any, Any]] = deque()
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> Future[Any]:
        """Has a thread call func(*args, **kwargs).

        Args:
            func, args, kwargs: what to call.
            callback: called in the loop with what func returned.
            error_callback: called in the loop with what func raised. Without it, but with a
                callback, the exception is raised in the loop, so that it is not lost; with
                neither, the future is the only one to know.

        Returns:
            The future. Where it is cancelled, nobody is called back.

        Raises:
            RuntimeError: the pool is closed.
        """
        future = self.pool.submit(func, *args, **(kwargs or {}))
        if callback is not None or error_callback is not None:
            future.add_done_callback(lambda done: self._finish(done, callback, error_callback))
        return future

    # In the worker's thread, or in the caller's where the work is done already.
    def _finish(self, future: Future[Any], callback: Any, error_callback: Any) -> None:
        self._done.append((future, callback, error_callback))
        self._signal()

    def _signal(self) -> None:
        if self._write_fd >= 0:
            try:
                os.write(self._write_fd, b"\0")
            except BlockingIOError:
                pass  # full of signals already

    def fileno(self) -> int:
        """The reading end of the pipe; -1 once it is closed."""
        return self._read_fd

    def wants_to_receive(self) -> bool:
        """True."""
        return True

    def handle_receive(self) -> None:
        """Calls the callbacks of what is done."""
        try:
            os.read(self._read_fd, 65536)
        except BlockingIOError:
            return
        try:
            for _ in range(len(self._done)):
                self._deliver(*self._done.popleft())
        finally:
            if self._done:  # one that came meanwhile, or a callback raised
                self._signal()

    def _deliver(self, future: Future[Any], callback: Any, error_callback: Any) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if callback is not None:
                callback(future.result())
        elif error_callback is not None:
            error_callback(error)
        else:
            raise error

    def close(self) -> None:
        """Cancels what has not begun, waits for what has, and calls nobody back any more.

        Take the handler out of the loop's list as well. May be called twice.
        """
        self.pool.shutdown(wait=True, cancel_futures=True)
        self._done.clear()
        read_fd, self._read_fd = self._read_fd, -1
        write_fd, self._write_fd = self._write_fd, -1
        if read_fd >= 0:
            os.close(read_fd)
            os.close(write_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
