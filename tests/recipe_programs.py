"""Runs the programs in examples/: for tests only."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import links

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@contextlib.contextmanager
def started(name: str, *words: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A program and where it listens; killed afterwards."""
    with subprocess.Popen(
        [sys.executable, EXAMPLES / name, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith("listening"), line + child.stdout.read()
            yield child, line.split()[-1]
        finally:
            child.kill()


def finished(name: str, *words: Any) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def connect(port: str) -> socket.socket:
    """A connection to a program."""
    return socket.create_connection(("127.0.0.1", int(port)), timeout=links.SOON)


def everything(sock: socket.socket) -> bytes:
    """All that comes until the end."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def echoes(port: str, clients: int = 1) -> None:
    """Fails if a program does not echo lines to so many clients at once."""
    with contextlib.ExitStack() as stack:
        socks: list[socket.socket] = []
        for number in range(clients):
            socks.append(stack.enter_context(connect(port)))
            exchange(socks[-1], b"first of client %d\n" % number)  # so few may wait in the queue
        for turn in range(3):
            for number, sock in enumerate(socks):
                exchange(sock, b"turn %d of client %d\n" % (turn, number))
        for sock in socks:
            sock.shutdown(socket.SHUT_WR)
            assert everything(sock) == b""


def exchange(sock: socket.socket, line: bytes) -> None:
    """Sends a line and expects it back."""
    sock.sendall(line)
    with sock.makefile("rb") as file:
        assert file.readline() == line
