"""Blocking clients in Python for the ping-pong rows: ``python pingpong.py fastnet|stdlib [JSON]``.

They speak the lines of the C load generator (``cref/load.c``), on one connection.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import sys
import time
import zlib
from typing import Any


def connect_stdlib(address: tuple[str, int], spin: bool) -> Any:
    sock = socket.create_connection(address)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def connect_fastnet(address: tuple[str, int], spin: bool) -> Any:
    from fastnet import sockets

    return sockets.create_connection(address, spin=None if spin else 0.0)


CONNECT = {"stdlib": connect_stdlib, "fastnet": connect_fastnet}


class Client:
    """One connection, one message at a time."""

    def __init__(self, connect: str, size: int = 64, spin: bool = True) -> None:
        self.connect = CONNECT[connect]
        self.spin = spin
        self.size = size
        self.message = os.urandom(size)
        self.sock: Any = None

    def exchange(self) -> bytes:
        """One message there and back, checked."""
        self.message = os.urandom(self.size)
        self.sock.sendall(self.message)
        answer = b""
        while len(answer) < self.size:
            part = self.sock.recv(self.size - len(answer))
            if not part:
                raise EOFError("the server closed the connection")
            answer += part
        if answer != self.message:
            raise ValueError("wrong bytes came back")
        return answer

    def run(self, seconds: float, warm: float) -> dict[str, float]:
        """Latencies of messages for so long; the first ``warm`` seconds check, and do not count."""
        clock, start = time.perf_counter_ns, time.perf_counter()
        checked = 0
        while time.perf_counter() - start < warm:
            self.exchange()
            checked += 1
        times: list[int] = []
        size, message = self.size, self.message
        sendall, recv, note = self.sock.sendall, self.sock.recv, times.append
        end = clock() + int((seconds - warm) * 1e9)
        at = clock()
        while at < end:
            since = at
            sendall(message)
            got = len(recv(size))
            while got < size:
                got += len(recv(size - got)) or sys.exit("the server closed the connection")
            at = clock()
            note(at - since)
        cuts = statistics.quantiles(times, n=100)
        return {
            "messages": len(times),
            "bytes": len(times) * size,
            "seconds": seconds - warm,
            "all": len(times) + checked,
            "lost": 0,
            "stalled": sum(38e6 <= t < 48e6 for t in times) / len(times),
            "beside": sum(28e6 <= t < 38e6 or 48e6 <= t < 58e6 for t in times) / len(times),
            "p50": cuts[49] / 1e3,
            "p99": cuts[98] / 1e3,
        }

    def obey(self, line: str) -> str:
        word, *rest = line.split()
        if word == "connect":
            self.sock = self.connect((rest[1], int(rest[2])), self.spin)
            return "ok"
        if word == "verify":
            for _ in range(100):
                answer = self.exchange()
            return f"sum {zlib.crc32(answer):08x}"
        return "result " + json.dumps(self.run(float(rest[0]), float(rest[1])))


def main(connect: str, params: str = "{}") -> None:
    client = Client(connect, **json.loads(params))
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        print(client.obey(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
