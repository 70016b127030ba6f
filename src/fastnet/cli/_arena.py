"""What both ends of a measurement share: the links that compete, and the control lines.

A measurement has one control connection and one connection for each contestant. Every contestant
sends its arrays on its own connection and is acknowledged by the same line on the control
connection, so that all pay the same for it. The control lines are JSON objects, a bounded line
each; every plain connection opens with a `header` that says what it is for.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

HEADER = struct.Struct("<8sB16s")  # magic, role, token
MAGIC = b"fnbench1"
TOKEN = 16  # bytes
CONTROL = 0
MAX_LINE = 4096  # bytes of a control line
MAX_BYTES = 1 << 30  # of one array
MAX_COUNT = 1 << 16  # arrays in one run
BLOCK = 256 << 20  # bytes that the arrays of one run are spread over, so that no cache holds them
STALL = 30.0  # seconds without progress after which the other end counts as gone

LOOP, DIRECT, CONNECTION, STREAM, ITEMS = "loop", "send_from", "connection", "stream", "items"
PLAIN = {LOOP: 1, DIRECT: 2, CONNECTION: 3}  # on a socket of their own, with their role numbers
NAMES = {
    LOOP: "plain socket loop (recipe 11.13)",
    CONNECTION: "multiprocessing.connection, send(array)",
    DIRECT: "fastnet.send_from, recv_into",
    STREAM: "fastnet.arrays, send and recv(out=)",
    ITEMS: "fastnet.arrays, send_items and iteration",
}

See = Callable[[Any], object] | None


class Broken(Exception):
    """The other end does not keep to the protocol, or is gone; the text says how."""


class Control:
    """The control connection: JSON lines both ways."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._got = b""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # the peer is gone already, which the first line will tell

    def send(self, **fields: Any) -> None:
        self._sock.settimeout(STALL)
        try:
            self._sock.sendall(json.dumps(fields).encode() + b"\n")
        except OSError as error:
            raise Broken(error.strerror or str(error)) from None

    def receive(self, timeout: float) -> dict[str, Any]:
        """The next line; empty when the other end has closed. Raises Broken."""
        self._sock.settimeout(timeout)
        try:
            while b"\n" not in self._got:
                if len(self._got) >= MAX_LINE:
                    raise Broken("a control line without an end")
                more = self._sock.recv(MAX_LINE)
                if not more:
                    return {}
                self._got += more
        except OSError as error:
            raise Broken(error.strerror or "it does not answer") from None
        line, _, self._got = self._got.partition(b"\n")
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not fields:
            raise Broken("a control line that is not a JSON object")
        return fields

    def close(self) -> None:
        self._sock.close()


def header(role: int, token: bytes = b"") -> bytes:
    """The bytes that open a plain connection."""
    return HEADER.pack(MAGIC, role, token)


def versions() -> list[str]:
    """What has to be equal at both ends for pickles to be equal."""
    import sys

    import numpy as np

    return [f"{sys.version_info[0]}.{sys.version_info[1]}", np.__version__]


def identity(array: Any, name: str | None) -> dict[str, Any]:
    """All that has to be equal when an array has arrived: its bytes as a SHA-256, in C order."""
    import hashlib

    import numpy as np

    flat = np.ascontiguousarray(array).reshape(-1)
    raw: Any = flat.view(np.uint8) if array.nbytes else b""
    return {
        "name": name,
        "dtype": repr(array.dtype),
        "shape": [int(n) for n in array.shape],
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def split(block: Any, nbytes: int, count: int) -> list[Any]:
    """``count`` arrays of ``nbytes``: views of ``block``, which is used over and over."""
    elements = nbytes // block.itemsize
    room = max(1, block.size // elements)
    return [block[(i % room) * elements : (i % room + 1) * elements] for i in range(count)]


def block_bytes(nbytes: int, count: int) -> int:
    """How large the block for a run is."""
    return nbytes * max(1, min(count, BLOCK // nbytes))


def recipe_send_from(arr: Any, dest: socket.socket) -> None:
    """Recipe 11.13's loop, which the plain contestant is."""
    view = memoryview(arr).cast("B")
    while len(view):
        nsent = dest.send(view)
        view = view[nsent:]


def recipe_recv_into(arr: Any, source: socket.socket) -> None:
    """Recipe 11.13's other loop, but for the end of the connection, where that one never ends."""
    view = memoryview(arr).cast("B")
    while len(view):
        nrecv = source.recv_into(view)
        if not nrecv:
            raise EOFError("the other end closed the connection")
        view = view[nrecv:]


class Loop:
    """The plain socket loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Not settimeout(): that would cost this contestant a poll for each call.
        stall = struct.pack("@ll", int(STALL), 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, stall)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, stall)

    def send(self, views: list[Any]) -> None:
        for view in views:
            recipe_send_from(view, self._sock)

    def receive(self, views: list[Any], see: See) -> None:
        for view in views:
            recipe_recv_into(view, self._sock)
            if see:
                see(view)

    def close(self) -> None:
        self._sock.close()


class Direct(Loop):
    """fastnet.send_from and fastnet.recv_into."""

    def send(self, views: list[Any]) -> None:
        from fastnet import send_from

        for view in views:
            send_from(view, self._sock)

    def receive(self, views: list[Any], see: See) -> None:
        from fastnet import recv_into

        for view in views:
            recv_into(view, self._sock, timeout=STALL)
            if see:
                see(view)


class Connection(Loop):
    """multiprocessing.connection: send(array) and recv().

    ``load``: what makes an array of a received pickle instead of `recv`, where the sender is not
    to be trusted with unpickling.
    """

    def __init__(self, sock: socket.socket, load: Callable[[bytes], Any] | None = None) -> None:
        from multiprocessing import connection

        super().__init__(sock)
        self._load = load
        self._connection = connection.Connection(sock.detach())

    def send(self, views: list[Any]) -> None:
        for view in views:
            self._connection.send(view)

    def receive(self, views: list[Any], see: See) -> None:
        limit = views[0].nbytes + 4096
        for _ in views:
            if self._load is None:
                array = self._connection.recv()
            else:
                array = self._load(self._connection.recv_bytes(limit))
            if see:
                see(array)

    def close(self) -> None:
        self._connection.close()


class Stream:
    """fastnet.arrays: send and recv(out=)."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def send(self, views: list[Any]) -> None:
        send = self.stream.send
        for view in views:
            send(view)

    def receive(self, views: list[Any], see: See) -> None:
        recv = self.stream.recv
        for view in views:
            recv(out=view, timeout=STALL)
            if see:
                see(view)

    def close(self) -> None:
        self.stream.abort()


class Items(Stream):
    """fastnet.arrays: send_items and iteration."""

    def send(self, views: list[Any]) -> None:
        self.stream.send_items(views)

    def receive(self, views: list[Any], see: See) -> None:
        items = self.stream.items(timeout=STALL)
        for _ in views:
            array = next(items).array
            if see:
                see(array)


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """This thread on one CPU while the block runs; threads that it starts inherit that.

    ``cpu`` None, or a CPU that is not ours to use, changes nothing.
    """
    before: set[int] | None = None
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        try:
            before = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpu})
        except OSError:
            before = None
    try:
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


def two_cpus() -> tuple[int | None, int | None]:
    """Two CPUs for the two ends, on different cores where there are such; None without two."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2:
        return None, None
    first = allowed[0]
    others = [cpu for cpu in allowed[1:] if cpu not in _siblings(first)]
    return first, (others or allowed[1:])[0]


def _siblings(cpu: int) -> set[int]:
    path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    found: set[int] = set()
    try:
        with open(path) as file:
            for span in file.read().split(","):
                low, _, high = span.partition("-")
                found.update(range(int(low), int(high or low) + 1))
    except (OSError, ValueError):
        pass
    return found
