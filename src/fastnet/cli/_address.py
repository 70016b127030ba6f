"""``HOST:PORT`` on the command line."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from fastnet.cli._report import Failure

Address = Any  # (host, port), (host, port, flow, scope), or the string for a Unix socket

HINT = "write HOST:PORT, [IPV6]:PORT or unix:/PATH"


def parse(text: str, *, any_port: bool = False) -> Address:
    """The address that ``text`` means: ``(host, port)``, or the text itself for a Unix socket.

    ``any_port``: port 0 is allowed, for listening on whichever port is free. Raises Failure with
    status 2 for anything else.
    """
    rest = text.removeprefix("tcp://")
    if rest == text and (text.startswith("unix:") or "/" in text):
        return text
    host, colon, port = rest.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Failure(f"{text!r} is not an address: an IPv6 host needs brackets, {HINT}", 2)
    if not (colon and host and port.isascii() and port.isdigit() and len(port) <= 5):
        raise Failure(f"{text!r} is not an address: {HINT}", 2)
    number = int(port)
    if number > 65535 or (number == 0 and not any_port):
        raise Failure(f"{text!r} is not an address: ports go from 1 to 65535", 2)
    return host, number


def show(address: Address) -> str:
    """An address as one writes it: ``127.0.0.1:9000``, ``[::1]:9000`` or a path."""
    if isinstance(address, tuple):
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(address, bytes):
        address = address.decode(errors="backslashreplace")
    return str(address) or "unix socket"


def peer(name: Callable[[], Address]) -> str:
    """The peer's address, from the function that asks for it: it fails once the peer is gone."""
    try:
        return show(name())
    except OSError:
        return "a peer that is gone"


def plain(address: Address) -> list[Any] | str:
    """An address as JSON: ``[host, port]`` or a path."""
    return list(address[:2]) if isinstance(address, tuple) else show(address)


def resolve(address: tuple[str, int], flags: int = 0) -> list[tuple[int, tuple[Any, ...]]]:
    """Family and socket address of each TCP address that a name stands for.

    Raises Failure when it stands for none.
    """
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a host name"
        raise Failure(f"cannot find host {address[0]!r}: {why}") from None
    return [(family, where) for family, _, _, _, where in found]


def _local(where: tuple[Any, ...]) -> bool:
    host = ipaddress.ip_address(where[0].partition("%")[0])
    mapped = getattr(host, "ipv4_mapped", None)
    return bool((mapped or host).is_loopback)


KEY_HINT = " give it a key (fastnet keygen, --key FILE), or"


def to_listen(address: Address, insecure: bool, hint: str = "") -> Address:
    """The address to bind, resolved; refuses to be open to other machines unless ``insecure``.

    The check is of the very address that is bound, so no second look-up can change it.
    """
    if not isinstance(address, tuple):
        return address
    where = resolve(address, socket.AI_PASSIVE)[0][1]
    if not insecure and not _local(where):
        raise Failure(
            f"{show(address)} can be reached from other machines and nothing checks who connects:"
            f"{hint} add --insecure if that is meant"
        )
    return where
