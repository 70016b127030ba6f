"""Threads that run an application."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from fastnet._native.wsgiexchange import Exchange

__all__ = ["Threads"]


class Threads:
    """So many threads at most, which take requests from one queue.

    An executor would do, at several times the price: its futures, which nobody waits for, cost
    more than the hand-over. The threads are daemons: an application that hangs does not keep the
    process from its end.

    Parameters:
        most: how many there may be.
        complain: told of what an exchange raises, which is a fault of the server's.
    """

    def __init__(
        self, most: int, complain: Callable[[Exchange, BaseException | None, str], None]
    ) -> None:
        self._most = most
        self._complain = complain
        self._queue: SimpleQueue[tuple[Exchange, Any] | None] = SimpleQueue()
        self._started = 0

    def submit(self, exchange: Exchange, app: Any) -> None:
        """Has one of them answer the request."""
        if self._started < self._most:
            name = f"fastnet-wsgi_{self._started + 1}"
            try:
                threading.Thread(target=self._run, name=name, daemon=True).start()
                self._started += 1
            except RuntimeError:  # the system has none left: those that there are will do
                if not self._started:
                    raise
        self._queue.put((exchange, app))

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            exchange, app = job
            try:
                exchange.serve(app)
            except BaseException as error:
                self._complain(exchange, error, "a thread failed")
            del job, exchange, app  # while it waits it keeps nothing alive

    def close(self) -> None:
        """Forgets what no thread has begun; each thread ends when it is through."""
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            pass
        for _ in range(self._started):
            self._queue.put(None)
