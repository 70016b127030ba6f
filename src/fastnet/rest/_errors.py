"""Failures that have a status, and how they are told: problem details, RFC 9457."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

__all__ = [
    "BadRequest",
    "Conflict",
    "ContentTooLarge",
    "Forbidden",
    "HTTPError",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "checked_name",
    "checked_value",
    "phrase",
]

Headers = list[tuple[str, str]]
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]").search
_MEMBERS = {"type", "title", "status", "detail", "instance"}  # what RFC 9457 itself defines


def checked_name(name: str) -> str:
    """A header's name, or a cookie's; ValueError for what is none."""
    if not _NAME(name):
        raise ValueError(f"{name!r} is not a header's name")
    return name


def checked_value(value: str) -> str:
    """A header's value; ValueError where it could not be sent as it is."""
    if _BAD_VALUE(value) or value != value.strip():
        raise ValueError(f"{value!r} is not a header's value")
    return value


@functools.lru_cache(1024)
def phrase(status: int) -> str:
    """The status line's words, such as ``"404 Not Found"``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"


class HTTPError(Exception):
    """Raised by a handler: the reply is a problem document with this status.

    Parameters:
        status: 400 to 599.
        detail: what was wrong with this request, for people.
        title: what kind of problem it is; the status's own words unless given.
        type: a URI that names the kind; ``about:blank`` unless given.
        instance: a URI that names this occurrence.
        headers: more headers for the reply.
        extra: more members of the document, of what JSON can hold.

    Raises ValueError for another status, for a header that would be read as
    several, or as none, and for extra members by the names of the others.

    Source: RFC 9457.
    """

    default: ClassVar[int] = 500

    def __init__(
        self,
        status: int | None = None,
        detail: str | None = None,
        *,
        title: str | None = None,
        type: str | None = None,
        instance: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        number = self.default if status is None else int(status)
        if not 400 <= number <= 599:
            raise ValueError(f"an error's status is between 400 and 599, not {number}")
        if extra and (clash := _MEMBERS & extra.keys()):
            raise ValueError(f"extra members may not be called {', '.join(sorted(clash))}")
        super().__init__(detail or phrase(number))
        self.status = number
        self.detail = detail
        self.title = title or phrase(number)[4:]
        self.type = type
        self.instance = instance
        self.headers: Headers = [(checked_name(one), checked_value(two)) for one, two in headers]
        self.extra = dict(extra or {})

    def document(self) -> dict[str, Any]:
        """The problem document, as JSON's objects."""
        found: dict[str, Any] = {
            "type": self.type or "about:blank",
            "title": self.title,
            "status": self.status,
        }
        if self.detail is not None:
            found["detail"] = self.detail
        if self.instance is not None:
            found["instance"] = self.instance
        return {**found, **self.extra}

    def __call__(
        self, environ: dict[str, Any], start_response: Any, exc_info: Any = None
    ) -> list[bytes]:
        """The reply, as a WSGI application gives it."""
        body = json.dumps(self.document(), ensure_ascii=False).encode("utf-8", "replace")
        headers = [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            *self.headers,
        ]
        status = f"{self.status} {phrase(self.status)[4:]}"
        if exc_info is None:
            start_response(status, headers)
        else:
            start_response(status, headers, exc_info)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class _Fixed(HTTPError):
    """An error whose status is its class's."""

    def __init__(self, detail: str | None = None, **options: Any) -> None:
        super().__init__(self.default, detail, **options)


class BadRequest(_Fixed):
    """400: the request makes no sense."""

    default = 400


class Unauthorized(_Fixed):
    """401: who asks must say who they are.

    Parameters:
        challenge: the WWW-Authenticate header, such as ``Basic realm="shop"``.
        detail: as for `HTTPError`.
    """

    default = 401

    def __init__(self, challenge: str, detail: str | None = None, **options: Any) -> None:
        headers = [("WWW-Authenticate", challenge), *options.pop("headers", ())]
        super().__init__(detail, headers=headers, **options)


class Forbidden(_Fixed):
    """403: who asks may not."""

    default = 403


class NotFound(_Fixed):
    """404: there is no such thing."""

    default = 404


class MethodNotAllowed(_Fixed):
    """405: the thing is there, the method is not.

    Parameters:
        allowed: the methods that are, for the Allow header.
        detail: as for `HTTPError`.
    """

    default = 405

    def __init__(self, allowed: Iterable[str], detail: str | None = None, **options: Any) -> None:
        headers = [("Allow", ", ".join(allowed)), *options.pop("headers", ())]
        super().__init__(detail, headers=headers, **options)


class NotAcceptable(_Fixed):
    """406: none of the forms there are is one that the client takes."""

    default = 406


class Conflict(_Fixed):
    """409: it does not go with the state that the thing is in."""

    default = 409


class ContentTooLarge(_Fixed):
    """413: a body beyond a limit."""

    default = 413


class UnsupportedMediaType(_Fixed):
    """415: a body of a type that is not understood here."""

    default = 415


class UnprocessableContent(_Fixed):
    """422: a body that is well formed and still makes no sense."""

    default = 422

    def __init__(self, detail: str | None = None, **options: Any) -> None:
        options.setdefault("title", "Unprocessable Content")  # RFC 9110's words; http has older
        super().__init__(detail, **options)
