"""Connecting within an event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence

from fastnet._dial.loop import dial_in_loop
from fastnet.address import Address, AddressLike, parse
from fastnet.arrays._aio_stream import AsyncStream
from fastnet.arrays._connect import FIRST_PAUSE, LONGEST_PAUSE
from fastnet.arrays._pump import AsyncTls
from fastnet.auth._credentials import Credentials
from fastnet.errors import TransferTimeout
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["open_connection"]


async def _open_patiently(address: Address, retry_for: float) -> socket.socket:
    """Tries again for as long as nobody listens there yet."""
    loop = asyncio.get_running_loop()
    pause, end = FIRST_PAUSE, loop.time() + retry_for
    while True:
        try:
            return await dial_in_loop(address)
        except (ConnectionRefusedError, FileNotFoundError):
            if (now := loop.time()) >= end:
                raise
            await asyncio.sleep(min(pause, end - now))
            pause = min(pause * 2, LONGEST_PAUSE)


async def open_connection(
    address: AddressLike,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    authkey: bytes | None = None,
    key_id: bytes | str = b"",
    suites: Sequence[str] | None = None,
    retry_for: float = 0.0,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
) -> AsyncStream:
    """Connects to a listener of arrays, within a running event loop: any that is asyncio's.

    As `connect`, without a timeout: `asyncio.timeout` bounds this and every
    other call.  TLS and keys together are also bounded by
    `Limits.handshake_timeout`.

    Parameters:
        address: ``(host, port)``, ``"tcp://host:port"``, ``"unix:/path"`` or a
            path (see `fastnet.address.parse`).
        ssl_context: for TLS; `ssl.create_default_context` makes one.
        server_hostname: the name that the certificate must be for; by default
            the address's host.
        authkey, key_id, suites: as for `connect`.
        retry_for: seconds to go on trying while nobody listens there.
        limits: what the peer may ask of this end.
        tuning: how bytes are moved; its spin does not apply.

    Raises:
        ValueError: not an address.
        socket.gaierror: the host cannot be resolved.
        ConnectionRefusedError: nobody listens there.
        AuthenticationError: the listener does not have this key, or refuses it.
        TransferTimeout: the listener did not answer in time.
        ssl.SSLError: TLS failed, for example a certificate that is not trusted.
    """
    limits = limits or Limits()
    credentials = Credentials.of_client(authkey, key_id, suites)
    where = parse(address)
    sock = await _open_patiently(where, retry_for)
    transport = None
    stream = None
    try:
        if ssl_context is not None:
            name = server_hostname or (None if where.unix else where.host)
            sock = wrapped = ssl_context.wrap_socket(
                sock, server_hostname=name, do_handshake_on_connect=False
            )
            transport = AsyncTls(wrapped, limits.stall_timeout)
        stream = AsyncStream(
            sock,
            server=False,
            limits=limits,
            tuning=tuning or Tuning(),
            transport=transport,
            credentials=credentials,
        )
        async with asyncio.timeout(limits.handshake_timeout) as deadline:
            await stream._greet()
    except TimeoutError:
        await _give_up(stream, sock)
        if not deadline.expired():
            raise
        raise TransferTimeout("the listener did not answer in time") from None
    except BaseException:
        await _give_up(stream, sock)
        raise
    return stream


async def _give_up(stream: AsyncStream | None, sock: socket.socket) -> None:
    if stream is not None:
        await stream.abort()
    sock.close()
