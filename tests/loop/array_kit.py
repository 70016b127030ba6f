"""Array streams on event loops: for tests only."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import fastnet
import fn1wire
import links
from fastnet import arrays

LOOPS = ["asyncio", "fastnet", "fastnet-select"]
if importlib.util.find_spec("uvloop"):
    import uvloop

    LOOPS.append("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(asyncio.sleep(0))  # it keeps a pipe from its first loop on


def factory_of(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes loops of that kind."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    if name == "uvloop":
        return uvloop.new_event_loop
    if name == "fastnet":
        return fastnet.new_event_loop
    return functools.partial(fastnet.new_event_loop, poller="select")


class Streams:
    """Makes connected streams: streams(kind) is a context of two, the client's end first."""

    def __init__(self, folder: Any, certificates: Any) -> None:
        self.folder = folder
        self.certificates = certificates

    def listening(self, kind: str) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """An address, and the options of either end."""
        if kind == "tcp6" and not links.has_ipv6():
            pytest.skip("this machine has no IPv6")
        here: dict[str, Any] = {}
        there: dict[str, Any] = {}
        if kind == "tls":
            here = {"ssl_context": self.certificates.client, "server_hostname": "localhost"}
            there = {"ssl_context": self.certificates.server}
        return links.address_of_kind(kind, self.folder), here, there

    @contextlib.asynccontextmanager
    async def __call__(
        self, kind: str = "tcp4", *, there: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[tuple[arrays.AsyncStream, arrays.AsyncStream]]:
        address, mine, theirs = self.listening(kind)
        arrived: asyncio.Future[arrays.AsyncStream] = asyncio.Future()
        over = asyncio.Event()

        async def hold(stream: arrays.AsyncStream) -> None:
            arrived.set_result(stream)
            await over.wait()

        options = {**mine, **options}
        theirs.update(there or {})
        async with await arrays.start_server(
            hold, address, **{**theirs, **(there or {})}
        ) as server:
            stream = await arrays.open_connection(server.address, **options)
            other = await arrived
            try:
                yield stream, other
            finally:
                await other.abort()
                await stream.abort()
                over.set()


async def soon(condition: Callable[[], Any]) -> None:
    """Returns when the condition holds; the test's own deadline ends it otherwise."""
    while not condition():
        await asyncio.sleep(0.002)


async def in_thread(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Runs what blocks in a thread of its own."""
    thread = links.Background(work, *args, **kwargs)
    await soon(lambda: not thread.is_alive())
    return thread.result()


async def with_by_hand(main: Callable[[Any, socket.socket], Any], **options: Any) -> None:
    """Runs main(stream, sock): a stream whose peer is spoken by hand."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = await arrays.open_connection(listening.getsockname(), **options)
        with listening.accept()[0] as sock:
            sock.sendall(fn1wire.preface(role=b"S"))
            try:
                await main(stream, sock)
            finally:
                await stream.abort()
