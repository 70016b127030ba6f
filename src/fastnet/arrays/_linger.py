"""The moment between the last words to a peer and closing the socket."""

from __future__ import annotations

import select
import socket
import time

__all__ = ["linger"]

_LONGEST = 1.0  # seconds


def linger(sock: socket.socket) -> None:
    """Ends the sending side, and reads on until the peer ends its own or a second is over.

    Closing with bytes unread makes the system send a reset, which could
    overtake what was sent last.
    """
    sock.setblocking(False)
    socket.socket.shutdown(sock, socket.SHUT_WR)
    deadline = time.monotonic() + _LONGEST
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return
        if not socket.socket.recv(sock, 1 << 16):
            return
