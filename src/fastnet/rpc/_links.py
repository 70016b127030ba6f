"""How a client's connections are made."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

from fastnet._dial import dial
from fastnet._native import sock as _sock
from fastnet._native.memory import Pool
from fastnet._native.rpclink import ClientLink
from fastnet._peer import is_ours
from fastnet.address import Address
from fastnet.auth._credentials import Credentials
from fastnet.errors import AuthenticationError
from fastnet.limits import Limits
from fastnet.rpc._codec import UNSAFE, make_codec
from fastnet.rpc._errors import Reviver
from fastnet.rpc._tls import Tls
from fastnet.tuning import Tuning

__all__ = ["Links"]

_UNLIMITED = (1 << 63) - 1


class Links:
    """Everything that a connection needs, for any number of them."""

    def __init__(
        self,
        address: Address,
        *,
        credentials: Credentials | None,
        codec: str,
        allowed: Iterable[Any] | None,
        trust_pickle: bool,
        ssl_context: ssl.SSLContext | None,
        server_hostname: str | None,
        connect_timeout: float | None,
        exceptions: Iterable[type[BaseException]],
        limits: Limits,
        tuning: Tuning,
    ) -> None:
        self._local_only = codec == "pickle" and not trust_pickle and credentials is None
        if self._local_only and not address.unix:
            raise ValueError(UNSAFE)
        self.address = address
        self.codec = make_codec(codec, allowed)
        self.codecs: list[Any] = [None, None, None, None]
        self.codecs[self.codec.number] = self.codec
        if self.codec.number != 2:  # a server that does not know the codec says so in this one
            self.codecs[2] = make_codec("msgpack")
        self.reviver = Reviver(exceptions)
        self.connects = 0
        self._keys = {} if credentials is None else credentials.options()
        self._context, self._hostname = ssl_context, server_hostname
        self._timeout = connect_timeout
        self._limits, self._tuning = limits, tuning
        self.close_timeout = 3600.0 if limits.close_timeout is None else limits.close_timeout
        self._pool = Pool(tuning.pool_bytes, tuning.pool_idle, tuning.huge_pages)

    def connect(self, make_items: Callable[[], Any]) -> ClientLink:
        """A connection, whose preface is staged; raises OSError."""
        wait = self._timeout
        sock = dial(self.address, None if wait is None else time.monotonic() + wait)
        try:
            sock.setblocking(False)
            return self.link(sock, make_items)
        except BaseException:
            sock.close()
            raise

    def link(self, sock: Any, make_items: Callable[[], Any]) -> ClientLink:
        """The same over a connected, non-blocking socket, which it takes."""
        tuning, limits = self._tuning, self._limits
        fd = sock.fileno()
        if self._local_only and not is_ours(sock):
            raise AuthenticationError("pickle over a Unix socket is for processes of our user")
        _sock.tune(
            fd,
            tuning.congestion_bytes(),
            tuning.send_buffer or 0,
            tuning.receive_buffer or 0,
            tuning.nodelay,
        )
        tls = None
        if self._context is not None:
            name = self._hostname or (None if self.address.unix else self.address.host)
            tls = Tls(fd, self._context, server=False, hostname=name)
        link = ClientLink(
            fd,
            codec=self.codec,
            codecs=self.codecs,
            revive=self.reviver,
            make_items=make_items,
            pool=self._pool,
            message=limits.message_bytes or _UNLIMITED,
            in_flight=limits.in_flight_bytes or _UNLIMITED,
            waiting=limits.write_buffer or 16 << 20,
            tls=tls,
            **self._keys,
        )
        sock.detach()  # the link closes it
        self.connects += 1
        return link
