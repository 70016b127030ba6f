from typing import Any

from fastnet._native.rpcmux import Mux

KINDS: dict[int, type[Exception]]

class Conn(Mux):
    failure: BaseException | None
    def __init__(self, fd: int, **options: Any) -> None: ...
    def said(self) -> Exception: ...
    def fail(self, reason: BaseException | None) -> None: ...
