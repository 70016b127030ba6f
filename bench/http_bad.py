"""Clients that no server wants: ``python http_bad.py "tcp HOST PORT" COUNT``.

So many of each kind: heads that never end, bodies that never end, and requests for more than the
buffers hold, of which nothing is read. Those that the server ends come again. On stdin: "connect"
(answered "ok" when all are there), "drop" (answered with how often the server has ended one).
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time

INTERVAL = 5.0  # seconds between two bytes on one connection
TICK = 0.02
HEAD = b"GET / HTTP/1.1\r\nHost: bench\r\nX-Slow: "
BODY = b"POST /post HTTP/1.1\r\nHost: bench\r\nContent-Length: 1000000\r\n\r\n"
GREEDY = b"GET /big HTTP/1.1\r\nHost: bench\r\n\r\n" * 64


class Crowd:
    """All bad connections."""

    def __init__(self, where: str, count: int) -> None:
        _, host, port = where.split()
        self.address = host, int(port)
        self.count = count
        self.poller = select.epoll()
        self.members: dict[int, tuple[socket.socket, bytes]] = {}
        self.slow: list[int] = []
        self.ended = 0

    def join(self, opening: bytes) -> None:
        """One more."""
        sock = socket.socket()
        if opening is GREEDY:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(self.address)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(opening)
        fd = sock.fileno()
        self.members[fd] = sock, opening
        # Nothing is read of the greedy ones: only that they are gone is of interest.
        interest = select.EPOLLRDHUP | (0 if opening is GREEDY else select.EPOLLIN)
        self.poller.register(fd, interest)

    def connect(self) -> None:
        for opening in (HEAD, BODY, GREEDY):
            for _ in range(self.count):
                self.join(opening)
        self.slow = []

    def drop(self) -> int:
        """All leave; how many were ended by the server meanwhile."""
        for sock, _ in self.members.values():
            sock.close()
        self.members.clear()
        ended, self.ended = self.ended, 0
        return ended

    def trickle(self) -> None:
        """One byte each to the next few of the slow ones."""
        share = max(1, round(2 * self.count * TICK / INTERVAL))
        if len(self.slow) < share:
            self.slow = [fd for fd, (_, opening) in self.members.items() if opening is not GREEDY]
        for fd in self.slow[:share]:
            if fd in self.members:
                with contextlib.suppress(OSError):
                    self.members[fd][0].send(b"x")
        del self.slow[:share]

    def replace_ended(self, timeout: float) -> bool:
        """Those that the server has ended come again; whether there is something on stdin."""
        asked = False
        for fd, _ in self.poller.poll(timeout):
            if fd == 0:
                asked = True
                continue
            sock, opening = self.members[fd]
            data = b""
            if opening is not GREEDY:
                with contextlib.suppress(OSError):
                    data = sock.recv(4096)
            if not data:
                self.ended += 1
                del self.members[fd]
                sock.close()
                self.join(opening)
        return asked


def main(where: str, count: str) -> None:
    crowd = Crowd(where, int(count))
    crowd.poller.register(0, select.EPOLLIN)
    next_tick = time.monotonic()
    while True:
        wait = max(0.0, next_tick - time.monotonic()) if crowd.members else -1
        if crowd.replace_ended(wait):
            word = sys.stdin.readline().strip()
            if word == "connect":
                crowd.connect()
                print("ok", len(crowd.members), flush=True)
            elif word == "drop":
                print("ok", crowd.drop(), flush=True)
            else:
                return
        if crowd.members and time.monotonic() >= next_tick:
            crowd.trickle()
            next_tick = time.monotonic() + TICK


if __name__ == "__main__":
    main(*sys.argv[1:])
