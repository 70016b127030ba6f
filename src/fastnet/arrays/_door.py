"""A listening socket and the first look at whoever comes: what both kinds of listener share."""

from __future__ import annotations

import abc
import contextlib
import logging
import socket
import ssl
from typing import Any, ClassVar, Generic, TypeVar

from fastnet import errors
from fastnet._bind import bind, path_id, unlink_if_ours
from fastnet.address import Address
from fastnet.arrays._end import End
from fastnet.arrays._ledger import Ledger
from fastnet.arrays._newcomer import ERR_BUSY, host_of, pending_per_address
from fastnet.arrays._tls import TlsTransport
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["Door"]

AnyStream = TypeVar("AnyStream", bound=End)
AnyTls = TypeVar("AnyTls", bound=TlsTransport)

_log = logging.getLogger("fastnet.arrays")


class Door(abc.ABC, Generic[AnyStream, AnyTls]):
    """Bound and listening when it is made; who accepts, and when, is its subclass's."""

    _stream_kind: ClassVar[Any]
    _tls_kind: ClassVar[Any]

    def __init__(
        self,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None,
        credentials: Credentials | None,
        limits: Limits,
        tuning: Tuning,
        backlog: int,
    ) -> None:
        self._ssl_context = ssl_context
        self._credentials = credentials
        self._limits = limits
        self._tuning = tuning
        self._ledger = Ledger(limits, pending_per_address(limits, credentials is not None))
        self._socket = bind(address, backlog)
        self._socket.setblocking(False)
        self._name = self._socket.getsockname()
        self._path = address.path if address.unix else ""
        self._path_id = path_id(self._path)

    @property
    def address(self) -> Any:
        """The socket's own name, as `socket.getsockname` gives it."""
        return self._name

    def _unlink(self) -> None:
        unlink_if_ours(self._path, self._path_id)

    # ---------------------------------------------------------------- newcomers

    def _begin(self, sock: socket.socket) -> None:
        """Takes an accepted connection, or tells its peer why not."""
        host = host_of(sock)
        if (refusal := self._ledger.refusal(host)) is not None and self._make_room(host):
            refusal = self._ledger.refusal(host)
        try:
            stream, transport = self._open(sock, secure=refusal is None)
        except (OSError, ValueError) as error:
            self._ledger.count("bad_peers")
            _log.info("a peer was gone before it was greeted: %s", error)
            sock.close()
            return
        self._ledger.arrive(stream, host)
        if refusal is not None:
            self._ledger.count("refused")
            self._dismiss(stream, ERR_BUSY, refusal)
            return
        self._welcome(stream, transport, host)

    def _open(self, sock: socket.socket, *, secure: bool) -> tuple[AnyStream, AnyTls | None]:
        sock.setblocking(False)
        transport = None
        if self._ssl_context is not None and secure:
            sock = wrapped = self._ssl_context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
            transport = self._tls_kind(wrapped, self._limits.stall_timeout)
        stream = self._stream_kind(
            sock,
            server=True,
            limits=self._limits,
            tuning=self._tuning,
            transport=transport,
            credentials=self._credentials,
            on_close=self._ledger.leave,
        )
        return stream, transport

    def _dismiss(self, stream: AnyStream, code: int, words: str) -> None:
        """Tells a peer why, as far as that is possible without waiting, and drops it.

        A peer that expects TLS could not read it.
        """
        if self._ssl_context is None or stream._link.has_transport:
            with contextlib.suppress(OSError, errors.Error):
                stream._link.send_error(code, words, 0.0)
        self._let_go(stream)

    @abc.abstractmethod
    def _make_room(self, host: str) -> bool:
        """With a key: lets the oldest handshake go that stands in this host's way.

        An honest one is over in two round trips: silent peers do not keep others
        out until their time is up.
        """

    @abc.abstractmethod
    def _welcome(self, stream: AnyStream, transport: AnyTls | None, host: str) -> None:
        """Its handshake begins."""

    @abc.abstractmethod
    def _let_go(self, stream: AnyStream) -> None:
        """Drops it without another word."""
