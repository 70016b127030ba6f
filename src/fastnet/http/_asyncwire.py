"""One client connection on an asyncio loop, and how it is made."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastnet import errors
from fastnet._native.httpreply import Reply
from fastnet.http._proxy import Proxy, refused
from fastnet.http._request import LAST_CHUNK, Counted, PreparedRequest, chunk
from fastnet.http._session import _Source, framed
from fastnet.http._url import URL
from fastnet.http.exceptions import ConnectTimeout, ProxyError, translated
from fastnet.limits import Limits

__all__ = ["AsyncWire", "open_wire"]

_PIECE = 64 * 1024
_LARGE = 256 * 1024  # bytes of a body that go into the transport at a time


class AsyncWire(Reply):
    """A connection that requests are sent on one after the other; its answers are a `Reply`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                 limits: Limits) -> None:  # fmt: skip
        super().__init__(limits.request_line, limits.header_fields, limits.header_bytes)
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._salvaged = b""
        self.sent = False
        self.broken = False
        self.since = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether it is open and silent, on the loop that runs now."""
        if self._closed or self.spare or self._loop is not asyncio.get_running_loop():
            return False
        # What the loop has read already is there; that is why it costs no system call.
        silent = not getattr(self._reader, "_buffer", b"")
        return silent and not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        """Closes it; nothing is waited for."""
        if not self._closed:
            self._closed = True
            if not self._loop.is_closed():
                self._writer.transport.abort()

    async def exchange(self, request: PreparedRequest, head: bytes, timeout: float | None) -> None:
        """Sends a request, receives the head of its response."""
        self.begin(request.method == "HEAD")
        self.sent = self.broken = False
        body = request.content
        async with asyncio.timeout(timeout):
            if body is None or (body.whole is not None and len(body.whole) < _LARGE):
                await self._send(head if body is None else b"".join((head, body.whole)))
        if body is not None and not self.sent:
            await self._send_body(head, body, timeout)
        await self.respond(timeout)

    async def _send(self, data: Any) -> None:
        self.sent = True
        if self._writer.is_closing():
            self.broken = True
            return
        try:
            self._writer.write(data)
            if self._writer.is_closing():  # writing has failed, just now
                self._salvage()
            await self._writer.drain()
        except ConnectionError:
            self.broken = True  # the answer may be there all the same

    def _salvage(self) -> None:
        """Takes from the system what the loop will not, which closes the socket in its next turn.

        A server that wants no more of a body answers and closes.
        """
        sock = self._writer.get_extra_info("socket")
        if sock is None or self._writer.get_extra_info("ssl_object") is not None:
            return
        with contextlib.suppress(OSError):
            while data := os.read(sock.fileno(), _PIECE):
                self._salvaged += data

    async def _send_body(self, head: bytes, body: Any, timeout: float | None) -> None:
        first = head
        async for pieces in _pieces(body):
            async with asyncio.timeout(timeout):
                for piece in (first, *pieces) if first else pieces:
                    view = memoryview(piece).cast("B")
                    for at in range(0, len(view), _LARGE):
                        await self._send(view[at : at + _LARGE])
                        if self.broken:
                            return
            first = b""

    async def respond(self, timeout: float | None) -> None:
        """Receives the head of the response, within timeout seconds as a whole."""
        async with asyncio.timeout(timeout):
            while not self.headed:
                await self.more()

    async def more(self) -> None:
        """Receives some bytes."""
        try:
            data = await self._reader.read(_PIECE)
        except ConnectionError:
            data = self._left_behind()
            if not data:
                raise
        if data:
            self.feed(data)
        elif self.headed and self.length is None and not _said_goodbye(self._writer):
            raise errors.IncompleteTransfer("the connection was cut off", self.count)
        else:
            self.eof()

    def _left_behind(self) -> bytes:
        """What had come before the connection broke: the reader keeps it, and only raises."""
        buffer: bytearray = getattr(self._reader, "_buffer", bytearray())
        data = bytes(buffer) + self._salvaged
        buffer.clear()
        self._salvaged = b""
        return data

    async def readinto(self, view: memoryview, timeout: float | None) -> int:
        """Some bytes of the body, 0 at its end."""
        while len(view) and not self.ended:
            got = self.take_into(view)
            if got:
                return got
            if not self.ended:
                async with asyncio.timeout(timeout):
                    await self.more()
        return 0


def _said_goodbye(writer: Any) -> bool:
    """Whether an end is the peer's own: without TLS's goodbye it may be an attacker's."""
    tls = writer.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return bool(tls.read(1) == b"")
    except ssl.SSLZeroReturnError:
        return True
    except (OSError, ValueError):
        return False


async def _pieces(body: Any) -> AsyncIterator[tuple[Any, ...]]:
    """A body's pieces framed, from a synchronous or an asynchronous source."""
    if body.whole is not None:
        yield (body.whole,)
        return
    if not body.is_async:
        iterator: Iterator[tuple[Any, ...]] = framed(body)
        for pieces in iterator:
            yield pieces
        return
    counted = Counted(body.length) if body.length is not None else None
    yield ()
    try:
        async for piece in body.apieces():
            pieces = (counted.take(piece),) if counted is not None else chunk(piece)
            if pieces:
                yield pieces
        if counted is not None:
            counted.end()
    except Exception as error:
        raise _Source from error
    if counted is None:
        yield (LAST_CHUNK,)


async def open_wire(
    target: URL, proxy: Proxy | None, context: ssl.SSLContext | None, timeout: float | None,
    limits: Limits,
) -> AsyncWire:  # fmt: skip
    """A connection on which requests to a target can be sent; see `_dialing.dial`."""
    peer = target if proxy is None else proxy.where
    try:
        async with asyncio.timeout(timeout):
            direct = context if proxy is None else None
            name = target.host.rstrip(".") if direct is not None else None
            reader, writer = await asyncio.open_connection(
                peer.host, peer.port, ssl=direct, server_hostname=name, limit=_PIECE
            )
            try:
                if proxy is not None and context is not None:
                    await _tunnel(reader, writer, target, proxy, limits)
                    await writer.start_tls(context, server_hostname=target.host.rstrip("."))
                return AsyncWire(reader, writer, limits)
            except BaseException:
                writer.transport.abort()
                raise
    except TimeoutError as error:
        raise ConnectTimeout(f"{peer.authority} did not accept a connection in time") from error
    except (OSError, UnicodeError, ValueError) as error:
        if proxy is not None and not isinstance(error, (ProxyError, ssl.SSLError)):
            what = f"the proxy {peer.authority} cannot be used: {error}"
            raise ProxyError(what) from error
        raise translated(error, connecting=True) from error


async def _tunnel(reader: Any, writer: Any, target: URL, proxy: Proxy, limits: Limits) -> None:
    asking = Reply(limits.request_line, limits.header_fields, limits.header_bytes)
    asking.begin(to_connect=True)
    writer.write(proxy.connect_head(target))
    while not asking.headed:
        # Byte by byte would be safe, but a proxy has nothing to say after this head.
        data = await reader.read(_PIECE)
        if not data:
            asking.eof()
        asking.feed(data)
    if not 200 <= asking.status < 300:
        raise refused(proxy, asking.status, asking.reason)
    if asking.spare:
        raise ProxyError("the proxy sent bytes into the tunnel before its first use")
