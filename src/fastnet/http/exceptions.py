"""What the HTTP client raises.

`RequestException` is the base of all of it.  Each is also fastnet's and the
standard library's exception for the same thing, so ``except TimeoutError``,
``except ConnectionError`` and ``except OSError`` catch what a reader expects.
The names are those of `requests.exceptions` where that has the thing.
"""

from __future__ import annotations

import builtins
import json
import ssl
from typing import Any

from fastnet import errors

__all__ = [
    "RequestException",
    "InvalidURL",
    "InvalidHeader",
    "ConnectionError",
    "ProxyError",
    "SSLError",
    "Timeout",
    "ConnectTimeout",
    "ReadTimeout",
    "TimeoutError",
    "ProtocolError",
    "LimitError",
    "IncompleteTransfer",
    "NoResponse",
    "TooManyRedirects",
    "HTTPError",
    "ContentDecodingError",
    "JSONDecodeError",
]


_SILENT = "nothing came from the server in time, or it took nothing"


class RequestException(errors.Error, OSError):
    """Base class of everything the HTTP client raises.

    Attributes:
        request: what was asked, where that is known.
        response: the answer, where there is one.
    """

    request: Any = None
    response: Any = None


class InvalidURL(RequestException, ValueError):
    """A URL that cannot be asked for; the text says why."""


class InvalidHeader(RequestException, ValueError):
    """A method, header name or value that must not be sent."""


class ConnectionError(RequestException, builtins.ConnectionError):
    """No connection could be made, or it broke."""


class ProxyError(ConnectionError):
    """The proxy could not be reached, or refused."""


class SSLError(ConnectionError):
    """TLS failed: most often the server's certificate is not to be trusted."""


class Timeout(RequestException, builtins.TimeoutError):
    """The time was up."""


class ConnectTimeout(ConnectionError, Timeout):
    """The server did not accept a connection in time."""


class ReadTimeout(Timeout):
    """The server did not answer, or stopped answering, for too long."""


TimeoutError = Timeout  # its name in the standard library


class ProtocolError(RequestException, errors.ProtocolError):
    """The server sent what HTTP does not allow."""


class LimitError(ProtocolError, errors.LimitError):
    """The server sent more than a limit allows; the text names it."""


class IncompleteTransfer(RequestException, errors.IncompleteTransfer):
    """The server ended the connection inside a response.

    Attributes:
        transferred: bytes of the body that came.
        expected: bytes that were announced, or None.
    """


class NoResponse(ConnectionError, IncompleteTransfer):
    """The server ended the connection without a byte of an answer."""


class TooManyRedirects(RequestException):
    """There were more redirects than `Session.max_redirects`."""


class HTTPError(RequestException):
    """`Response.raise_for_status` met a status of 400 or above; see `.response`."""


class ContentDecodingError(RequestException, ValueError):
    """The body is not what its Content-Encoding says."""


class JSONDecodeError(RequestException, json.JSONDecodeError):
    """The body is no JSON."""

    def __init__(self, msg: str, doc: str, pos: int) -> None:
        json.JSONDecodeError.__init__(self, msg, doc, pos)

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.doc, self.pos)


def translated(error: BaseException, request: Any = None, connecting: bool = False,
               touched: bool = True) -> Any:  # fmt: skip
    """An error of the layers below as one of the above; others are returned as they are.

    connecting: it came while the connection was made.  touched: after a byte of the answer.
    """
    found = _translated(error, connecting, touched)
    if found is error:
        return error
    found.request = request
    found.__cause__ = error
    return found


def _translated(error: BaseException, connecting: bool, touched: bool) -> Any:
    text = str(error)
    if isinstance(error, RequestException):
        return error
    if isinstance(error, errors.IncompleteTransfer):
        kind = IncompleteTransfer if touched else NoResponse
        return kind(text, error.transferred, error.expected)
    if isinstance(error, errors.LimitError):
        return LimitError(text)
    if isinstance(error, errors.ProtocolError):
        return ProtocolError(text)
    if isinstance(error, builtins.TimeoutError):
        # The loop's own says nothing.
        return ConnectTimeout(text) if connecting else ReadTimeout(text or _SILENT)
    if isinstance(error, ssl.SSLError):
        return SSLError(text)
    if isinstance(error, ssl.CertificateError):
        return SSLError(text)
    if isinstance(error, OSError):
        return ConnectionError(*error.args) if len(error.args) == 2 else ConnectionError(text)
    return error
