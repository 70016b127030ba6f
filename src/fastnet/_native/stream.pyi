from typing import Any

def send(
    fd: int, obj: Any, timeout: float | None, congestion: bytes, chunk: int, spin: float
) -> int: ...
def receive(
    fd: int, obj: Any, timeout: float | None, congestion: bytes, chunk: int, spin: float
) -> int: ...
