"""Contestants of the connections' proof: either end is fastnet's or the standard library's."""

from __future__ import annotations

import multiprocessing.connection
from typing import Any

import numpy as np

import fastnet.connection
from roles import Role, agree, checksum

MODULES: dict[str, Any] = {"fastnet": fastnet.connection, "stdlib": multiprocessing.connection}
KEY = b"what both ends have"


class Ends(Role):
    """A connection with a key over TCP or a Unix socket.

    ``server`` and ``client`` in the parameters name each end's library.
    """

    def __init__(self, side: str, params: dict[str, Any]) -> None:
        super().__init__(side, params)
        self.module = MODULES[params[side]]

    def listen(self) -> str:
        address = (self.host, 0) if self.params.get("family", "tcp") == "tcp" else None
        self.listener = self.module.Listener(address, authkey=KEY)
        return str(self.listener.address[1] if address else self.listener.address)

    def accept(self) -> None:
        self.conn = self.listener.accept()

    def connect(self, where: str) -> None:
        address = (self.host, int(where)) if where.isdecimal() else where
        self.conn = self.module.Client(address, authkey=KEY)

    def close(self) -> None:
        self.conn.close()


class BytesInto(Ends):
    """Raw bytes into memory that exists."""

    def send(self) -> None:
        self.conn.send_bytes(self.array)

    def receive(self) -> Any:
        self.conn.recv_bytes_into(self.array)
        return self.array


class Bytes(BytesInto):
    """Raw bytes as a new object."""

    def receive(self) -> Any:
        return self.conn.recv_bytes()


class Objects(Ends):
    """An array is pickled, a new one comes out at the other end."""

    def send(self) -> None:
        self.conn.send(self.array)

    def receive(self) -> Any:
        return self.conn.recv()


class PingPong(Ends):
    """``count`` messages there and back, one at a time."""

    def send(self) -> None:
        conn, data = self.conn, self.array.tobytes()
        for _ in range(self.count):
            conn.send_bytes(data)
            back = conn.recv_bytes()
        if back != data:
            raise ValueError("wrong bytes came back")

    def echo(self) -> bytes:
        data: bytes = self.conn.recv_bytes()
        self.conn.send_bytes(data)
        return data

    def receive(self) -> Any:
        for _ in range(self.count):
            data = self.echo()
        return np.frombuffer(data, "u1")

    def receive_checked(self) -> str:
        return agree(checksum(self.echo()) for _ in range(self.count))
