from typing import Any

from fastnet._native.rpccodec import Codec
from fastnet._native.rpcconn import Conn

class Call:
    number: int
    abandoned: bool
    @property
    def done_now(self) -> bool: ...
    @property
    def answer(self) -> Any: ...
    @property
    def failure(self) -> BaseException | None: ...
    def value(self) -> Any: ...

class Items(Call):
    def look(self) -> int: ...

class ClientLink(Conn):
    def __init__(
        self,
        fd: int,
        *,
        codec: Codec,
        codecs: list[Any],
        revive: Any,
        make_items: Any,
        **options: Any,
    ) -> None: ...
    def send_ping(self, call: Call) -> None: ...
    def shut(self) -> None: ...
