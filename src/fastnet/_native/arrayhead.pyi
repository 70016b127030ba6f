from typing import Any

def encode_header(
    order: str, shape: tuple[int, ...], description: bytes, name: bytes | None, meta: bytes | None
) -> bytes: ...
def check_description(description: bytes, limits: tuple[int, int, int, int, int]) -> int: ...
def decode_header(header: bytes, limits: tuple[int, int, int, int, int]) -> Head: ...

class Head:
    description: bytes
    shape: tuple[int, ...]
    order: str
    name: bytes | None
    meta: bytes | None
    nbytes: int
    itemsize: int
    dtype: Any
    problem: Exception | None
