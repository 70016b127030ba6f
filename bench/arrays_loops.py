"""Array streams on an event loop, beside the blocking ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import fastnet
import fastnet.arrays
from arrays_contestants import make
from arrays_rows import MIB, OUT, Proof, ratio_row
from roles import Role
from table import Row


class LoopOut(Role):
    """`open_connection` and `start_server` on asyncio's own loop, into an array that exists."""

    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop

    def prepare(self) -> None:
        super().prepare()
        self.loop = type(self).new_loop()
        self.stream: Any = None

    def listen(self) -> str:
        async def begin() -> Any:
            self.arrived, self.over = asyncio.Event(), asyncio.Event()
            return await fastnet.arrays.start_server(self.hold, (self.host, 0))

        self.listener = self.loop.run_until_complete(begin())
        return str(self.listener.address[1])

    async def hold(self, stream: Any) -> None:
        self.stream = stream
        self.arrived.set()
        await self.over.wait()

    def accept(self) -> None:
        self.loop.run_until_complete(self.arrived.wait())

    def connect(self, where: str) -> None:
        opening = fastnet.arrays.open_connection((self.host, int(where)))
        self.stream = self.loop.run_until_complete(opening)

    def send(self) -> None:
        self.loop.run_until_complete(self.stream.send(self.array))

    def receive(self) -> Any:
        return self.loop.run_until_complete(self.stream.recv(out=self.array))

    def close(self) -> None:
        async def end() -> None:
            await self.stream.abort()
            if self.side == "server":
                self.over.set()
                self.listener.close()
                await self.listener.wait_closed()

        self.loop.run_until_complete(end())
        self.loop.close()


class FastnetLoopOut(LoopOut):
    """The same on fastnet's loop."""

    new_loop = fastnet.new_event_loop


class UvloopOut(LoopOut):
    """The same on uvloop."""

    @staticmethod
    def new_loop() -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()


def loops(proof: Proof) -> list[Row]:
    """Streams on each loop, of the blocking streams."""
    names = {"loop-asyncio": "asyncio", "loop-fastnet": "fastnet's loop", "loop-uvloop": "uvloop"}
    contestants = [make(key, size=64 * MIB) for key in ("stream-out", *names)]
    results = proof.compare("loops 64 MiB", contestants, OUT)
    rows = []
    for name in names.values():
        what = f"await send → await recv(out=), 64 MiB, {name}, of the blocking calls"
        rows.append(ratio_row("loops", what, results, f"stream on {name}", OUT, 0.90))
    return rows
