"""Two ends of fastnet.connection, for its tests, and the bytes between them."""

from __future__ import annotations

import socket
import struct
from typing import Any

from fastnet.connection import Client
from links import SOON, Background

KEY = b"a key of the tests"
HOME = ("127.0.0.1", 0)
KEYS = [b"", b"k", b"\0" * 16, bytes(range(64)), bytes(range(55, 255))]


def frame(body: bytes) -> bytes:
    """A message as it stands on the wire."""
    return struct.pack("!i", len(body)) + body


def message(sock: socket.socket) -> bytes:
    """The next one's body."""
    (size,) = struct.unpack("!i", sock.recv(4, socket.MSG_WAITALL))
    return sock.recv(size, socket.MSG_WAITALL)


def meet(listener: Any, key: bytes | None = KEY, **options: Any) -> tuple[Any, Any]:
    """A client and its accepted end."""
    connecting = Background(Client, listener.address, authkey=key, **options)
    accepted = listener.accept(SOON)
    return connecting.result(), accepted
