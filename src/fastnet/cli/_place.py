"""Where to serve and whom to talk to: addresses of streams and datagrams, Unix ones as well."""

from __future__ import annotations

from typing import Any

from fastnet.cli import _address
from fastnet.cli._report import Failure

__all__ = ["parse", "show", "unix"]


def unix(path: str) -> str:
    """What ``--unix PATH`` means: ``@name`` is a name in the abstract space."""
    path = path.removeprefix("unix:")
    if path in ("", "@"):
        raise Failure("a Unix socket needs a path, or @NAME for an abstract name", 2)
    return "unix:" + ("\0" + path[1:] if path.startswith("@") else path)


def parse(text: str, *, any_port: bool = False) -> Any:
    """``(host, port)``, or ``unix:PATH``; Failure with status 2 for anything else."""
    if text.startswith(("@", "unix:")):
        return unix(text)
    found = _address.parse(text.removeprefix("udp://"), any_port=any_port)
    return found if isinstance(found, tuple) else unix(found)


def show(address: Any) -> str:
    """An address as it is written on the command line."""
    if isinstance(address, tuple):
        return _address.show(address)
    if isinstance(address, bytes):  # what getsockname gives for an abstract name
        address = address.decode(errors="backslashreplace")
    path = str(address).removeprefix("unix:")
    return "unix:" + path.replace("\0", "@", 1)
