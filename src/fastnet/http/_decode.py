"""Content codings: gzip and deflate, no faster than they are read (RFC 9110 8.4.1).

A decoder never holds more output than it was asked for, so that a small body
that claims to be terabytes costs what is read of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from fastnet.http.exceptions import ContentDecodingError, LimitError

__all__ = ["ACCEPTED", "Decoder", "codings"]

ACCEPTED = "gzip, deflate"
_MOST_CODINGS = 4  # one upon the other; nobody has use for more
_PIECE = 64 * 1024
_MAGIC = b"\x1f\x8b"  # how a member of gzip begins
_OVERHEAD = 1 << 20  # bytes of headers and empty blocks


def codings(value: str | None) -> list[str]:
    """The codings of a Content-Encoding header that this end undoes, the first applied first.

    An empty list where there is none, or one that is not known: the body is
    given as it came then.
    """
    names = [part.strip().lower() for part in (value or "").split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > _MOST_CODINGS:
        raise ContentDecodingError(f"more than {_MOST_CODINGS} content codings: {value}")
    known = ("gzip", "x-gzip", "deflate")
    return names if all(name in known for name in names) else []


class Decoder:
    """Undoes codings while it reads.

    A coded body may have any number of bytes that stand for nothing: how many
    are read is bounded by what they may stand for, and somewhat more.

    Parameters:
        source: reads some bytes of at most so many; b"" at the end.
        names: the codings, the first applied first.
        limit: decoded bytes that the whole body may have; None for any number.
        whole: whether the body is read as one.  Else any number of bytes may
            come of it, and what is read without any of them is bounded.
    """

    def __init__(self, source: Callable[[int], bytes], names: list[str],
                 limit: int | None = None, whole: bool = False) -> None:  # fmt: skip
        self._source = source
        self._most = None if limit is None else limit + limit // 64 + _OVERHEAD
        self._count = 0
        self.whole = whole
        read = self._raw
        for name in names[::-1]:
            read = _Stage(read, name).read
        self._decoded = read

    def read(self, most: int) -> bytes:
        """Some decoded bytes, at most so many; b"" at the end."""
        data = self._decoded(most)
        if not self.whole:
            self._count = 0
        return data

    def _raw(self, most: int) -> bytes:
        data = self._source(most)
        self._count += len(data)
        if self._most is not None and self._count > self._most:
            raise LimitError(
                f"a coded body has more than {self._most} bytes for what comes of them"
            )
        return data


class _Stage:
    def __init__(self, source: Callable[[int], bytes], name: str) -> None:
        self._source = source
        self._name = name
        self._gzip = name.endswith("gzip")
        self._inflate: Any = None
        self._input = b""
        self._members = False  # whether one has ended; another may follow
        self._dry = False
        self._over = False

    def read(self, most: int) -> bytes:
        """Some decoded bytes, at most so many; b"" at the end."""
        while not self._over:
            data, self._input = self._input, b""
            if not data and not self._dry:
                data = self._source(_PIECE)
                self._dry = not data
            out = self._step(data, most) if data else self._rest(most)
            if out:
                return out
        return b""

    def _step(self, data: bytes, most: int) -> bytes:
        if self._inflate is None:
            if self._members:  # zeros fill a last block up
                data = data.lstrip(b"\0")
                if not data:
                    return b""
            if len(data) < 2 and not self._dry:
                self._input = data  # stays where the source has nothing at hand
                more = self._source(_PIECE)
                self._input, self._dry = b"", not more
                data += more
            if self._members and not data.startswith(_MAGIC):
                self._over = True  # something else that follows, as for gzip itself
                return b""
            self._inflate = zlib.decompressobj(self._window(data))
        try:
            out: bytes = self._inflate.decompress(data, most)
        except zlib.error as error:
            raise ContentDecodingError(f"the body is no {self._name}: {error}") from error
        self._input = self._inflate.unconsumed_tail
        if self._inflate.eof:
            self._input = self._inflate.unused_data
            self._inflate = None
            self._members = True
            self._over = not self._gzip
            return out
        return out

    def _window(self, data: bytes) -> int:
        if self._gzip:
            return 16 + zlib.MAX_WBITS
        # "deflate" is the zlib format; some servers send the bare one all the same.
        zlib_form = data[0] & 0x0F == 8 and (
            len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0
        )  # fmt: skip
        return zlib.MAX_WBITS if zlib_form else -zlib.MAX_WBITS

    def _rest(self, most: int) -> bytes:
        """What the inflater still holds back, when there is no more to give it."""
        if self._inflate is None:
            self._over = True  # nothing at all, or whole members
            return b""
        out: bytes = self._inflate.decompress(b"", most)
        if not out:
            self._over = True
            if not self._inflate.eof:
                raise ContentDecodingError(f"the body ends inside its {self._name} coding")
        return out
