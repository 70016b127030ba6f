"""Arrays in every layout and of every dtype: for tests only."""

from __future__ import annotations

import ml_dtypes
import numpy as np

rng = np.random.default_rng(20260101)

DTYPES = [
    "?", "i1", "u1", "<i2", ">i2", "<u4", ">i8", "<f2", "<f4", ">f8", "<c8", ">c16",
    "longdouble", "clongdouble", ">g",
    "<M8[ns]", ">M8[D]", "<M8[25s]", "<M8", "<m8[us]", "<m8[7h]", ">m8", "<M8[Y]",
    "S1", "S7", "<U3", ">U2", "S0", "U0", "V5", "V1", "V0",
]  # fmt: skip

STRUCTURED = {
    "plain": np.dtype([("a", "<i4"), ("b", ">f8"), ("c", "S3")]),
    "nested": np.dtype([("x", [("y", "<u2"), ("z", [("w", "<c8")])]), ("v", "u1")]),
    "aligned": np.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i2")], align=True),
    "titled": np.dtype([(("first title", "a"), "<i2"), ("b", "<f4"), (("", "c"), "u1")]),
    "subarrays": np.dtype([("m", "<f4", (2, 3)), ("n", "<i2", 4), ("o", "S2", (1,))]),
    "padding": np.dtype(
        {"names": ["a", "b"], "formats": ["<i2", "<i2"], "offsets": [3, 9], "itemsize": 17}
    ),
    "overlapping": np.dtype(
        {"names": ["a", "b"], "formats": ["<i4", "<i2"], "offsets": [0, 2], "itemsize": 4}
    ),
    "reversed": np.dtype({"names": ["a", "b"], "formats": ["<i4", "u1"], "offsets": [4, 0]}),
    "dates": np.dtype([("when", "<M8[ms]"), ("span", "<m8[15m]", (2,))]),
    "unicode names": np.dtype([("größe", "<f8"), ("名", "<i8")]),
    "empty": np.dtype([]),
    "void of structure": np.dtype([("raw", "V11"), ("s", "<U4")]),
    "many fields": np.dtype([(f"f{i}", "<f8") for i in range(600)]),
}

ML_DTYPES = [
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn",
    "float6_e3m2fn", "float4_e2m1fn", "int2", "int4", "uint2", "uint4",
]  # fmt: skip


def filled(dtype: object, shape: tuple[int, ...]) -> np.ndarray:
    """An array of random but valid items."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    if dtype.kind == "U":
        text = ["".join(chr(97 + (i + j) % 26) for j in range(dtype.itemsize // 4))
                for i in range(count)]  # fmt: skip
        return np.array(text, dtype).reshape(shape)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    array = np.zeros(shape, dtype)
    if dtype.itemsize and count:
        raw = array.reshape(-1).view("u1") if array.ndim else array.reshape(1).view("u1")
        raw[:] = rng.integers(0, 100, raw.size, dtype=np.uint8)
    return array


def ml_dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name))


def _steps(shape: tuple[int, ...], steps: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(n * abs(s.step or 1) for n, s in zip(shape, steps, strict=True))


# Each makes an array of shape (6, 5, 4) in a layout of its own.
SHAPE = (6, 5, 4)
LAYOUTS = {
    "C": lambda dtype: filled(dtype, SHAPE),
    "F": lambda dtype: np.asfortranarray(filled(dtype, SHAPE)),
    "rows": lambda dtype: filled(dtype, (12, 5, 4))[::2],
    "columns": lambda dtype: filled(dtype, (6, 10, 4))[:, ::2],
    "items": lambda dtype: filled(dtype, (6, 5, 12))[..., ::3],
    "part": lambda dtype: filled(dtype, (9, 8, 7))[2:8, 3:8, 1:5],
    "negative": lambda dtype: filled(dtype, SHAPE)[::-1, :, ::-1],
    "transposed": lambda dtype: filled(dtype, (4, 5, 6)).T,
    "turned": lambda dtype: filled(dtype, (5, 4, 6)).transpose(2, 0, 1),
    "F part": lambda dtype: np.asfortranarray(filled(dtype, (7, 5, 8)))[1:, :, ::2],
    "F negative": lambda dtype: np.asfortranarray(filled(dtype, SHAPE))[:, ::-1],
}
# For sending only: items that share memory.
SHARED = {
    "broadcast": lambda dtype: np.broadcast_to(filled(dtype, (1, 5, 1)), SHAPE),
    "repeated": lambda dtype: np.broadcast_to(filled(dtype, ()), SHAPE),
    "windows": lambda dtype: np.lib.stride_tricks.sliding_window_view(filled(dtype, (30,)), 7),
}
EDGES = {
    "0-d": lambda dtype: filled(dtype, ()),
    "one": lambda dtype: filled(dtype, (1,)),
    "empty": lambda dtype: filled(dtype, (0,)),
    "empty 3-d": lambda dtype: filled(dtype, (3, 0, 2)),
    "empty F": lambda dtype: np.asfortranarray(filled(dtype, (3, 0, 2))),
    "ones": lambda dtype: filled(dtype, (1, 1, 1)),
}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in dtype, shape and every byte."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
