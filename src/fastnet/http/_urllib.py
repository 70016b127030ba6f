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
from fastnet.http.exceptions import RequestException, Timeout

__all__ = ["Request", "urlopen"]


class Request(urllib.request.Request):
    """A `urllib.request.Request`: the same arguments and methods."""


class _Opened(io.BufferedIOBase):
    """A response as `urlopen` returns it (`http.client.HTTPResponse`, near enough)."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self._response = response
        self.status = self.code = response.status_code
        self.reason = self.msg = response.reason
        self.version = response.version
        self.url = response.url
        self.headers = email.message.Message()
        for name, value in response.headers.multi_items():
            self.headers[name] = value

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._response.read(size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._response._some(size if size >= 0 else 64 * 1024)

    def readinto(self, buffer: Any, /) -> int:
        return self._response.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
        super().close()

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

    As there, redirects are followed, proxies are taken from the environment,
    nothing is decoded, a body of gzip included, and the connection is closed
    with the response.

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
    # As urllib.request says of itself, but for the name.
    headers = {"Accept-Encoding": "identity", "Accept": None, "Connection": "close"}
    headers.update(request.header_items())
    if request.data is not None and not request.has_header("Content-type"):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    session = Session(verify=True if context is None else context, max_redirects=10)
    with session:
        response = _ask(session, request, headers, timeout)
    opened: Any = _Opened(response)
    if not 200 <= opened.status < 300:
        raise HTTPError(opened.url, opened.status, opened.reason, opened.headers, opened)
    return opened


def _ask(session: Session, request: Any, headers: Any, timeout: float | None) -> Response:
    """The response, its errors as urllib has them."""
    try:
        return session.request(request.get_method(), request.full_url, data=request.data,
                               headers=headers, timeout=timeout, stream=True)  # fmt: skip
    except Timeout as error:
        if isinstance(error, ConnectionError):
            raise URLError(error) from error
        raise
    except RequestException as error:
        raise URLError(error.__cause__ or error) from error
