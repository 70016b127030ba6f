"""The socket that a handler in a greenlet receives."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any, Self

from fastnet._native.greensock import GreenStream

__all__ = ["GreenSocket"]


class GreenSocket(GreenStream):
    """A connected stream socket whose calls block one greenlet, not the thread.

    It does what a handler does with a `socket.socket`.  `send` takes what is
    given, up to a mebibyte, and waits only while more than 256 KiB are left to
    be written; an error in sending may so come out of a later call.
    """

    # Without a dict: ten thousand of these are one server's.
    __slots__ = ("_closing", "_io_refs", "_timeout", "family")

    type = socket.SOCK_STREAM
    proto = 0

    def __init__(self, server: Any = None) -> None:
        self._timeout: float | None = None
        self._io_refs = 0  # files that makefile() made and that are open
        self._closing = False
        self.family: int = server.address_family if server is not None else socket.AF_INET

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fileno()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.fileno() != -1:
            self.close()

    # ------------------------------------------------------------------- timeouts

    def settimeout(self, value: float | None) -> None:
        """Seconds that one call may wait; None for ever, 0 not at all."""
        if value is not None and not value >= 0:
            raise ValueError("Timeout value out of range")
        self._timeout = None if value is None else float(value)
        self.set_patience(self._timeout)

    def gettimeout(self) -> float | None:
        """What settimeout was given last."""
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag: bool) -> None:
        """settimeout(None), or settimeout(0.0)."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether a call may wait."""
        return self._timeout != 0.0

    # ------------------------------------------------------- more ways to send, receive

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, None]:
        """recv, with the address that a stream does not have."""
        return self.recv(bufsize, flags), None

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, None]:
        """recv_into, with the address that a stream does not have."""
        return self.recv_into(buffer, nbytes, flags), None

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        """Sends the buffers' bytes in order; how many it took.

        Raises OSError for ancillary data and for an address.
        """
        if ancdata or address is not None:
            raise OSError(95, os.strerror(95))
        return self.send(b"".join(bytes(memoryview(one).cast("B")) for one in buffers), flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Sends a binary file from offset on, count bytes or all; how many they were."""
        if count is not None and count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
        if offset:
            file.seek(offset)
        sent = 0
        while count is None or sent < count:
            block = file.read(65536 if count is None else min(65536, count - sent))
            if not block:
                break
            self.sendall(block)
            sent += len(block)
        if sent and hasattr(file, "seek"):
            file.seek(offset + sent)
        return sent

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file over the socket, as `socket.socket.makefile` makes it."""
        make: Any = socket.socket.makefile
        return make(self, mode, buffering, encoding=encoding, errors=errors, newline=newline)

    # ------------------------------------------------------------------------- ends

    def shutdown(self, how: int) -> None:
        """SHUT_WR: the peer sees the end after what waits; SHUT_RD: recv gives b""."""
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise ValueError(f"shutdown of {how!r}")
        self.shut(how != socket.SHUT_WR, how != socket.SHUT_RD)

    def close(self) -> None:
        """Closes once all is written and every file that makefile made is closed."""
        self._closing = True
        if self._io_refs <= 0:
            self.finish()

    def _decref_socketios(self) -> None:
        """A file of makefile's was closed (what `socket.SocketIO` calls)."""
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closing:
            self.close()

    def detach(self) -> int:
        """Gives the descriptor away, which is non-blocking."""
        self._closing = True
        return self.detach_fd()

    def dup(self) -> socket.socket:
        """An ordinary socket for the same connection, in non-blocking mode."""
        return socket.socket(fileno=os.dup(self._number()))

    # --------------------------------------------------------------- the system's side

    def _number(self) -> int:
        fd = self.fileno()
        if fd == -1:
            raise OSError(9, os.strerror(9))
        return fd

    @contextlib.contextmanager
    def _real(self) -> Iterator[socket.socket]:
        sock = socket.socket(self.family, socket.SOCK_STREAM, 0, self._number())
        try:
            yield sock
        finally:
            sock.detach()

    def getpeername(self) -> Any:
        """The peer's address."""
        found = self.address() if self.family == socket.AF_INET else None
        if found is not None:
            return found
        with self._real() as sock:
            return sock.getpeername()

    def getsockname(self) -> Any:
        """The socket's own address."""
        with self._real() as sock:
            return sock.getsockname()

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        """A socket option (getsockopt(2))."""
        with self._real() as sock:
            return (
                sock.getsockopt(level, optname, buflen)
                if buflen
                else sock.getsockopt(level, optname)
            )

    def setsockopt(self, level: int, optname: int, *value: Any) -> None:
        """Sets a socket option (setsockopt(2))."""
        with self._real() as sock:
            sock.setsockopt(level, optname, *value)
