"""Handshakes side by side, in nobody's way.

Between a listening socket and the server's handlers stands a gate: it accepts,
takes each connection through its TLS handshake without ever waiting for one
peer, and lets those through that have completed it.  Its `fileno` is readable
whenever something can go on, so that a loop which waits for a listening socket
can wait for the gate instead.

Nothing here has a thread.  Whoever calls `next` does the work; several threads
may, each steps another connection.
"""

from __future__ import annotations

import errno
import itertools
import math
import os
import select
import selectors
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeAlias

from fastnet.errors import LimitError, TransferTimeout

Accept: TypeAlias = Callable[[], tuple[socket.socket, Any]]
Report: TypeAlias = Callable[[Any, Any, BaseException], None]

# Steps in one call, after which a serving loop gets its turn to look for a shutdown.
_STEPS = 64
# Seconds that a handshake is left alone for when newcomers press behind a full gate: several
# round trips.  Whoever is that slow then makes room.
_GRACE = 0.25
_DRAINED = 1 << 16  # bytes that a peer may have sent in vain before it gets a reset


class _Newcomer:
    """A connection in its handshake."""

    __slots__ = ("address", "awaits", "busy", "done", "sock", "started")

    def __init__(self, sock: Any, address: Any) -> None:
        self.sock = sock
        self.address = address
        self.started = time.monotonic()
        self.awaits = 0  # what the selector watches for, 0 when it does not watch
        self.busy = True  # some thread is at it
        self.done = False


class Gate:
    """The gate of one listening socket, in one process.

    Parameters:
        listening: the socket; its descriptor is made non-blocking, though the
            object's own timeout stays what it is.
        wrap: makes an accepted socket a TLS socket, without any I/O.
        report: called with socket, address and error of each failure, before
            the socket is closed.
        timeout: seconds for a handshake, from the accept on; None has no end.
        most: handshakes at once.
    """

    def __init__(
        self,
        listening: socket.socket,
        wrap: Callable[[socket.socket], ssl.SSLSocket],
        report: Report,
        timeout: float | None,
        most: int,
    ) -> None:
        self.pid = os.getpid()
        self._listening = listening
        self._wrap = wrap
        self._report = report
        self._timeout = timeout
        self._most = most
        self._lock = threading.Lock()
        self._newcomers: dict[_Newcomer, None] = {}  # in the order of their coming
        self._closed = False
        self._paused = False
        # A peer may be gone, or another process have it, by the time that accept is called.
        os.set_blocking(listening.fileno(), False)
        self._selector: Any = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)

    def fileno(self) -> int:
        """A descriptor that is readable when `next` has something to do."""
        return int(self._selector.fileno())

    def next(self, accept: Accept, wait: bool) -> tuple[ssl.SSLSocket, Any]:
        """A connection whose handshake is complete, and the peer's address.

        Parameters:
            accept: takes the next connection from the listening socket.
            wait: wait until one is complete or has failed.  Otherwise go on
                as far as possible at once.

        Raises:
            BlockingIOError: none is complete yet (not with `wait`).
            ConnectionAbortedError: a handshake failed (with `wait`).
            OSError: what `accept` raised.
        """
        for _ in itertools.count() if wait else range(_STEPS):
            failed = self.tidy()
            if failed is None:
                newcomer = self._pick(accept)
                if newcomer is not None:
                    failed = self._step(newcomer)
                    if newcomer.done:
                        return newcomer.sock, newcomer.address
                elif not wait:
                    break
                else:
                    self._sleep()
            if failed is not None and wait:
                words = f"a TLS handshake failed: {failed}"
                raise ConnectionAbortedError(errno.ECONNABORTED, words) from failed
        raise BlockingIOError(errno.EAGAIN, "no TLS handshake is complete")

    def tidy(self) -> BaseException | None:
        """Ends handshakes that took too long; returns the error of one, or None."""
        late = []
        with self._lock:
            if self._closed:
                return None
            now = time.monotonic()
            if self._timeout is not None:
                for newcomer in list(self._newcomers):
                    if now - newcomer.started < self._timeout:
                        break
                    if not newcomer.busy:
                        late.append(newcomer)
                        self._remove(newcomer)
            if self._paused and self._room(now):
                self._pause(False)
        error = None
        for newcomer in late:
            error = TransferTimeout(f"the TLS handshake took longer than {self._timeout:g} seconds")
            self._fail(newcomer, error)
        return error

    def close(self) -> None:
        """Ends the handshakes under way and gives the descriptor back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            left = [newcomer for newcomer in self._newcomers if not newcomer.busy]
            for newcomer in left:
                self._remove(newcomer)
            self._selector.close()
        for newcomer in left:
            end(newcomer.sock)

    def forget(self) -> None:
        """Closes a forked child's copies, which leaves the parent's connections alone."""
        self._closed = True
        self._selector.close()
        for newcomer in self._newcomers:
            newcomer.sock.close()
        self._newcomers.clear()

    # ------------------------------------------------------------------- one step

    def _pick(self, accept: Accept) -> _Newcomer | None:
        """A connection that can go on, for this thread alone; None when there is none."""
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, "the server is closed")
            ready = [key.data for key, _ in self._selector.select(0)]
            # Who is inside goes before who wants in: so the gate fills only with those that
            # it has to wait for.
            for newcomer in ready:
                if newcomer is not None:
                    self._unwatch(newcomer)
                    newcomer.busy = True
                    return newcomer  # type: ignore[no-any-return]
            if not ready:
                return None
            if not self._room(time.monotonic()):
                self._pause(True)
                return None
        try:
            sock, address = accept()
        except BlockingIOError:
            return None  # another thread or process was quicker
        sock.setblocking(False)
        return self._admit(_Newcomer(sock, address))

    def _admit(self, newcomer: _Newcomer) -> _Newcomer:
        crowded = []
        with self._lock:
            while len(self._newcomers) >= self._most and self._room(time.monotonic()):
                oldest = next(iter(self._newcomers))
                self._remove(oldest)
                crowded.append(oldest)
            self._newcomers[newcomer] = None
        for oldest in crowded:
            self._fail(oldest, LimitError(f"more than {self._most} TLS handshakes at once"))
        return newcomer

    def _step(self, newcomer: _Newcomer) -> BaseException | None:
        """Goes on with one handshake; returns the error that ended it, if one did."""
        events = 0
        error: BaseException | None = None
        try:
            if not isinstance(newcomer.sock, ssl.SSLSocket):
                newcomer.sock = self._wrapped(newcomer.sock)
            newcomer.sock.do_handshake()
            newcomer.done = True
        except ssl.SSLWantReadError:
            events = selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            events = selectors.EVENT_WRITE
        except BaseException as caught:  # a context's callbacks may raise anything
            error = caught
        if events:
            self._watch(newcomer, events)
            return None
        with self._lock:
            self._remove(newcomer)
        if newcomer.done:
            newcomer.sock.settimeout(socket.getdefaulttimeout())
        elif isinstance(error, Exception):
            self._fail(newcomer, error)
        elif error is not None:  # Ctrl-C and its like are not the peer's doing
            newcomer.sock.close()
            raise error
        return error

    def _wrapped(self, sock: socket.socket) -> ssl.SSLSocket:
        try:
            return self._wrap(sock)
        except OSError as error:
            # Python 3.11 leaves the new socket open in its frame when the peer has left already.
            for frame, _ in traceback.walk_tb(error.__traceback__):
                lost = frame.f_locals.get("self")
                if isinstance(lost, ssl.SSLSocket):
                    lost.close()
            raise

    def _watch(self, newcomer: _Newcomer, events: int) -> None:
        with self._lock:
            newcomer.busy = False
            if not self._closed:
                newcomer.awaits = events
                self._selector.register(newcomer.sock, events, newcomer)
                return
        end(newcomer.sock)

    def _fail(self, newcomer: _Newcomer, error: BaseException) -> None:
        try:
            self._report(newcomer.sock, newcomer.address, error)
        finally:
            end(newcomer.sock)

    def _sleep(self) -> None:
        """Until a descriptor is ready or a handshake's time is over."""
        now = time.monotonic()
        with self._lock:
            until = [_GRACE] if self._paused else []
            oldest = next(iter(self._newcomers), None)
            if oldest is not None and self._timeout is not None:
                until.append(max(0.0, oldest.started + self._timeout - now))
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
        poll.poll(math.ceil(min(until) * 1000) if until else None)

    # --------------------------------------------------------------- under the lock

    def _room(self, now: float) -> bool:
        """Whether one more may come, if need be in place of the oldest."""
        if len(self._newcomers) < self._most:
            return True
        oldest = next(iter(self._newcomers))
        return not oldest.busy and now - oldest.started >= _GRACE

    def _pause(self, paused: bool) -> None:
        """Leaves further peers to the listening socket's backlog, or no longer does."""
        self._paused = paused
        if paused:
            self._selector.unregister(self._listening)
        else:
            self._selector.register(self._listening, selectors.EVENT_READ)

    def _remove(self, newcomer: _Newcomer) -> None:
        """Out of the gate."""
        self._newcomers.pop(newcomer, None)
        self._unwatch(newcomer)

    def _unwatch(self, newcomer: _Newcomer) -> None:
        # Before it is closed: a forked child may hold a copy, and then the system would go on
        # reporting a descriptor that is no longer there.
        if newcomer.awaits:
            newcomer.awaits = 0
            self._selector.unregister(newcomer.sock)


def hang_up(sock: socket.socket) -> None:
    """Ends a connection so that its peer sees the end, and what was said before, not a reset."""
    try:
        # close() alone ends nothing while a forked child has the connection too.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        # Closing over unread bytes resets the connection, and takes an alert under way with it.
        socket.socket.setblocking(sock, False)
        socket.socket.recv(sock, _DRAINED)
    except OSError:
        pass  # the peer was quicker, or has sent nothing


def end(sock: socket.socket) -> None:
    """Hangs up and closes."""
    hang_up(sock)
    sock.close()
