"""Replies: a status, headers and a body, and the forms that data can take."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import decimal
import enum
import html
import io
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

from fastnet.rest._accept import best
from fastnet.rest._body import Environ
from fastnet.rest._errors import NotAcceptable, checked_name, checked_value, phrase

__all__ = [
    "Response",
    "csv_reply",
    "html_reply",
    "json_reply",
    "negotiated",
    "redirect",
    "text_reply",
    "xml_reply",
]

_NOT_IN_COOKIES = re.compile(r'[\x00-\x20",;\\\x7f-\U0010ffff]').search
_BODILESS = (204, 304)


class Response:
    """What a handler may return: a WSGI application by itself.

    Parameters:
        body: bytes, text (sent as UTF-8), or an iterable of bytes that is sent
            piece by piece.
        status: 200 to 599.
        content_type: the Content-Type header; None where there is no body.
        headers: more headers, a mapping or pairs.

    Raises ValueError for a header that would be read as several, or as none,
    also where `content_type` is changed.
    """

    __slots__ = ("_content_type", "body", "headers", "status")

    def __init__(
        self,
        body: bytes | str | Iterable[bytes] = b"",
        status: int = 200,
        content_type: str | None = "text/plain; charset=utf-8",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"a reply's status is between 200 and 599, not {status!r}")
        self.body = body.encode("utf-8", "replace") if isinstance(body, str) else body
        self.status = status
        self.content_type = content_type
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        self.headers: list[tuple[str, str]] = []
        for name, value in pairs:
            self.add_header(name, value)

    @property
    def content_type(self) -> str | None:
        """The Content-Type header, or None."""
        return self._content_type

    @content_type.setter
    def content_type(self, value: str | None) -> None:
        self._content_type = None if value is None else checked_value(value)

    def add_header(self, name: str, value: str) -> None:
        """One more header; ValueError where it could not be sent as it is."""
        self.headers.append((checked_name(name), checked_value(value)))

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: str | None = "Lax",
    ) -> None:
        """Adds a Set-Cookie header (RFC 6265); ValueError for what a cookie cannot hold."""
        if _NOT_IN_COOKIES(value):
            raise ValueError(f"{value!r} is not a cookie's value")
        parts = [f"{checked_name(name)}={value}", f"Path={path}"]
        if max_age is not None:
            parts.append(f"Max-Age={int(max_age)}")
        if domain is not None:
            parts.append(f"Domain={domain}")
        parts += ["Secure"] * secure + ["HttpOnly"] * http_only
        if same_site is not None:
            parts.append(f"SameSite={same_site}")
        if any(";" in part for part in parts):
            raise ValueError(f"{parts!r} are not a cookie's attributes")
        self.add_header("Set-Cookie", "; ".join(parts))

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The reply, as a WSGI application gives it."""
        body, headers = self.body, []
        if self.status not in _BODILESS:
            kind = "text/plain; charset=utf-8" if self.content_type is None else self.content_type
            headers.append(("Content-Type", kind))
            if isinstance(body, (bytes, bytearray, memoryview)):
                headers.append(("Content-Length", str(len(body))))
        headers += self.headers
        start_response(phrase(self.status), headers)
        if self.status in _BODILESS:
            return _dropped(body)
        if environ["REQUEST_METHOD"] == "HEAD":
            return _dropped(body, begun=not isinstance(body, (bytes, bytearray, memoryview)))
        if isinstance(body, bytes):
            return [body]
        return [bytes(body)] if isinstance(body, (bytearray, memoryview)) else body


def _dropped(body: Any, begun: bool = False) -> list[bytes]:
    """Closes a body that is not sent, begun so that HEAD fails with what GET would fail with."""
    try:
        if begun:
            next(filter(None, body), None)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return []


# ----------------------------------------------------------------------- data as JSON


def plain(value: Any) -> Any:
    """What JSON knows no form of, as something of which it does; TypeError for the rest."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    for method in ("tolist", "_asdict"):  # NumPy's scalars and arrays; named tuples
        convert = getattr(value, method, None)
        if convert is not None:
            return convert()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain
).encode


def json_bytes(data: Any) -> bytes:
    """Data as JSON; TypeError or ValueError for what JSON cannot say, such as NaN."""
    return _encode(data).encode("utf-8", "replace")


def json_reply(data: Any, status: int = 200, **options: Any) -> Response:
    """Data as JSON.  Options are `Response`'s."""
    options.setdefault("content_type", "application/json")
    return Response(json_bytes(data), status, **options)


def text_reply(text: str, status: int = 200, **options: Any) -> Response:
    """Plain text."""
    return Response(text, status, **options)


def html_reply(text: Any, status: int = 200, **options: Any) -> Response:
    """A page: text is sent as it is; other data becomes tables and lists, all of it escaped."""
    options.setdefault("content_type", "text/html; charset=utf-8")
    if not isinstance(text, str):
        text = f'<!doctype html><meta charset="utf-8"><title>Data</title>{_html(text, 0)}'
    return Response(text, status, **options)


# ------------------------------------------------------------------- other forms of data

_DEEPEST = 100


def _html(data: Any, depth: int) -> str:
    data = _known(data, depth)
    if isinstance(data, Mapping):
        rows = (
            f"<tr><th>{html.escape(str(key))}</th><td>{_html(value, depth + 1)}</td></tr>"
            for key, value in data.items()
        )
        return f"<table>{''.join(rows)}</table>"
    if isinstance(data, (list, tuple)):
        return f"<ul>{''.join(f'<li>{_html(item, depth + 1)}</li>' for item in data)}</ul>"
    return html.escape(_word(data))


def _known(data: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"data is nested more than {_DEEPEST} deep")
    if data is None or isinstance(data, (str, int, float, Mapping, list, tuple)):
        return data
    return plain(data)


def _word(data: Any) -> str:
    if data is None:
        return ""
    return str(data).lower() if isinstance(data, bool) else str(data)


_XML_NAME = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.\-]*", re.I).fullmatch
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _xml(name: str, data: Any, depth: int) -> ElementTree.Element:
    if _XML_NAME(name):
        found = ElementTree.Element(name)
    else:
        found = ElementTree.Element("item", {"name": _NOT_XML.sub("\ufffd", name)})
    data = _known(data, depth)
    if isinstance(data, Mapping):
        found.extend([_xml(str(key), value, depth + 1) for key, value in data.items()])
    elif isinstance(data, (list, tuple)):
        found.extend([_xml("item", item, depth + 1) for item in data])
    else:
        found.text = _NOT_XML.sub("\ufffd", _word(data))
    return found


def xml_reply(data: Any, status: int = 200, *, root: str = "data", **options: Any) -> Response:
    """XML: text or an element as it is; other data as elements named by its keys.

    An item of a list is an ``<item>``, and so is what has a key that is no
    name in XML: the key is then its attribute ``name``.
    """
    options.setdefault("content_type", "application/xml")
    if isinstance(data, (str, bytes)):
        return Response(data, status, **options)
    if not isinstance(data, ElementTree.Element):
        data = _xml(root, data, 0)
    text = ElementTree.tostring(data, encoding="utf-8", xml_declaration=True)
    return Response(text, status, **options)


def csv_reply(rows: Any, status: int = 200, **options: Any) -> Response:
    """Rows as CSV (RFC 4180): sequences, or mappings, whose keys become the first line."""
    options.setdefault("content_type", "text/csv; charset=utf-8; header=present")
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    rows = [rows] if isinstance(rows, Mapping) else list(rows)
    rows = [plain(row) if dataclasses.is_dataclass(row) else row for row in rows]
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer.writerow(names)
        writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    else:
        options["content_type"] = options["content_type"].replace("; header=present", "")
        for row in rows:
            cells = row if isinstance(row, (list, tuple)) else [row]
            writer.writerow([_cell(cell) for cell in cells])
    return Response(text.getvalue(), status, **options)


def _cell(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return _encode(value)
    return _word(value)


_FORMS: dict[str, Callable[..., Response]] = {
    "application/json": json_reply,
    "application/xml": xml_reply,
    "text/csv": csv_reply,
    "text/html": html_reply,
}


def negotiated(environ: Environ, data: Any, status: int = 200, **options: Any) -> Response:
    """Data as JSON, XML, CSV or HTML, whichever the client's Accept header wants most.

    JSON when it wants anything.  Raises `NotAcceptable` when it wants none of
    them, and what the chosen form raises for data it has no way to write.
    """
    offers = _FORMS
    if not isinstance(data, (list, tuple, Mapping)) and not dataclasses.is_dataclass(data):
        offers = {kind: form for kind, form in _FORMS.items() if kind != "text/csv"}
    chosen = best(environ.get("HTTP_ACCEPT"), offers)
    if chosen is None:
        raise NotAcceptable(f"there is only {', '.join(offers)}")
    if chosen == "text/html" and isinstance(data, str):
        data = html.escape(data)  # data, not a page
    elif chosen == "application/xml" and isinstance(data, (str, bytes)):
        data = _xml("data", str(data), 0)
    reply = offers[chosen](data, status, **options)
    reply.add_header("Vary", "Accept")
    return reply


def redirect(location: str, status: int = 303) -> Response:
    """Sends the client elsewhere: 301, 302, 303, 307 or 308."""
    if status not in (301, 302, 303, 307, 308):
        raise ValueError(f"{status} sends nobody elsewhere")
    return Response(b"", status, None, [("Location", location)])
