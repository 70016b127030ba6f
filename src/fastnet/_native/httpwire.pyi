import socket

from fastnet._native.httpreply import Reply

class Wire(Reply):
    sock: socket.socket | None
    tls: bool
    sent: bool
    broken: bool
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
