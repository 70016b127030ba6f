"""One end of one contestant, in a process of its own.

Started by the harness as ``python roles.py module:Class server|client '{"json": "parameters"}'``
and told what to do over stdin, one line each way (see ``cref/array_ref.c``, which speaks the same
lines). A contestant is a subclass of :class:`Role`; it says how to listen, connect, send and
receive one array, and everything else (acknowledgement, clock, verification, memory, the busy
thread) is done here, so that it is the same for all.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

FILL_STEP = 1 << 17  # float64 elements per block: what filling and checking cost in memory, 1 MiB


class Role:
    """What every contestant shares; a subclass moves the array.

    ``size`` is the payload in bytes (float64 elements), ``count`` the messages per repetition.
    ``rows`` and ``columns``, when given, make the array the left part of a matrix twice as wide.
    """

    def __init__(self, side: str, params: dict[str, Any]) -> None:
        self.side = side
        self.params = params
        self.host: str = params.get("host", "127.0.0.1")
        self.size: int = params["size"]
        self.count: int = params.get("count", 1)
        self.array: np.ndarray[Any, Any]

    # -- what a contestant defines ----------------------------------------------------------

    def prepare(self) -> None:
        """Imports what is needed and makes the array; the memory row counts from here on."""
        self.array = make_array(self.size, self.layout())

    def listen(self) -> str:
        """Starts to listen (server) and returns one word that tells the client where."""
        raise TypeError(f"{type(self).__name__} lacks this step")

    def accept(self) -> None:
        """Takes the client's connection (server)."""
        raise TypeError(f"{type(self).__name__} lacks this step")

    def connect(self, where: str) -> None:
        """Connects to what `listen` returned (client)."""
        raise TypeError(f"{type(self).__name__} lacks this step")

    def send(self) -> None:
        """Sends ``self.array`` (client), or ``count`` small ones."""
        raise TypeError(f"{type(self).__name__} lacks this step")

    def receive(self) -> Any:
        """Takes what one `send` sends (server) and returns the last array of it."""
        raise TypeError(f"{type(self).__name__} lacks this step")

    def receive_checked(self) -> str:
        """The same as `receive`, but returns the checksum of what came."""
        return checksum(self.receive())

    def close(self) -> None:
        """Ends the connection."""

    # -- helpers ---------------------------------------------------------------------------

    def layout(self) -> str:
        """How this end's array lies in memory (see `make_array`)."""
        sliced = self.params.get("sliced", "")
        if not sliced:
            return "flat"
        return "sliced" if self.side in sliced.split("+") else "rows"


def make_array(size: int, layout: str = "flat") -> np.ndarray[Any, Any]:
    """Float64 array of ``size`` bytes, pages touched.

    layout: "flat"; "rows", a matrix with rows of 64 KiB; or "sliced", the same matrix as the
    left half of every row of a wider one.
    """
    half = 8192
    if layout == "flat":
        array = np.empty(size // 8)
        array.fill(1.0)
        return array
    columns = 2 * half if layout == "sliced" else half
    matrix = np.empty((size // 8 // half, columns))
    matrix.fill(1.0)
    return matrix[:, :half]


def blocks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Views of an array in order, none larger than what may be copied without being noticed."""
    if array.ndim > 1:
        for row in array:
            yield from blocks(row)
        return
    for start in range(0, array.size, FILL_STEP):
        yield array[start : start + FILL_STEP]


def fill(array: np.ndarray[Any, Any], seed: int | None) -> None:
    """Fills in place: zeros, or with a seed a random pattern in which no two blocks are alike."""
    if seed is None:
        array.fill(0.0)
        return
    random = np.random.default_rng(seed)
    for block in blocks(array):
        random.random(out=block)


def checksum(array: Any) -> str:
    """CRC-32 of the bytes in logical order, without a copy of the whole."""
    crc = 0
    if isinstance(array, np.ndarray):
        for block in blocks(array):
            crc = zlib.crc32(memoryview(block).cast("B"), crc)
    else:
        crc = zlib.crc32(array)
    return f"{crc:08x}"


def agree(checksums: Iterable[str]) -> str:
    """The one checksum that all messages of a batch must have."""
    found = set(checksums)
    if len(found) != 1:
        raise ValueError(f"{len(found)} different checksums in a batch of equal messages")
    return found.pop()


class BusyThread:
    """A thread of pure Python that competes for the interpreter, but only while it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        x = 1
        while True:
            self.gate.wait()
            while self.gate.is_set():
                for _ in range(1000):
                    x = (x * 69069 + 1) & 0xFFFFFFFF


def peak_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def reset_peak() -> None:
    """Lowers VmHWM to what is resident now, where the kernel lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


class Control:
    """Obeys the harness's lines for one role."""

    def __init__(self, role: Role, lines: Any, out: Any) -> None:
        self.role = role
        self.lines = lines
        self.out = out
        self.ack: socket.socket
        self.ack_listener: socket.socket
        self.busy: BusyThread | None = None

    def say(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()

    def start(self) -> None:
        np.random.default_rng(0)  # loads what `fill` needs before the memory row's count begins
        self.role.prepare()
        reset_peak()
        self.base_kib = peak_kib()
        if self.role.side != "server":
            self.say("ready")
            return
        family = socket.AF_INET6 if ":" in self.role.host else socket.AF_INET
        self.ack_listener = socket.create_server((self.role.host, 0), family=family)
        where = self.role.listen()
        self.say(f"ready {self.ack_listener.getsockname()[1]} {where}")

    def loop(self) -> None:
        self.start()
        for line in self.lines:
            word, *rest = line.split()
            if word == "quit":
                break
            getattr(self, "do_" + word)(*rest)
        self.role.close()

    def _ack_ready(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ack = sock

    def do_accept(self) -> None:
        self._ack_ready(self.ack_listener.accept()[0])
        self.role.accept()
        self.say("ok")

    def do_connect(self, ack_port: str, where: str) -> None:
        self._ack_ready(socket.create_connection((self.role.host, int(ack_port))))
        self.role.connect(where)
        self.say("ok")

    def do_verify(self) -> None:
        role = self.role
        if role.side == "server":
            fill(role.array, None)
            self.say("started")
            received = role.receive_checked()
            self.ack.send(b"k")
            self.say("sum " + received)
            return
        fill(role.array, int.from_bytes(os.urandom(4), "big"))
        role.send()
        self._wait_ack()
        self.say("sum " + checksum(role.array))

    def do_run(self, reps: str) -> None:
        if self.role.side == "server":
            self.say("started")
            self._serve(int(reps))
            self.say("done")
        else:
            times = self._drive(int(reps))
            self.say("times " + " ".join(f"{t:.9f}" for t in times))

    def _serve(self, reps: int) -> None:
        receive, ack = self.role.receive, self.ack.send
        for _ in range(reps):
            receive()
            ack(b"k")

    def _drive(self, reps: int) -> list[float]:
        send, wait, clock = self.role.send, self._wait_ack, time.perf_counter
        times = []
        for _ in range(reps):
            start = clock()
            send()
            wait()
            times.append(clock() - start)
        return times

    def _wait_ack(self) -> None:
        if self.ack.recv(1) != b"k":
            raise EOFError("the receiver went away")

    def do_memory(self) -> None:
        self.say(f"memory {peak_kib() - self.base_kib}")

    def do_busy(self, state: str) -> None:
        if self.busy is None:
            self.busy = BusyThread()
        if state == "on":
            self.busy.gate.set()
        else:
            self.busy.gate.clear()
        self.say("ok")


def main(target: str, side: str, params: str) -> None:
    # The harness reads our stdout, so nothing that a library prints may get there.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, name = target.split(":")
    try:
        role = getattr(importlib.import_module(module), name)(side, json.loads(params))
        Control(role, sys.stdin, out).loop()
    except Exception as exc:
        traceback.print_exc()
        out.write(f"error {type(exc).__name__}: {exc}\n".replace("\n", " ") + "\n")
        out.flush()
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
