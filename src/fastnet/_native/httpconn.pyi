import socket
from typing import Any

from fastnet._native.httpreply import Reply

class Connection(Reply):
    sock: socket.socket | None
    tls: bool
    sent: bool
    since: float
    def __init__(
        self,
        sock: socket.socket,
        tls: bool = False,
        line: int = 8192,
        fields: int = 100,
        head: int = 65536,
    ) -> None: ...
    @property
    def idle(self) -> bool: ...
    def close(self) -> None: ...
    def exchange(
        self,
        pieces: Any,
        timeout: float | None = None,
        to_head: bool = False,
        to_connect: bool = False,
    ) -> int: ...
    def start(self, to_head: bool = False, to_connect: bool = False) -> None: ...
    def send(self, pieces: Any, timeout: float | None = None) -> None: ...
    def respond(self, timeout: float | None = None) -> None: ...
    def readinto(self, buffer: Any, timeout: float | None = None, whole: bool = False) -> int: ...
    def read(self, most: int, timeout: float | None = None) -> bytes: ...
