"""A request in its final form: what a session makes of its arguments, and sends."""

from __future__ import annotations

from typing import Any

from fastnet.http._body import Body
from fastnet.http._headers import Headers, check_method, check_name, check_value
from fastnet.http._url import URL
from fastnet.http.exceptions import InvalidHeader

__all__ = ["PreparedRequest"]

# A server may act twice on others when one is sent again (RFC 9110 9.2.2).
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_EXPECT_BODY = ("POST", "PUT", "PATCH")


class PreparedRequest:
    """What is sent: callables given as `auth` get one, and may change its headers.

    Attributes:
        method: as it is sent.
        url: the whole URL, without user and password.
        headers: those that were given; Host and the body's framing are added when it is sent.
        body: the bytes, if they are in one piece.
    """

    __slots__ = ("method", "where", "headers", "content")

    def __init__(self, method: str, where: URL, headers: Headers, content: Body | None) -> None:
        self.method = method
        self.where = where
        self.headers = headers
        self.content = content

    @property
    def url(self) -> str:
        """The whole URL, without user and password."""
        return self.where.text

    @property
    def body(self) -> Any:
        """The body's bytes if they are in one piece, or None."""
        return None if self.content is None else self.content.whole

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.method in IDEMPOTENT and (self.content is None or self.content.replayable)

    def head(self, absolute: bool = False) -> bytes:
        """The bytes of the request's head; InvalidHeader for what must not be sent.

        absolute: with the whole URL as its target, as proxies want it.
        """
        where = self.where
        target = where.target
        if absolute:
            target = f"{where.scheme}://{where.authority}{target}"
        elif self.method == "OPTIONS" and target == "/*":
            target = "*"
        lines = [f"{check_method(self.method)} {target} HTTP/1.1"]
        host, fields = where.authority, []
        given: dict[str, str] = {}
        for name, value in self.headers.multi_items():
            name = check_name(name)
            value = check_value(name, value)
            key = name.lower()
            if key == "host":
                host = value
            elif key in ("content-length", "transfer-encoding"):
                given[key] = value
            else:
                fields.append(f"{name}: {value}")
        lines.append(f"Host: {host}")
        lines += fields
        lines += self._framing(given)
        lines += ["", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _framing(self, given: dict[str, str]) -> list[str]:
        """The fields that say where the body ends: those that are true, whatever was given."""
        body = self.content
        length = given.get("content-length")
        if given.get("transfer-encoding", "chunked").lower() != "chunked":
            raise InvalidHeader("only the chunked transfer coding can be sent")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise InvalidHeader(f"{length!r} is no Content-Length")
        if body is None:
            if length is not None and int(length):
                raise InvalidHeader(f"Content-Length is {length}, and there is no body")
            return ["Content-Length: 0"] if self.method in _EXPECT_BODY else []
        if length is not None:
            if "transfer-encoding" in given:
                raise InvalidHeader("Content-Length and Transfer-Encoding exclude one another")
            if body.length is None:
                body.length = int(length)
            elif body.length != int(length):
                raise InvalidHeader(f"Content-Length is {length}, the body has {body.length} bytes")
        elif "transfer-encoding" in given and body.whole is None:
            body.length = None
        if body.length is None:
            return ["Transfer-Encoding: chunked"]
        return [f"Content-Length: {body.length}"]


def with_content_type(headers: Headers, body: Body | None) -> None:
    """Says what the body is, unless the user has."""
    if body is not None and body.content_type and "Content-Type" not in headers:
        headers["Content-Type"] = body.content_type


def chunk(piece: Any) -> tuple[Any, ...]:
    """One piece of a chunked body, gathered; an empty one would end it, so it is ()."""
    size = memoryview(piece).nbytes
    return (b"%x\r\n" % size, piece, b"\r\n") if size else ()


LAST_CHUNK = b"0\r\n\r\n"


class Counted:
    """Counts the pieces of a body with a Content-Length, which they must fill exactly."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._left = length

    def take(self, piece: Any) -> Any:
        """The piece; ValueError where it goes beyond the length."""
        self._left -= memoryview(piece).nbytes
        if self._left < 0:
            raise ValueError(f"the body has more than the {self._length} bytes of Content-Length")
        return piece

    def end(self) -> None:
        """ValueError where bytes are missing."""
        if self._left:
            missing = self._left
            raise ValueError(f"the body ended {missing} bytes before its Content-Length")
