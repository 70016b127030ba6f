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
            or cluster network every peer may share it.
        handshake_timeout: seconds for TLS and the preface together.  5: an
            honest peer needs two round trips.
        close_timeout: seconds that `close` waits for the peer to take what was
            sent.  5: afterwards the system goes on delivering by itself.
        stall_timeout: seconds without a byte moving inside a call.  None: a
            peer may compute for as long as it likes between arrays.
        array_bytes: of one array.  64 GiB: memory is touched only as bytes
            arrive, so this bounds the address space, not what a liar can use.
        meta_bytes: JSON text of one array's meta.  64 KiB.
        name_bytes: UTF-8 text of one array's name.  1 KiB.
        fields: of a structured dtype, nested ones included.  1024.
        dtype_depth: nested dtypes.  16.
    """

    connections: int | None = None
    connections_per_address: int | None = None
    pending: int | None = 64
    pending_per_address: int | None = None
    handshake_timeout: float | None = 5.0
    close_timeout: float | None = 5.0
    stall_timeout: float | None = None
    array_bytes: int | None = 64 * _GIB
    meta_bytes: int = 64 * 1024
    name_bytes: int = 1024
    fields: int = 1024
    dtype_depth: int = 16

    def __post_init__(self) -> None:
        for name in ("connections", "connections_per_address", "pending", "pending_per_address"):
            _check(name, getattr(self, name), 1)
        for name in ("handshake_timeout", "close_timeout", "stall_timeout", "array_bytes"):
            _check(name, getattr(self, name), 0)
        for name, most in _FIXED.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{name} must be between 0 and {most}, not {value!r}")


# What the wire format itself can hold (csrc/include/fastnet/arraymsg.h).
_FIXED = {"meta_bytes": 512 * 1024, "name_bytes": 65535, "fields": 65535, "dtype_depth": 32}


def _check(name: str, value: float | None, least: int) -> None:
    if value is not None and not value >= least:
        raise ValueError(f"{name} must be None or at least {least}, not {value!r}")
