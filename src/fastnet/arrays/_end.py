"""What blocking and asynchronous streams have in common: an end of a connection and its state."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from fastnet import errors
from fastnet._native import sock as _sock
from fastnet._native.arraymsg import ArrayLink
from fastnet.arrays._link import make_link
from fastnet.arrays._outgoing import Outgoing
from fastnet.arrays._tls import TlsTransport
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["ERR_APPLICATION", "ERR_AUTHENTICATION", "ERR_LIMIT", "ERR_PROTOCOL", "REFUSED", "End"]

ERR_PROTOCOL, ERR_LIMIT, ERR_APPLICATION, ERR_AUTHENTICATION = 1, 2, 5, 7
# What a peer is told of.
REFUSED = (errors.ProtocolError, errors.AuthenticationError)


class End:
    """One end of a connection that carries arrays."""

    _link: ArrayLink
    _kind: ClassVar[type[ArrayLink]] = ArrayLink
    _last_words = 0.2  # seconds for them

    def __init__(
        self,
        sock: socket.socket,
        *,
        server: bool,
        limits: Limits,
        tuning: Tuning,
        transport: TlsTransport | None = None,
        credentials: Credentials | None = None,
        on_close: Callable[[Any], None] | None = None,
    ) -> None:
        self._socket = sock
        self._limits = limits
        self._on_close = on_close
        self._closed = False
        self._owner = os.getpid()
        self._outgoing = Outgoing(limits)
        self._tuned = _sock.tune(
            sock.fileno(),
            tuning.congestion_bytes(),
            tuning.send_buffer or 0,
            tuning.receive_buffer or 0,
            tuning.nodelay,
        )
        self._tuning = tuning
        self._link = make_link(
            sock,
            server,
            limits,
            tuning,
            transport,
            self._outgoing.prepare_item,
            self._kind,
            credentials,
        )

    # -------------------------------------------------------------------- state

    def stats(self) -> dict[str, Any]:
        """Bytes and messages so far, and what the transport chose.

        The counters are live: another thread may ask during a transfer.
        """
        transport = {
            **self._tuned,
            "chunk": self._tuning.chunk,
            "fragment": self._tuning.fragment,
            "spin_us": round(self._link.spin * 1e6),
            "tls": self._link.has_transport,
            "suite": self._link.suite,
        }
        return {**self._link.counters(), "transport": transport}

    def fileno(self) -> int:
        """The socket's descriptor; -1 when closed."""
        return self._socket.fileno()

    @property
    def local_address(self) -> Any:
        """The socket's own name, as `socket.getsockname` gives it."""
        return self._socket.getsockname()

    @property
    def peer_address(self) -> Any:
        """The peer's name, as `socket.getpeername` gives it."""
        return self._socket.getpeername()

    @property
    def closed(self) -> bool:
        """Whether this end has closed the stream."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the stream is closed")

    def __repr__(self) -> str:
        if self._closed:
            return f"<fastnet.arrays.{type(self).__name__} closed>"
        try:
            peer = self._socket.getpeername()
        except OSError:
            peer = "a peer that is gone"
        return f"<fastnet.arrays.{type(self).__name__} to {peer!r}>"

    # ------------------------------------------------------------------- ending

    def _closing(self) -> bool:
        """Marks it as closed; whether there is anything left to end."""
        if self._closed:
            return False
        self._closed = True
        if os.getpid() != self._owner:
            self._socket.close()  # the connection is the parent's; only this copy goes
            return False
        return True

    @contextlib.contextmanager
    def _leaving(self) -> Iterator[None]:
        """A leave-taking that fails matters where something may not have arrived."""
        link = self._link
        try:
            yield
        except errors.IncompleteTransfer:
            if link.counters()["messages_sent"]:
                raise
        except ConnectionError:
            if (reason := link.last_words()) is not None:
                raise reason from None
            if link.counters()["messages_sent"] and not link.peer_closed:
                raise

    # ------------------------------------------------------- what the peer is told

    def _hear_refusal(self) -> None:
        """Looks, until the peer has introduced itself, whether it refuses instead."""
        link = self._link
        if not link.peer_known:
            link.poll_preface()

    def _explain(self, error: ConnectionError) -> None:
        """Raises the peer's words for a failed send, where it left any."""
        if (reason := self._link.last_words()) is not None:
            raise reason from error

    def _refuse(self, error: errors.ProtocolError | errors.AuthenticationError) -> None:
        """Tells a peer that broke the protocol what was wrong."""
        if not self._link.receive_poisoned:
            return
        code = ERR_LIMIT if isinstance(error, errors.LimitError) else ERR_PROTOCOL
        if isinstance(error, errors.AuthenticationError):
            code = ERR_AUTHENTICATION
        with contextlib.suppress(OSError, errors.Error):
            self._link.send_error(code, str(error), self._last_words)

    def _drop(self) -> None:
        self._link.drop()
        if self._on_close is not None:
            self._on_close(self)
