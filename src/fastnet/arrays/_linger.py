"""The moments between the last words to a peer and closing the socket."""

from __future__ import annotations

import select
import socket
import time

from fastnet._native.arraymsg import ArrayLink

__all__ = ["leave_to_reader", "linger"]

_LONGEST = 1.0  # seconds
_READER_PAUSE = 0.002  # seconds between looks at a thread that reads


def linger(sock: socket.socket) -> None:
    """Ends the sending side, and reads on until the peer ends its own or a second is over.

    Closing with bytes unread makes the system send a reset, which could
    overtake what was sent last.
    """
    sock.setblocking(False)
    socket.socket.shutdown(sock, socket.SHUT_WR)
    deadline = time.monotonic() + _LONGEST
    poller = select.poll()
    poller.register(sock.fileno(), select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if not poller.poll(left * 1e3):
            return
        if not socket.socket.recv(sock, 1 << 16):
            return


def leave_to_reader(link: ArrayLink, deadline: float | None) -> None:
    """While another thread takes what comes, waits for it to see the peer's close.

    deadline: of time.monotonic(), or None; TimeoutError when it passes.
    """
    while link.read_elsewhere() and not link.peer_closed:
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError
        time.sleep(_READER_PAUSE)
