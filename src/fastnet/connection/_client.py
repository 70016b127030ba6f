"""Connecting to a listener."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

from fastnet.connection import _addresses, _challenge
from fastnet.connection._allowed import allow_list
from fastnet.connection._connection import Connection
from fastnet.connection._listener import finished
from fastnet.connection._negotiation import Negotiation, chain

__all__ = ["Client", "SocketClient"]


def SocketClient(address: Any) -> Connection:
    """A connection to an address, without a handshake."""
    connection: Connection = finished(Negotiation(_connect(address, None, None), None), None)
    return connection


def _connect(address: Any, family: str | None, deadline: float | None) -> socket.socket:
    sock = socket.socket(_addresses.socket_family(address, family))
    try:
        sock.settimeout(_left(deadline))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no connection in time")
    return left


def _finish(negotiation: Negotiation, deadline: float | None) -> None:
    poller = select.poll()
    while events := negotiation.advance():
        poller.register(negotiation.sock, events)
        left = _left(deadline)
        if not poller.poll(None if left is None else left * 1000):
            _left(deadline)


def _wrap(
    sock: socket.socket, context: ssl.SSLContext, address: Any, name: str | None
) -> ssl.SSLSocket:
    if name is None and isinstance(address, tuple):
        name = address[0]
    return context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)


def Client(
    address: Any,
    family: str | None = None,
    authkey: bytes | None = None,
    *,
    timeout: float | None = None,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    min_digest: str | None = None,
    allowed: Iterable[tuple[str, str]] | None = None,
) -> Any:
    """A connection to a `Listener`: a Connection, or over TLS a TLSConnection.

    Parameters:
        address: (host, port), or the path of a Unix socket.
        family: "AF_INET", "AF_INET6" or "AF_UNIX"; None for what the address is.
        authkey: bytes that both ends have; None for no handshake.
        timeout: seconds for connecting and all handshakes together.
        ssl_context: speaks TLS, in which the handshake then takes place.
        server_hostname: the name in the listener's certificate, if not the host's.
        min_digest: the weakest digest accepted; "sha256" refuses the listeners of
            Python 3.11 and before that are the standard library's.
        allowed: pairs of module and name that `recv` may look up while it
            unpickles; None for anything.

    Raises:
        AuthenticationError: the listener does not have the key.
        EOFError: it hung up inside the handshake.
        OSError: nobody listens there, or TLS failed; TimeoutError past the timeout.
        TypeError: authkey is not bytes.
    """
    family = family or _addresses.address_type(address)
    _addresses._validate_family(family)
    _challenge.check_key(authkey)
    _challenge.check_digest(min_digest)
    permitted = allow_list(allowed)
    deadline = None if timeout is None else time.monotonic() + timeout
    sock = _connect(address, family, deadline)
    try:
        if ssl_context is not None:
            sock = _wrap(sock, ssl_context, address, server_hostname)
        steps = None
        if authkey is not None:
            digest = "sha256" if min_digest in (None, "md5") else str(min_digest)
            answer = _challenge.answering(authkey, min_digest)
            challenge = _challenge.delivering(authkey, digest, min_digest)
            steps = chain(iter((answer, challenge)))
        negotiation = Negotiation(sock, steps)
        _finish(negotiation, deadline)
    except BaseException:
        sock.close()
        raise
    return finished(negotiation, permitted)
