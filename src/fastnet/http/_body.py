"""A request's body: whatever users have, as bytes in one piece or in many."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from fastnet.http._multipart import Multipart, read_pieces, size_left
from fastnet.http._url import encode_params

__all__ = ["Body", "encode"]

_FORM = "application/x-www-form-urlencoded"


class Body:
    """What is sent after a request's head.

    Attributes:
        whole: the bytes, where they are in one piece of memory; else None.
        length: in bytes; None where only the end will tell, and it goes in chunks.
        content_type: what kind of bytes they are, or None.
    """

    __slots__ = ("whole", "length", "content_type", "_source", "_begins", "_spent", "is_async")

    def __init__(self, whole: Any = None, content_type: str | None = None) -> None:
        self.whole = whole
        self.content_type = content_type
        self.length: int | None = len(whole) if whole is not None else None
        self._source: Any = None
        self._begins: int | None = None
        self._spent = False
        self.is_async = False  # whether apieces() has its bytes

    @classmethod
    def _streamed(cls, source: Any, length: int | None, begins: int | None = None) -> Body:
        self = cls()
        self._source = source
        self._begins = begins
        self.length = length
        return self

    @property
    def replayable(self) -> bool:
        """Whether it can be sent again."""
        if self.whole is not None or not self._spent:
            return True
        if isinstance(self._source, Multipart):
            return self._source.replayable
        return self._begins is not None

    def pieces(self) -> Iterator[Any]:
        """The bytes from the beginning, in pieces of what the source gives."""
        if self.whole is not None:
            yield self.whole
            return
        if self.is_async:
            raise TypeError("data is an asynchronous iterable: use AsyncSession")
        source, again = self._source, self._spent
        self._spent = True
        if isinstance(source, Multipart):
            if again:
                source.rewind()
            yield from source.pieces()
        elif hasattr(source, "read"):
            if again:
                source.seek(self._begins)
            yield from read_pieces(source)
        else:
            for piece in source:
                yield piece.encode() if isinstance(piece, str) else piece

    async def apieces(self) -> AsyncIterator[Any]:
        """The same, from an asynchronous source."""
        self._spent = True
        async for piece in self._source:
            yield piece.encode() if isinstance(piece, str) else piece


def encode(data: Any = None, json_data: Any = None, files: Any = None) -> Body | None:
    """The body that the arguments of a request mean, or None for none.

    Parameters:
        data: a mapping or list of pairs (a form), text, bytes or any memory in
            one piece (arrays), an open binary file, or an iterable of bytes.
        json_data: what is sent as JSON, where there is no `data`.
        files: of a form, see `Multipart`.

    Raises TypeError for what has no bytes, ValueError for what is no JSON.
    """
    if files:
        if data is not None and isinstance(data, (str, bytes)):
            raise ValueError("with files=, data= must be a mapping or pairs")
        form = Multipart(data, files)
        body = Body._streamed(form, form.length)
        body.content_type = form.content_type
        return body
    if data is None or (not hasattr(data, "__array__") and _is_empty(data)):
        if json_data is None:
            return None
        text = json.dumps(json_data, allow_nan=False)
        return Body(text.encode(), "application/json")
    if isinstance(data, bytes):
        return Body(data)
    if isinstance(data, str):
        return Body(data.encode())
    if isinstance(data, Mapping) or (isinstance(data, (list, tuple)) and _are_pairs(data)):
        return Body(encode_params(data).encode(), _FORM)
    if hasattr(data, "read"):
        return _of_file(data)
    view = _memory(data)
    if view is not None:
        return Body(view)
    if isinstance(data, (Iterable, AsyncIterable)):
        body = Body._streamed(data, None)
        body.is_async = not isinstance(data, Iterable)
        return body
    raise TypeError(f"data cannot be {type(data).__name__}")


def _is_empty(data: Any) -> bool:
    return isinstance(data, (Mapping, list, tuple, str, bytes)) and not data


def _are_pairs(data: Any) -> bool:
    return all(isinstance(item, (tuple, list)) and len(item) == 2 for item in data)


def _memory(data: Any) -> memoryview | None:
    try:
        view = memoryview(data)
    except TypeError:
        return None
    except ValueError:  # types that have no buffer of their own: datetimes
        view = memoryview(data.view("V1"))
    if not view.c_contiguous:
        raise TypeError("data is an array whose items do not lie in one piece: make it "
                        "contiguous (numpy.ascontiguousarray)")  # fmt: skip
    return view.cast("B") if view.nbytes else memoryview(b"")


def _of_file(file: Any) -> Body:
    begins: int | None
    try:
        begins = int(file.tell())
    except (AttributeError, OSError, ValueError):
        begins = None
    return Body._streamed(file, size_left(file, begins), begins)
