"""Listening sockets that a service manager has opened (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket

__all__ = ["inherited"]

_FIRST = 3


def inherited() -> list[socket.socket]:
    """The sockets of ``LISTEN_FDS``, once: the variables are removed, for children's sake.

    Raises:
        ValueError: there are none for this process, or one is not a listening stream socket.
    """
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS")
    if count is None:
        raise ValueError("LISTEN_FDS is not set: no service manager has passed sockets")
    if pid is not None and pid != str(os.getpid()):
        raise ValueError(f"LISTEN_FDS is for process {pid}, this one is {os.getpid()}")
    if not count.isascii() or not count.isdigit() or int(count) < 1:
        raise ValueError(f"LISTEN_FDS is no number of sockets: {count!r}")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    found: list[socket.socket] = []
    for fd in range(_FIRST, _FIRST + int(count)):
        try:
            sock = socket.socket(fileno=fd)
        except OSError as error:
            for one in found:
                one.detach()
            raise ValueError(f"descriptor {fd} of LISTEN_FDS: {error.strerror}") from None
        os.set_inheritable(fd, False)
        found.append(sock)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            for one in found:
                one.detach()
            raise ValueError(f"descriptor {fd} of LISTEN_FDS does not listen")
    return found
