"""Protocols that record what happens to them, and connections whose far end is a plain socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import links


class Watched:
    """Lets a coroutine wait until an object is as it should be."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.transport: Any = None
        self.error: BaseException | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def tell(self, name: str) -> None:
        self.calls.append(name)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, condition: Callable[[Any], Any]) -> None:
        """Returns when condition(self) holds; it is asked again after every callback."""
        while not condition(self):
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    async def called(self, name: str, times: int = 1) -> None:
        await self.until(lambda me: me.calls.count(name) >= times)

    async def ended(self) -> None:
        await self.called("connection_lost")

    def heard(self, *names: str) -> list[str]:
        """The calls of these names, in order."""
        return [name for name in self.calls if name in names]


def nothing(*args: Any) -> None:
    """A hook that does nothing."""


class _Common(Watched):
    """What both kinds of stream protocol record. A hook is called with the protocol first."""

    def __init__(
        self,
        made: Callable[..., Any] = nothing,
        data: Callable[..., Any] = nothing,
        eof: Callable[..., Any] = nothing,
        lost: Callable[..., Any] = nothing,
        paused: Callable[..., Any] = nothing,
        resumed: Callable[..., Any] = nothing,
    ) -> None:
        super().__init__()
        self.on_made, self.on_data, self.on_eof, self.on_lost = made, data, eof, lost
        self.on_paused, self.on_resumed = paused, resumed
        self.received = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tell("connection_made")
        self.on_made(self)

    def eof_received(self) -> Any:
        self.tell("eof_received")
        return self.on_eof(self)

    def connection_lost(self, error: BaseException | None) -> None:
        self.error = error
        self.tell("connection_lost")
        self.on_lost(self)

    def pause_writing(self) -> None:
        self.tell("pause_writing")
        self.on_paused(self)

    def resume_writing(self) -> None:
        self.tell("resume_writing")
        self.on_resumed(self)

    async def got(self, what: int | bytes) -> None:
        """Waits until so many bytes, or just these bytes, have come."""
        count = what if isinstance(what, int) else len(what)
        await self.until(lambda me: len(me.received) >= count)
        assert isinstance(what, int) or bytes(self.received) == what


class Recorder(_Common, asyncio.Protocol):
    """A protocol that keeps all that comes."""

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.tell("data_received")
        self.on_data(self, data)


class Buffered(_Common, asyncio.BufferedProtocol):
    """A BufferedProtocol that keeps all that comes, through a buffer of one size."""

    def __init__(self, size: int = 4096, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.buffer = bytearray(size)
        self.hints: list[int] = []
        self.sizes: list[int] = []

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.sizes.append(count)
        self.received += memoryview(self.buffer)[:count]
        self.tell("buffer_updated")
        self.on_data(self, count)


class Echo(asyncio.Protocol):
    """Sends back all that comes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Packets(Watched, asyncio.DatagramProtocol):
    """A datagram protocol that keeps (data, address) of all that comes."""

    def __init__(self, got: Callable[..., Any] = nothing) -> None:
        super().__init__()
        self.on_datagram = got
        self.packets: list[tuple[bytes, Any]] = []
        self.errors: list[BaseException] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tell("connection_made")

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.packets.append((data, address))
        self.tell("datagram_received")
        self.on_datagram(self, data, address)

    def error_received(self, error: BaseException) -> None:
        self.errors.append(error)
        self.tell("error_received")

    def connection_lost(self, error: BaseException | None) -> None:
        self.error = error
        self.tell("connection_lost")

    def pause_writing(self) -> None:
        self.tell("pause_writing")

    def resume_writing(self) -> None:
        self.tell("resume_writing")

    @property
    def data(self) -> list[bytes]:
        return [data for data, _ in self.packets]


async def gone(transport: Any, protocol: Any) -> None:
    """Ends a connection, unless its protocol was already told the end; waits for that."""
    if not isinstance(protocol, Watched):
        transport.abort()
    elif "connection_lost" not in protocol.calls:
        transport.abort()
        await protocol.ended()


@contextlib.asynccontextmanager
async def wired(
    protocol: Any, kind: str = "tcp4", *, tight: bool = False
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A protocol's transport, and the plain non-blocking socket at its far end.

    A tight connection holds about 100 KiB before a write has to wait.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = links.socket_pair(kind)
    theirs.setblocking(False)
    if tight:
        narrow(ours, theirs)
    with theirs:
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        try:
            yield transport, theirs
        finally:
            await gone(transport, protocol)


@contextlib.asynccontextmanager
async def serving(factory: Callable[[], Any], **options: Any) -> AsyncIterator[Any]:
    """A server on loopback, and its address; closed with all its connections."""
    loop = asyncio.get_running_loop()
    made: list[Any] = []

    def remembered() -> Any:
        made.append(factory())
        return made[-1]

    server = await loop.create_server(remembered, "127.0.0.1", 0, **options)
    try:
        yield server, server.sockets[0].getsockname()
    finally:
        server.close()
        for protocol in made:
            if getattr(protocol, "transport", None) is not None:
                await gone(protocol.transport, protocol)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def joined(one: Any, two: Any, kind: str = "tcp4") -> AsyncIterator[tuple[Any, Any]]:
    """The transports of two recording protocols that are connected to each other."""
    loop = asyncio.get_running_loop()
    here, there = links.socket_pair(kind)
    first, _ = await loop.create_connection(lambda: one, sock=here)
    second, _ = await loop.connect_accepted_socket(lambda: two, there)
    try:
        yield first, second
    finally:
        await gone(first, one)
        await gone(second, two)


async def read(sock: socket.socket, count: int) -> bytes:
    """So many bytes of a plain socket, or all until its end."""
    loop = asyncio.get_running_loop()
    found = bytearray()
    while left := count - len(found):
        data = await loop.sock_recv(sock, min(left, 1 << 20))
        if not data:
            break
        found += data
    return bytes(found)


async def read_all(sock: socket.socket) -> bytes:
    """All bytes of a plain socket until its end."""
    return await read(sock, 1 << 62)


async def turns(count: int = 5) -> None:
    """Lets the loop look at its descriptors so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def rounds(seconds: float) -> int:
    """How often the loop goes round in so many seconds in which nobody has anything to do."""
    loop: Any = asyncio.get_running_loop()
    count, inner = 0, loop._run_once

    def counted() -> None:
        nonlocal count
        count += 1
        inner()

    loop._run_once = counted
    await asyncio.sleep(seconds)
    del loop._run_once
    return count


def pattern(size: int) -> bytes:
    """Bytes among which a lost, doubled or moved piece is noticed."""
    step = b"".join(number.to_bytes(4, "big") for number in range(1 << 14))
    return (step * (size // len(step) + 1))[:size]


def narrow(*socks: Any) -> None:
    """Small buffers, so that little fills a connection."""
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)


@contextlib.contextmanager
def calling(address: Any, family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """A plain connection to an address."""
    with socket.socket(family) as far:
        far.settimeout(links.SOON)
        far.connect(address)
        far.setblocking(False)
        yield far


async def echoes(address: Any, family: int = socket.AF_INET) -> None:
    """Fails unless somebody at the address sends back what comes."""
    with calling(address, family) as far:
        far.send(b"hello")
        assert await read(far, 5) == b"hello"
        far.shutdown(socket.SHUT_WR)
        assert await read_all(far) == b""


@contextlib.asynccontextmanager
async def secured(
    certificates: links.Certificates, here: Any, there: Any, **options: Any
) -> AsyncIterator[tuple[Any, Any]]:
    """A client's and a server's recording protocol over TLS; their transports."""
    loop = asyncio.get_running_loop()
    async with serving(lambda: there, ssl=certificates.server, **options) as (_, address):
        transport, _ = await loop.create_connection(
            lambda: here, *address, ssl=certificates.client, server_hostname="localhost"
        )
        await there.called("connection_made")
        try:
            yield transport, there.transport
        finally:
            await gone(transport, here)


@contextlib.asynccontextmanager
async def endpoint(recorder: Any = None, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A datagram transport and its recording protocol, by default bound on loopback."""
    recorder = recorder or Packets()
    if not options:
        options["local_addr"] = ("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: recorder, **options)
    try:
        yield transport, recorder
    finally:
        await gone(transport, recorder)
