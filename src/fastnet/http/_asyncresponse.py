"""A response whose body is read on an asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Self

from fastnet.http._answer import HAS_ENCODING, Answer
from fastnet.http._asyncwire import AsyncWire
from fastnet.http._decode import Decoder, codings
from fastnet.http._request import PreparedRequest
from fastnet.http.exceptions import (
    IncompleteTransfer,
    LimitError,
    RequestException,
    translated,
)

__all__ = ["AsyncResponse", "AsyncRest"]

_PIECE = 64 * 1024
_DRAIN = 64 * 1024
_MOST = 1 << 20  # bytes that memory is got for before they are there


class AsyncRest:
    """The body that is still to come, and the connection that it comes on."""

    def __init__(self, wire: AsyncWire, give: Any, timeout: float | None,
                 request: PreparedRequest) -> None:  # fmt: skip
        self.wire = wire
        self._give = give  # called once, with whether the connection may be kept
        self._timeout = timeout
        self._request = request
        self.done = False
        self._loop = asyncio.get_running_loop()
        self.left = wire.length  # bytes yet to be read; None where the head does not say
        if wire.ended:
            self.release()

    async def readinto(self, view: memoryview) -> int:
        """Some bytes as they came; 0 at the end."""
        if self.done:
            return 0
        try:
            got = await self.wire.readinto(view, self._timeout)
        except BaseException as error:
            self.abort()
            raise translated(error, self._request) from error
        if self.left is not None:
            self.left -= got
        if self.wire.ended:
            self.release()
        return got

    async def read(self, most: int) -> bytes:
        """At most so many bytes as they came; b"" at the end."""
        if self.done:
            return b""
        buffer = bytearray(most)
        return bytes(memoryview(buffer)[: await self.readinto(memoryview(buffer))])

    def release(self) -> None:
        """The body is at its end: the connection goes back."""
        if not self.done:
            self.done = True
            wire = self.wire
            self._give(wire.ended and wire.keep and not wire.spare and not wire.broken)

    def abort(self) -> None:
        """Closes the connection, and with it what is left of the body."""
        if not self.done:
            self.done = True
            self._give(False)

    async def drain(self) -> None:
        """Ends the body: read if there is little left, else given up."""
        left = _DRAIN
        while not self.done and left > 0:
            got = len(await self.read(left))
            if not got:
                break
            left -= got
        self.abort()

    def __del__(self) -> None:
        # The collector may run anywhere, in any thread; connections are the loop's.
        if not getattr(self, "done", True) and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it was closed in between
                self._loop.call_soon_threadsafe(self._give, False)


class AsyncResponse(Answer):
    """The answer to a request of an `AsyncSession`; see `Answer` for what its head says.

    Without ``stream=True`` its `content`, `text` and `json()` are there at
    once.  With it, read by `aread`, `aiter_content` or `arecv_into`, and close
    it: it is an asynchronous context manager.
    """

    __slots__ = ("_rest", "_limit", "_decoder", "_raw", "_dry", "_consumed", "_again")

    def __init__(self, request: PreparedRequest, wire: AsyncWire, took: float, rest: AsyncRest,
                 limit: int) -> None:  # fmt: skip
        super().__init__(request, wire, took)
        self._rest = rest
        self._limit = limit
        self._raw: deque[bytes] = deque()
        self._dry = False
        self._consumed = False
        self._again: io.BytesIO | None = None  # reads what has been kept, once somebody does
        names = codings(self.headers.get("Content-Encoding")) if (
            self._marks & HAS_ENCODING) else []  # fmt: skip
        self._decoder = Decoder(self._at_hand, names, limit) if names else None

    @property
    def content(self) -> bytes:
        """The whole body, decoded.  Raises RequestException where `aread` is yet to be called."""
        return self._whole()

    def _whole(self) -> bytes:
        if self._content is None and self._consumed:
            raise RequestException("the body has been read in part; its rest is in aread()")
        return super()._whole()

    def _at_hand(self, most: int) -> bytes:
        if self._raw:
            return self._raw.popleft()
        if self._dry:
            return b""
        raise BlockingIOError

    async def _some(self, most: int) -> bytes:
        """Some decoded bytes, at most so many; b"" at the end."""
        if self._content is not None:
            if self._again is None:
                self._again = io.BytesIO(self._content)
            return self._again.read(most)
        self._consumed = True
        if self._decoder is None:
            return await self._rest.read(most)
        while True:
            try:
                part = self._decoder.read(most)
            except BlockingIOError:
                raw = await self._rest.read(_PIECE)
                self._dry = not raw
                if raw:
                    self._raw.append(raw)
                continue
            if not part:
                await self._rest.drain()
            return part

    async def aread(self, size: int = -1) -> bytes:
        """The whole body, kept as `content`; or up to size bytes, fewer only at the end.

        After a part of the body, all that is left of it; `content` is not to be had then.

        Raises LimitError where all is more than the session's `Limits.body_bytes`.
        """
        if size < 0 and self._content is not None:
            return self._content
        whole = size < 0 and not self._consumed
        if whole and self._decoder is not None:
            self._decoder.whole = True
        left, parts = self._limit + 1 if size < 0 else size, []
        while left > 0 and (part := await self._some(min(left, _MOST))):
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        if size < 0 and left <= 0:
            self.close()
            raise LimitError(f"the body has more bytes than the limit of {self._limit}")
        if whole:
            self._content = data
        return data

    async def aiter_content(self, chunk_size: int | None = _PIECE) -> AsyncIterator[bytes]:
        """The decoded body in pieces as they come, of at most chunk_size bytes."""
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        if self._content is not None:
            step = chunk_size or len(self._content) or 1
            for at in range(0, len(self._content), step):
                yield self._content[at : at + step]
            return
        while part := await self._some(min(chunk_size or _PIECE, _MOST)):
            yield part

    async def areadinto(self, buffer: Any) -> int:
        """Fills a buffer with decoded bytes; how many, fewer than its size only at the end."""
        view = memoryview(buffer).cast("B")
        got = 0
        while got < len(view):
            if self._decoder is None and self._content is None:
                self._consumed = True
                more = await self._rest.readinto(view[got:])
            else:
                part = await self._some(len(view) - got)
                more = len(part)
                view[got : got + more] = part
            if not more:
                break
            got += more
        return got

    async def arecv_into(self, arr: Any) -> int:
        """Fills a writable array, in one piece, with a body that is its bytes.

        Raises:
            ValueError: the body is longer than the array.
            IncompleteTransfer: it is shorter.
        """
        from fastnet._array.sources import room_of

        array = room_of(arr)
        if not array.flags.c_contiguous:
            raise ValueError("the array's items do not lie in one piece")
        total = int(array.nbytes)
        plain = self._decoder is None and self._content is None
        length = self._rest.left if plain else None
        if length is not None and length > total:
            raise ValueError(f"the body has {length} bytes, the array {total}")
        if total:
            view = memoryview(array.reshape(-1).view("V1")).cast("B")
            got = await self.areadinto(view)
            if got < total:
                what = f"the body ended after {got} of {total} bytes"
                raise IncompleteTransfer(what, got, total)
        if await self._some(1):
            self.close()
            raise ValueError(f"the body has more than the array's {total} bytes")
        return total

    async def _discard(self) -> None:
        try:
            await self._rest.drain()
        except RequestException:
            pass
        self._content = self._content or b""

    def close(self) -> None:
        """Gives the connection up, unless the body has been read to its end."""
        self._rest.abort()

    async def aclose(self) -> None:
        """As `close`."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
