"""A response whose body is read from a blocking connection."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any, Self

from fastnet._native.httpconn import Connection
from fastnet.http._answer import HAS_ENCODING, Answer
from fastnet.http._decode import Decoder, codings
from fastnet.http._lines import Lines
from fastnet.http._pool import Pool
from fastnet.http._request import PreparedRequest
from fastnet.http.exceptions import LimitError, RequestException, translated

__all__ = ["Response", "Rest"]

_PIECE = 64 * 1024
_MOST = 1 << 20  # bytes that memory is got for before they are there
_DRAIN = 64 * 1024  # bytes read in vain to keep a connection


class Rest:
    """The body that is still to come, and the connection that it comes on."""

    __slots__ = ("connection", "_pool", "_key", "_timeout", "_request", "_done", "_left")

    def __init__(self, connection: Connection, pool: Pool, key: Any, timeout: float | None,
                 request: PreparedRequest) -> None:  # fmt: skip
        self.connection = connection
        self._pool = pool
        self._key = key
        self._timeout = timeout
        self._request = request
        self._done = False
        self._left = connection.length

    def readinto(self, buffer: Any, whole: bool = False) -> int:
        """Some bytes as they came, or as many as there are room for."""
        if self._done:
            return 0
        try:
            got = self.connection.readinto(buffer, self._timeout, whole)
        except BaseException as error:
            self.abort()
            raise translated(error, self._request) from error
        if self._left is not None:
            self._left -= got
        if self.connection.ended:
            self.release()
        return got

    def read(self, most: int) -> bytes:
        """At most so many bytes as they came; b"" at the end."""
        if self._done:
            return b""
        buffer = bytearray(most)
        return bytes(memoryview(buffer)[: self.readinto(buffer)])

    def read_all(self, limit: int) -> bytes:
        """All that is left, of which there may be at most so much."""
        if self._done:
            return b""
        try:
            content = self.connection.read(limit, self._timeout)
        except BaseException as error:
            self.abort()
            raise translated(error, self._request) from error
        self.release()
        return content

    def release(self) -> None:
        """The body is at its end: the connection goes back to the pool."""
        if self._done:
            return
        self._done = True
        connection = self.connection
        if connection.ended and connection.keep and not connection.spare:
            self._pool.give(self._key, connection)
        else:
            connection.close()
            self._pool.forget(self._key, connection)

    def abort(self) -> None:
        """Closes the connection, and with it what is left of the body."""
        if not self._done:
            self._done = True
            self.connection.close()
            self._pool.forget(self._key, self.connection)

    def drain(self) -> None:
        """Ends the body: read if there is little left, else given up."""
        left = _DRAIN
        while not self._done and left > 0:
            got = len(self.read(left))
            if not got:
                break
            left -= got
        self.abort()

    @property
    def left(self) -> int | None:
        """Bytes of the body that are yet to be read; None where it does not say."""
        return self._left

    @property
    def done(self) -> bool:
        """Whether the connection is given back."""
        return self._done

    def __del__(self) -> None:
        if hasattr(self, "_done"):
            self.abort()


class Response(Answer):
    """The answer to a request; see `Answer` for what is known from its head.

    With ``stream=True`` the body is read as the program asks for it, and the
    response must be closed (it is a context manager) or read to its end.
    All reads undo gzip and deflate.
    """

    __slots__ = ("_rest", "_limit", "_decoded", "_consumed")

    def __init__(self, request: PreparedRequest, reply: Any, took: float, rest: Rest | None,
                 limit: int, content: bytes | None = None) -> None:  # fmt: skip
        super().__init__(request, reply, took, content)
        self._rest = rest
        self._limit = limit
        self._decoded: Any = None  # reads decoded bytes, once somebody has
        self._consumed = False

    def undecoded(self) -> Self:
        """Reads give the body as it is sent from now on."""
        self._marks &= ~HAS_ENCODING
        return self

    # ------------------------------------------------------------------ as a whole

    @property
    def content(self) -> bytes:
        """The whole body, decoded; read now if it was not.

        Raises LimitError where it is more than the session's `Limits.body_bytes`.
        """
        if self._content is None:
            if self._consumed:
                raise RequestException("the body has been read in part; its rest is in read()")
            try:
                self._content = self._load()
            except BaseException:
                self._consumed = True
                self.close()
                raise
        return self._content

    def _load(self) -> bytes:
        rest = self._rest
        if rest is None:
            return b""
        names = self._codings()
        if not names:
            return rest.read_all(self._limit)
        parts, left = [], self._limit
        read = Decoder(rest.read, names, self._limit, whole=True).read
        while part := read(min(left + 1, _MOST)):
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise LimitError(f"the decoded body has more bytes than the limit of {self._limit}")
        rest.drain()
        return b"".join(parts)

    def _codings(self) -> list[str]:
        if not self._marks & HAS_ENCODING:
            return []
        return codings(self.headers.get("Content-Encoding"))

    def _whole(self) -> bytes:
        return self.content

    # ------------------------------------------------------------------ piece by piece

    def _some(self, most: int) -> bytes:
        """Some decoded bytes, at most so many; b"" at the end."""
        if self._decoded is None:
            self._decoded = self._reader()
        part: bytes = self._decoded(most)
        if not part and self._rest is not None:
            self._rest.drain()
        return part

    def _reader(self, whole: bool = False) -> Any:
        self._consumed = True
        if self._content is not None or self._rest is None:
            return io.BytesIO(self._content or b"").read
        names = self._codings()
        if not names:
            return self._rest.read
        return Decoder(self._rest.read, names, self._limit, whole).read

    def read(self, size: int | None = -1) -> bytes:
        """Up to so many decoded bytes, fewer only at the end; all that is left without a size.

        Raises LimitError where all is more than the session's `Limits.body_bytes`.
        """
        everything = size is None or size < 0
        left = self._limit + 1 if size is None or size < 0 else size
        if everything and self._decoded is None:
            self._decoded = self._reader(whole=True)
        parts = []
        while left > 0:
            part = self._some(min(left, _MOST))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        if everything and left <= 0:
            self.close()
            raise LimitError(f"the body has more bytes than the limit of {self._limit}")
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer with decoded bytes; how many, fewer than its size only at the end."""
        view = memoryview(buffer).cast("B")
        rest = self._rest
        direct = self._content is None and self._decoded is None
        if rest is not None and direct and not self._codings():
            self._consumed = True
            return rest.readinto(view, whole=True)
        got = 0
        while got < len(view):
            part = self._some(len(view) - got)
            if not part:
                break
            view[got : got + len(part)] = part
            got += len(part)
        return got

    def recv_into(self, arr: Any) -> int:
        """Fills an array with a body that is an array's bytes; returns how many there were.

        Parameters:
            arr: a writable array, or memory, as for `fastnet.recv_into`.

        Raises:
            ValueError: the body is longer than the array.
            IncompleteTransfer: it is shorter.
        """
        from fastnet.http._arrays import receive

        return receive(self, arr)

    def iter_content(self, chunk_size: int | None = _PIECE, decode_unicode: bool = False) -> Any:
        """The decoded body in pieces as they come, of at most chunk_size bytes.

        With `decode_unicode`, pieces of text.
        """
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        pieces = self._pieces(chunk_size)
        return _texts(pieces, self.encoding) if decode_unicode else pieces

    def _pieces(self, size: int | None) -> Iterator[bytes]:
        if self._content is not None:
            content, step = self._content, size or len(self._content) or 1
            for at in range(0, len(content), step):
                yield content[at : at + step]
            return
        while part := self._some(min(size or _PIECE, _MOST)):
            yield part

    def iter_lines(
        self, chunk_size: int | None = _PIECE, decode_unicode: bool = False, delimiter: Any = None
    ) -> Iterator[Any]:
        """The decoded body line by line, each once its end has come, and without it.

        A line longer than the session's `Limits.body_bytes` is a LimitError.
        """
        lines = Lines("" if decode_unicode else b"", delimiter or None)
        for part in self.iter_content(chunk_size, decode_unicode):
            yield from lines.feed(part)
            if lines.pending > self._limit:
                self.close()
                raise LimitError(f"a line has more bytes than the limit of {self._limit}")
        yield from lines.end()

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content()  # type: ignore[no-any-return]

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Gives the connection up, unless the body has been read to its end."""
        if self._rest is not None:
            self._rest.abort()

    def _discard(self) -> None:
        """What a redirect's body is worth: its connection is kept if it is short."""
        if self._content is None and self._rest is not None:
            try:
                self._rest.drain()
            except RequestException:
                pass
            self._content = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _texts(pieces: Iterator[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if text := decoder.decode(b"", True):
        yield text
