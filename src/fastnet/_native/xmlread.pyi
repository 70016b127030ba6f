from typing import Any

DEPTH: int

class Document:
    @property
    def method(self) -> str | None: ...
    @property
    def values(self) -> list[Any]: ...
    @property
    def fault(self) -> bool: ...

def decode(
    data: Any, use_datetime: bool = False, use_bytes: bool = False
) -> tuple[tuple[Any, ...], str | None] | None: ...
