"""Connecting: name to socket to stream."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence

from fastnet._dial import dial, left_until
from fastnet.address import Address, AddressLike, parse
from fastnet.arrays._stream import Stream
from fastnet.arrays._tls import TlsTransport
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "connect"]

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # seconds between attempts
_CENTURY = 3.2e9  # seconds; beyond it, for ever


def _open_patiently(address: Address, deadline: float | None, retry_until: float) -> socket.socket:
    """Tries again for as long as nobody listens there yet."""
    pause = FIRST_PAUSE
    while True:
        try:
            return dial(address, deadline)
        except (ConnectionRefusedError, FileNotFoundError):
            now = time.monotonic()
            end = retry_until if deadline is None else min(retry_until, deadline)
            if now >= end:
                raise
            time.sleep(min(pause, end - now))
            pause = min(pause * 2, LONGEST_PAUSE)


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
    authkey: bytes | None = None,
    key_id: bytes | str = b"",
    suites: Sequence[str] | None = None,
    timeout: float | None = None,
    retry_for: float = 0.0,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
) -> Stream:
    """Connects to a listener of arrays.

    Returns as soon as the connection stands: arrays may be sent at once, and
    what the listener says of it comes with the first call that hears from it.
    With a key it returns when both ends have shown that they have it, for
    which the listener must be accepting.

    Parameters:
        address: ``(host, port)``, ``"tcp://host:port"``, ``"unix:/path"`` or a
            path (see `fastnet.address.parse`).
        ssl_context: for TLS; `ssl.create_default_context` makes one.
        server_hostname: the name that the certificate must be for; by default
            the address's host.
        authkey: a key that the listener has too, at least 16 bytes (see
            `fastnet.auth`).  Then all that is sent and received is
            authenticated, and no end without the key is talked to.
        key_id: which key it is, for a listener that has several; at most 64
            bytes, seen by anybody on the path.
        suites: which codes may authenticate, of ``"aes-256-gmac"`` and
            ``"hmac-sha256"``, the best first; None: both, in the order that
            suits this processor.
        timeout: seconds to connect, TLS and keys included; None leaves it to
            the system, and to `Limits.handshake_timeout` for the keys.
        retry_for: seconds to go on trying while nobody listens there.
        limits: what the peer may ask of this end.
        tuning: how bytes are moved.

    Raises:
        ValueError: not an address.
        socket.gaierror: the host cannot be resolved.
        ConnectionRefusedError: nobody listens there.
        TimeoutError: the time was up.
        AuthenticationError: the listener does not have this key, or refuses it.
        ssl.SSLError: TLS failed, for example a certificate that is not trusted.
    """
    limits = limits or Limits()
    credentials = Credentials.of_client(authkey, key_id, suites)
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
            credentials=credentials,
        )
        if credentials is None:
            stream._link.send_preface(left_until(deadline))
        else:
            patience = limits.handshake_timeout if deadline is None else left_until(deadline)
            stream._link.shake_hands(patience)
    except BaseException:
        sock.close()
        raise
    return stream
