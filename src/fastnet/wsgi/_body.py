"""Request bodies: read by a thread while they come, or kept in a file until they have."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import IO

__all__ = ["Spool", "Stream"]

_AHEAD = 256 * 1024  # bytes that may wait for their reader


class Stream(io.RawIOBase):
    """A body on its way from the loop, which feeds it, to the thread that reads it."""

    def __init__(self, resume: Callable[[], None]) -> None:
        self._resume = resume  # called by the reader, when it has caught up
        self._pieces: deque[memoryview] = deque()
        self._changed = threading.Condition()
        self._size = 0
        self._over = False
        self._error: Exception | None = None
        self.much = False
        self.reader = io.BufferedReader(self, 64 * 1024)

    # ----------------------------------------------------------------- on the loop

    def feed(self, data: bytes) -> None:
        """More of the body has come."""
        with self._changed:
            self._pieces.append(memoryview(data))
            self._size += len(data)
            self.much = self._size > _AHEAD
            self._changed.notify()

    def end(self) -> None:
        """All of it has come."""
        with self._changed:
            self._over = True
            self._changed.notify()

    def fail(self, error: Exception) -> None:
        """The rest will never come: its reader is told so."""
        with self._changed:
            if not self._over:
                self._error = error
                self._over = True
            self._changed.notify()

    # --------------------------------------------------------------- on the thread

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Waits for some of the body; 0 at its end.

        Raises:
            ConnectionResetError: the client has gone before that.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if not view:
            return 0
        with self._changed:
            while not self._pieces and not self._over:
                self._changed.wait()
            if not self._pieces:
                if self._error is not None:
                    raise self._error
                return 0
            first = self._pieces.popleft()
            size = min(len(first), len(view))
            view[:size] = first[:size]
            if size < len(first):
                self._pieces.appendleft(first[size:])
            self._size -= size
            caught_up = self.much and self._size <= _AHEAD // 2
            if caught_up:
                self.much = False
        if caught_up:
            self._resume()
        return size


class Spool:
    """A large body in a temporary file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - the request's to close
        for piece in pieces:
            self._file.write(piece)

    def append(self, piece: bytes) -> None:
        """The next piece."""
        self._file.write(piece)

    def whole(self) -> IO[bytes]:
        """All of it, to be read from its beginning."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """For a request that never came whole."""
        self._file.close()
