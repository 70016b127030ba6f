"""TLS under an fn1 link: bytes through the SSL socket's own methods.

The socket is non-blocking, and a lock is held only while OpenSSL runs, never
while waiting: one thread can then send while another receives, which a
blocking SSL socket would not survive.
"""

from __future__ import annotations

import errno
import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from fastnet.errors import TransferTimeout

__all__ = ["TlsTransport"]

# As long as a blocked call leaves a signal waiting.
_SLICE_MS = 50
_CENTURY = 3.2e9  # seconds; beyond it, for ever


class TlsTransport:
    """Reads and writes one non-blocking SSL socket (see _native/fn1.pyx)."""

    def __init__(self, sock: ssl.SSLSocket, stall: float | None) -> None:
        self.sock = sock
        self._stall = None if stall is None or stall > _CENTURY else round(stall * 1e9)
        # Whether a read is inside OpenSSL, so that an exception might lose what it brought.
        self.reading = False
        self._lock = threading.Lock()

    def read(self, view: memoryview, deadline: int | None) -> int:
        """At least one byte into view, 0 at the end; TransferTimeout at the deadline."""
        received: int = self._run(lambda: self._recv(view), deadline)
        self.reading = False
        return received

    def write(self, view: memoryview, deadline: int | None) -> int:
        """At least one byte of view; TransferTimeout at the deadline."""
        # A retried SSL_write must see the same bytes: the pieces are stable here.
        try:
            sent: int = self._run(lambda: self.sock.send(view), deadline)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise BrokenPipeError(errno.EPIPE, "the peer ended the connection") from None
        return sent

    def handshake_step(self) -> bool:
        """Goes on with the handshake; True when it is complete."""
        try:
            with self._lock:
                self.sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def handshake(self, deadline: int | None) -> None:
        """The whole handshake; TransferTimeout at the deadline."""
        self._run(self.sock.do_handshake, deadline)

    def _recv(self, view: memoryview) -> int:
        self.reading = True
        try:
            return self.sock.recv_into(view)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.reading = False  # it brought nothing, and waiting loses nothing
            raise
        except ssl.SSLEOFError:
            return 0  # the peer went without TLS's own goodbye; fn1 has one of its own

    def _run(self, step: Callable[[], Any], deadline: int | None) -> Any:
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                events = select.POLLIN
            except ssl.SSLWantWriteError:
                events = select.POLLOUT
            self._wait(events, deadline)

    def _wait(self, events: int, deadline: int | None) -> None:
        """Sleeps until the socket is ready; each call begins a new stall limit."""
        poller = select.poll()
        poller.register(self.sock.fileno(), events)
        now = time.monotonic_ns()
        stalled = None if self._stall is None else now + self._stall
        while not poller.poll(_slice(now, deadline, stalled)):
            now = time.monotonic_ns()
            if deadline is not None and now >= deadline:
                raise TransferTimeout("the deadline passed")
            if stalled is not None and now >= stalled:
                raise TransferTimeout("no byte moved for longer than the stall limit")


def _slice(now: int, *ends: int | None) -> int:
    """Milliseconds to sleep: a slice, or less where an end comes first."""
    left = [-(-(end - now) // 1_000_000) for end in ends if end is not None]
    return max(0, min([_SLICE_MS, *left]))
