"""Lines out of pieces: each as soon as its end has come."""

from __future__ import annotations

import io
import re
from typing import Any

__all__ = ["Lines"]

# What `splitlines` takes for an end, of text and of bytes.
_TEXT = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_BYTES = re.compile(rb"[\n\r]")


class Lines:
    """Takes pieces of bytes or of text, gives lines without their ends.

    Lines end where `splitlines` says so, or at a delimiter.

    Parameters:
        empty: b"" or "", as the pieces are.
        delimiter: what ends a line; None for the usual ends.
    """

    def __init__(self, empty: Any, delimiter: Any = None) -> None:
        text = isinstance(empty, str)
        self._empty = empty
        self._delimiter = delimiter
        self._return: Any = "\r" if text else b"\r"
        self._end: Any = _TEXT if text else _BYTES
        # A line of many small pieces is put together once, not once a piece.
        self._new: Any = io.StringIO if text else io.BytesIO
        self._begun: Any = None
        self._tail: Any = empty  # of what has begun: as much as may be half an end
        self._half = 1 if delimiter is None else len(delimiter) - 1
        self.pending = 0  # size of the line that has begun

    def feed(self, piece: Any) -> list[Any]:
        """The lines that have ended with this piece."""
        if self._begun is not None and not self._ends(self._tail + piece):
            self._begin(piece)
            return []
        text = self._rest() + piece
        if not text:
            return []
        lines, rest = self._split(text)
        if rest:
            self._begin(rest)
        return lines

    def end(self) -> list[Any]:
        """The last line, if it had no end."""
        rest = self._rest()
        if not rest:
            return []
        return [rest] if self._delimiter is not None else list(rest.splitlines())

    def _ends(self, text: Any) -> bool:
        if self._delimiter is not None:
            return self._delimiter in text
        return self._end.search(text) is not None

    def _split(self, text: Any) -> tuple[list[Any], Any]:
        """The lines of a text that have ended, and the rest of it."""
        if self._delimiter is not None:
            *lines, rest = text.split(self._delimiter)
            return lines, rest
        lines, last = text.splitlines(), text[-1:]
        if last == self._return:  # the first half of an end, perhaps
            return lines[:-1], lines[-1] + last
        if self._end.match(last):
            return lines, self._empty
        return lines[:-1], lines[-1]

    def _begin(self, piece: Any) -> None:
        if self._begun is None:
            self._begun = self._new()
        self._begun.write(piece)
        self.pending += len(piece)
        ending = (self._tail + piece)[-self._half :] if self._half else self._empty
        usual = self._delimiter is None
        self._tail = self._empty if usual and ending != self._return else ending

    def _rest(self) -> Any:
        rest = self._empty if self._begun is None else self._begun.getvalue()
        self._begun, self._tail, self.pending = None, self._empty, 0
        return rest
