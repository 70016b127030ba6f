"""What a pickle may ask for, where a list says so."""

from __future__ import annotations

import pickle
import pickletools

__all__ = ["NUMPY", "Allowed", "refuse_extensions"]

Allowed = frozenset[tuple[str, str]]

_HOMES = ("numpy._core", "numpy.core")  # since NumPy 2, and before
_EXTENSIONS = {"EXT1": b"\x82", "EXT2": b"\x83", "EXT4": b"\x84"}

NUMPY: Allowed = frozenset(
    {("numpy", "dtype"), ("numpy", "ndarray")}
    | {(f"{home}.numeric", "_frombuffer") for home in _HOMES}
    | {(f"{home}.multiarray", name) for home in _HOMES for name in ("_reconstruct", "scalar")}
)
"""What the pickles of NumPy's arrays, dtypes and scalars ask for, for `allowed=`.

For peers who have the key: a hostile pickle can use these to make arrays of objects over bytes of
its own, which crashes or worse.  From others take arrays by `fastnet.arrays`.
"""


def refuse_extensions(data: bytes) -> None:
    """Refuses a pickle that uses the extension registry.

    What that has looked up before it finds again without `Unpickler.find_class`, so no list
    is asked (copyreg.add_extension).

    Raises pickle.UnpicklingError.
    """
    if not any(code in data for code in _EXTENSIONS.values()):
        return
    try:
        for opcode, _, _ in pickletools.genops(data):
            if opcode.name in _EXTENSIONS:
                raise pickle.UnpicklingError("a pickle uses the extension registry")
    except ValueError as error:
        raise pickle.UnpicklingError(str(error)) from None
