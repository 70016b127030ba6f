"""Request bodies: read by a thread while they come, or kept in a file until they have."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable, Iterable
from typing import IO

__all__ = ["Nothing", "Stream", "spool"]

_AHEAD = 256 * 1024  # bytes that may wait for their reader


class Nothing(io.BufferedIOBase):
    """The body of a request that has none: one for all, so it cannot be closed."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Nothing."""
        return b""

    read1 = read

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True: it may be rewound."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Stays where it is."""
        return 0

    def tell(self) -> int:
        """0."""
        return 0

    def close(self) -> None:
        """Does nothing."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set: this input is every request's")


class Stream(io.RawIOBase):
    """A body on its way from the loop, which feeds it, to the thread that reads it."""

    def __init__(self, resume: Callable[[], None]) -> None:
        self._resume = resume  # called by the reader, when it has caught up
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._over = False
        self._error: Exception | None = None
        self.much = False

    def reader(self) -> io.BufferedReader:
        """What the application reads from; to be called once."""
        return io.BufferedReader(self, 64 * 1024)

    # ----------------------------------------------------------------- on the loop

    def feed(self, data: bytes) -> None:
        """More of the body has come."""
        with self._changed:
            self._waiting += data
            self.much = len(self._waiting) > _AHEAD
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
            while not self._waiting and not self._over:
                self._changed.wait()
            if not self._waiting:
                if self._error is not None:
                    raise self._error
                return 0
            size = min(len(self._waiting), len(view))
            view[:size] = memoryview(self._waiting)[:size]
            del self._waiting[:size]
            caught_up = self.much and len(self._waiting) <= _AHEAD // 2
            if caught_up:
                self.much = False
        if caught_up:
            self._resume()
        return size


def spool(pieces: Iterable[bytes | bytearray | None]) -> IO[bytes]:
    """A temporary file for a large body, with what has come of it."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the request's to close
    try:
        for piece in pieces:
            if piece:
                file.write(piece)
    except OSError:
        file.close()
        raise
    return file
