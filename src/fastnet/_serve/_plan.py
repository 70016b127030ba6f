"""What a server was asked to be."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from typing import Any, Literal, Self

from fastnet._native.gate import Gate
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["COUNTERS", "Plan"]

# What every server counts, whichever kind it is.
COUNTERS = (
    *("open", "accepted", "refused", "denied", "shed", "closed", "failed"),
    *("bytes_in", "bytes_out", "reads", "writes", "turns"),
    *("datagrams_in", "datagrams_out", "datagrams_lost", "spins_paid", "spins_idle"),
)


@dataclasses.dataclass
class Plan:
    """All that a process needs to know to serve, whichever kind it is."""

    factory: Any
    kind: int
    threads: int
    workers: int
    ssl_context: ssl.SSLContext | None
    limits: Limits
    tuning: Tuning
    poller: Literal["epoll", "select"] | None
    backlog: int
    gate: Gate | None = None

    @property
    def codec(self) -> str:
        """The C codec of a service; "" for a protocol."""
        codec = getattr(self.factory, "codec", "")
        return codec if isinstance(codec, str) else ""

    @property
    def socket_kind(self) -> socket.SocketKind:
        """Streams or datagrams."""
        return socket.SocketKind(self.kind)

    def with_kind(self, kind: int) -> Self:
        """The same for streams or datagrams."""
        return dataclasses.replace(self, kind=kind)

    def check(self) -> None:
        """ValueError or TypeError for what cannot be served."""
        if isinstance(self.factory, type) and self.codec:
            raise TypeError(f"a service is an object: write {self.factory.__name__}()")
        if not self.codec and not callable(self.factory):
            raise TypeError(
                f"{self.factory!r} is neither a service nor what makes asyncio protocols"
            )
        if self.kind not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            raise ValueError(f"type must be SOCK_STREAM or SOCK_DGRAM, not {self.kind!r}")
        for name in ("threads", "workers"):
            count = getattr(self, name)
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise ValueError(f"{name} must be at least 1, not {count!r}")
        if self.poller not in (None, "epoll", "select"):
            raise ValueError(f"poller must be 'epoll' or 'select', not {self.poller!r}")
        self._check_combination()

    def _check_combination(self) -> None:
        if self.threads > 1 and not self.codec:
            raise ValueError(
                "threads are for services in C; protocols share the interpreter's lock: use workers"
            )
        if self.ssl_context is None:
            return
        if self.codec:
            raise ValueError("services speak plain sockets; for TLS, serve an asyncio protocol")
        if self.kind == socket.SOCK_DGRAM:
            raise ValueError("TLS needs a stream")
