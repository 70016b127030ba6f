"""The ``.npy`` header, written; and which dtypes the format can hold.

Source: "numpy.lib.format", NEP 1. NumPy's own writer warns when a header needs version 2 or 3;
nobody can act on that here, so the header is written directly.
"""

from __future__ import annotations

import struct
import warnings
from typing import Any

MAGIC = b"\x93NUMPY"
ALIGN = 64
GROWTH = 21  # characters that numpy leaves room for, so that the array can grow in place
# How much header is read back: numpy's default of 10,000 is fewer than our limit of fields needs.
MAX_HEADER = 1 << 17


def descr(dtype: Any) -> Any:
    """What the format writes for a dtype; None when reading it back would give another dtype.

    That is so for objects, and for bfloat16 and its kind, which would come back as plain bytes.
    """
    from numpy.lib import format as npy

    if dtype.hasobject:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "custom dtypes are saved as raw bytes"
        found = npy.dtype_to_descr(dtype)
    return found if npy.descr_to_dtype(found) == dtype else None


def header(described: Any, shape: tuple[int, ...], order: str) -> bytes:
    """Magic, version and the padded header of an array of ``shape`` in ``order`` "C" or "F".

    Equal to what `numpy.save` writes, so that files can be compared by checksum at both ends.
    """
    shape = tuple(int(n) for n in shape)
    fortran = order == "F"
    text = f"{{'descr': {described!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    if shape:
        text += " " * (GROWTH - len(repr(shape[-1 if fortran else 0])))
    for version, width, encoding in ((1, "<H", "latin1"), (2, "<I", "latin1"), (3, "<I", "utf8")):
        try:
            body = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        prefix = len(MAGIC) + 2 + struct.calcsize(width)
        body += b" " * (ALIGN - (prefix + len(body) + 1) % ALIGN) + b"\n"
        if width == "<I" or len(body) < 1 << 16:
            return MAGIC + bytes((version, 0)) + struct.pack(width, len(body)) + body
    raise AssertionError("UTF-8 holds every field name")
