"""What a response is, however its body comes: shared by `Response` and `AsyncResponse`."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any
from urllib.parse import urljoin

from fastnet.http._cookies import Cookies, keep_cookies
from fastnet.http._headers import Headers
from fastnet.http._request import PreparedRequest
from fastnet.http.exceptions import HTTPError, JSONDecodeError, RequestException

__all__ = ["Answer"]

HAS_COOKIES, HAS_LOCATION, HAS_ENCODING = 1, 2, 4  # as in httpreply.pxd
# Nothing is given back once it has matched: hostile values cost no more than their length.
_LINK = re.compile(r'<([^<>]*+)>((?:\s*+;\s*+[\w*-]++\s*+(?:=\s*+(?:"[^"]*+"|[^\s;,"]++)?+)?+)*+)')
_PARAMETER = re.compile(r';\s*+([\w*-]++)\s*+=\s*+(?:"([^"]*+)"|([^\s;,"]++))')
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';,]+)""", re.I)


class Answer:
    """The head of a response, and what can be made of its body.

    Attributes:
        status_code: number.
        reason: the server's words for it.
        request: what was asked.
        history: the responses, redirects most often, that led here.
        version: 10 or 11.
    """

    __slots__ = (
        "status_code", "reason", "request", "history", "version", "_fields", "_marks", "_headers",
        "_cookies", "_content", "_encoding", "_took", "__weakref__",
    )  # fmt: skip

    def __init__(
        self, request: PreparedRequest, reply: Any, took: float, content: bytes | None = None
    ) -> None:
        self.request = request
        self.status_code: int = reply.status
        self.reason: str = reply.reason
        self.version = 10 + reply.minor
        self.history: list[Any] = []
        self._fields: list[tuple[str, str]] = reply.fields
        self._marks: int = reply.marks
        self._headers: Headers | None = None
        self._cookies: Cookies | None = None
        self._content = content
        self._encoding: str | None = None
        self._took = took

    # ------------------------------------------------------------------------- the head

    @property
    def url(self) -> str:
        """Where the response came from, after redirects."""
        return self.request.url

    @property
    def headers(self) -> Headers:
        """The header fields, by name in any case."""
        if self._headers is None:
            self._headers = Headers._of(self._fields)
        return self._headers

    @property
    def cookies(self) -> Cookies:
        """The cookies that this response sets."""
        if self._cookies is None:
            self._cookies = Cookies()
            if self._marks & HAS_COOKIES:
                keep_cookies(self._cookies, self.request.where, self.headers)
        return self._cookies

    @property
    def elapsed(self) -> datetime.timedelta:
        """From the start of sending to the end of the response's head."""
        return datetime.timedelta(seconds=self._took)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    def __bool__(self) -> bool:
        return self.ok

    @property
    def is_redirect(self) -> bool:
        """Whether the server sends the client elsewhere."""
        return self.status_code in (301, 302, 303, 307, 308) and "Location" in self.headers

    @property
    def is_permanent_redirect(self) -> bool:
        """Whether it does so for good."""
        return self.status_code in (301, 308) and "Location" in self.headers

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The Link headers (RFC 8288) by their relation, or by URL where they have none."""
        found = {}
        for value in self.headers.get_list("Link"):
            for url, rest in _LINK.findall(value):
                link = {"url": urljoin(self.url, url)}
                for name, quoted, bare in _PARAMETER.findall(rest):
                    link.setdefault(name.lower(), quoted or bare)
                found[link.get("rel", link["url"])] = link
        return found

    def raise_for_status(self) -> Any:
        """Raises HTTPError where the status is 400 or above; else returns the response."""
        status = self.status_code
        if status < 400:
            return self
        whose = "Client" if status < 500 else "Server"
        error = HTTPError(f"{status} {whose} Error: {self.reason} for url: {self.url}")
        error.response, error.request = self, self.request
        raise error

    # ------------------------------------------------------------------------- the body

    @property
    def encoding(self) -> str:
        """The character set of `text`: what Content-Type says, else UTF-8.  May be set."""
        if self._encoding is None:
            match = _CHARSET.search(self.headers.get("Content-Type", ""))
            self._encoding = _known(match[1]) if match is not None else "utf-8"
        return self._encoding

    @encoding.setter
    def encoding(self, name: str) -> None:
        self._encoding = name

    def _whole(self) -> bytes:
        if self._content is None:
            raise RequestException("the body has not been read")
        return self._content

    @property
    def text(self) -> str:
        """The body as text; bytes that are none in its `encoding` are replaced."""
        return self._whole().decode(self.encoding, "replace")

    def json(self, **options: Any) -> Any:
        """The body as JSON; options are those of `json.loads`.

        Raises JSONDecodeError, which is a ValueError.
        """
        content = self._whole()
        try:
            return json.loads(content, **options)
        except json.JSONDecodeError as error:
            raise JSONDecodeError(error.msg, error.doc, error.pos) from error
        except UnicodeDecodeError as error:
            raise JSONDecodeError(str(error), "", error.start) from error

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


def _known(name: str) -> str:
    """A character set that text can be decoded with."""
    try:
        "".encode(name)
        b"".decode(name)
    except (LookupError, ValueError, TypeError):
        return "utf-8"
    return name
