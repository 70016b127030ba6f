"""The codecs: json and msgpack for anybody, pickle for those who are trusted.

Arrays, and bytes of 64 KiB and more, are not encoded: they travel beside the payload, as segments
of the message, and a placeholder stands for each where it belongs:

    json      {"\\u0000segment": [number, header in base64]}
    msgpack   extension 78: number u16, then the header
    pickle    protocol 5's out-of-band buffers

The header is that of arrays on fn1 (arraymsg.h), or empty for plain bytes.
"""

from __future__ import annotations

import base64
import io
import pickle
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastnet._array.dtypes import rebuild
from fastnet._array.sources import source, wire_order
from fastnet._native.arrayhead import decode_header, encode_header
from fastnet._native.rpccodec import Codec
from fastnet._pickles import NUMPY, refuse_extensions
from fastnet.errors import Error, ProtocolError

__all__ = ["NUMBERS", "UNSAFE", "make_codec"]

NUMBERS = {"json": 1, "msgpack": 2, "pickle": 3}
UNSAFE = "pickles run code: codec='pickle' needs a key, a Unix socket or trust_pickle=True"
_EXT = 78
_KEY = "\0segment"
_LARGE = 64 * 1024
_LIMITS = ((1 << 63) - 1, 64 * 1024, 1024, 1024, 16)


class _Special(Exception):
    """A value that the quick encoder leaves to the full one."""


def _refuse(value: Any) -> Any:
    raise _Special


class _Bytes:
    """Bytes that travel as a segment."""

    __slots__ = ("memory",)

    def __init__(self, memory: Any) -> None:
        self.memory = memory


def _is_large(value: Any) -> bool:
    if isinstance(value, memoryview):
        return value.nbytes >= _LARGE and value.contiguous
    return isinstance(value, (bytes, bytearray)) and len(value) >= _LARGE


def _set_apart(value: Any, depth: int = 4) -> Any:
    """The value with its large bytes marked, as far as they lie near the top."""
    if _is_large(value):
        return _Bytes(value)
    if isinstance(value, memoryview):
        return bytes(value)
    if depth and type(value) in (list, tuple):
        return [_set_apart(one, depth - 1) for one in value]
    if depth and type(value) is dict:
        return {key: _set_apart(one, depth - 1) for key, one in value.items()}
    return value


def _segment(value: Any, segments: list[tuple[Any, bool]]) -> tuple[int, bytes]:
    """Puts an array, or bytes, among the segments: its number and header."""
    if isinstance(value, _Bytes):
        header, memory, fortran = b"", value.memory, False
    else:
        view = source(value)
        order = wire_order(view.array)
        header = encode_header(order, view.array.shape, view.description, None, None)
        memory, fortran = view.array, order == "F"
    segments.append((memory, fortran))
    return len(segments) - 1, header


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, _Bytes)) or (
        not isinstance(value, (str, np.generic)) and hasattr(value, "__dlpack__")
    )


def _plain(value: Any) -> Any:
    """What stands for a value that neither codec knows."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be sent by this codec")


def _restore(number: int, header: bytes, blocks: list[Any]) -> Any:
    """The array, or bytes, that a placeholder stands for."""
    if not 0 <= number < len(blocks):
        raise ProtocolError("a placeholder for a segment that did not come")
    block = blocks[number]
    if block is None:
        raise ProtocolError("two placeholders for one segment")
    blocks[number] = None  # or a few bytes of payload would ask for copies without end
    if not header:
        return bytes(block)
    head = decode_header(header, _LIMITS)
    if head.nbytes != len(block):
        raise ProtocolError("an array's segment is not of the size that its header says")
    dtype = rebuild(head.description, head.itemsize)
    return np.ndarray(head.shape, dtype, block, order=head.order)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------ msgspec's


def _msgspec() -> Any:
    try:
        import msgspec
        import msgspec.json
        import msgspec.msgpack
    except ImportError:
        raise Error(
            "the codecs json and msgpack need the msgspec package, which the extra 'rpc' installs"
        ) from None
    return msgspec


def _msgpack() -> Codec:
    msgspec = _msgspec()
    ext = msgspec.msgpack.Ext

    def full_encode(value: Any) -> tuple[bytes, list[tuple[Any, bool]] | None]:
        segments: list[tuple[Any, bool]] = []

        def hook(one: Any) -> Any:
            if not _is_array(one):
                return _plain(one)
            number, header = _segment(one, segments)
            return ext(_EXT, struct.pack("<H", number) + header)

        payload = msgspec.msgpack.Encoder(enc_hook=hook).encode(_set_apart(value))
        return payload, segments or None

    def decoder(blocks: list[Any]) -> Any:
        def hook(code: int, data: memoryview) -> Any:
            if code != _EXT:
                return ext(code, bytes(data))
            if len(data) < 2:
                raise ProtocolError("a placeholder without a number")
            return _restore(struct.unpack_from("<H", data)[0], bytes(data[2:]), blocks)

        return msgspec.msgpack.Decoder(ext_hook=hook)

    def full_decode(payload: Any, blocks: list[Any]) -> Any:
        return decoder(list(blocks)).decode(payload)

    quick = msgspec.msgpack.Encoder(enc_hook=_refuse).encode
    return Codec(2, "msgpack", quick, decoder([]).decode, full_encode, full_decode, _Special)


def _json() -> Codec:
    msgspec = _msgspec()

    def full_encode(value: Any) -> tuple[bytes, list[tuple[Any, bool]] | None]:
        segments: list[tuple[Any, bool]] = []

        def hook(one: Any) -> Any:
            if not _is_array(one):
                return _plain(one)
            number, header = _segment(one, segments)
            return {_KEY: [number, base64.b64encode(header).decode()]}

        payload = msgspec.json.Encoder(enc_hook=hook).encode(_set_apart(value))
        return payload, segments or None

    decode = msgspec.json.Decoder().decode

    def full_decode(payload: Any, blocks: list[Any]) -> Any:
        return _replaced(decode(payload), list(blocks))

    quick = msgspec.json.Encoder(enc_hook=_refuse).encode
    return Codec(1, "json", quick, decode, full_encode, full_decode, _Special)


def _replaced(value: Any, blocks: list[Any]) -> Any:
    if type(value) is list:
        return [_replaced(one, blocks) for one in value]
    if type(value) is not dict:
        return value
    if len(value) == 1 and _KEY in value:
        try:
            number, text = value[_KEY]
            return _restore(int(number), base64.b64decode(text, validate=True), blocks)
        except (TypeError, ValueError) as error:
            raise ProtocolError(f"a malformed placeholder: {error}") from None
    return {key: _replaced(one, blocks) for key, one in value.items()}


# -------------------------------------------------------------------------------- pickle


def _names(allowed: Iterable[Any]) -> frozenset[tuple[str, str]]:
    found = set(NUMPY)
    for one in allowed:
        if isinstance(one, str):
            module, _, name = one.rpartition(".")
            found.add((module, name))
        else:
            found.add((one.__module__, one.__qualname__))
    return frozenset(found)


def _loader(allowed: Iterable[Any] | None) -> Callable[[Any, list[Any] | None], Any]:
    """(payload, buffers) -> value."""
    if allowed is None:
        return lambda payload, buffers: pickle.loads(payload, buffers=buffers)
    from fastnet._native.mppickle import AllowedUnpickler

    names = _names(allowed)

    def load(payload: Any, buffers: list[Any] | None) -> Any:
        data = bytes(payload)
        refuse_extensions(data)
        return AllowedUnpickler(io.BytesIO(data), names, buffers).load()

    return load


def _pickle(allowed: Iterable[Any] | None) -> Codec:
    load = _loader(allowed)

    def full_encode(value: Any) -> tuple[bytes, list[tuple[Any, bool]] | None]:
        segments: list[tuple[Any, bool]] = []

        def beside(buffer: pickle.PickleBuffer) -> bool:
            memory = buffer.raw()
            if memory.nbytes < 1024 or len(segments) >= 1000:
                return True
            segments.append((memory, False))
            return False

        payload = pickle.dumps(value, 5, buffer_callback=beside)
        return payload, segments or None

    def full_decode(payload: Any, blocks: list[Any]) -> Any:
        return load(payload, blocks)

    def quick_encode(value: Any) -> bytes:
        if type(value) is tuple and all(type(one) in _SIMPLE for one in value):
            return pickle.dumps(value, 5)
        if type(value) in _SIMPLE:
            return pickle.dumps(value, 5)
        raise _Special

    def quick_decode(payload: Any) -> Any:
        return load(payload, None)

    return Codec(3, "pickle", quick_encode, quick_decode, full_encode, full_decode, _Special)


_SIMPLE = frozenset({int, float, str, bool, type(None), bytes})


def make_codec(name: str, allowed: Iterable[Any] | None = None) -> Codec:
    """The codec of that name.

    allowed: for pickle, the classes and functions that pickles may name, as themselves or as
    "module.name"; None allows everything.
    """
    if name == "msgpack":
        return _msgpack()
    if name == "json":
        return _json()
    if name == "pickle":
        return _pickle(allowed)
    raise ValueError(f"codec must be 'msgpack', 'json' or 'pickle', not {name!r}")
