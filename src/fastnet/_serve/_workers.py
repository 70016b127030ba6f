"""Worker processes: forked ahead, watched over, replaced when they die.

The serving process forks one *supervisor*, which stays single-threaded and forks the workers,
now and whenever one is missing; so nobody forks where threads run. Each end of the chain holds
a pipe to the next: a byte on it asks for something, its end means that the other has gone, and
then whoever is left ends as well. Counters are in memory that all share.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from fastnet._fork import fork
from fastnet._serve._plan import COUNTERS, Plan

__all__ = ["Workers"]

_ROW = struct.Struct(f"{len(COUNTERS)}Q")
_PUBLISH = 0.25  # seconds between two looks at the counters
_DRAIN, _STOP = b"d", b"s"
_BAD_LIFE = 1.0  # a worker that dies sooner is replaced only after a pause
_MOST_PAUSE = 5.0


class Workers:
    """The serving process's end."""

    def __init__(
        self,
        plan: Plan,
        sockets: list[socket.socket],
        drained: Callable[[], None],
        others: list[int],
    ) -> None:
        self._drained = drained
        self._count = plan.workers
        # One row for each worker, and one for what workers that ended had counted.
        self._board = mmap.mmap(-1, _ROW.size * (plan.workers + 1))
        read, self._orders = os.pipe()
        self._end_read, end = os.pipe()
        self._pid = fork(
            lambda: Supervisor(plan, sockets, self._board, read).run(),
            closes=(self._orders, self._end_read, *others),
        )
        os.close(read)
        os.close(end)

    def run(self) -> None:
        """Returns when the supervisor and so all workers have ended."""
        with contextlib.suppress(InterruptedError):
            while select.select([self._end_read], [], [])[0] and os.read(self._end_read, 1):
                pass
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:  # who ignores SIGCHLD never hears how a child ended
            status = 0
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
            raise ChildProcessError(f"the supervisor of the worker processes {how}")

    def _order(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._orders, what)

    def drain(self) -> None:
        """Every worker accepts no more and ends when its work is done."""
        self._order(_DRAIN)
        self._drained()  # they take who is waiting; the last to close the socket ends it

    def stop(self) -> None:
        """Every worker ends at once."""
        self._order(_STOP)

    def stats(self) -> dict[str, int]:
        """The workers' counters together."""
        rows = [_ROW.unpack_from(self._board, n * _ROW.size) for n in range(self._count + 1)]
        return {name: sum(row[n] for row in rows) for n, name in enumerate(COUNTERS)}

    def peers(self) -> list[tuple[str | None, int, int, int]]:
        """Nothing: the workers' connections are their own."""
        return []

    def descriptors(self) -> list[int]:
        """The pipes."""
        return [fd for fd in (self._orders, self._end_read) if fd >= 0]

    def close(self) -> None:
        """Ends whatever an exception left running."""
        if self._pid:
            self.stop()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0
        for fd in (self._orders, self._end_read):
            if fd >= 0:
                os.close(fd)
        self._orders = self._end_read = -1


class Supervisor:
    """Keeps the workers at their number; runs in a process of its own."""

    def __init__(
        self, plan: Plan, sockets: list[socket.socket], board: mmap.mmap, orders: int
    ) -> None:
        self._plan = plan
        self._sockets = sockets
        self._board = board
        self._orders = orders
        self._rows: dict[int, int] = {}  # by worker's pid
        self._pipes: dict[int, int] = {}
        self._born: dict[int, float] = {}
        self._missing = list(range(plan.workers))
        self._pause = 0.0
        self._not_before = 0.0
        self._ending = False
        self._terminated = False
        self._cut_at: float | None = None  # when those who are left are killed

    def run(self) -> None:
        """Until all have ended, because it was asked to or its own parent has gone."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
        signal.signal(signal.SIGTERM, self._note_sigterm)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        watched = [wake_read, self._orders]
        while not self._ending or self._rows:
            self._fill()
            ready = select.select(watched, [], [], self._time_left())[0]
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 512)
            self._reap()
            if self._orders in ready:
                order = os.read(self._orders, 1)
                self._tell(order or _DRAIN)
                if not order:
                    watched.remove(self._orders)
                    self._set_end()
            if self._terminated:
                self._terminated = False
                self._tell(_DRAIN)
                self._set_end()
            if self._cut_at is not None and time.monotonic() >= self._cut_at:
                self._cut_at = None
                self._tell(_STOP)

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()

    def _note_sigterm(self, *_: object) -> None:
        # Here a worker may be half born, so that telling the workers is for later.
        self._terminated = True

    def _set_end(self) -> None:
        """Nobody above will say when it is enough."""
        span = self._plan.limits.close_timeout
        if span is not None and self._cut_at is None:
            self._cut_at = time.monotonic() + span

    def _time_left(self) -> float | None:
        until = self._cut_at
        if self._missing and not self._ending:
            until = self._not_before
        return None if until is None else max(0.0, until - time.monotonic())

    def _tell(self, order: bytes) -> None:
        self._ending = True
        self._close_sockets()
        for pid, pipe in self._pipes.items():
            with contextlib.suppress(OSError):
                os.write(pipe, order)
            if order == _STOP:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _fill(self) -> None:
        while self._missing and not self._ending and time.monotonic() >= self._not_before:
            try:
                self._hire(self._missing[-1])
            except OSError:  # no process or descriptor is left: those who are there go on
                traceback.print_exc()
                self._not_before = time.monotonic() + _MOST_PAUSE / 5
                return
            self._missing.pop()

    def _hire(self, row: int) -> None:
        read, write = os.pipe()
        others = tuple(self._pipes.values())
        try:
            pid = fork(lambda: self._work(row, read), closes=(write, *others))
        except OSError:
            os.close(write)
            raise
        finally:
            os.close(read)
        self._rows[pid], self._pipes[pid], self._born[pid] = row, write, time.monotonic()

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid not in self._rows:
                continue
            self._keep_counts(self._rows[pid])
            self._missing.append(self._rows.pop(pid))
            os.close(self._pipes.pop(pid))
            short = time.monotonic() - self._born.pop(pid) < _BAD_LIFE
            self._pause = min(max(self._pause * 2, 0.05), _MOST_PAUSE) if short else 0.0
            self._not_before = time.monotonic() + self._pause

    def _keep_counts(self, row: int) -> None:
        """What a worker that ended had counted goes to the last row."""
        last = self._plan.workers
        gone = list(_ROW.unpack_from(self._board, row * _ROW.size))
        gone[COUNTERS.index("open")] = 0
        kept = _ROW.unpack_from(self._board, last * _ROW.size)
        _ROW.pack_into(
            self._board, last * _ROW.size, *(a + b for a, b in zip(kept, gone, strict=True))
        )
        _ROW.pack_into(self._board, row * _ROW.size, *[0] * len(COUNTERS))

    # ------------------------------------------------------------ in the worker

    def _work(self, row: int, orders: int) -> None:
        from fastnet._serve._server import make_side

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._orders)
        side = make_side(self._plan, self._sockets, self._close_sockets)
        signal.signal(signal.SIGTERM, lambda *_: side.drain())
        publish = self._publisher(side, row)
        control = threading.Thread(
            target=_control,
            args=(side, orders, publish, self._plan.limits.close_timeout),
            name="fastnet-control",
            daemon=True,
        )
        control.start()
        try:
            side.run()
        finally:
            publish()
            side.close()

    def _publisher(self, side: Any, row: int) -> Callable[[], None]:
        gate = self._plan.gate

        def publish() -> None:
            counts = {**side.stats(), **(gate.counts() if gate is not None else {})}
            values = [counts.get(name, 0) for name in COUNTERS]
            _ROW.pack_into(self._board, row * _ROW.size, *values)

        return publish


def _control(
    side: Any, orders: int, publish: Callable[[], None], close_timeout: float | None
) -> None:
    """Passes orders on, and counters out."""
    while True:
        ready = select.select([orders], [], [], _PUBLISH)[0]
        if not ready:
            publish()
            continue
        order = os.read(orders, 1)
        if order == _STOP:
            side.stop()
        else:
            side.drain()
        if not order:  # the supervisor has gone: nobody else will say when it is enough
            if close_timeout is not None:
                time.sleep(close_timeout)
                side.stop()
            return
