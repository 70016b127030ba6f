"""pyzmq over tcp: large arrays without a copy at the sender, and small byte strings."""

from __future__ import annotations

from typing import Any

import zmq

from roles import Role, agree, checksum


class ZmqRole(Role):
    """PUSH to PULL.

    ``hwm`` is the high-water mark in messages, 0 for none. The library's default of 1000 is also
    its fastest at 1 KiB: without a mark the queue outgrows the cache.
    """

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        self.context = zmq.Context()
        sock = self.context.socket(kind)
        sock.set_hwm(self.params.get("hwm", 1000))
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.IPV6, int(":" in self.host))
        return sock

    def listen(self) -> str:
        self.sock = self._socket(zmq.PULL)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = self.sock.bind_to_random_port(f"tcp://{host}")
        return f"tcp://{host}:{port}"

    def accept(self) -> None:
        """ZeroMQ accepts on its own."""

    def connect(self, where: str) -> None:
        self.sock = self._socket(zmq.PUSH)
        self.sock.connect(where)

    def close(self) -> None:
        self.sock.close()
        self.context.term()


class Large(ZmqRole):
    """``copy=False`` at both ends: the receiver reads the frame's own memory."""

    def send(self) -> None:
        self.sock.send(self.array, copy=False)

    def receive(self) -> Any:
        return self.sock.recv(copy=False).buffer


class Small(ZmqRole):
    """Plain byte strings, copied: the fastest that pyzmq does at 1 KiB."""

    def send(self) -> None:
        send, payload = self.sock.send, self.array.tobytes()
        for _ in range(self.count):
            send(payload)

    def receive(self) -> Any:
        recv = self.sock.recv
        for _ in range(self.count - 1):
            recv()
        return recv()

    def receive_checked(self) -> str:
        return agree(checksum(self.sock.recv()) for _ in range(self.count))
