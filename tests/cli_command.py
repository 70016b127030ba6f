"""Runs the real ``fastnet`` command for the tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from fastnet import arrays

# A descriptor or a socket that is left open shows as a line on stderr, which the tests count.
COMMAND = [sys.executable, "-W", "always::ResourceWarning", "-m", "fastnet.cli"]
LIMIT = 30.0  # seconds after which a command counts as stuck


def run(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        **options,
    )


def one_line(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The one line of a command that failed as it should."""
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("fastnet: ")
    return lines[0]


class Running:
    """A command that goes on: ``recv``, or ``bench arrays --serve``; with --json on a free port."""

    def __init__(self, *args: object, **options: Any) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, args), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        first = self.event()
        assert first["event"] == "listening"
        self.address: tuple[str, int] = (first["address"][0], first["address"][1])
        self.where = f"{self.address[0]}:{self.address[1]}"

    def event(self) -> dict[str, Any]:
        """The next line of its output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate(timeout=LIMIT)[1])
        found: dict[str, Any] = json.loads(line)
        return found

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Sends a signal; returns the exit status and what was printed on stderr."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Waits for the end; returns the exit status and what was printed on stderr."""
        _, errors = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        self.process.wait(LIMIT)


def receiver(*args: object, **options: Any) -> Running:
    """``fastnet recv`` on a free port."""
    return Running("recv", "--bind", "127.0.0.1:0", *args, **options)


def wait_for(condition: Callable[[], Any]) -> Any:
    """Waits until a condition holds and returns what it gave."""
    deadline = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def unfinished(folder: Path) -> list[Path]:
    """The temporary files in a folder."""
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def on_the_wire(array: Any, name: str | None = None) -> bytes:
    """All bytes that a client sends for one array, up to the end of the array."""
    got = bytearray()

    def read() -> None:
        sock, _ = server.accept()
        with sock:
            while more := sock.recv(1 << 20):
                got.extend(more)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=read)
        thread.start()
        stream = arrays.connect(server.getsockname())
        stream.send(array, name=name)
        stream.abort()
        thread.join()
    return bytes(got)


@contextmanager
def half_sent(address: tuple[str, int], array: Any, name: str | None = None) -> Iterator[Any]:
    """A sender that has stopped in the middle of an array."""
    data = on_the_wire(array, name)
    with socket.create_connection(address) as sock:
        sock.sendall(data[: len(data) - array.nbytes // 2])
        yield sock


def reset(address: tuple[str, int], data: bytes) -> None:
    """A peer that says something and resets the connection at once."""
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(data)


def is_root() -> bool:
    return os.geteuid() == 0
