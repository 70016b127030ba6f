"""How requests reach a server."""

from __future__ import annotations

import gzip
import io
import ssl
import xmlrpc.client as standard
from collections.abc import Iterable
from typing import Any

from fastnet import errors
from fastnet.xmlrpc import _codec
from fastnet.xmlrpc._connection import (
    UNLIMITED,
    Line,
    PlainConnection,
    Recorder,
    SafeConnection,
)

Headers = Iterable[tuple[str, str]]
_UNSET: Any = object()  # a timeout that nobody gave: the socket's default
_HEADS = 64  # requests whose heads are kept ready

# Who overrides one of these takes part in a request; then http.client sends it, step by step.
_STEPS = ("getparser", "make_connection", "parse_response", "send_content", "send_headers",
          "send_request")  # fmt: skip


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
        self._heads: dict[Any, bytes | None] = {}
        kind, own = type(self), (Transport, SafeTransport, standard.Transport)
        self._plain = all(
            any(getattr(kind, step) is vars(o).get(step) for o in own) for step in _STEPS
        )

    def make_connection(self, host: Any) -> Any:
        """The connection to a host: the one at hand, if it leads there."""
        at_hand: tuple[Any, Any] = self._connection
        if at_hand[1] is None or at_hand[0] != host:
            self.close()
            self._connection = host, self._connect(host)
        return self._connection[1]

    def _connect(self, host: Any) -> Any:
        address, self._extra_headers, _ = self.get_host_info(host)
        return PlainConnection(address, **self._options)

    # ------------------------------------------------------------------ the quick way

    def single_request(
        self, host: Any, handler: str, request_body: Any, verbose: bool = False
    ) -> Any:
        """Sends a request and returns the values of its answer."""
        limit = self.encode_threshold
        packed = limit is not None and len(request_body) > limit
        head = None if verbose or packed or not self._plain else self._head(host, handler)
        if head is None or type(request_body) is not bytes:
            return super().single_request(host, handler, request_body, verbose)
        try:
            status, data, connection = self._ask(host, head, request_body)
            if status == 200:
                data = self._unpack(connection, data)
                return _codec.loads(data, self._use_datetime, self._use_builtin_types)[0]
        except standard.Fault:
            raise
        except BaseException:
            self.close()
            raise
        raise standard.ProtocolError(
            host + handler, status, connection.reason, dict(connection.fields)
        )

    def _ask(self, host: str, head: bytes, body: bytes) -> tuple[int, bytes, Any]:
        maker = self.make_connection(host)
        line = maker.line
        if line is None or not line.connection.idle:
            maker.close()
            line = maker.line = Line(maker)
        limit = self.max_response_size
        try:
            sent = b"%b%d\r\n\r\n" % (head, len(body))
            status, data = line.ask(sent, body, UNLIMITED if limit is None else limit)
        except errors.LimitError:
            raise _too_long("max_response_size", limit) from None
        if not line.connection.keep:
            maker.close()
        return status, data, line.connection

    def _head(self, host: Any, handler: str) -> bytes | None:
        """The head of a request, up to the length of its body; None where it cannot be kept."""
        if type(host) is not str:
            return None
        key = (host, handler, self.user_agent, self.accept_gzip_encoding, *self._headers)
        try:
            return self._heads[key]
        except KeyError:
            pass
        except TypeError:  # a header that is a list
            return None
        address, self._extra_headers, _ = self.get_host_info(host)
        recorder, kept = Recorder(address, isinstance(self, SafeTransport)), self._connection
        self._connection = host, recorder
        try:
            self.send_request(host, handler, b"", False)
        finally:
            self._connection = kept
        if len(self._heads) >= _HEADS:
            self._heads.clear()
        head = self._heads[key] = recorder.head()
        return head

    def _unpack(self, connection: Any, data: bytes) -> bytes:
        for name, value in connection.fields:
            if name.lower() == "content-encoding":
                if value != "gzip":
                    return data
                with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
                    return _bounded(stream, self.max_decoded_size, "max_decoded_size")
        return data

    # ------------------------------------------------------------------ step by step
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


def _too_long(name: str, limit: int | None) -> _codec.DocumentRefused:
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
        options: dict[str, Any] = {**self._options, **(x509 or {})}
        return SafeConnection(address, context=self.context, **options)
