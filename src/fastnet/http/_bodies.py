"""The bytes of a file as a WSGI server takes them: whole, from somewhere to somewhere, in parts."""

from __future__ import annotations

import os
import secrets
from io import FileIO
from typing import Any

__all__ = ["Held", "Parts", "Piece", "Whole", "byteranges"]

Piece = bytes | tuple[int, int]

_BLOCK = 256 * 1024


class Held:
    """A descriptor until somebody else takes it over; closed if nobody does."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> int:
        """The descriptor, which is the caller's from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def fileno(self) -> int:
        """The descriptor, which stays here."""
        return self._descriptor

    def close(self) -> None:
        """Closes it, unless it was taken."""
        if self._descriptor >= 0:
            os.close(self.take())


class Whole(FileIO):
    """A file up to the length that its reply announced, should it grow meanwhile.

    Parameters:
        descriptor: its descriptor, which is closed with it.
        start: where it begins; so does the descriptor's position.
        stop: where it ends.
    """

    reads_its_descriptor = True  # so a server may have the system send it

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        super().__init__(descriptor, "rb", closefd=True)
        if start:
            self.seek(start)
        self._left = stop - start

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        if size is None or size < 0 or size > self._left:
            size = self._left
        data = super().read(size) or b""
        self._left -= len(data)
        return data

    def readall(self) -> bytes:
        """The rest."""
        parts = []
        while data := self.read(min(self._left, _BLOCK)):
            parts.append(data)
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """The next bytes, into memory."""
        with memoryview(buffer).cast("B") as view:
            count = super().readinto(view[: self._left]) or 0
        self._left -= count
        return count


class Parts:
    """An iterable over pieces: bytes as they are, and ranges of a file."""

    def __init__(self, descriptor: int, pieces: list[Piece]) -> None:
        self._descriptor = descriptor
        self._pieces = pieces[::-1]

    def __iter__(self) -> Parts:
        return self

    def __next__(self) -> bytes:
        if not self._pieces or self._descriptor < 0:
            raise StopIteration
        piece = self._pieces.pop()
        if isinstance(piece, bytes):
            return piece
        start, stop = piece
        data = os.pread(self._descriptor, min(stop - start, _BLOCK), start)
        if not data:  # the file has become shorter: the server sees that bytes are missing
            self._pieces.clear()
            raise StopIteration
        if start + len(data) < stop:
            self._pieces.append((start + len(data), stop))
        return data

    def close(self) -> None:
        """Closes the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def byteranges(ranges: list[tuple[int, int]], size: int, kind: str) -> tuple[list[Piece], int, str]:
    """The pieces of a multipart/byteranges body, its length and its Content-Type.

    Source: RFC 9110, section 14.6.
    """
    boundary = secrets.token_hex(16)
    pieces: list[Piece] = []
    for start, stop in ranges:
        head = (
            f"--{boundary}\r\nContent-Type: {kind}\r\n"
            f"Content-Range: bytes {start}-{stop - 1}/{size}\r\n\r\n"
        )
        pieces += [(b"\r\n" if pieces else b"") + head.encode("latin-1"), (start, stop)]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    length = 0
    for piece in pieces:
        length += len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
    return pieces, length, f"multipart/byteranges; boundary={boundary}"
