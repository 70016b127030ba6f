"""The files of a handler: head and body go out in one send, before anything is waited for."""

from __future__ import annotations

import os
import ssl
from io import BufferedIOBase, FileIO, RawIOBase
from typing import Any

__all__ = ["ReplyWriter", "RequestReader"]

_JOIN = 256 * 1024  # bytes up to which a copy is cheaper than a second send
_READ = 64 * 1024  # a file up to this long goes out with its head


class ReplyWriter(BufferedIOBase):
    """A file without a buffer, except for what `hold` was given.

    Parameters:
        sock: the connection.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._held = b""

    def writable(self) -> bool:
        """True."""
        return True

    def hold(self, data: bytes) -> None:
        """Keeps bytes until there is more to send, or `flush`."""
        self._held += data

    def write(self, data: Any) -> int:
        """Sends everything, what was held before it."""
        if not self._held:
            self._sock.sendall(data)
            with memoryview(data) as view:
                return view.nbytes
        with memoryview(data) as view:
            held, self._held = self._held, b""
            if view.nbytes <= _JOIN:
                self._sock.sendall(held + view.tobytes())
            else:
                self._sock.sendall(held)
                self._sock.sendall(data)
            return view.nbytes

    def flush(self) -> None:
        """Sends what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._sock.sendall(held)

    def fileno(self) -> int:
        """The connection's descriptor; sends what is held, since who asks may write to it."""
        self.flush()
        return int(self._sock.fileno())

    def send_file(self, source: Any) -> bool:
        """Sends the rest of a file through the system; False if it must be read instead."""
        # What unpacks or counts what it reads has a descriptor, too, with other bytes behind it.
        if type(getattr(source, "raw", source)) is not FileIO:
            return False
        try:
            place = source.tell()
            left = os.fstat(source.fileno()).st_size - place
        except (OSError, ValueError):
            return False  # a pipe, or closed
        if left <= _READ or isinstance(self._sock, ssl.SSLSocket):
            return False
        if not hasattr(self._sock, "sendfile"):
            return False
        self.flush()
        self._sock.sendfile(source, place, left)
        return True


class RequestReader(RawIOBase):
    """The raw file beneath `rfile`: before it waits for the client, what is held is sent.

    Parameters:
        raw: the connection's own raw file.
        writer: what may hold something.
    """

    def __init__(self, raw: Any, writer: ReplyWriter) -> None:
        self._raw = raw
        self._writer = writer

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """The next bytes, into memory."""
        self._writer.flush()
        count: int | None = self._raw.readinto(buffer)
        return count

    def fileno(self) -> int:
        """The connection's descriptor."""
        return int(self._raw.fileno())

    def close(self) -> None:
        """Closes the raw file."""
        if not self.closed:
            super().close()
            self._raw.close()
