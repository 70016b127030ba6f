"""The server object: its sockets, its life, its figures."""

from __future__ import annotations

import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from fastnet._bind import path_id, unlink_if_ours
from fastnet._serve._plan import COUNTERS, Plan

__all__ = ["Server"]


class Side(Protocol):
    """What does the serving: in C, in an event loop, or in worker processes."""

    def run(self) -> None: ...
    def drain(self) -> None: ...
    def stop(self) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def peers(self) -> list[tuple[str | None, int, int, int]]: ...
    def descriptors(self) -> list[int]: ...
    def close(self) -> None: ...


# Worker processes of one server must not hold what is another's: its clients would wait at a
# socket that nobody serves any more.  A server is here for as long as somebody has it.
_live: weakref.WeakSet[Server] = weakref.WeakSet()


class Server:
    """A bound and listening server, made by `fastnet.serve`.

    As a context manager it ends through `shutdown`.
    """

    def __init__(self, plan: Plan, sockets: list[socket.socket], paths: list[str]) -> None:
        self._plan = plan
        self._sockets = sockets
        self._names = [sock.getsockname() for sock in sockets]
        self._paths = [(path, path_id(path)) for path in paths]
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._done = threading.Event()
        self._side: Side | None = None
        self._beginning = False
        self._last: dict[str, Any] = {}
        self._server_thread = 0
        self._began = 0.0
        self._failure: BaseException | None = None
        self._waited = False
        self._owner = os.getpid()
        self._pid = 0  # the process that serves
        _live.add(self)

    @property
    def address(self) -> Any:
        """The first socket's own name, as `socket.getsockname` gives it."""
        return self._names[0]

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets, which stay the server's; empty once it accepts no more."""
        return tuple(sock for sock in self._sockets if sock.fileno() != -1)

    def fileno(self) -> int:
        """The first socket's descriptor; -1 once the server accepts no more."""
        return self._sockets[0].fileno()

    # --------------------------------------------------------------------- life

    def start(self) -> None:
        """Serves in the background: in a thread, or in worker processes forked now.

        What ends it unasked is raised by `wait`; where nobody waits, the
        thread's ``threading.excepthook`` tells.

        Raises:
            RuntimeError: the server was started before, or has ended.
        """
        side = self._begin()
        thread = threading.Thread(
            target=self._serve_behind, args=(side,), name="fastnet-serve", daemon=True
        )
        try:
            thread.start()
        except BaseException:  # no thread is to be had
            side.close()
            self._end()
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end of a server that `start` has set to work.

        Parameters:
            timeout: seconds; None waits for ever.

        Returns whether it has ended.

        Raises:
            Exception: what ended it unasked.
        """
        self._waited = True
        ended = self._done.wait(timeout)
        if ended and self._failure is not None:
            raise self._failure
        return ended

    def serve_forever(self) -> None:
        """Serves in this thread until `shutdown` or an exception such as Ctrl-C ends it.

        All sockets are closed afterwards.

        Raises:
            RuntimeError: the server was started before, or has ended.
        """
        self._serve(self._begin(threading.get_ident()))

    def _begin(self, thread: int = 0) -> Side:
        with self._lock:
            if self._done.is_set():
                raise RuntimeError("the server has ended")
            if self._side is not None:
                raise RuntimeError("the server has been started already")
            self._beginning = True
            self._pid = os.getpid()
            try:
                side = self._make_side()
            finally:
                beginning, self._beginning = self._beginning, False
            self._server_thread = thread  # a signal handler may ask from now on
            self._side = side
            self._began = time.monotonic()
            if not beginning:  # a signal handler has called shutdown meanwhile
                side.drain()
            return side

    def _serve_behind(self, side: Side) -> None:
        try:
            self._serve(side)
        except BaseException:
            if not self._waited:
                raise

    def _serve(self, side: Side) -> None:
        self._server_thread = threading.get_ident()
        try:
            side.run()
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._last = {**side.stats(), **self._gate_counts()}
            side.close()
            self._end()

    def _make_side(self) -> Side:
        if self._plan.workers > 1:
            from fastnet._serve._workers import Workers

            others = [fd for one in list(_live) if one is not self for fd in one._descriptors()]
            return Workers(self._plan, self._sockets, self._stop_listening, others)
        return make_side(self._plan, self._sockets, self._stop_listening)

    def _descriptors(self) -> list[int]:
        if os.getpid() != self._owner:
            return []
        found = [sock.fileno() for sock in self._sockets if sock.fileno() != -1]
        side = self._side
        return found if side is None or self._done.is_set() else [*found, *side.descriptors()]

    def _stop_listening(self) -> None:
        """Whoever comes from now on is told at once that nobody is here."""
        paths, self._paths = self._paths, []
        for sock in self._sockets:
            sock.close()
        if os.getpid() == self._owner:
            for path, ours in paths:
                unlink_if_ours(path, ours)

    def _end(self) -> None:
        self._stop_listening()
        self._done.set()

    def shutdown(self, timeout: float | None = None) -> None:
        """Ends the server gracefully.

        It stops accepting, answers what has come already, waits for work in
        flight, closes every connection and the listening sockets, and returns.
        Called by the thread that serves (a handler, a signal handler), it
        returns at once and `serve_forever` ends likewise.  May be called twice.

        Parameters:
            timeout: seconds for all this, after which connections are cut;
                None takes `Limits.close_timeout`.
        """
        if timeout is None:
            timeout = self._plan.limits.close_timeout
        if self._side is not None and os.getpid() != self._pid:
            self._end()  # a child of fork: what serves, serves in its parent
            return
        with self._lock:
            side = self._side
            if self._beginning:
                self._beginning = False
            elif side is None and not self._done.is_set():
                self._end()
        if side is None or self._done.is_set():
            return
        side.drain()
        if threading.get_ident() == self._server_thread:
            if timeout is not None:
                self._stop_later(side, timeout)
        elif not self._done.wait(timeout):
            side.stop()
            self._done.wait()

    def _stop_later(self, side: Side, timeout: float) -> None:
        def stop() -> None:
            if not self._done.wait(timeout):
                side.stop()

        threading.Thread(target=stop, name="fastnet-serve-deadline", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    # ------------------------------------------------------------------ figures

    def stats(self) -> dict[str, Any]:
        """Counters kept in C, at this moment.

        Connections ``open``, ``accepted``, ``refused`` (by a limit), ``denied``
        (by their network), ``shed`` (no descriptor was left), ``closed``,
        ``failed`` (by the peer's error or a limit); ``bytes_in``, ``bytes_out``,
        ``reads``, ``writes``; ``datagrams_in``, ``datagrams_out``,
        ``datagrams_lost``; ``turns`` of the reactor; ``seconds`` since the
        start.  With workers, their sums, at most a quarter second old.
        """
        counts: dict[str, Any] = dict.fromkeys(COUNTERS, 0)
        side = self._side
        if side is None or self._done.is_set():
            counts.update(self._last)
        else:
            counts.update(side.stats())
            counts.update(self._gate_counts())
        counts["seconds"] = time.monotonic() - self._began if self._began else 0.0
        return counts

    def _gate_counts(self) -> dict[str, int]:
        if self._plan.workers > 1 or self._plan.gate is None:
            return {}
        return self._plan.gate.counts()

    def peers(self) -> list[dict[str, Any]]:
        """Who is connected now: ``host``, ``port``, ``bytes_in``, ``bytes_out``.

        At most 1,000 per thread; a Unix peer has neither host nor port; with
        workers the list is empty.
        """
        side = self._side
        if side is None or self._done.is_set():
            return []
        return [
            {"host": host, "port": port, "bytes_in": got, "bytes_out": sent}
            for host, port, got, sent in side.peers()
        ]


def make_side(plan: Plan, sockets: list[socket.socket], drained: Callable[[], None]) -> Side:
    """The side that serves within this process; it calls drained when it accepts no more."""
    if hasattr(plan.factory, "make_side"):  # a front that serves in its own way
        side: Side = plan.factory.make_side(plan, sockets, drained)
        return side
    if plan.codec:
        from fastnet._serve._native_side import NativeSide

        return NativeSide(plan, sockets, drained)
    from fastnet._serve._loop_side import LoopSide

    return LoopSide(plan, sockets, drained)
