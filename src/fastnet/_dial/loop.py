"""The same as `_dial`, within a running event loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from fastnet._dial import FULL_PAUSE, LONGEST_PAUSE, choose, named
from fastnet.address import Address

__all__ = ["dial_in_loop"]


async def _targets_in_loop(address: Address) -> list[tuple[int, Any]]:
    if address.unix:
        return [(socket.AF_UNIX, address.path)]
    host = address.host or "localhost"
    loop = asyncio.get_running_loop()
    return choose(address, await loop.getaddrinfo(host, address.port, type=socket.SOCK_STREAM))


async def _connect_in_loop(sock: socket.socket, name: Any) -> None:
    if sock.family != socket.AF_UNIX:
        return await asyncio.get_running_loop().sock_connect(sock, name)
    pause = FULL_PAUSE
    while True:
        try:
            return sock.connect(name)
        except BlockingIOError:  # which a loop's sock_connect takes for a connection on its way
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def dial_in_loop(address: Address) -> socket.socket:
    """A connected, non-blocking socket to the first of the address's targets that answers.

    Raises:
        OSError: what the last of them said; it names the address.
    """
    failure: OSError | None = None
    for family, name in await _targets_in_loop(address):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await _connect_in_loop(sock, name)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise named(failure, address) from None
