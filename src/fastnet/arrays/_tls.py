"""TLS under an fn1 link: bytes through the SSL socket's own methods.

The socket is non-blocking, and a lock is held only while OpenSSL runs, never
while waiting: one thread can then send while another receives, which a
blocking SSL socket would not survive.
"""

from __future__ import annotations

import select
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["TlsTransport"]

# As long as a blocked call leaves a signal waiting.
_SLICE_MS = 50


class TlsTransport:
    """Reads and writes one non-blocking SSL socket (see _native/fn1.pyx)."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self._lock = threading.Lock()

    def read(self, view: memoryview, deadline: int | None) -> int:
        """At least one byte into view, 0 at the end; TimeoutError at the deadline."""
        return self._run(lambda: self._recv(view), deadline)

    def write(self, view: memoryview, deadline: int | None) -> int:
        """At least one byte of view; TimeoutError at the deadline."""
        # A retried SSL_write must see the same bytes: the pieces are stable here.
        return self._run(lambda: self.sock.send(view), deadline)

    def handshake_step(self) -> bool:
        """Goes on with the handshake; True when it is complete."""
        try:
            with self._lock:
                self.sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    def handshake(self, deadline: int | None) -> None:
        """The whole handshake; TimeoutError at the deadline."""
        self._run(self.sock.do_handshake, deadline)

    def _recv(self, view: memoryview) -> int:
        try:
            return self.sock.recv_into(view)
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
        poller = select.poll()
        poller.register(self.sock.fileno(), events)
        while True:
            left = _SLICE_MS
            if deadline is not None:
                left = min(left, -(-(deadline - time.monotonic_ns()) // 1_000_000))
                if left <= 0 and not poller.poll(0):
                    raise TimeoutError("the deadline passed")
            if poller.poll(max(left, 0)):
                return
