"""Connections kept for the next request to the same origin."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from typing import Any

from fastnet._native.httpconn import Connection
from fastnet.http.exceptions import ConnectTimeout

__all__ = ["Pool"]


class Pool:
    """Idle connections by origin, and how many of each are in use.

    Parameters:
        keep: idle connections kept for one origin.
        most: connections open to one origin, idle ones too; None is unlimited.
            Who wants more waits for one.
        origins: for so many idle connections are kept; the one used least
            recently makes room.
        idle: seconds that a connection is kept for.
    """

    def __init__(self, keep: int = 10, most: int | None = None, origins: int = 32,
                 idle: float = 60.0) -> None:  # fmt: skip
        self.keep = keep
        self.most = most
        self._origins = origins
        self._idle = idle
        self._kept: OrderedDict[Any, deque[Connection]] = OrderedDict()
        self._used: dict[Any, int] = {}
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._process = os.getpid()
        self.closed = False

    def take(self, origin: Any, timeout: float | None) -> Connection | None:
        """An idle connection that is still good, or None: then the caller makes one.

        Either way it counts as in use until `give` or `forget`.

        Raises ConnectTimeout when as many as allowed were in use for timeout seconds.
        """
        if os.getpid() != self._process:
            self._forked()
        stale = []
        with self._lock:
            if self.most is not None:
                self._wait(origin, timeout)
            found = None
            kept = self._kept.get(origin)
            while kept:
                connection = kept.pop()
                if time.monotonic() - connection.since < self._idle and connection.idle:
                    found = connection
                    break
                stale.append(connection)
            self._used[origin] = self._used.get(origin, 0) + 1
        for connection in stale:
            connection.close()
        return found

    def _wait(self, origin: Any, timeout: float | None) -> None:
        most = self.most

        def free() -> bool:
            return most is None or self._used.get(origin, 0) < most

        if not self._freed.wait_for(free, timeout):
            raise ConnectTimeout(f"all {self.most} connections to {origin[1]} were in use")

    def give(self, origin: Any, connection: Connection) -> None:
        """Back from use, to be kept if it can be."""
        surplus: list[Connection] = []
        with self._lock:
            self._leave(origin)
            kept = self._kept.get(origin)
            if kept is None:
                kept = self._kept[origin] = deque()
            elif len(self._kept) > 1:
                self._kept.move_to_end(origin)
            if self.closed or len(kept) >= self.keep or os.getpid() != self._process:
                surplus.append(connection)
            else:
                connection.since = time.monotonic()
                kept.append(connection)
            while len(self._kept) > self._origins:
                surplus.extend(self._kept.popitem(last=False)[1])
        for connection in surplus:
            connection.close()

    def forget(self, origin: Any) -> None:
        """Back from use, and gone."""
        with self._lock:
            self._leave(origin)

    def _leave(self, origin: Any) -> None:
        left = self._used.get(origin, 1) - 1
        if left > 0:
            self._used[origin] = left
        else:
            self._used.pop(origin, None)
        if self.most is not None:
            self._freed.notify()

    def _forked(self) -> None:
        """A child leaves its parent's connections alone; only its copies are closed."""
        kept, self._kept = self._kept, OrderedDict()
        self._used = {}
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._process = os.getpid()
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def close(self) -> None:
        """Closes the idle ones; those in use are closed when they come back."""
        with self._lock:
            self.closed = True
            kept, self._kept = self._kept, OrderedDict()
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._kept.values()))
