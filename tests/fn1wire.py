"""fn1 by hand: a second implementation of the wire format, for tests only.

Written from the text of csrc/include/fastnet/fn1.h and arraymsg.h with struct
and nothing else, so that a mistake in the core cannot hide in its own mirror.
Every encoder takes overrides, with which it tells whatever lies a test needs.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple, Self

import numpy as np

MAGIC = b"\x93FN1"
MESSAGE, DATA, CREDIT, CANCEL, PING, PONG, ERROR, CLOSE = range(1, 9)
INLINE = 1
INLINE_MAX = 64 * 1024
HEAD = struct.Struct("<BBHIIIQ")
PREFACE = struct.Struct("<4sBBBBHHIQQ")
UNLIMITED = (1 << 63) - 1


# ------------------------------------------------------------------------ preface


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


ARRAYS = extension(1, b"arrays")


def preface(
    role: bytes = b"C",
    *,
    magic: bytes = MAGIC,
    versions: tuple[int, int] = (1, 1),
    flags: int = 0,
    extensions: bytes = ARRAYS,
    ext_len: int | None = None,
    zero: int = 0,
    fragment: int = 1 << 20,
    window: int = 0,
    message: int = UNLIMITED,
) -> bytes:
    length = len(extensions) if ext_len is None else ext_len
    fixed = PREFACE.pack(magic, *versions, role[0], flags, length, zero, fragment, window, message)
    return fixed + extensions


# ------------------------------------------------------------------------- frames


def frame(
    kind: int,
    payload: bytes = b"",
    *,
    flags: int = 0,
    zero: int = 0,
    stream: int = 0,
    length: int | None = None,
    message: int = 0,
    offset: int = 0,
) -> bytes:
    size = len(payload) if length is None else length
    return HEAD.pack(kind, flags, zero, stream, size, message, offset) + payload


def envelope(
    meta: bytes,
    sizes: tuple[int, ...],
    *,
    kind: int = 1,
    meta_len: int | None = None,
    segments: int | None = None,
) -> bytes:
    fixed = struct.pack(
        "<IHH",
        len(meta) if meta_len is None else meta_len,
        len(sizes) if segments is None else segments,
        kind,
    )
    return fixed + struct.pack(f"<{len(sizes)}Q", *sizes) + meta


def error(code: int, text: str) -> bytes:
    return frame(ERROR, struct.pack("<I", code) + text.encode())


CLOSED = frame(CLOSE)


# ------------------------------------------------------------------------- dtypes


def atom(text: str | bytes) -> bytes:
    encoded = text.encode("latin-1") if isinstance(text, str) else text
    return b"a" + bytes([len(encoded)]) + encoded


def named(name: str, itemsize: int, order: bytes = b"<") -> bytes:
    return b"n" + order + struct.pack("<IB", itemsize, len(name)) + name.encode("latin-1")


def subarray(shape: tuple[int, ...], base: bytes) -> bytes:
    return b"r" + struct.pack(f"<B{len(shape)}I", len(shape), *shape) + base


class Field(NamedTuple):
    name: str
    dtype: bytes
    offset: int
    title: str | None = None


def structure(
    fields: list[Field], itemsize: int, *, aligned: int = 0, count: int | None = None
) -> bytes:
    out = b"s" + struct.pack("<BIH", aligned, itemsize, len(fields) if count is None else count)
    for f in fields:
        name, title = f.name.encode(), (f.title or "").encode()
        out += struct.pack("<HHI", len(name), 65535 if f.title is None else len(title), f.offset)
        out += name + title + f.dtype
    return out


def describe(dtype: Any) -> bytes:
    """The description of a NumPy dtype (types known by name excepted)."""
    dtype = np.dtype(dtype)
    if dtype.subdtype is not None:
        return subarray(dtype.subdtype[1], describe(dtype.subdtype[0]))
    if dtype.names is None:
        return atom(dtype.str)
    fields = []
    for name in dtype.names:
        kind, offset, *title = dtype.fields[name]
        fields.append(Field(name, describe(kind), offset, title[0] if title else None))
    return structure(fields, dtype.itemsize, aligned=int(dtype.isalignedstruct))


# ------------------------------------------------------------------------- arrays


def header(
    dtype: bytes,
    shape: tuple[int, ...],
    *,
    order: bytes = b"C",
    name: bytes | None = None,
    meta: bytes | None = None,
    form: int = 1,
    ndim: int | None = None,
    flags: int | None = None,
    lengths: tuple[int, int, int] | None = None,
) -> bytes:
    if flags is None:
        flags = (name is not None) | (meta is not None) << 1
    tail = dtype + (name or b"") + (meta or b"")
    sizes = lengths or (len(dtype), len(name or b""), len(meta or b""))
    count = len(shape) if ndim is None else ndim
    fixed = struct.pack("<BcBBHHI", form, order, count, flags, *sizes)
    return fixed + struct.pack(f"<{len(shape)}Q", *shape) + tail


def message(head: bytes, body: bytes, *, number: int = 0, fragment: int = 1 << 20) -> bytes:
    """A whole message: inline when it is small, otherwise in DATA frames."""
    wrapped = envelope(head, (len(body),))
    if len(body) <= INLINE_MAX:
        return frame(MESSAGE, wrapped + body, flags=INLINE, message=number)
    out = [frame(MESSAGE, wrapped, message=number)]
    for at in range(0, len(body), fragment):
        out.append(frame(DATA, body[at : at + fragment], message=number, offset=at))
    return b"".join(out)


def array(
    value: Any, *, name: str | None = None, meta: Any = None, number: int = 0, **options: Any
) -> bytes:
    """An array as the bytes of its message."""
    value = np.asarray(value)
    fortran = value.flags.f_contiguous and not value.flags.c_contiguous
    head = header(
        describe(value.dtype),
        value.shape,
        order=b"F" if fortran else b"C",
        name=None if name is None else name.encode(),
        meta=None if meta is None else json.dumps(meta).encode(),
    )
    return message(head, value.tobytes("F" if fortran else "C"), number=number, **options)


# ----------------------------------------------------------------------- decoding


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    message: int
    offset: int
    payload: bytes


class Preface(NamedTuple):
    versions: tuple[int, int]
    role: bytes
    flags: int
    fragment: int
    window: int
    message: int
    extensions: dict[int, bytes]


class Received(NamedTuple):
    array: Any
    name: str | None
    meta: Any
    order: str


class Wire:
    """One end of a connection, spoken by hand over a blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(10)

    def read(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            piece = self.sock.recv(min(count - len(parts), 1 << 20))
            if not piece:
                raise EOFError(f"the end after {len(parts)} of {count} bytes")
            parts += piece
        return bytes(parts)

    def preface(self) -> Preface:
        magic, low, high, role, flags, ext_len, zero, fragment, window, most = PREFACE.unpack(
            self.read(PREFACE.size)
        )
        assert magic == MAGIC
        assert zero == 0
        rest, found = self.read(ext_len), {}
        while rest:
            kind, size = struct.unpack_from("<HH", rest)
            assert len(rest) >= 4 + size
            found[kind], rest = rest[4 : 4 + size], rest[4 + size :]
        return Preface((low, high), bytes([role]), flags, fragment, window, most, found)

    def frame(self) -> Frame:
        kind, flags, zero, stream, length, number, offset = HEAD.unpack(self.read(HEAD.size))
        assert zero == 0
        return Frame(kind, flags, stream, number, offset, self.read(length))

    def error(self) -> tuple[int, str]:
        """The next frame must be an ERROR: its code and text."""
        got = self.frame()
        assert got.kind == ERROR, got
        return struct.unpack_from("<I", got.payload)[0], got.payload[4:].decode()

    def array(self) -> Received:
        """Reads one whole message and makes an array of it, checking every rule."""
        first = self.frame()
        assert first.kind == MESSAGE, first
        meta_len, segments, kind = struct.unpack_from("<IHH", first.payload)
        assert (segments, kind) == (1, 1)
        (size,) = struct.unpack_from("<Q", first.payload, 8)
        head, body = first.payload[16 : 16 + meta_len], first.payload[16 + meta_len :]
        if first.flags & INLINE:
            assert len(body) == size
        else:
            assert not body
            body = self._fragments(first.message, size)
        return _rebuild(head, body)

    def _fragments(self, number: int, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            piece = self.frame()
            assert piece.kind == DATA, piece
            assert (piece.message, piece.offset) == (number, len(body))
            assert piece.payload
            body += piece.payload
        assert len(body) == size
        return bytes(body)

    def until_end(self) -> bytes:
        """Everything that still comes; a reset counts as the end."""
        parts = bytearray()
        while True:
            try:
                piece = self.sock.recv(1 << 16)
            except ConnectionError:
                return bytes(parts)
            if not piece:
                return bytes(parts)
            parts += piece

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rebuild(head: bytes, body: bytes) -> Received:
    form, order, ndim, flags, dtype_len, name_len, meta_len = struct.unpack_from("<BcBBHHI", head)
    assert form == 1
    shape = struct.unpack_from(f"<{ndim}Q", head, 12)
    at = 12 + 8 * ndim
    assert len(head) == at + dtype_len + name_len + meta_len
    dtype, used = _parse(head, at)
    assert used == at + dtype_len
    name = head[used : used + name_len].decode() if flags & 1 else None
    meta = json.loads(head[used + name_len :]) if flags & 2 else None
    flat = np.frombuffer(body, dtype=np.uint8)
    count = int(np.prod(shape, dtype=object)) if ndim else 1
    assert len(body) == dtype.itemsize * count
    value = np.ndarray(shape, dtype, flat.tobytes() or b"\0", 0, None, order.decode())
    return Received(value, name, meta, order.decode())


def _parse(data: bytes, at: int) -> tuple[np.dtype[Any], int]:
    tag = data[at : at + 1]
    if tag == b"a":
        end = at + 2 + data[at + 1]
        return np.dtype(data[at + 2 : end].decode()), end
    if tag == b"r":
        ndim = data[at + 1]
        shape = struct.unpack_from(f"<{ndim}I", data, at + 2)
        base, end = _parse(data, at + 2 + 4 * ndim)
        return np.dtype((base, shape)), end
    assert tag == b"s", tag
    aligned, itemsize, count = struct.unpack_from("<BIH", data, at + 1)
    at += 8
    spec: dict[str, Any] = {"names": [], "formats": [], "offsets": [], "itemsize": itemsize}
    titles = []
    for _ in range(count):
        name_len, title_len, offset = struct.unpack_from("<HHI", data, at)
        at += 8
        spec["names"].append(data[at : at + name_len].decode())
        at += name_len
        titles.append(None if title_len == 65535 else data[at : at + title_len].decode())
        at += 0 if title_len == 65535 else title_len
        form, at = _parse(data, at)
        spec["formats"].append(form)
        spec["offsets"].append(offset)
    if any(title is not None for title in titles):
        spec["titles"] = titles
    return np.dtype(spec, align=bool(aligned)), at
