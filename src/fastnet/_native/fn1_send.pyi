import socket
from collections.abc import Callable, Iterable
from typing import Protocol, type_check_only

@type_check_only
class Transport(Protocol):
    reading: bool
    def read(self, view: memoryview, deadline: int | None, /) -> int: ...
    def write(self, view: memoryview, deadline: int | None, /) -> int: ...

def suite_codes(names: Iterable[str]) -> bytes: ...

class Sender:
    sock: socket.socket
    def __init__(
        self,
        sock: socket.socket,
        *,
        server: bool,
        application: bytes,
        fragment: int,
        chunk: int,
        ahead: int,
        stage: int,
        spin: float,
        max_envelope: int,
        max_message: int,
        stall: float | None = None,
        transport: Transport | None = None,
        key: bytes | None = None,
        key_id: bytes = b"",
        keyring: Callable[[bytes], bytes | None] | None = None,
        suites: bytes = b"",
    ) -> None: ...
    def drop(self) -> None: ...
    def send_preface(self, timeout: float | None = None) -> None: ...
    def send_close(self, timeout: float | None = None) -> None: ...
    def send_error(self, code: int, text: str, timeout: float | None = None) -> bool: ...
