"""A server that accepts in one process and hands the connections to others."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import weakref
from types import TracebackType
from typing import Any, Literal, Self

from fastnet._bind import bind, path_id, unlink_if_ours
from fastnet._fork import fork
from fastnet.address import AddressLike, parse
from fastnet.fdpass._board import Board
from fastnet.fdpass._dispatching import DRAIN, STOP, Dispatching
from fastnet.fdpass._worker import Handler

__all__ = ["Dispatcher"]

# One forked later must not hold the pipes of one forked before: their ends mean something.
_live: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


class Dispatcher:
    """Bound and listening when it is made; its processes are forked by `start`.

    One process accepts and passes each connection's descriptor to one of the
    workers, which calls ``handler(sock, address)`` and closes the socket when
    that returns.  An exception of the handler is logged (logger
    ``fastnet.fdpass``) and ends only its connection.  A connection is
    accepted when a worker has room for it, and until then waits in the
    system's queue.  A worker that dies is replaced, and connections that it
    had not begun go to another.

    As a context manager it shuts down on the way out.

    Parameters:
        address: where to listen: ``(host, port)``, ``"tcp://host:port"``,
            ``"unix:/path"`` or a path (see `fastnet.address.parse`).
        handler: called in a worker with the connected socket and the peer's
            address.
        workers: how many processes; None for one per CPU that this process may
            use.
        threads: connections that a worker handles at once, each in a thread.
        policy: "least-loaded" gives each connection to the worker with the
            fewest, "round-robin" to those that have room in turn.
        backlog: connections that the system keeps waiting (listen(2)).
        close_timeout: seconds that `shutdown` waits by default; None for ever.

    Raises:
        ValueError: not an address, or no such policy or number.
        OSError: the address is in use or not this machine's; it names it.
    """

    def __init__(
        self,
        address: AddressLike,
        handler: Handler,
        *,
        workers: int | None = None,
        threads: int = 1,
        policy: Literal["least-loaded", "round-robin"] = "least-loaded",
        backlog: int = 128,
        close_timeout: float | None = 5.0,
    ) -> None:
        if workers is None:
            workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        for name, count in (("workers", workers), ("threads", threads)):
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise ValueError(f"{name} must be at least 1, not {count!r}")
        if policy not in ("least-loaded", "round-robin"):
            raise ValueError(f"policy must be 'least-loaded' or 'round-robin', not {policy!r}")
        if not callable(handler):
            raise TypeError(f"a handler is called with a socket and an address, not {handler!r}")
        where = parse(address)
        self._handler = handler
        self._options: dict[str, Any] = {
            "workers": workers,
            "threads": threads,
            "in_turn": policy == "round-robin",
            "close_timeout": close_timeout,
        }
        self._close_timeout = close_timeout
        self._socket = bind(where, backlog)
        self._name = self._socket.getsockname()
        self._path = where.path if where.unix else ""
        self._path_id = path_id(self._path)
        self._board = Board(workers)
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._pid = 0
        self._orders = self._end = -1
        self._done = threading.Event()
        _live.add(self)

    @property
    def address(self) -> Any:
        """The socket's own name, as `socket.getsockname` gives it."""
        return self._name

    def fileno(self) -> int:
        """The listening descriptor; -1 when closed."""
        return self._socket.fileno()

    @property
    def pids(self) -> list[int]:
        """The workers that live."""
        return self._board.pids()

    def stats(self) -> dict[str, int]:
        """Counters since the start.

        accepted: connections; open: with a worker; waiting: accepted and with
        nobody, since a worker died or all is being shut down; done: handled;
        handed_again: given to another worker because the first had died; shed:
        accepts put off for lack of descriptors; replaced: workers that died.
        """
        return self._board.counts()

    # ------------------------------------------------------------------ serving

    def start(self) -> None:
        """Forks the processes and returns.  Call it before the program has threads.

        Raises RuntimeError when it was started before, or has ended.
        """
        with self._lock:
            if self._pid or self._done.is_set():
                raise RuntimeError("a dispatcher starts once")
            orders, self._orders = os.pipe()
            self._end, end = os.pipe()
            try:
                others = [fd for one in list(_live) for fd in one._descriptors()]
                self._pid = fork(lambda: self._dispatch(orders, end), tuple(others))
            finally:
                os.close(orders)
                os.close(end)

    def _descriptors(self) -> list[int]:
        """What no process but this one may hold."""
        own = [self._orders, self._end]
        return [fd for fd in own if fd >= 0] if os.getpid() == self._owner else []

    def _dispatch(self, orders: int, end: int) -> None:
        dispatching = Dispatching(
            self._socket, orders, end, self._board, self._handler, **self._options
        )
        with contextlib.suppress(SystemExit):
            dispatching.run()

    def serve_forever(self) -> None:
        """Serves until `shutdown`, or an exception such as Ctrl-C, which shuts it down.

        Raises:
            RuntimeError: it was started before, or has ended.
            ChildProcessError: the accepting process died.
        """
        self.start()
        try:
            self._await(None)
            self._reap()
        except BaseException:
            self.shutdown()
            raise

    def _await(self, timeout: float | None) -> bool:
        """Whether the accepting process has ended in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        poller = select.poll()
        with self._lock:
            if self._end >= 0:
                poller.register(self._end, select.POLLIN)
        while not self._done.is_set():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            # Not for ever: another thread may have closed it all.
            if poller.poll(1000 if left is None else min(left, 1.0) * 1e3):
                return True
            if left == 0.0:
                return False
        return True

    def _reap(self) -> None:
        """Collects the accepting process, which has ended; once."""
        with self._lock:
            if self._done.is_set():
                return
            pid, self._pid = self._pid, 0
            self._release()
            self._done.set()
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:  # who ignores SIGCHLD never hears how a child ended
            return
        if code:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
            raise ChildProcessError(f"the process that accepts {how}")

    def _stop_listening(self) -> None:
        self._socket.close()
        unlink_if_ours(self._path, self._path_id)

    def _release(self) -> None:
        self._stop_listening()
        for fd in (self._orders, self._end):
            if fd >= 0:
                os.close(fd)
        self._orders = self._end = -1

    def _order(self, what: bytes) -> None:
        with contextlib.suppress(OSError), self._lock:
            if self._orders >= 0:
                os.write(self._orders, what)

    def shutdown(self, timeout: float | None = None) -> None:
        """Ends it: what has connected is still handled, and nothing more is accepted.

        Parameters:
            timeout: seconds for that, after which the workers are killed; None
                takes `close_timeout`.  May be called twice.

        Raises ChildProcessError when the accepting process had died.
        """
        if os.getpid() != self._owner:
            self._socket.close()  # a forked child's copy
            return
        with self._lock:
            started = self._pid != 0
            if not started and not self._done.is_set():
                self._release()
                self._done.set()
        if not started:
            return
        self._stop_listening()  # the other process closes its own when it has emptied the queue
        self._order(DRAIN)
        if not self._await(self._close_timeout if timeout is None else timeout):
            self._order(STOP)
            self._await(None)
        self._reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
