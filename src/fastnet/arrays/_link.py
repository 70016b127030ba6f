"""A link for arrays, as limits and tuning want it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet._array.dtypes import rebuild
from fastnet._native.arraymsg import ArrayLink
from fastnet._native.memory import Pool
from fastnet.arrays import _text
from fastnet.arrays._tls import TlsTransport
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["make_link"]

_APPLICATION = b"arrays"
_ENVELOPE_ROOM = 128 * 1024  # bytes for a dtype's description, the shape and the fixed parts
_UNLIMITED = (1 << 63) - 1


def _resolve(
    description: bytes, itemsize: int, name: bytes | None, meta: bytes | None
) -> np.dtype[Any]:
    _text.check_name(name)
    _text.check_meta(meta)
    return rebuild(description, itemsize)


def make_link(
    sock: socket.socket,
    server: bool,
    limits: Limits,
    tuning: Tuning,
    transport: TlsTransport | None,
    prepare: Callable[[Any], tuple[bytes, Any, bool]],
    kind: type[ArrayLink] = ArrayLink,
    credentials: Credentials | None = None,
) -> ArrayLink:
    """A link of that kind over a connected socket, its preface staged."""
    array_bytes = _UNLIMITED if limits.array_bytes is None else limits.array_bytes
    envelope = limits.meta_bytes + limits.name_bytes + _ENVELOPE_ROOM
    link = kind(
        sock,
        server=server,
        application=_APPLICATION,
        fragment=tuning.fragment,
        chunk=tuning.chunk,
        ahead=tuning.read_ahead,
        stage=tuning.coalesce + envelope,
        spin=tuning.spin_seconds(),
        max_envelope=envelope,
        max_message=array_bytes,
        stall=limits.stall_timeout,
        transport=transport,
        **({} if credentials is None else credentials.options()),
    )
    link.setup(
        limits=(
            array_bytes,
            limits.meta_bytes,
            limits.name_bytes,
            limits.fields,
            limits.dtype_depth,
        ),
        pool=Pool(tuning.pool_bytes, tuning.pool_idle, tuning.huge_pages),
        ndarray=np.ndarray,
        resolve=_resolve,
        prepare=prepare,
        coalesce=tuning.coalesce,
    )
    return link
