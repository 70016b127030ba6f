class Gate:
    def __init__(
        self,
        *,
        connections: int = ...,
        per_address: int = ...,
        idle: float = ...,
        handshake: float = ...,
        min_rate: int = ...,
        rate_window: float = ...,
        write_buffer: int = ...,
        nodelay: bool = ...,
        allow: bytes | None = ...,
        deny: bytes | None = ...,
    ) -> None: ...
    def counts(self) -> dict[str, int]: ...
