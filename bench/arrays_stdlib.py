"""Contestants that need nothing but the standard library (and NumPy for the array itself)."""

from __future__ import annotations

import socket
from multiprocessing.connection import Client, Listener
from typing import Any

from roles import Role


def send_from(arr: Any, dest: socket.socket) -> None:
    """The recipe's sender: a byte view, shortened by what each call took."""
    view = memoryview(arr).cast("B")
    while len(view):
        nsent = dest.send(view)
        view = view[nsent:]


def recv_into(arr: Any, source: socket.socket) -> None:
    """The recipe's receiver: a byte view, shortened by what each call brought."""
    view = memoryview(arr).cast("B")
    while len(view):
        nrecv = source.recv_into(view)
        view = view[nrecv:]


class SocketRole(Role):
    """A plain TCP connection with nothing set on it."""

    def listen(self) -> str:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.listener = socket.create_server((self.host, 0), family=family)
        return str(self.listener.getsockname()[1])

    def accept(self) -> None:
        self.sock = self.listener.accept()[0]

    def connect(self, where: str) -> None:
        self.sock = socket.create_connection((self.host, int(where)))

    def close(self) -> None:
        self.sock.close()


class SeedsLoop(SocketRole):
    """Recipe 11.13 as it is written there."""

    def send(self) -> None:
        send_from(self.array, self.sock)

    def receive(self) -> Any:
        recv_into(self.array, self.sock)
        return self.array


class ConnectionRole(Role):
    """A connection of `multiprocessing.connection` over TCP, no key."""

    def listen(self) -> str:
        self.listener = Listener((self.host, 0))
        return str(self.listener.address[1])

    def accept(self) -> None:
        self.conn = self.listener.accept()

    def connect(self, where: str) -> None:
        self.conn = Client((self.host, int(where)))

    def close(self) -> None:
        self.conn.close()


class ConnectionSend(ConnectionRole):
    """The usual way: the array is pickled, a fresh one comes out at the other end."""

    def send(self) -> None:
        self.conn.send(self.array)

    def receive(self) -> Any:
        return self.conn.recv()


class ConnectionSendBytes(ConnectionRole):
    """Its fastest way: raw bytes into an array that exists."""

    def send(self) -> None:
        self.conn.send_bytes(memoryview(self.array).cast("B"))

    def receive(self) -> Any:
        self.conn.recv_bytes_into(memoryview(self.array).cast("B"))
        return self.array
