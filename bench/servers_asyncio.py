"""The same asyncio servers on any event loop: asyncio's own, uvloop's, fastnet's.

`run` names the loop and what is served on it; the classes are plain asyncio, so that a difference
between two contestants is a difference between two loops.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
import time
from collections.abc import Callable
from typing import Any

from serve import announce

HOST = "127.0.0.1"
BACKLOG = 1024

# name -> module and attribute that makes the loop
LOOPS = {
    "asyncio": ("asyncio", "SelectorEventLoop"),
    "uvloop": ("uvloop", "new_event_loop"),
    "fastnet": ("fastnet", "new_event_loop"),
}


class Connected(asyncio.BaseProtocol):
    """Keeps its transport, whose class is not looked at: uvloop's is no subclass of asyncio's."""

    transport: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


class Echo(Connected, asyncio.Protocol):
    """What came goes back."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(Connected, asyncio.BufferedProtocol):
    """The same with the reader's bytes in a buffer of the protocol's own."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 16))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        # A copy, since a transport may keep what it cannot send at once.
        self.transport.write(bytes(self.buffer[:nbytes]))


class TimeService(Connected, asyncio.DatagramProtocol):
    """Recipe 11.3 over UDP."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(time.ctime().encode("ascii"), addr)


async def echo_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The echo of asyncio's documentation."""
    while data := await reader.read(8192):
        writer.write(data)
        await writer.drain()
    writer.close()


def server_context(certificate: str) -> ssl.SSLContext | None:
    """TLS 1.3 with the certificate and key in one file, or None without one."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    return context


async def serve_protocol(factory: Callable[[], Any], certificate: str) -> None:
    loop = asyncio.get_running_loop()
    context = server_context(certificate)
    server = await loop.create_server(factory, HOST, 0, backlog=BACKLOG, ssl=context)
    announce(server.sockets[0].getsockname())
    await server.serve_forever()


async def serve_streams(certificate: str) -> None:
    context = server_context(certificate)
    server = await asyncio.start_server(echo_stream, HOST, 0, backlog=BACKLOG, ssl=context)
    announce(server.sockets[0].getsockname())
    await server.serve_forever()


async def serve_datagrams() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(TimeService, local_addr=(HOST, 0))
    announce(transport.get_extra_info("sockname"), kind="udp")
    await asyncio.Event().wait()


def program(kind: str, certificate: str) -> Any:
    """The coroutine that serves: protocol, buffered, streams or datagrams."""
    if kind == "protocol":
        return serve_protocol(Echo, certificate)
    if kind == "buffered":
        return serve_protocol(BufferedEcho, certificate)
    if kind == "streams":
        return serve_streams(certificate)
    return serve_datagrams()


def run(loop: str = "asyncio", kind: str = "protocol", certificate: str = "") -> None:
    module, name = LOOPS[loop]
    factory = getattr(importlib.import_module(module), name)
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(program(kind, certificate))
