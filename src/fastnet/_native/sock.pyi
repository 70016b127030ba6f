from typing import TypedDict, type_check_only

@type_check_only
class Tuned(TypedDict):
    congestion: str | None
    congestion_default: str | None
    send_buffer: int
    receive_buffer: int
    nodelay: bool
    refused: list[str]

def tune(
    fd: int, congestion: bytes, send_buffer: int, receive_buffer: int, nodelay: bool
) -> Tuned: ...
def default_spin() -> float: ...
