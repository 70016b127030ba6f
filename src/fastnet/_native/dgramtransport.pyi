import asyncio
import socket
from typing import Any

from fastnet._native.endpoint import Endpoint
from fastnet._native.gate import Gate
from fastnet._native.handles import LoopCore

class DatagramTransport(Endpoint, asyncio.DatagramTransport):
    max_size: int
    def __init__(
        self,
        loop: LoopCore,
        sock: socket.socket,
        protocol: Any,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        gate: Gate | None = None,
    ) -> None: ...
    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None: ...
