import socket
from collections.abc import Callable
from typing import Any

from fastnet._native.gate import Gate
from fastnet._native.handles import LoopCore
from fastnet._native.reactor import Target

class Listener(Target):
    def __init__(
        self,
        loop: LoopCore,
        sock: socket.socket,
        factory: Callable[[], Any],
        wrap: Callable[[Any], Any] | None,
        server: Any,
        gate: Gate | None = None,
        shared: bool = False,
    ) -> None: ...
    def close(self) -> None: ...
