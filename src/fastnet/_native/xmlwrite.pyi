from typing import Any, Literal, overload

BARE: int
CALL: int
RESPONSE: int

class Writer:
    def __init__(self, allow_none: bool) -> None: ...

@overload
def encode(
    values: Any,
    kind: int,
    method: Any = None,
    allow_none: bool = False,
    as_bytes: Literal[True] = True,
) -> bytes | None: ...
@overload
def encode(
    values: Any, kind: int, method: Any, allow_none: bool, as_bytes: Literal[False]
) -> str | None: ...
