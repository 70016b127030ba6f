"""Reading a request's head at once, where it is of the form that nearly all have."""

from __future__ import annotations

import re
from http.client import HTTPMessage
from typing import Any

__all__ = ["Head", "read"]

# Whatever is not exactly of this form is left to the standard library, whose answer then counts.
_LINE = re.compile(rb"([A-Za-z]{1,32}) (/(?!/)[!-~]*|\*) (HTTP/1\.[01])\r?\n").fullmatch
_FIELD = re.compile(rb"([!-9;-~]++):[ \t]*+([^\r\n\x00]*+)\r\n")
_MOST = 90  # fields; beyond, the standard library says how many are too many
_NESTED = ("multipart/", "message/")  # types for which its parser does more


class Head:
    """A request line and headers.

    Attributes:
        line, command, path, version: the request line and its parts.
        headers: a message like those of `http.client.parse_headers`.
    """

    __slots__ = ("command", "headers", "line", "path", "version")

    def __init__(self, line: str, parts: tuple[str, str, str], headers: HTTPMessage) -> None:
        self.line = line
        self.command, self.path, self.version = parts
        self.headers = headers


def read(line: bytes, rfile: Any, message_class: Any) -> Head | None:
    """The head that begins with a line just read from rfile.

    Returns None, with nothing read, unless all of it is in the buffer of
    rfile and of the plain form.
    """
    peek = getattr(rfile, "peek", None)
    first = _LINE(line)
    if peek is None or first is None or message_class is not HTTPMessage:
        return None
    waiting = peek()
    if waiting.startswith(b"\r\n"):
        end = 0
    elif (end := waiting.find(b"\r\n\r\n") + 2) < 2:
        return None
    headers = _headers(waiting, end)
    if headers is None:
        return None
    rfile.read(end + 2)
    text = str(line, "iso-8859-1").rstrip("\r\n")
    command, path, version = first.groups()
    return Head(text, (command.decode(), path.decode(), version.decode()), headers)


def _headers(data: bytes, end: int) -> HTTPMessage | None:
    message = HTTPMessage()
    place = count = 0
    while place < end:
        field = _FIELD.match(data, place, end)
        if field is None or count == _MOST:
            return None
        name = field[1].decode("latin-1")
        value = field[2].decode("latin-1")
        if name.lower() == "content-type" and value.lower().startswith(_NESTED):
            return None
        message.set_raw(name, value)
        place = field.end()
        count += 1
    message.set_payload("")
    return message
