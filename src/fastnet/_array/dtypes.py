"""dtypes on the wire: an allow-list of kinds, described and rebuilt piece by piece.

The format is in csrc/include/fastnet/arraymsg.h; the core has checked a
description before it gets here, so what is left to do is to build the dtype
and to see that NumPy agrees with it about the size.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from fastnet.errors import ProtocolError

__all__ = ["UnknownType", "describe", "named", "rebuild"]


class UnknownType(TypeError):
    """A sound description of a type that this machine does not have."""


_KINDS = "biufcmMSUV"

# Types that NumPy knows only when another library brings them.  Each has one
# layout whoever brings it, so its name is enough.
_EXTENSION = frozenset(
    {
        "bfloat16",
        "float8_e3m4",
        "float8_e4m3",
        "float8_e4m3b11fnuz",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float6_e2m3fn",
        "float6_e3m2fn",
        "float4_e2m1fn",
        "int2",
        "int4",
        "uint2",
        "uint4",
    }
)


def named(name: str, itemsize: int, order: str = "<") -> bytes:
    """The description of a type known by name."""
    encoded = name.encode("ascii")
    return b"n" + order.encode("ascii") + struct.pack("<IB", itemsize, len(encoded)) + encoded


# ------------------------------------------------------------- dtype to description


def _long_name(dtype: np.dtype[Any]) -> str:
    """long double has one name and many layouts, told apart by the fraction's bits."""
    kind = "clongdouble" if dtype.kind == "c" else "longdouble"
    return f"{kind}.{np.finfo(dtype.newbyteorder('=')).nmant}"


def _is_long(dtype: np.dtype[Any]) -> bool:
    return (dtype.kind == "f" and dtype.itemsize > 8) or (dtype.kind == "c" and dtype.itemsize > 16)


def _order(dtype: np.dtype[Any]) -> str:
    return "<" if dtype.newbyteorder("<") == dtype else ">"


def _atom(dtype: np.dtype[Any]) -> bytes:
    if dtype.type.__module__.partition(".")[0] == "ml_dtypes":
        if dtype.name not in _EXTENSION:
            raise TypeError(f"dtype {dtype.name!r} cannot be sent")
        return named(dtype.name, dtype.itemsize, _order(dtype))
    if dtype.kind not in _KINDS:
        raise TypeError(_refusal(dtype))
    if _is_long(dtype):
        return named(_long_name(dtype), dtype.itemsize, _order(dtype))
    text = dtype.str.encode("ascii")
    return b"a" + bytes([len(text)]) + text


def _refusal(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "O":
        return (
            "an array of Python objects cannot be sent: its items are addresses in this process; "
            "convert it with .astype, or send its fields as arrays of their own"
        )
    if dtype.kind == "T":
        return (
            "an array of StringDType cannot be sent: its text lies outside the array; "
            "convert it with .astype('U')"
        )
    return f"dtype {dtype} cannot be sent: only kinds {' '.join(_KINDS)} can"


def _structure(dtype: np.dtype[Any]) -> bytes:
    names = dtype.names or ()
    if len(names) > 65535:
        raise ValueError(f"a dtype of {len(names)} fields cannot be sent")
    parts = [b"s", struct.pack("<BIH", dtype.isalignedstruct, dtype.itemsize, len(names))]
    fields = dtype.fields
    assert fields is not None
    for name in names:
        field, offset, *rest = fields[name]
        title = rest[0] if rest else None
        if title is not None and not isinstance(title, str):
            raise TypeError(f"field {name!r} has a title that is not a string")
        key, label = name.encode(), b"" if title is None else title.encode()
        if len(key) > 65535 or len(label) > 65534:
            raise ValueError("a field's name or title is longer than 65534 bytes")
        length = 65535 if title is None else len(label)
        parts += [struct.pack("<HHI", len(key), length, offset), key, label, describe(field)]
    return b"".join(parts)


def describe(dtype: np.dtype[Any]) -> bytes:
    """A dtype's description.

    Raises:
        TypeError: for a dtype of a kind that cannot be sent, by name.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        extents = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
        return b"r" + extents + describe(base)
    if dtype.names is not None:
        return _structure(dtype)
    return _atom(dtype)


# ------------------------------------------------------------- description to dtype


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, n: int) -> bytes:
        self.at += n
        return self.data[self.at - n : self.at]

    def unpack(self, form: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))


def _extension(name: str) -> Any:
    if name not in _EXTENSION:
        raise UnknownType(f"dtype {name!r} is not known here")
    try:
        import ml_dtypes
    except ImportError:
        raise UnknownType(
            f"dtype {name!r} needs the ml_dtypes package: install it, or receive into a torch "
            "tensor with out="
        ) from None
    kind = getattr(ml_dtypes, name, None)
    if kind is None:
        raise UnknownType(f"dtype {name!r} needs a newer ml_dtypes")
    return np.dtype(kind)


def _named(r: _Reader) -> Any:
    order, size, length = r.unpack("cIB")
    name = r.take(length).decode("ascii")
    if name.partition(".")[0] in ("longdouble", "clongdouble"):
        dtype = np.dtype(name.partition(".")[0])
        if _long_name(dtype) != name or dtype.itemsize != size:
            raise UnknownType(f"dtype {name!r} of {size} bytes does not exist on this machine")
    else:
        dtype = _extension(name)
    if order == b">" and size > 1:
        dtype = dtype.newbyteorder(">")
    return dtype


def _fields(r: _Reader) -> Any:
    aligned, itemsize, count = r.unpack("BIH")
    names, titles, offsets, formats = [], [], [], []
    for _ in range(count):
        key, label, offset = r.unpack("HHI")
        names.append(r.take(key).decode("utf-8"))
        titles.append(None if label == 65535 else r.take(label).decode("utf-8"))
        offsets.append(offset)
        formats.append(_node(r))
    spec: dict[str, Any] = {
        "names": names,
        "formats": formats,
        "offsets": offsets,
        "itemsize": itemsize,
    }
    if any(title is not None for title in titles):
        spec["titles"] = titles
    return np.dtype(spec, align=bool(aligned))  # type: ignore[call-overload]


def _node(r: _Reader) -> Any:
    tag = r.take(1)
    if tag == b"a":
        (length,) = r.unpack("B")
        return np.dtype(r.take(length).decode("ascii"))
    if tag == b"n":
        return _named(r)
    if tag == b"r":
        (ndim,) = r.unpack("B")
        shape = r.unpack(f"{ndim}I")
        return np.dtype((_node(r), shape))
    return _fields(r)


def rebuild(description: bytes, itemsize: int) -> np.dtype[Any]:
    """The dtype of a description that the core has checked.

    Raises:
        UnknownType: a type that this machine does not have.
        ProtocolError: a description that NumPy refuses, or that it reads as
            another size than the core did.
    """
    try:
        dtype: np.dtype[Any] = np.dtype(_node(_Reader(description)))
    except UnknownType:
        raise
    except (TypeError, ValueError, KeyError, struct.error) as error:
        raise ProtocolError(f"a dtype description that NumPy refuses: {error}") from None
    if dtype.hasobject:
        raise ProtocolError("a dtype description that holds objects")
    if dtype.itemsize != itemsize:
        raise ProtocolError(
            f"a dtype description of {itemsize} bytes, which NumPy reads as {dtype.itemsize}"
        )
    return dtype
