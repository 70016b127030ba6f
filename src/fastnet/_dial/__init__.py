"""From an address to a connected socket; in an event loop: `_dial.loop`; to listen: `_bind`."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from fastnet.address import Address

__all__ = ["FULL_PAUSE", "LONGEST_PAUSE", "choose", "dial", "left_until", "named"]

FULL_PAUSE, LONGEST_PAUSE = 0.002, 0.5  # seconds until a full listener is asked again


def left_until(deadline: float | None) -> float | None:
    """Seconds until then on time.monotonic()'s clock, as a socket's timeout."""
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def choose(address: Address, found: list[Any]) -> list[tuple[int, Any]]:
    """Families and names to try, of what getaddrinfo found."""
    if address.extra:
        name = (address.host, address.port, *address.extra)
        return [(info[0], name) for info in found[:1]]
    return [(info[0], info[4]) for info in found]


def _targets(address: Address) -> list[tuple[int, Any]]:
    if address.unix:
        return [(socket.AF_UNIX, address.path)]
    host = address.host or "localhost"
    return choose(address, socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM))


def named(error: OSError | None, address: Address) -> OSError:
    """The error again, with the address in it where the system gave a number."""
    assert error is not None
    if error.errno is None:
        return error
    return type(error)(error.errno, f"{os.strerror(error.errno)}: {address}")


# A Unix listener whose queue is full answers EAGAIN to whoever does not block, and has begun
# nothing (unix(7)): it is asked again.


def _connect(sock: socket.socket, name: Any, deadline: float | None) -> None:
    pause = FULL_PAUSE
    while True:
        sock.settimeout(left_until(deadline))
        try:
            return sock.connect(name)
        except BlockingIOError:
            assert deadline is not None
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out") from None
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)


def dial(address: Address, deadline: float | None) -> socket.socket:
    """A connected socket to the first of the address's targets that answers.

    Parameters:
        deadline: on time.monotonic()'s clock; None leaves it to the system.

    Raises:
        OSError: what the last of them said; it names the address.
        TimeoutError: none answered in time.
    """
    failure: OSError | None = None
    for family, name in _targets(address):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            _connect(sock, name, deadline)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise named(failure, address) from None
