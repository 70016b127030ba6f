"""multipart/form-data as it goes out: parts in memory and files, streamed (RFC 7578)."""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastnet.http._headers import check_name, check_value

__all__ = ["Multipart"]

_PIECE = 256 * 1024  # bytes read from a file at a time


class Multipart:
    """A form with files, ready to be sent, again if its files can be rewound.

    Parameters:
        data: the other fields, a mapping or pairs; a list of values repeats a field.
        files: a mapping or pairs of a field and a file: an open binary file,
            bytes or text, or a tuple of file name, one of these, and optionally
            its content type and a mapping of further headers.
    """

    def __init__(self, data: Any, files: Any) -> None:
        self.boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={self.boundary}"
        self._parts: list[tuple[bytes, Any, int | None]] = []  # head, content, where it began
        for name, values in _pairs(data or ()):
            listed = isinstance(values, (list, tuple))
            for value in values if listed else (values,):
                if value is not None:
                    self._add(f'form-data; name="{_escaped(name)}"', None, {}, _bytes(value))
        for name, file in _pairs(files):
            self._add_file(name, file)
        self._last = f"--{self.boundary}--\r\n".encode()
        self.length = self._length()

    @property
    def replayable(self) -> bool:
        """Whether every file can be read again."""
        return all(begins is not None or isinstance(content, bytes)
                   for _, content, begins in self._parts)  # fmt: skip

    def _add_file(self, name: str, file: Any) -> None:
        content_type, filename = None, None
        headers: Mapping[str, str] = {}
        if isinstance(file, (tuple, list)):
            if not 2 <= len(file) <= 4:
                raise ValueError("a file is (name, content), (name, content, type) or with headers")
            filename, content, *more = file
            content_type = more[0] if more else None
            headers = more[1] if len(more) > 1 else {}
        else:
            content = file
            filename = _name_of(file) or name
        disposition = f'form-data; name="{_escaped(name)}"'
        if filename is not None:
            disposition += f'; filename="{_escaped(filename)}"'
            guessed = mimetypes.guess_type(str(filename))[0]
            content_type = content_type or guessed or "application/octet-stream"
        self._add(disposition, content_type, headers or {}, content)

    def _add(
        self, disposition: str, content_type: str | None, headers: Mapping[str, str], content: Any
    ) -> None:
        lines = [f"--{self.boundary}", f"Content-Disposition: {disposition}"]
        if content_type is not None:
            lines.append(f"Content-Type: {check_value('Content-Type', content_type)}")
        lines.extend(f"{check_name(key)}: {check_value(key, headers[key])}" for key in headers)
        begins = None
        if hasattr(content, "read"):
            begins = _position(content)
        else:
            content = _bytes(content)
        head = "\r\n".join([*lines, "", ""]).encode()
        self._parts.append((head, content, begins))

    def _length(self) -> int | None:
        total = len(self._last)
        for head, content, begins in self._parts:
            size = len(content) if isinstance(content, bytes) else size_left(content, begins)
            if size is None:
                return None
            total += len(head) + size + 2
        return total

    def rewind(self) -> None:
        """Back to the beginning of every file."""
        for _, content, begins in self._parts:
            if begins is not None:
                content.seek(begins)

    def pieces(self) -> Iterator[Any]:
        """The bytes, in pieces."""
        for head, content, _ in self._parts:
            if isinstance(content, bytes):
                yield head + content + b"\r\n"
                continue
            yield head
            yield from read_pieces(content)
            yield b"\r\n"
        yield self._last


def _pairs(data: Any) -> Iterable[tuple[Any, Any]]:
    return data.items() if isinstance(data, Mapping) else data


def _escaped(name: Any) -> str:
    """A name between quotes as HTML's form submission writes it (RFC 7578 2, HTML 4.10.22.7)."""
    text = name.decode() if isinstance(name, bytes) else str(name)
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return str(value).encode()


def _name_of(file: Any) -> str | None:
    name = getattr(file, "name", None)
    if isinstance(name, str) and name and name[0] != "<":
        return os.path.basename(name)
    return None


def _position(file: Any) -> int | None:
    try:
        return int(file.tell())
    except (AttributeError, OSError, ValueError):
        return None


def size_left(file: Any, begins: int | None) -> int | None:
    """Bytes from here to a file's end, or None where that cannot be known."""
    if begins is None:
        return None
    try:
        end = file.seek(0, os.SEEK_END)
        file.seek(begins)
        return max(0, int(end) - begins)
    except (AttributeError, OSError, TypeError, ValueError):
        return None


def read_pieces(file: Any) -> Iterator[Any]:
    """A file's bytes from here on; TypeError where it is open as text."""
    while piece := file.read(_PIECE):
        if isinstance(piece, str):
            raise TypeError(f"{file!r} is open as text; open it in binary mode ('rb')")
        yield piece
