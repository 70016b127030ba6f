"""A server of calls with every kind of handler, for the tests of fastnet.rpc."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import numpy as np

from fastnet import rpc

KEY = b"a key for tests only, 32 bytes.."
SOON = 30.0  # seconds in which anything must have happened


class Custom(Exception):
    """An exception of a type that no client knows by itself."""


class Handlers:
    """What the tests call; `log` has what happened, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)

    def add(self, a: Any, b: Any = 10) -> Any:
        """The sum of two things."""
        return a + b

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return [list(args), kwargs]
        return args[0] if len(args) == 1 else list(args)

    def fail(self, kind: str, *args: Any) -> None:
        kinds: dict[str, type[BaseException]] = {
            "ValueError": ValueError,
            "KeyError": KeyError,
            "Custom": Custom,
            "SystemExit": SystemExit,
            "FileNotFoundError": FileNotFoundError,
        }
        raise kinds[kind](*args)

    def unencodable(self) -> Any:
        return object()

    def zeros(self, n: int) -> Any:
        return np.zeros(n)

    def note(self, text: str) -> None:
        self.log.append(text)
        self.entered.release()

    def wait(self) -> str:
        self.entered.release()
        self.gate.wait(SOON)
        return "waited"

    def nap(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def until_cancelled(self) -> None:
        call = rpc.current_call()
        assert call is not None
        self.entered.release()
        end = time.monotonic() + SOON
        while not call.cancelled and not call.expired and time.monotonic() < end:
            time.sleep(0.002)
        self.log.append("cancelled" if call.cancelled else "expired")
        self.entered.release()

    def about(self) -> list[Any]:
        call = rpc.current_call()
        assert call is not None
        return [call.name, call.remaining is not None, call.cancelled]

    def count(self, n: int) -> Any:
        try:
            yield from range(n)
        finally:
            self.log.append("closed")
            self.entered.release()

    def blocks(self, n: int, size: int) -> Any:
        for i in range(n):
            yield np.full(size, i, np.uint8)

    def broken(self, n: int) -> Any:
        yield from range(n)
        raise ValueError("after", n)

    async def later(self, value: Any) -> Any:
        await asyncio.sleep(0.001)
        return value

    async def forever(self) -> None:
        self.entered.release()
        try:
            await asyncio.sleep(3600)
        finally:
            self.log.append("stopped")
            self.entered.release()

    async def ticks(self, n: int) -> Any:
        for i in range(n):
            await asyncio.sleep(0)
            yield i


@contextlib.contextmanager
def serving(address: Any = ("127.0.0.1", 0), **options: Any) -> Any:
    """(server, handlers) of a started server that ends with the block."""
    handlers = Handlers()
    server = rpc.RPCServer(address, **options)
    server.register_instance(handlers)
    server.start()
    try:
        yield server, handlers
    finally:
        handlers.gate.set()
        server.shutdown(5.0)


def entered(handlers: Handlers) -> None:
    """Waits for the next handler that says that it is in."""
    assert handlers.entered.acquire(timeout=SOON)
