"""Listening within an event loop: a task for each peer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from fastnet import errors
from fastnet.address import Address, AddressLike, parse
from fastnet.arrays._aio_stream import AsyncStream
from fastnet.arrays._door import Door
from fastnet.arrays._newcomer import (
    ACCEPTS_PER_TURN,
    ERR_SHUTDOWN,
    ERR_TIMEOUT,
    PAUSE_WITHOUT_DESCRIPTORS,
    TEMPORARY,
    YOUNG,
    part,
)
from fastnet.arrays._pump import AsyncTls
from fastnet.auth._credentials import AuthKey, Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["AsyncServer", "start_server"]

Handler = Callable[[AsyncStream], Awaitable[object] | None]

_log = logging.getLogger("fastnet.arrays")


class _Newcomer(NamedTuple):
    """A connection whose handshake is not complete."""

    stream: AsyncStream
    host: str
    since: float  # of the loop's clock


class AsyncServer(Door[AsyncStream, AsyncTls]):
    """A listening socket for array streams, made by `start_server`.

    Its names are those of `asyncio.Server`.  A silent or hostile peer costs a
    descriptor until its deadline, and is counted in `stats`, never raised.  As
    an asynchronous context manager it closes and waits for its handlers.
    """

    _stream_kind = AsyncStream
    _tls_kind = AsyncTls

    def __init__(
        self,
        handler: Handler,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None,
        credentials: Credentials | None,
        limits: Limits,
        tuning: Tuning,
        backlog: int,
    ) -> None:
        super().__init__(
            address,
            ssl_context=ssl_context,
            credentials=credentials,
            limits=limits,
            tuning=tuning,
            backlog=backlog,
        )
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: dict[asyncio.Task[None], _Newcomer] = {}  # of those, the oldest first
        self._pause: asyncio.TimerHandle | None = None
        self._ended = self._loop.create_future()
        self._loop.add_reader(self._socket.fileno(), self._accept)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket; empty when closed."""
        return (self._socket,) if self.is_serving() else ()

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return self._socket.fileno() >= 0

    def stats(self) -> dict[str, int]:
        """Counters since the server began; as of `Listener.stats`."""
        return self._ledger.stats()

    # ---------------------------------------------------------------- accepting

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, _address = self._socket.accept()
            except TEMPORARY:
                return
            except OSError:
                # No descriptor or memory is left: the peer waits in the backlog
                # until streams are closed, and those that are open go on.
                self._ledger.count("shed")
                self._loop.remove_reader(self._socket.fileno())
                self._pause = self._loop.call_later(PAUSE_WITHOUT_DESCRIPTORS, self._resume)
                return
            self._begin(sock)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _welcome(self, stream: AsyncStream, transport: AsyncTls | None, host: str) -> None:
        newcomer = _Newcomer(stream, host, self._loop.time())
        task = self._loop.create_task(self._attend(newcomer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _make_room(self, host: str) -> bool:
        if self._credentials is None:
            return False
        crowded = self._ledger.crowded_by(host)
        for task, newcomer in self._pending.items():
            if newcomer.stream.closed:
                continue  # let go in this turn already
            if newcomer.since > self._loop.time() - YOUNG:
                return False
            if not crowded or newcomer.host == host:
                self._ledger.count("handshake_timeouts")
                self._dismiss(newcomer.stream, ERR_TIMEOUT, "no preface in time")
                task.cancel()
                return True
        return False

    # ----------------------------------------------------------------- one peer

    async def _attend(self, newcomer: _Newcomer) -> None:
        """A connection from its first byte to its last."""
        stream = newcomer.stream
        try:
            if await self._admit(newcomer):
                await self._handle(stream)
        finally:
            await stream.abort()  # where it is not closed yet: it was cancelled

    async def _admit(self, newcomer: _Newcomer) -> bool:
        task = asyncio.current_task()
        assert task is not None
        if not self.is_serving():  # closed before this task began
            self._dismiss(newcomer.stream, ERR_SHUTDOWN, "the listener is closed")
            return False
        self._pending[task] = newcomer
        try:
            if not await self._introduced(newcomer.stream):
                return False
        finally:
            self._pending.pop(task, None)
        self._ledger.admit(newcomer.stream)
        self._ledger.count("accepted")
        return True

    async def _introduced(self, stream: AsyncStream) -> bool:
        try:
            async with asyncio.timeout(self._limits.handshake_timeout) as deadline:
                await stream._greet()
        except (OSError, errors.Error) as error:
            if deadline.expired():
                self._ledger.count("handshake_timeouts")
                self._dismiss(stream, ERR_TIMEOUT, "no preface in time")
                return False
            self._ledger.count("bad_peers")
            _log.info("a peer was turned away: %s", error)
            part(stream, error)
            return False
        return True

    async def _handle(self, stream: AsyncStream) -> None:
        try:
            async with stream:
                result = self._handler(stream)
                if inspect.isawaitable(result):
                    await result
        except Exception:
            _log.exception("the handler of a stream failed")

    def _let_go(self, stream: AsyncStream) -> None:
        stream._cut()

    # ------------------------------------------------------------------- ending

    def close(self) -> None:
        """Stops listening; streams that are with handlers go on."""
        if not self.is_serving():
            return
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._unlink()
        for task, newcomer in self._pending.items():
            self._dismiss(newcomer.stream, ERR_SHUTDOWN, "the listener is closed")
            task.cancel()
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait_closed(self) -> None:
        """Waits until it is closed and every handler has ended."""
        await asyncio.shield(self._ended)
        while others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others)

    async def serve_forever(self) -> None:
        """Serves until the server is closed.

        Cancelled, it closes the server and cancels the handlers, and ends
        when they have.
        """
        try:
            await self.wait_closed()
        except asyncio.CancelledError:
            self.close()
            for task in self._tasks:
                task.cancel()
            await self.wait_closed()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    def __repr__(self) -> str:
        state = "" if self.is_serving() else " closed"
        return f"<fastnet.arrays.AsyncServer at {self._name!r}{state}>"


async def start_server(
    handler: Handler,
    address: AddressLike,
    *,
    ssl_context: ssl.SSLContext | None = None,
    authkey: AuthKey | None = None,
    suites: Sequence[str] | None = None,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    backlog: int = 128,
) -> AsyncServer:
    """Listens for peers that send and receive arrays, within a running event loop.

    As `listen`, and named as in asyncio: ``handler(stream)``, usually a
    coroutine function, is called in a task for each peer that has introduced
    itself.  When it returns, its stream is closed; when it raises, the error
    is logged (logger ``fastnet.arrays``), the peer is told, and the others go
    on.

    Parameters:
        handler: called with an `AsyncStream`.
        address, ssl_context, authkey, suites, limits, tuning, backlog: as for
            `listen`.

    Raises:
        TypeError: a handler that cannot be called.
        ValueError: not an address, or a key that is too short.
        socket.gaierror: the host cannot be resolved.
        OSError: the address is in use or not this machine's; it names it.
    """
    if not callable(handler):
        raise TypeError(f"a handler is called with a stream, not {handler!r}")
    return AsyncServer(
        handler,
        parse(address),
        ssl_context=ssl_context,
        credentials=Credentials.of_server(authkey, suites),
        limits=limits or Limits(),
        tuning=tuning or Tuning(),
        backlog=backlog,
    )
