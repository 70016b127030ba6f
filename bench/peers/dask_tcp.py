"""Dask's own tcp comm (`distributed.comm`), each end on its asyncio loop.

The loop runs in a thread of its own, as it does in a Dask client: ``comm.write`` returns before
the socket has taken everything, so the loop must go on while we wait for the acknowledgement.
Handing over to it costs about 0.1 ms per array.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from distributed.comm import connect, listen
from distributed.protocol import to_serialize

from roles import Role


class DaskComm(Role):
    """``comm.write`` of an array wrapped by ``to_serialize``, ``comm.read`` at the other end."""

    def prepare(self) -> None:
        super().prepare()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def listen(self) -> str:
        return str(self._run(self._listen()))

    async def _listen(self) -> str:
        self.comms: asyncio.Queue[Any] = asyncio.Queue()
        host = f"[{self.host}]" if ":" in self.host else self.host
        # The handler ends at once: the comm stays open and is read by `receive`.
        self.listener = await listen(f"tcp://{host}:0", self.comms.put, deserialize=True)
        return str(self.listener.contact_address)

    def accept(self) -> None:
        self.comm = self._run(self.comms.get())

    def connect(self, where: str) -> None:
        self.comm = self._run(connect(where, deserialize=True))
        self.message = {"op": "array", "data": to_serialize(self.array)}

    def send(self) -> None:
        self._run(self.comm.write(self.message))

    def receive(self) -> Any:
        return self._run(self.comm.read())["data"]

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.comm.abort)
