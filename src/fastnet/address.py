"""Where to listen and where to connect: one parser for every form of address."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Address", "AddressLike", "is_loopback", "parse"]

AddressLike: TypeAlias = "str | bytes | os.PathLike[str] | tuple[Any, ...] | Address"

_FORMS = (
    'write ("127.0.0.1", 9000), "tcp://127.0.0.1:9000", "tcp://[::1]:9000", "unix:/path" '
    "or a path with a slash in it"
)


@dataclass(frozen=True)
class Address:
    """A parsed address.

    Attributes:
        unix: True for a Unix socket.
        host, port: of TCP; host may be a name, "" means every interface.
        path: of a Unix socket; a leading NUL names one in the abstract space.
        extra: flow information and scope of an IPv6 address, or empty.
        datagram: whether datagrams were asked for, by "udp://".
    """

    unix: bool
    host: str = ""
    port: int = 0
    path: str = ""
    extra: tuple[int, ...] = ()
    datagram: bool = False

    def __str__(self) -> str:
        if self.unix:
            return "unix:" + self.path.replace("\0", "@", 1)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'udp' if self.datagram else 'tcp'}://{host}:{self.port}"


def _port(value: Any, given: object) -> int:
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{given!r} has no port number: {_FORMS}")
    if not 0 <= value <= 65535:
        raise ValueError(f"{given!r}: a port is between 0 and 65535")
    return value


def _from_tuple(given: tuple[Any, ...]) -> Address:
    if len(given) not in (2, 3, 4) or not isinstance(given[0], (str, type(None))):
        raise ValueError(f"{given!r} is not an address: {_FORMS}")
    extra = tuple(int(part) for part in given[2:])
    return Address(False, given[0] or "", _port(given[1], given), extra=extra)


def _from_inet(rest: str, given: str, datagram: bool) -> Address:
    if rest.startswith("["):
        host, bracket, port = rest[1:].partition("]")
        if not bracket or not port.startswith(":"):
            raise ValueError(f"{given!r} is not an address: {_FORMS}")
        return Address(False, host, _port(port[1:], given), datagram=datagram)
    host, colon, port = rest.rpartition(":")
    if not colon or ":" in host:
        hint = f'write "tcp://[{rest}]:PORT"' if rest.count(":") > 1 else _FORMS
        raise ValueError(f"{given!r} is not an address: {hint}")
    return Address(False, host, _port(port, given), datagram=datagram)


def _from_text(given: str, datagrams: bool) -> Address:
    if given.startswith("tcp://"):
        return _from_inet(given[6:], given, False)
    if given.startswith("udp://") and datagrams:
        return _from_inet(given[6:], given, True)
    if given.startswith("unix:"):
        path = given[5:]
        if not path:
            raise ValueError(f"{given!r} names no path: {_FORMS}")
        return Address(True, path=path)
    if given.startswith("udp://"):
        raise ValueError(f"{given!r}: a stream is needed here, so tcp:// or unix:")
    if "://" in given:
        raise ValueError(f"{given!r}: unknown scheme: {_FORMS}")
    if "/" in given or given.startswith("\0"):
        return Address(True, path=given)
    hint = f'write "tcp://{given}"' if ":" in given else _FORMS
    raise ValueError(f"{given!r} is not an address: {hint}")


def parse(address: AddressLike, *, datagrams: bool = False) -> Address:
    """Parses an address.

    Parameters:
        address: what `socket` takes for TCP, ``(host, port)`` or the IPv6
            four-tuple; ``"tcp://host:port"``, with brackets around an IPv6
            address; ``"unix:/path"``; or any path with a slash or a leading
            NUL in it, also as bytes or a path object.
        datagrams: whether ``"udp://host:port"`` is an address here, too.

    Raises:
        ValueError: for anything else, with the form that was probably meant.
    """
    if isinstance(address, Address):
        return address
    if isinstance(address, tuple):
        return _from_tuple(address)
    if isinstance(address, os.PathLike):
        return Address(True, path=os.fspath(address))
    if isinstance(address, bytes):
        return _from_text(os.fsdecode(address), datagrams)
    if isinstance(address, str):
        return _from_text(address, datagrams)
    raise ValueError(f"{address!r} is not an address: {_FORMS}")


def is_loopback(address: Address) -> bool:
    """Whether only this machine can reach the address: loopback or a Unix socket.

    Names are resolved; every result must be a loopback address.
    """
    if address.unix:
        return True
    if not address.host:
        return False
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return all(_is_loopback_ip(str(info[4][0])) for info in found)


def _is_loopback_ip(text: str) -> bool:
    import ipaddress

    return ipaddress.ip_address(text.partition("%")[0]).is_loopback
