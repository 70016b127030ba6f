from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

class Sink:
    transport: Any

class Exchange:
    sink: Sink
    status: int
    environ: dict[str, Any]
    gone: bool
    threaded: bool
    has_length: bool
    length: int
    sent: int
    line: str | None
    body: Any
    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | None = None,
    ) -> Callable[[bytes], None]: ...
    def write(self, data: bytes) -> None: ...
    def go_on(self) -> None: ...
    def begin_file(self, size: int) -> int | None: ...
    def end_file(self, sent: int, error: BaseException | None) -> None: ...
    def serve(self, app: Callable[..., Iterable[bytes]]) -> None: ...
