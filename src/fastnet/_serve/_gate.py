"""The gate of a server (gate.h) from its limits and networks."""

from __future__ import annotations

from typing import Any

from fastnet._native.gate import Gate
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["make_gate"]


def make_gate(limits: Limits, tuning: Tuning, allow: Any, deny: Any, *, tls: bool = False) -> Gate:
    """Whom the server admits; networks are what makes a `fastnet.cidr.NetworkSet`."""
    return Gate(
        connections=limits.connections or 0,
        per_address=limits.connections_per_address or 0,
        handshake=(limits.handshake_timeout or 0.0) if tls else 0.0,
        idle=limits.idle_timeout or 0.0,
        min_rate=limits.min_rate or 0,
        rate_window=limits.rate_window,
        write_buffer=limits.write_buffer or 0,
        nodelay=tuning.nodelay,
        allow=_packed(allow),
        deny=_packed(deny),
    )


def _packed(networks: Any) -> bytes | None:
    if networks is None:
        return None
    from fastnet.cidr import NetworkSet  # numpy, which most servers do without

    if isinstance(networks, str):
        networks = [networks]
    given = networks if isinstance(networks, NetworkSet) else NetworkSet(networks)
    return given.packed()
