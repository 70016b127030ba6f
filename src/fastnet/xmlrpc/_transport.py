"""How requests reach a server."""

from __future__ import annotations

import ssl
import xmlrpc.client as standard
from collections.abc import Iterable
from typing import Any

from fastnet.xmlrpc import _codec
from fastnet.xmlrpc._connection import connect, connect_tls

Headers = Iterable[tuple[str, str]]
_UNSET: Any = object()  # a timeout that nobody gave: the socket's default


class Transport(standard.Transport):
    """Speaks to a server over HTTP, on one connection for as long as the server keeps it.

    Parameters:
        use_datetime, use_builtin_types: as for `loads`.
        headers: pairs of name and value that every request has.
        timeout: seconds that any one wait for the server may take; None waits
            for ever.  Without it, `socket.getdefaulttimeout()` counts.

    Attributes:
        max_response_size: bytes that an answer may have; None is no limit.
        max_decoded_size: bytes that an answer in gzip may unpack to; likewise.
    """

    max_response_size: int | None = None
    max_decoded_size: int | None = 256 << 20  # a thousandth of that can be on the wire

    def __init__(
        self,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        *,
        headers: Headers = (),
        timeout: float | None = _UNSET,
    ) -> None:
        super().__init__(use_datetime, use_builtin_types, headers=headers)
        self._options: dict[str, Any] = {} if timeout is _UNSET else {"timeout": timeout}

    def make_connection(self, host: Any) -> Any:
        """The connection to a host: the one at hand, if it leads there."""
        at_hand: tuple[Any, Any] = self._connection
        if at_hand[1] is None or at_hand[0] != host:
            self._connection = host, self._connect(host)
        return self._connection[1]

    def _connect(self, host: Any) -> Any:
        address, self._extra_headers, _ = self.get_host_info(host)
        return connect(address, **self._options)

    def getparser(self) -> Any:
        """A parser to feed, and the unmarshaller behind it."""
        return _codec.getparser(self._use_datetime, self._use_builtin_types)

    def parse_response(self, response: Any) -> Any:
        """The values of an answer, from a response of `http.client` or a file."""
        if getattr(self, "verbose", False) or type(self).getparser is not Transport.getparser:
            return super().parse_response(response)
        data = self._read(response)
        return _codec.loads(data, self._use_datetime, self._use_builtin_types)[0]

    def _read(self, response: Any) -> bytes:
        header = getattr(response, "getheader", None)
        if header is None or header("Content-Encoding", "") != "gzip":
            return _bounded(response, self.max_response_size, "max_response_size")
        size = getattr(response, "length", None)
        if self.max_response_size is not None and (size is None or size > self.max_response_size):
            raise _too_long("max_response_size", self.max_response_size)
        with standard.GzipDecodedResponse(response) as stream:
            return _bounded(stream, self.max_decoded_size, "max_decoded_size")


def _too_long(name: str, limit: int) -> _codec.DocumentRefused:
    return _codec.DocumentRefused(f"an answer is longer than the {limit} bytes of {name}")


def _bounded(stream: Any, limit: int | None, name: str) -> bytes:
    if limit is None:
        return bytes(stream.read())
    data = bytes(stream.read(limit + 1))
    if len(data) > limit:
        raise _too_long(name, limit)
    return data


class SafeTransport(Transport, standard.SafeTransport):
    """Speaks to a server over HTTPS.

    Parameters:
        context: an `ssl.SSLContext`; the default checks the server's certificate.
        use_datetime, use_builtin_types, headers, timeout: as for `Transport`.
    """

    def __init__(
        self,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        *,
        headers: Headers = (),
        context: ssl.SSLContext | None = None,
        timeout: float | None = _UNSET,
    ) -> None:
        Transport.__init__(self, use_datetime, use_builtin_types, headers=headers, timeout=timeout)
        self.context = context

    def _connect(self, host: Any) -> Any:
        address, self._extra_headers, x509 = self.get_host_info(host)
        return connect_tls(address, context=self.context, **self._options, **(x509 or {}))
