"""Connecting: name to socket to stream."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from fastnet.address import Address, AddressLike, parse
from fastnet.arrays._stream import Stream
from fastnet.arrays._tls import TlsTransport
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["connect"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds between attempts
_CENTURY = 3.2e9  # seconds; beyond it, for ever


def _targets(address: Address) -> list[tuple[int, Any]]:
    if address.unix:
        return [(socket.AF_UNIX, address.path)]
    found = socket.getaddrinfo(address.host or "localhost", address.port, type=socket.SOCK_STREAM)
    if address.extra:
        name = (address.host, address.port, *address.extra)
        return [(info[0], name) for info in found[:1]]
    return [(info[0], info[4]) for info in found]


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.001, deadline - time.monotonic())


def _open(address: Address, deadline: float | None) -> socket.socket:
    """A connected socket to the first of the address's targets that answers."""
    failure: OSError | None = None
    for family, name in _targets(address):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(name)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    assert failure is not None
    raise failure


def _open_patiently(address: Address, deadline: float | None, retry_until: float) -> socket.socket:
    """Tries again for as long as nobody listens there yet."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return _open(address, deadline)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            now = time.monotonic()
            end = retry_until if deadline is None else min(retry_until, deadline)
            if now >= end:
                error.filename = None
                raise type(error)(error.errno, f"{error.strerror}: {address}") from None
            time.sleep(min(pause, end - now))
            pause = min(pause * 2, _LONGEST_PAUSE)


def _secure(
    sock: socket.socket,
    context: ssl.SSLContext,
    name: str | None,
    deadline: float | None,
    stall: float | None,
) -> tuple[ssl.SSLSocket, TlsTransport]:
    sock.setblocking(False)
    wrapped = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    transport = TlsTransport(wrapped, stall)
    try:
        limit = (
            None
            if deadline is None
            else time.monotonic_ns() + round(max(0.0, deadline - time.monotonic()) * 1e9)
        )
        transport.handshake(limit)
    except BaseException:
        wrapped.close()
        raise
    return wrapped, transport


def connect(
    address: AddressLike,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    timeout: float | None = None,
    retry_for: float = 0.0,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
) -> Stream:
    """Connects to a listener of arrays.

    Returns as soon as the connection stands: arrays may be sent at once, and
    what the listener says of it comes with the first call that hears from it.

    Parameters:
        address: ``(host, port)``, ``"tcp://host:port"``, ``"unix:/path"`` or a
            path (see `fastnet.address.parse`).
        ssl_context: for TLS; `ssl.create_default_context` makes one.
        server_hostname: the name that the certificate must be for; by default
            the address's host.
        timeout: seconds to connect, TLS included; None leaves it to the system.
        retry_for: seconds to go on trying while nobody listens there.
        limits: what the peer may ask of this end.
        tuning: how bytes are moved.

    Raises:
        ValueError: not an address.
        socket.gaierror: the host cannot be resolved.
        ConnectionRefusedError: nobody listens there.
        TimeoutError: the time was up.
        ssl.SSLError: TLS failed, for example a certificate that is not trusted.
    """
    limits = limits or Limits()
    where = parse(address)
    deadline = None if timeout is None or timeout > _CENTURY else time.monotonic() + timeout
    sock = _open_patiently(where, deadline, time.monotonic() + retry_for)
    transport = None
    try:
        if ssl_context is not None:
            name = server_hostname or (None if where.unix else where.host)
            sock, transport = _secure(sock, ssl_context, name, deadline, limits.stall_timeout)
        stream = Stream(
            sock,
            server=False,
            limits=limits,
            tuning=tuning or Tuning(),
            transport=transport,
        )
        stream._link.send_preface(_left(deadline))
    except BaseException:
        sock.close()
        raise
    return stream
