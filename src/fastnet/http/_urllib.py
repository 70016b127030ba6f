"""`urlopen` and `Request` in the shape of `urllib.request`."""

from __future__ import annotations

import email.message
import io
import socket
import ssl
import urllib.request
from typing import Any
from urllib.error import HTTPError, URLError

from fastnet.http._response import Response
from fastnet.http._session import Session
from fastnet.http._settings import Options, check_timeout
from fastnet.http.exceptions import RequestException, Timeout

__all__ = ["Request", "urlopen"]

_BUFFER = 64 * 1024


class Request(urllib.request.Request):
    """A `urllib.request.Request`: the same arguments and methods."""


class _Body(io.RawIOBase):
    """A response's body, as it comes."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self._response = response

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        rest = self._response._rest
        return rest.readinto(memoryview(buffer).cast("B")) if rest is not None else 0

    def readall(self) -> bytes:
        return self._response.read()

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()


class _Opened(io.BufferedReader):
    """A response as `urlopen` returns it (`http.client.HTTPResponse`, near enough)."""

    def __init__(self, response: Response) -> None:
        super().__init__(_Body(response.undecoded()), _BUFFER)
        self.status = self.code = response.status_code
        self.reason = self.msg = response.reason
        self.version = response.version
        self.url = response.url
        self.headers = email.message.Message()
        for name, value in response.headers.multi_items():
            self.headers[name] = value

    def getcode(self) -> int:
        return self.status

    def geturl(self) -> str:
        return self.url

    def info(self) -> email.message.Message:
        return self.headers

    def getheader(self, name: str, default: Any = None) -> Any:
        values = self.headers.get_all(name)
        return ", ".join(values) if values else default

    def getheaders(self) -> list[tuple[str, str]]:
        return list(self.headers.items())


def urlopen(
    url: Any, data: Any = None, timeout: Any = None, *, context: ssl.SSLContext | None = None
) -> Any:  # fmt: skip
    """Opens a URL: `urllib.request.urlopen` on this client.

    As there, redirects are followed, without the headers of
    `add_unredirected_header`; proxies are taken from the environment; nothing
    is decoded, a body of gzip included; and the connection is closed with the
    response.

    Parameters:
        url: text or a `Request` (urllib's own too), of http or https.
        data: a body, which makes it a POST: bytes, a file or an iterable of bytes.
        timeout: seconds for connecting, and between bytes; None takes
            `socket.getdefaulttimeout()`.
        context: for TLS; by default one that checks certificates.

    Returns:
        A file to read the body from, with `status`, `headers`, `url`,
        `getheader`, `geturl`, `info`.

    Raises:
        urllib.error.HTTPError: the status is none of success.
        urllib.error.URLError: there is no connection, or the URL is wrong.
        TimeoutError: the time was up while an answer was read.
    """
    request = url if isinstance(url, urllib.request.Request) else Request(url)
    if data is not None:
        request.data = data
    if isinstance(request.data, str):
        raise TypeError("POST data should be bytes, an iterable of bytes, or a file object. "
                        "It cannot be of type str.")  # fmt: skip
    if timeout is None:
        timeout = socket.getdefaulttimeout()
    session = Session(verify=True if context is None else context, max_redirects=10)
    with session:
        response = _ask(session, request, timeout)
    opened: Any = _Opened(response)
    if not 200 <= opened.status < 300:
        raise HTTPError(opened.url, opened.status, opened.reason, opened.headers, opened)
    return opened


def _fields(request: Any) -> dict[str, Any]:
    """The header fields to send; urllib writes their names in a way of its own."""
    # As urllib.request says of itself, but for the name.
    fields = {"Accept-Encoding": "identity", "Accept": None, "Connection": "close"}
    if request.data is not None:
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    names = {name.lower() for name, _ in request.header_items()}
    ours = {name: fields[name] for name in fields if name.lower() not in names}
    return {**ours, **request.headers}


def _ask(session: Session, request: Any, timeout: float | None) -> Response:
    """The response, its errors as urllib has them."""
    once = tuple(request.unredirected_hdrs.items())
    try:
        prepared, auth = session._prepare(
            request.get_method(), request.full_url, None, request.data, _fields(request), None,
            None, None, None,
        )  # fmt: skip
        options = Options(auth, None, check_timeout(timeout), True, None, None, None, once=once)
        return session._follow(prepared, options, stream=True)
    except Timeout as error:
        if isinstance(error, ConnectionError):
            raise URLError(error) from error
        raise
    except RequestException as error:
        raise URLError(error.__cause__ or error) from error
