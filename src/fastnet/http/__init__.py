"""The HTTP client, in the shape that users of `requests` know; and `urlopen`, and asyncio.

    response = http.get("http://127.0.0.1:8000/data", params={"day": 7})
    response.raise_for_status()
    table = response.json()

    with http.Session() as session:                 # keeps connections and cookies
        session.post(url, json={"name": "value"})
        session.get(url, stream=True).recv_into(array)

    async with http.AsyncSession() as session:      # any event loop
        response = await session.get(url)

`fastnet.http.server` is the server.  Sources: RFC 9110, RFC 9112, RFC 3986, RFC 6265 as
`http.cookiejar` has it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.http import exceptions as exceptions
    from fastnet.http._api import delete as delete
    from fastnet.http._api import get as get
    from fastnet.http._api import head as head
    from fastnet.http._api import options as options
    from fastnet.http._api import patch as patch
    from fastnet.http._api import post as post
    from fastnet.http._api import put as put
    from fastnet.http._api import request as request
    from fastnet.http._async import AsyncSession as AsyncSession
    from fastnet.http._asyncresponse import AsyncResponse as AsyncResponse
    from fastnet.http._auth import BasicAuth as BasicAuth
    from fastnet.http._auth import BearerAuth as BearerAuth
    from fastnet.http._auth import DigestAuth as DigestAuth
    from fastnet.http._cookies import Cookies as Cookies
    from fastnet.http._headers import Headers as Headers
    from fastnet.http._request import PreparedRequest as PreparedRequest
    from fastnet.http._response import Response as Response
    from fastnet.http._session import Session as Session
    from fastnet.http._urllib import Request as Request
    from fastnet.http._urllib import urlopen as urlopen
    from fastnet.http.exceptions import *  # noqa: F403

# What is used is loaded: a program that serves needs none of the client.
_HOME = {
    "get": "_api",
    "post": "_api",
    "put": "_api",
    "patch": "_api",
    "delete": "_api",
    "head": "_api",
    "options": "_api",
    "request": "_api",
    "Session": "_session",
    "Response": "_response",
    "PreparedRequest": "_request",
    "Headers": "_headers",
    "Cookies": "_cookies",
    "BasicAuth": "_auth",
    "BearerAuth": "_auth",
    "DigestAuth": "_auth",
    "Request": "_urllib",
    "urlopen": "_urllib",
    "AsyncSession": "_async",
    "AsyncResponse": "_asyncresponse",
}
_ERRORS = (
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
)
_HOME.update(dict.fromkeys(_ERRORS, "exceptions"))

__all__ = [*_HOME, "exceptions"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in ("exceptions", "server"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
