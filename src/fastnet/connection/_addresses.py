"""Addresses as multiprocessing writes them: a tuple for TCP, a path for a Unix socket."""

from __future__ import annotations

import socket
import tempfile
from multiprocessing import util
from typing import Any

__all__ = [
    "BUFSIZE",
    "CONNECTION_TIMEOUT",
    "address_type",
    "arbitrary_address",
    "default_family",
    "families",
    "is_abstract",
    "socket_family",
]

BUFSIZE = 8192
CONNECTION_TIMEOUT = 20.0

default_family = "AF_UNIX"
families = ["AF_INET", "AF_UNIX"]


def arbitrary_address(family: str) -> Any:
    """A free address of a family: any port of localhost, or a path of its own.

    Raises:
        ValueError: the family is neither "AF_INET" nor "AF_UNIX".
    """
    if family == "AF_INET":
        return ("localhost", 0)
    if family == "AF_UNIX":
        # The directory is this process's own, so nobody else makes names in it.
        return tempfile.mktemp(prefix="listener-", dir=util.get_temp_dir())
    raise ValueError("unrecognized family")


def _validate_family(family: str) -> None:
    """ValueError for Windows's family."""
    if family == "AF_PIPE":
        raise ValueError(f"Family {family} is not recognized.")


def is_abstract(address: Any) -> bool:
    """Whether an address is a name in Linux's abstract space, which has no file."""
    return bool(address) and address[0] in ("\0", 0)


def address_type(address: Any) -> str:
    """The family of an address: "AF_INET", "AF_UNIX", or "AF_PIPE", which is Windows's.

    Raises:
        ValueError: it is none of them.
    """
    if type(address) is tuple:
        return "AF_INET"
    if type(address) is str and address.startswith("\\\\"):
        return "AF_PIPE"
    if type(address) is str or (isinstance(address, bytes) and is_abstract(address)):
        return "AF_UNIX"
    raise ValueError(f"address type of {address!r} unrecognized")


def socket_family(address: Any, family: str | None) -> socket.AddressFamily:
    """The socket module's family; a host with colons in it is IPv6."""
    name = family or address_type(address)
    if name == "AF_INET" and (len(address) > 2 or ":" in str(address[0])):
        name = "AF_INET6"
    found = getattr(socket, name, None)
    if not isinstance(found, socket.AddressFamily):
        raise ValueError(f"Family {name} is not recognized.")
    return found
