"""Who is at the other end of a Unix socket, as the system knows it."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from fastnet.errors import Error

__all__ = ["is_ours", "peer_ids"]

_FORM = struct.Struct("iII")  # struct ucred


def peer_ids(sock: Any) -> tuple[int, int, int]:
    """The process, user and group that connected, or that listened when this end connected.

    Raises Error where the system does not tell.  Source: unix(7), SO_PEERCRED.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        raise Error("this system has no SO_PEERCRED")
    pid, uid, gid = _FORM.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _FORM.size))
    return pid, uid, gid


def is_ours(sock: Any) -> bool:
    """Whether the other end is a process of our user; False where nobody can tell."""
    try:
        return peer_ids(sock)[1] == os.geteuid()
    except Error:
        return False
