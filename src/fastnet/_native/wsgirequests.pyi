from typing import Any

from fastnet._native.wsgienv import Shared
from fastnet._native.wsgiexchange import Exchange, Sink

class SiteCore(Shared):
    connections: set[Requests]
    requests: int
    patient: bool
    threaded: bool
    app: Any
    log: Any
    base: dict[str, Any]
    def __init__(
        self,
        app: Any,
        request_line: int,
        header_fields: int,
        header_bytes: int,
        body_bytes: int | None,
        request_timeout: float | None,
        keep_alive_timeout: float | None,
        send_timeout: float | None,
    ) -> None: ...
    def sweep(self) -> None: ...

class Requests(Sink):
    transport: Any
    exchange: Exchange | None
    base: dict[str, Any]
    def __init__(self, site: SiteCore) -> None: ...
    def close_if_idle(self) -> None: ...
