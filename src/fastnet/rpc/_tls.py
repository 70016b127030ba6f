"""TLS between a mux and a descriptor: OpenSSL works on memory, and only what it has sealed is
written.

Both ends use it, and so do blocking clients and event loops, since it never waits by itself.
"""

from __future__ import annotations

import os
import select
import ssl
import threading
import time
from typing import Any

from fastnet.errors import IncompleteTransfer

__all__ = ["Tls"]

_READ = 1 << 18
_RECORDS = 1 << 18  # bytes that are sealed in one go
_CHECK, _TIMEOUT = -10003, -10002  # FN_E_CHECK and FN_E_TIMEOUT (status.h)


class Tls:
    """One connection's TLS."""

    def __init__(
        self, fd: int, context: ssl.SSLContext, *, server: bool, hostname: str | None = None
    ) -> None:
        self._fd = fd
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=hostname
        )
        self._sealed = b""
        self._ready = False
        self._lock = threading.RLock()

    def _shake(self) -> bool:
        """Goes on with the handshake; whether it is complete."""
        if not self._ready:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self._ready = True
        return True

    def receive(self, conn: Any) -> int:
        """Opens what has come, for conn; raises IncompleteTransfer at the end."""
        with self._lock:
            try:
                data = os.read(self._fd, _READ)
            except BlockingIOError:
                return 0
            if not data:
                raise IncompleteTransfer("the peer ended the connection")
            self._incoming.write(data)
            try:
                if not self._shake():
                    self._write()
                    return 0
                while True:
                    conn.opened_by_tls(self._object.read(_READ))
            except ssl.SSLWantReadError:
                return 1
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise IncompleteTransfer("the peer ended the connection") from None
            finally:
                self._sealed += self._outgoing.read()

    def transmit(self, conn: Any) -> int:
        """Seals and sends what conn has to send: 0 all, 1 when the socket takes no more."""
        with self._lock:
            if not self._shake():
                return self._write()
            while True:
                if self._write():
                    return 1
                plain = conn.for_tls(_RECORDS)
                if not plain:
                    return 0
                self._object.write(plain)

    def _write(self) -> int:
        self._sealed += self._outgoing.read()
        while self._sealed:
            try:
                sent = os.write(self._fd, self._sealed)
            except BlockingIOError:
                return 1
            self._sealed = self._sealed[sent:]
        return 0

    def wait(self, conn: Any, wake_fd: int, until: int) -> int:
        """Sends, and waits for something to be opened: 1, or FN_E_CHECK at `until` (ns)."""
        full = self.transmit(conn)
        if self.receive(conn):
            return 1
        poller = select.poll()
        poller.register(self._fd, select.POLLIN | (select.POLLOUT if full else 0))
        if wake_fd >= 0:
            poller.register(wake_fd, select.POLLIN)
        left = max(0, until - time.monotonic_ns())
        ready = poller.poll(min(left / 1e6, 3.6e6))
        if not any(fd == self._fd for fd, _ in ready):
            return _CHECK
        self.transmit(conn)
        return 1 if self.receive(conn) else 0
