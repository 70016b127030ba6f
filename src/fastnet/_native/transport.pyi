import asyncio
import socket
from typing import Any

from fastnet._native.handles import LoopCore
from fastnet._native.streamwriter import StreamWriter

class StreamTransport(StreamWriter, asyncio.Transport):
    max_size: int
    def __init__(
        self,
        loop: LoopCore,
        sock: socket.socket,
        protocol: Any,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> None: ...
    def handshake_done(self) -> None: ...
