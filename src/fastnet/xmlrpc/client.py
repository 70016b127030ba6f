"""`xmlrpc.client` with messages read and written in C: change the import, keep the program.

Every public name of the standard module.  What holds values or errors
(`Binary`, `DateTime`, `Fault`, `ProtocolError` …) is the standard class
itself, so that both modules' objects can be mixed; transports and
`ServerProxy` are subclasses.  Beyond the standard module:

- `ServerProxy`, `Transport` and `SafeTransport` take ``timeout=``.
- A request is one write, headers and body together.
- `Transport.max_response_size` and `max_decoded_size` bound an answer.
- A message with a DTD, or nested beyond reason, is a `DocumentRefused`.
"""

from __future__ import annotations

import ssl
import urllib.parse
import xmlrpc.client as standard
from typing import Any
from xmlrpc.client import (
    APPLICATION_ERROR,
    INTERNAL_ERROR,
    INVALID_ENCODING_CHAR,
    INVALID_METHOD_PARAMS,
    INVALID_XMLRPC,
    MAXINT,
    METHOD_NOT_FOUND,
    MININT,
    NOT_WELLFORMED_ERROR,
    PARSE_ERROR,
    SERVER_ERROR,
    SYSTEM_ERROR,
    TRANSPORT_ERROR,
    UNSUPPORTED_ENCODING,
    WRAPPERS,
    Binary,
    DateTime,
    Error,
    Fault,
    GzipDecodedResponse,
    Marshaller,
    MultiCall,
    MultiCallIterator,
    ProtocolError,
    ResponseError,
    Unmarshaller,
    gzip_decode,
    gzip_encode,
)

from fastnet.xmlrpc._codec import (
    DocumentRefused,
    ExpatParser,
    dumps,
    dumps_bytes,
    getparser,
    loads,
)
from fastnet.xmlrpc._transport import _UNSET, Headers, SafeTransport, Transport

__all__ = [
    "APPLICATION_ERROR",
    "Binary",
    "Boolean",
    "DateTime",
    "DocumentRefused",
    "Error",
    "ExpatParser",
    "FastMarshaller",
    "FastParser",
    "FastUnmarshaller",
    "Fault",
    "GzipDecodedResponse",
    "INTERNAL_ERROR",
    "INVALID_ENCODING_CHAR",
    "INVALID_METHOD_PARAMS",
    "INVALID_XMLRPC",
    "MAXINT",
    "METHOD_NOT_FOUND",
    "MININT",
    "Marshaller",
    "MultiCall",
    "MultiCallIterator",
    "NOT_WELLFORMED_ERROR",
    "PARSE_ERROR",
    "ProtocolError",
    "ResponseError",
    "SERVER_ERROR",
    "SYSTEM_ERROR",
    "SafeTransport",
    "Server",
    "ServerProxy",
    "TRANSPORT_ERROR",
    "Transport",
    "UNSUPPORTED_ENCODING",
    "Unmarshaller",
    "WRAPPERS",
    "boolean",
    "dumps",
    "escape",
    "getparser",
    "gzip_decode",
    "gzip_encode",
    "loads",
]

boolean = Boolean = bool
FastMarshaller = FastParser = FastUnmarshaller = None


def escape(s: str) -> str:
    """A text with '&', '<' and '>' as references."""
    return standard.escape(s)


class ServerProxy(standard.ServerProxy):
    """A server whose methods are called as if they were here.

    Parameters:
        uri: ``http://host:port/path`` or ``https://…``; the path is /RPC2
            where there is none, and ``user:password@`` before the host is
            sent as basic authentication.
        transport: how to reach it; made from the other parameters by default.
        encoding: of requests; UTF-8 by default.
        verbose: whether to print what is sent and received.
        allow_none: whether None may be sent.
        use_datetime, use_builtin_types: as for `loads`.
        headers: pairs of name and value that every request has.
        context: an `ssl.SSLContext` for https.
        timeout: seconds that any one wait for the server may take; None waits
            for ever.  Without it, `socket.getdefaulttimeout()` counts.

    Raises OSError when the scheme is another one.  Methods raise `Fault`,
    `ProtocolError` for an HTTP status other than 200, and what connections raise.
    """

    # The name is the standard class's own, and with it the private names are: what is called
    # __request here is the standard class's __request.

    def __init__(
        self,
        uri: str,
        transport: Any = None,
        encoding: str | None = None,
        verbose: bool = False,
        allow_none: bool = False,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        *,
        headers: Headers = (),
        context: ssl.SSLContext | None = None,
        timeout: float | None = _UNSET,
    ) -> None:
        if transport is None:
            options: dict[str, Any] = {"headers": headers, "timeout": timeout}
            options |= {"use_datetime": use_datetime, "use_builtin_types": use_builtin_types}
            if urllib.parse.urlsplit(uri).scheme == "https":
                transport = SafeTransport(context=context, **options)
            else:
                transport = Transport(**options)
        super().__init__(uri, transport, encoding, verbose, allow_none)
        self.__way = transport
        self.__form = (encoding or "utf-8", allow_none)
        self.__verbosely = verbose

    def __request(self, methodname: str, params: tuple[Any, ...]) -> Any:
        encoding, allow_none = self.__form
        request = dumps_bytes(params, methodname, None, encoding, allow_none)
        host, handler = self.__host, self.__handler
        response = self.__way.request(host, handler, request, verbose=self.__verbosely)
        return response[0] if len(response) == 1 else response


Server = ServerProxy


def __getattr__(name: str) -> Any:
    """What is not public in the standard module, as it is there."""
    return getattr(standard, name)
