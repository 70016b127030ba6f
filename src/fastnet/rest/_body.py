"""A request's query, form and body: within limits, and without the cgi module."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from fastnet.rest._errors import BadRequest, ContentTooLarge, UnsupportedMediaType

__all__ = [
    "BodyLimits",
    "content_type",
    "has_body",
    "is_form",
    "parse_json",
    "parse_pairs",
    "query_pairs",
    "read_body",
    "require_json",
]

Environ = dict[str, Any]
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class BodyLimits:
    """Bounds on what a request may bring; beyond them it is a 413, or a 400 for a query.

    Attributes:
        body_bytes: of a body that is read into memory: JSON, a url-encoded
            form, or the text fields of a multipart form together.  1 MiB.
        fields: of a query or form.  1000.
        parts: of a multipart form, files included.  128.
        upload_bytes: of the files of a multipart form together.  1 GiB: those
            beyond 64 KiB go to temporary files.
        json_depth: how deeply JSON may be nested.  100.
    """

    body_bytes: int = 1 << 20
    fields: int = 1000
    parts: int = 128
    upload_bytes: int = 1 << 30
    json_depth: int = 100

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a number from 1 up, not {value!r}")


# ---------------------------------------------------------------------- url-encoded


def parse_pairs(text: str, most: int, what: str = "query") -> list[tuple[str, str]]:
    """The names and values of a url-encoded text, in its order; blank ones included."""
    if not text:
        return []
    if text.count("&") >= most:
        raise BadRequest(f"the {what} has more than {most} fields")
    found = []
    plain = "%" not in text and "+" not in text
    for field in text.split("&"):
        if not field:
            continue
        name, _, value = field.partition("=")
        found.append((name, value) if plain else (unquote_plus(name), unquote_plus(value)))
    return found


def query_pairs(environ: Environ, most: int) -> list[tuple[str, str]]:
    """The names and values of the query."""
    text = environ.get("QUERY_STRING") or ""
    if not text.isascii():  # raw bytes that should have been encoded; WSGI gives them as latin-1
        text = text.encode("latin-1").decode("utf-8", "replace")
    return parse_pairs(text, most)


# ----------------------------------------------------------------------------- body


def content_length(environ: Environ) -> int | None:
    """The body's length in bytes; None when the server knows where it ends without one."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        chunked = environ.get("HTTP_TRANSFER_ENCODING") and environ.get("wsgi.input_terminated")
        return None if chunked else 0
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise BadRequest(f"the Content-Length {text[:40]!r} is not a number")
    return int(text)


def has_body(environ: Environ) -> bool:
    """Whether a request brings a body."""
    return content_length(environ) != 0


def read_body(environ: Environ, most: int) -> bytes:
    """The whole body; 413 beyond `most` bytes, 400 when it ends early."""
    length = content_length(environ)
    if length == 0:
        return b""
    if length is not None and length > most:
        raise ContentTooLarge(f"a body of {length} bytes; at most {most} are taken")
    left = most + 1 if length is None else length
    read, parts = environ["wsgi.input"].read, []
    while left:
        part = read(min(left, 1 << 16) if length is None else left)
        if not part:
            break
        parts.append(part)
        left -= len(part)
    body = b"".join(parts)
    if length is None:
        if len(body) > most:
            raise ContentTooLarge(f"a body of more than {most} bytes")
    elif len(body) != length:
        raise BadRequest(f"the body ended after {len(body)} of {length} bytes")
    return body


def content_type(environ: Environ) -> tuple[str, dict[str, str]]:
    """The Content-Type header: the type in small letters, and its parameters."""
    text = environ.get("CONTENT_TYPE") or ""
    kind, semicolon, rest = text.partition(";")
    options: dict[str, str] = {}
    if semicolon:
        for name, value in _options(rest):
            options.setdefault(name, value)
    return kind.strip().lower(), options


def _options(text: str) -> list[tuple[str, str]]:
    found, quoted, start = [], False, 0
    pieces = []
    for place, char in enumerate(text[:4096]):
        if char == '"' and text[place - 1 : place] != "\\":
            quoted = not quoted
        elif char == ";" and not quoted:
            pieces.append(text[start:place])
            start = place + 1
    pieces.append(text[start:4096])
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if equals:
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
            found.append((name.strip().lower(), value))
    return found


def is_form(environ: Environ) -> bool:
    """Whether the body is a form, of either kind."""
    kind = (environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    return kind in (URLENCODED, MULTIPART)


# ----------------------------------------------------------------------------- JSON


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# The last quote may be missing: otherwise each of many could be tried as a beginning.
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.S)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")


def _is_deeper(text: str, most: int) -> bool:
    """Whether the brackets of a JSON text go deeper, those inside strings not counted."""
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", _STRINGS.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > most:
                return True
        else:
            depth -= 1
    return False


def require_json(environ: Environ) -> None:
    """415 when the body is of another type, or in another charset."""
    kind, options = content_type(environ)
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        named = repr(kind[:80]) if kind else "none"
        raise UnsupportedMediaType(
            f"the body must be application/json; its Content-Type is {named}",
            headers=[("Accept", "application/json")],
        )
    charset = options.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType(f"JSON is UTF-8, not {charset[:40]!r}")


def parse_json(body: bytes, limits: BodyLimits) -> Any:
    """What a JSON body says; 400 with the place for what is not JSON."""
    if not body:
        raise BadRequest("a JSON body is needed, and there is none")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not UTF-8: byte {error.start}") from None
    most = limits.json_depth
    if text.count("[") + text.count("{") > most and _is_deeper(text, most):
        raise BadRequest(f"the JSON is nested more than {most} deep")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"the body is not JSON: {error.msg} at {where}") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
