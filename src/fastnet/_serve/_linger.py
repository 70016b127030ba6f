"""The last look at connections that a server ends.

A descriptor that is closed over unread bytes resets its connection, which destroys what is still
under way to the peer (RFC 1122, section 4.2.2.13). So a second descriptor of each connection is
kept while its transport closes; then the peer is told of the end and read from until its own.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Any

__all__ = ["Lingering"]

LINGER = 2.0  # seconds that a peer has for its own end, as services give it (service.h)
CHUNK = 1 << 16


class Lingering:
    """Connections on their way out; true while there are any."""

    def __init__(self) -> None:
        self._closing: list[tuple[Any, socket.socket]] = []
        self._closed: dict[int, tuple[socket.socket, float]] = {}
        self._poll = select.poll()

    def __bool__(self) -> bool:
        return bool(self._closing or self._closed)

    def keep(self, transport: Any) -> None:
        """Takes a transport that is about to be closed, if a server accepted it."""
        if getattr(transport, "_server", None) is None:
            return
        try:
            self._closing.append((transport, transport.get_extra_info("socket").dup()))
        except OSError:
            pass  # no descriptor is left, or it has gone: then it ends without

    def turn(self) -> None:
        """Goes on with each."""
        now = time.monotonic()
        still = []
        for transport, sock in self._closing:
            if transport._loop is None:  # all is written, and its descriptor closed
                self._tell(sock, now)
            else:
                still.append((transport, sock))
        self._closing = still
        for fd, _ in self._poll.poll(0):
            self._read(fd)
        for fd, (_, until) in list(self._closed.items()):
            if now >= until:
                self._end(fd)

    def _tell(self, sock: socket.socket, now: float) -> None:
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        self._closed[sock.fileno()] = sock, now + LINGER
        self._poll.register(sock, select.POLLIN)

    def _read(self, fd: int) -> None:
        sock, _ = self._closed[fd]
        try:
            if sock.recv(CHUNK):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(fd)

    def _end(self, fd: int) -> None:
        sock, _ = self._closed.pop(fd)
        self._poll.unregister(fd)
        sock.close()

    def close(self) -> None:
        """Ends whatever is left."""
        for fd in list(self._closed):
            self._end(fd)
        for _, sock in self._closing:
            sock.close()
        self._closing.clear()
