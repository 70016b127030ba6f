"""Connections kept for the next request to the same origin."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict, deque
from typing import Any

from fastnet._native.httpconn import Connection
from fastnet.http.exceptions import ConnectTimeout

__all__ = ["Pool"]

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """Idle connections by origin, and how many of each are in use.

    Parameters:
        keep: idle connections kept for one origin.
        most: connections open to one origin, idle ones too; None is unlimited.
            Who wants more waits for one, in the order of their coming.
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
        self._inherited: list[deque[Connection]] = []
        self._back: deque[tuple[Any, Connection | None, bool]] = deque()
        self.closed = False
        self._start()
        _pools.add(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[Any, int] = {}
        self._waiting: dict[Any, deque[threading.Lock]] = {}
        self._began = time.monotonic()

    def take(self, origin: Any, timeout: float | None) -> Connection | None:
        """An idle connection that is still good, or None: then the caller makes one.

        Either way it counts as in use until `give` or `forget`.

        Raises ConnectTimeout when as many as allowed were in use for timeout seconds.
        """
        if self._inherited:
            self._close_inherited()
        if self.most is not None:
            self._wait(origin, timeout)
        stale: list[Connection] = []
        with self._lock:
            self._take_back(stale)
            found = self._find(origin, stale)
            if self.most is None:
                self._used[origin] = self._used.get(origin, 0) + 1
        if self._back:
            self._settle()
        for connection in stale:
            connection.close()
        return found

    def _find(self, origin: Any, stale: list[Connection]) -> Connection | None:
        kept = self._kept.get(origin)
        while kept:
            connection = kept.pop()
            if time.monotonic() - connection.since < self._idle and connection.idle:
                return connection
            stale.append(connection)
        return None

    # ---------------------------------------------------------------- waiting for a turn

    def _wait(self, origin: Any, timeout: float | None) -> None:
        """Counts one more in use, when there may be."""
        turn = self._turn(origin)
        if self._back:
            self._settle()
        if turn is None:
            return
        seconds = -1 if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        try:
            if turn.acquire(timeout=seconds):
                return
        except BaseException:
            if not self._resign(origin, turn):
                self.forget(origin)
            raise
        if self._resign(origin, turn):
            raise ConnectTimeout(f"all {self.most} connections to {origin[1]} were in use")

    def _turn(self, origin: Any) -> threading.Lock | None:
        """None for one that can be used at once, else a lock that opens with the turn."""
        with self._lock:
            used = self._used.get(origin, 0)
            if self.most is None or used < self.most:
                self._used[origin] = used + 1
                return None
            turn = threading.Lock()
            turn.acquire()
            self._waiting.setdefault(origin, deque()).append(turn)
            return turn

    def _resign(self, origin: Any, turn: threading.Lock) -> bool:
        """Waits no longer; False where the turn has come meanwhile."""
        with self._lock:
            waiting = self._waiting.get(origin)
            found = waiting is not None and turn in waiting
            if waiting is not None and found:
                waiting.remove(turn)
                if not waiting:
                    del self._waiting[origin]
        if self._back:
            self._settle()
        return found

    # ------------------------------------------------------------------- back from use

    def give(self, origin: Any, connection: Connection) -> None:
        """Back from use, to be kept if it can be."""
        self._back.append((origin, connection, True))
        self._settle()

    def forget(self, origin: Any, connection: Connection | None = None) -> None:
        """Back from use, and gone; None where there was none after all."""
        self._back.append((origin, connection, False))
        self._settle()

    def _settle(self) -> None:
        """Takes back what has been returned.

        Finalizers return connections too, and the collector may run one in the
        middle of any method here, in a thread that has the lock.  So nothing
        waits for it: where somebody has it, he looks at `_back` after he has
        let it go.
        """
        while self._back and self._lock.acquire(blocking=False):
            surplus: list[Connection] = []
            try:
                self._take_back(surplus)
            finally:
                self._lock.release()
            for connection in surplus:
                connection.close()

    def _take_back(self, surplus: list[Connection]) -> None:
        while self._back:
            origin, connection, good = self._back.popleft()
            if connection is not None and connection.since < self._began:
                if good:  # the parent's, neither counted nor kept here
                    surplus.append(connection)
                continue
            if good and connection is not None:
                self._keep(origin, connection, surplus)
            self._leave(origin)

    def _keep(self, origin: Any, connection: Connection, surplus: list[Connection]) -> None:
        kept = self._kept.get(origin)
        if kept is None:
            kept = self._kept[origin] = deque()
        elif len(self._kept) > 1:
            self._kept.move_to_end(origin)
        if self.closed or len(kept) >= self.keep:
            surplus.append(connection)
        else:
            connection.since = time.monotonic()
            kept.append(connection)
        while len(self._kept) > self._origins:
            surplus.extend(self._kept.popitem(last=False)[1])

    def _leave(self, origin: Any) -> None:
        """One is no longer in use: the first of those who wait for its origin has its turn."""
        waiting = self._waiting.get(origin)
        if waiting:
            waiting.popleft().release()
            if not waiting:
                del self._waiting[origin]
            return
        left = self._used.get(origin, 1) - 1
        if left > 0:
            self._used[origin] = left
        else:
            self._used.pop(origin, None)

    # -------------------------------------------------------------------------- the end

    def forked(self) -> None:
        """In a child: the parent's connections are left alone, and its threads are not here.

        One of those may have had the lock.
        """
        kept, self._kept = self._kept, OrderedDict()
        back, self._back = self._back, deque()
        self._inherited += [*kept.values(), deque(item[1] for item in back if item[1] is not None)]
        self._start()

    def _close_inherited(self) -> None:
        """The child's copies; not at the fork, after which there may be another program."""
        inherited, self._inherited = self._inherited, []
        for connections in inherited:
            for connection in connections:
                connection.close()

    def close(self) -> None:
        """Closes the idle ones; those in use are closed when they come back."""
        with self._lock:
            self.closed = True
            kept, self._kept = self._kept, OrderedDict()
        if self._back:
            self._settle()
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def __len__(self) -> int:
        with self._lock:
            count = sum(map(len, self._kept.values()))
        if self._back:
            self._settle()
        return count


def _forked() -> None:
    for pool in list(_pools):
        pool.forked()


os.register_at_fork(after_in_child=_forked)
