"""Binding a socket to serve on, and taking a Unix socket's path away again."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any

from fastnet.address import Address

__all__ = ["bind", "path_id", "unlink_if_ours"]


def bind(
    address: Address,
    backlog: int,
    *,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    reuse_port: bool = False,
) -> socket.socket:
    """A bound socket, listening if it is a stream's; an OSError names the address."""
    try:
        if address.unix:
            return _bind_unix(address.path, backlog, kind)
        return _bind_inet(address, backlog, kind, reuse_port)
    except socket.gaierror:
        raise
    except OSError as error:
        if error.errno is None:  # a path that is too long, which never reaches the system
            raise OSError(errno.ENAMETOOLONG, f"{error}: {address}") from None
        raise type(error)(error.errno, f"{os.strerror(error.errno)}: {address}") from None


def _inet_name(address: Address, kind: int) -> tuple[socket.AddressFamily, Any]:
    if not address.host:
        return socket.AF_INET, ("", address.port)
    found = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)
    name = (address.host, address.port, *address.extra) if address.extra else found[0][4]
    return found[0][0], name


def _bind_inet(address: Address, backlog: int, kind: int, reuse_port: bool) -> socket.socket:
    family, name = _inet_name(address, kind)
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:  # for datagrams it would let two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and address.host == "::":
            with contextlib.suppress(OSError):  # "::" means IPv4 as well, where it can
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(name)
        if kind == socket.SOCK_STREAM:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, backlog: int, kind: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        try:
            sock.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_stale(path, kind):
                raise
            os.unlink(path)
            sock.bind(path)
        if kind == socket.SOCK_STREAM:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _is_stale(path: str, kind: int) -> bool:
    """Whether a socket's path was left behind by a process that is gone."""
    if path.startswith("\0"):
        return False
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.settimeout(1.0)
            probe.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def path_id(path: str) -> tuple[int, int] | None:
    """Which file a path names now."""
    if not path or path.startswith("\0"):
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def unlink_if_ours(path: str, ours: tuple[int, int] | None) -> None:
    """Removes a Unix socket's path unless somebody has put another there."""
    if ours is not None and path_id(path) == ours:
        with contextlib.suppress(OSError):
            os.unlink(path)
