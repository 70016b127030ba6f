"""Runs ``fastnet talk`` for the tests, and servers for it to talk to."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fastnet
import links
from cli_command import COMMAND, LIMIT
from fastnet import services

EVERY_BYTE = bytes(range(256)) * 40


def talk(
    where: object, *args: object, data: bytes | None = b"", **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Runs it to its end with that on stdin."""
    return subprocess.run(
        [*COMMAND, "talk", str(where), *map(str, args)],
        input=data,
        capture_output=True,
        timeout=LIMIT,
        check=False,
        **options,
    )


def shown(address: Any) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def echo(where: Any = ("127.0.0.1", 0), **options: Any) -> Iterator[fastnet.Server]:
    with fastnet.serve(services.Echo(), where, **options) as server:
        server.start()
        yield server


@contextmanager
def answering(work: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does this with the one connection it gets; where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(links.SOON)
                work(sock)

        at_work = links.Background(serve)
        try:
            yield shown(listener.getsockname())
        finally:
            at_work.result()


def everything(sock: Any) -> bytes:
    got = b""
    while more := sock.recv(65536):
        got += more
    return got
