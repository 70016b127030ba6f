"""The HTTP connections under a proxy: the one place that says whose they are."""

from __future__ import annotations

import http.client
from typing import Any


class _OneSend(http.client.HTTPConnection):
    """A connection on which a request goes out in one piece, headers and body."""

    _held: list[bytes] | None = None

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Sends the request; it waits in no buffer of the system's for an acknowledgement."""
        self._held = []
        try:
            super().endheaders(message_body, encode_chunked=encode_chunked)
            held, self._held = self._held, None
            self.send(b"".join(held))
        finally:
            self._held = None

    def send(self, data: Any) -> None:
        """Sends bytes, or what a file or an iterable gives."""
        if self._held is not None and isinstance(data, bytes):
            self._held.append(data)
            return
        super().send(data)


class Connection(_OneSend):
    """A connection to a server, made when the first request is sent."""


class SafeConnection(_OneSend, http.client.HTTPSConnection):
    """The same over TLS."""


def connect(host: str, **options: Any) -> http.client.HTTPConnection:
    """A connection for "host" or "host:port".

    Parameters:
        timeout: seconds that any one wait may take, or None; the default is
            `socket.getdefaulttimeout()`.
    """
    return Connection(host, **options)


def connect_tls(host: str, **options: Any) -> http.client.HTTPConnection:
    """A connection over TLS.

    Parameters:
        context: an `ssl.SSLContext`; the default checks the server's certificate.
        timeout: as for `connect`.
    """
    return SafeConnection(host, **options)
