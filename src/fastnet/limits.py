"""What a peer may ask for, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what the other end may make this one do; None is unlimited.

    Attributes:
        connections: open streams of one listener.  None: whoever serves with
            threads or processes bounds it there.
        connections_per_address: of those, from one IP address.  None: behind
            one address there may be a whole cluster.
        pending: connections whose handshake is not complete.  64: each costs a
            descriptor and a kilobyte, and an honest one takes a round trip.
        pending_per_address: of those, from one address.  None: on a loopback
            or cluster network every peer may share it; with a key it is half
            of `pending`, at least 8, so that no host keeps all others out.
        handshake_timeout: seconds for TLS and the preface together.  5: an
            honest peer needs two round trips.
        close_timeout: seconds that `close` waits for the peer to take what was
            sent.  5: afterwards the system goes on delivering by itself.
        stall_timeout: seconds without a byte moving inside a call.  None: a
            peer may compute for as long as it likes between arrays.
        idle_timeout: seconds in which a served connection moves no byte in
            either direction before it is closed.  None: what counts as idle
            is the application's to say.
        min_rate: bytes per second at which a served peer takes what waits for
            it, over each `rate_window`; slower ones are closed.  None.
        rate_window: seconds.  5: longer than a lost packet takes to arrive.
        write_buffer: bytes that may wait to be written to one served peer.  A
            service stops reading from it there; a protocol that writes on
            loses the connection.  None: 256 KiB for services, and asyncio's
            own flow control for protocols.
        array_bytes: of one array.  64 GiB: memory is touched only as bytes
            arrive, so this bounds the address space, not what a liar can use.
        meta_bytes: JSON text of one array's meta.  64 KiB.
        name_bytes: UTF-8 text of one array's name.  1 KiB.
        fields: of a structured dtype, nested ones included.  1024.
        dtype_depth: nested dtypes.  16.
        calls: of one connection to an RPC server that are not answered.  1024:
            each costs its arguments and perhaps a thread or task.
        message_bytes: of one call's arguments or answer.  64 GiB: its memory
            is touched only as bytes arrive.
        in_flight_bytes: of arguments or answers of one connection that are on
            their way at a time; more wait at their sender.  8 GiB.
        request_line: bytes of an HTTP request's first line.  8 KiB, what other
            servers take; answered with 414 beyond.
        header_fields: of one HTTP message.  100: browsers send 20.
        header_bytes: of one HTTP message's head.  64 KiB: tickets and cookies
            are large.  Beyond either the answer is 431.
        body_bytes: of one HTTP request.  1 GiB: it is streamed, but an
            application may well keep it.  413 beyond.
        request_timeout: seconds from an HTTP request's first byte to the end
            of its head, and for each KiB of a body that is waited for.  30.
        keep_alive_timeout: seconds that an HTTP connection may wait for its
            next request.  60: proxies keep theirs about as long.
        send_timeout: seconds in which an HTTP client takes no byte of what
            waits for it.  30.
    """

    connections: int | None = None
    connections_per_address: int | None = None
    pending: int | None = 64
    pending_per_address: int | None = None
    handshake_timeout: float | None = 5.0
    close_timeout: float | None = 5.0
    stall_timeout: float | None = None
    idle_timeout: float | None = None
    min_rate: int | None = None
    rate_window: float = 5.0
    write_buffer: int | None = None
    array_bytes: int | None = 64 * _GIB
    meta_bytes: int = 64 * 1024
    name_bytes: int = 1024
    fields: int = 1024
    dtype_depth: int = 16
    calls: int = 1024
    message_bytes: int | None = 64 * _GIB
    in_flight_bytes: int | None = 8 * _GIB
    request_line: int = 8 * 1024
    header_fields: int = 100
    header_bytes: int = 64 * 1024
    body_bytes: int | None = _GIB
    request_timeout: float | None = 30.0
    keep_alive_timeout: float | None = 60.0
    send_timeout: float | None = 30.0

    def __post_init__(self) -> None:
        for name in _COUNTS:
            _check(name, getattr(self, name), 1)
        for name in _SPANS:
            _check(name, getattr(self, name), 0)
        if not self.rate_window > 0:
            raise ValueError(f"rate_window must be above 0 seconds, not {self.rate_window!r}")
        for name, most in _FIXED.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{name} must be between 0 and {most}, not {value!r}")


_COUNTS = (
    "connections",
    "connections_per_address",
    "pending",
    "pending_per_address",
    "min_rate",
    "write_buffer",
    "calls",
    "message_bytes",
    "in_flight_bytes",
)
_SPANS = (
    "handshake_timeout",
    "close_timeout",
    "stall_timeout",
    "idle_timeout",
    "array_bytes",
    "body_bytes",
    "request_timeout",
    "keep_alive_timeout",
    "send_timeout",
)
# What the wire formats themselves can hold (csrc/include/fastnet/arraymsg.h, http1.h).
_FIXED = {
    "meta_bytes": 512 * 1024,
    "name_bytes": 65535,
    "fields": 65535,
    "dtype_depth": 32,
    "request_line": 1 << 20,
    "header_fields": 256,
    "header_bytes": 1 << 20,
}


def _check(name: str, value: float | None, least: int) -> None:
    if value is not None and not value >= least:
        raise ValueError(f"{name} must be None or at least {least}, not {value!r}")
