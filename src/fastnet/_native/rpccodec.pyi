from typing import Any

class Codec:
    number: int
    name: str
    def __init__(
        self,
        number: int,
        name: str,
        quick_encode: Any,
        quick_decode: Any,
        full_encode: Any,
        full_decode: Any,
        special: Any,
    ) -> None: ...
    def pack(self, value: Any) -> tuple[bytes, list[tuple[Any, bool]] | None]: ...
    def unpack(self, payload: Any, blocks: Any) -> Any: ...
