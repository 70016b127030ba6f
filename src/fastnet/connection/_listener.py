"""Listening for connections."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterable
from multiprocessing import util
from types import TracebackType
from typing import Any, Self

from fastnet.connection import _addresses, _challenge
from fastnet.connection._allowed import allow_list
from fastnet.connection._connection import Connection
from fastnet.connection._negotiation import Negotiation, chain
from fastnet.connection._reception import Reception
from fastnet.connection._tls import TLSConnection
from fastnet.limits import Limits

__all__ = ["Listener", "SocketListener", "finished"]

BACKLOG = 128
# More than arrays have, for here a stranger costs no more than a descriptor and 4 KiB.
LIMITS = Limits(pending=1024, handshake_timeout=10.0)


class SocketListener:
    """A bound socket that listens, and the path it has in the file system."""

    def __init__(self, address: Any, family: str, backlog: int = BACKLOG) -> None:
        self._socket = socket.socket(_addresses.socket_family(address, family))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setblocking(True)
            self._socket.bind(address)
            self._socket.listen(backlog)
            # Another process that has this socket too may be quicker to take a connection.
            os.set_blocking(self._socket.fileno(), False)
            self._address = self._socket.getsockname()
        except OSError:
            self._socket.close()
            raise
        self._family = family
        self._last_accepted: Any = None
        self._unlink: Any = None
        if family == "AF_UNIX" and not _addresses.is_abstract(address):
            self._unlink = util.Finalize(self, os.unlink, args=(address,), exitpriority=0)

    def accept(self) -> Connection:
        """The next connection, without a handshake."""
        negotiation, self._last_accepted = Reception(
            self._socket, lambda sock: Negotiation(sock, None), LIMITS
        ).accept(None)
        return Connection(_ready(negotiation.sock).detach())

    def close(self) -> None:
        """Stops listening and removes the path."""
        try:
            self._socket.close()
        finally:
            unlink, self._unlink = self._unlink, None
            if unlink is not None:
                unlink()


def _ready(sock: socket.socket) -> socket.socket:
    """A socket as connections want it; Unix sockets have no delay to switch off."""
    sock.setblocking(True)
    if sock.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):  # reset meanwhile: the first call will say so
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def finished(negotiation: Negotiation, allowed: Any) -> Any:
    """The connection after its handshakes."""
    sock = _ready(negotiation.sock)
    if isinstance(sock, ssl.SSLSocket):
        return TLSConnection(sock, allowed=allowed)
    return Connection(sock.detach(), allowed=allowed)


class Listener:
    """Takes in the connections of `Client`, with a handshake where there is a key.

    Parameters:
        address: (host, port), or the path of a Unix socket; None for one of its own.
        family: "AF_INET", "AF_INET6" or "AF_UNIX"; None for what the address is.
        backlog: connections that the system keeps between two calls of `accept`.
        authkey: bytes that both ends have; None for no handshake.
        ssl_context: serves TLS, in which the handshake then takes place.
        min_digest: the weakest digest accepted; "sha256" shuts out the ends of
            Python 3.11 and before that are the standard library's.
        allowed: pairs of module and name that the accepted connections may look
            up while they unpickle; None for anything.
        limits: `pending` (1024) and `pending_per_address` (None) handshakes at a
            time, and `handshake_timeout` (10 s) for each; past `pending`, the
            oldest gives way.

    Raises:
        OSError: the address is in use or not this machine's.
        TypeError: authkey is not bytes.
    """

    def __init__(
        self,
        address: Any = None,
        family: str | None = None,
        backlog: int = BACKLOG,
        authkey: bytes | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        min_digest: str | None = None,
        allowed: Iterable[tuple[str, str]] | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        family = (
            family or (address and _addresses.address_type(address)) or _addresses.default_family
        )
        address = address or _addresses.arbitrary_address(family)
        _addresses._validate_family(family)
        _challenge.check_key(authkey)
        _challenge.check_digest(min_digest)
        self._allowed = allow_list(allowed)
        self._authkey = authkey
        self._ssl_context = ssl_context
        self._min_digest = min_digest
        self._listener: SocketListener | None = SocketListener(address, family, backlog)
        self._reception = Reception(self._listener._socket, self._begin, limits)

    def _begin(self, sock: socket.socket) -> Negotiation:
        key, least = self._authkey, self._min_digest
        if self._ssl_context is not None:
            sock = self._ssl_context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        if key is None:
            return Negotiation(sock, None)
        digest = "sha256" if least in (None, "md5") else str(least)
        steps = (
            _challenge.delivering(key, digest, least),
            _challenge.answering(key, least),
        )
        return Negotiation(sock, chain(iter(steps)))

    def _open(self) -> SocketListener:
        if self._listener is None:
            raise OSError("listener is closed")
        return self._listener

    def accept(self, timeout: float | None = None) -> Any:
        """The next connection whose handshake is done: a Connection, or a TLSConnection.

        Handshakes of any number of peers go on side by side in here, so nobody
        waits for a peer that is slow, silent or a stranger.

        Parameters:
            timeout: seconds to wait for one; None waits for ever.

        Raises:
            TimeoutError: there was none in time.
            AuthenticationError: a peer did not have the key, or not before the
                deadline of its handshake; it is an EOFError too if the peer hung up.
                The others' handshakes go on with the next call.
            OSError: the listener is closed.
        """
        listener = self._open()
        if timeout is None:  # listener._listener._socket.settimeout() was the way to have one
            timeout = listener._socket.gettimeout()
        negotiation, listener._last_accepted = self._reception.accept(timeout)
        return finished(negotiation, self._allowed)

    def close(self) -> None:
        """Stops listening; handshakes under way end."""
        listener, self._listener = self._listener, None
        if listener is not None:
            try:
                listener.close()
            finally:  # also when the path is gone already
                self._reception.close()

    @property
    def address(self) -> Any:
        """Where this listens: the host and port, or the path."""
        return self._open()._address

    @property
    def last_accepted(self) -> Any:
        """The address of the connection that `accept` returned last; None if there was none."""
        return self._open()._last_accepted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
