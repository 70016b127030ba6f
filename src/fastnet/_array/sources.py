"""Whatever holds an array, as a NumPy array over the same memory.

Accepted: NumPy arrays, CPU tensors of torch, and anything with the buffer
protocol, the array interface or DLPack on the CPU.  Nothing is copied.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from fastnet._array.dtypes import describe, named

__all__ = ["Descriptions", "View", "bytes_of", "room_of", "source", "target", "wire_order"]


class View(NamedTuple):
    """An array's memory, and the description of what its items are.

    For types that NumPy lacks (torch's bfloat16), `array` has items of the
    same size and `description` the true type.
    """

    array: Any
    description: bytes


class Descriptions:
    """The descriptions of the dtypes seen last, so that each is made once."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._known: OrderedDict[Any, bytes] = OrderedDict()

    def of(self, dtype: np.dtype[Any]) -> bytes:
        """A dtype's description; raises as `describe` does."""
        if dtype.names is not None:
            return describe(dtype)  # its names can be changed in place
        key = dtype
        found = self._known.get(key)
        if found is None:
            found = describe(dtype)
            self._known[key] = found
            if len(self._known) > self._keep:
                self._known.popitem(last=False)
        return found


def _torch_view(obj: Any, writing: bool) -> View | None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(obj, torch.Tensor):
        return None
    if obj.device.type != "cpu":
        raise TypeError(f"a tensor on {obj.device} must be moved with .cpu() first")
    if obj.layout is not torch.strided:
        raise TypeError(f"a {obj.layout} tensor must be made dense first")
    tensor = obj.detach()
    if writing:
        if tensor.is_conj() or tensor.is_neg():
            raise ValueError("a lazily conjugated or negated tensor cannot be filled")
    else:
        tensor = tensor.resolve_conj().resolve_neg()
    name = str(tensor.dtype).removeprefix("torch.")
    if name == "bfloat16" or name.startswith("float8_"):
        size = tensor.element_size()
        same_size = tensor.view(torch.int16 if size == 2 else torch.uint8)
        return View(same_size.numpy(), named(name, size))
    try:
        array = tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"a tensor of {tensor.dtype} cannot be sent: {error}") from None
    return View(array, describe(array.dtype))


class _Memory:
    """Memory at an address, kept by its owner, as the array interface shows it."""

    def __init__(self, owner: Any, array: Any) -> None:
        self.owner = owner
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _from_dlpack(obj: Any, writing: bool) -> Any:
    device = getattr(obj, "__dlpack_device__", None)
    if device is not None and device()[0] not in (1, 3, 11):  # CPU, and pinned CPU memory
        raise TypeError("an array on a device must be copied to the CPU first")
    array = np.from_dlpack(obj)
    if writing and not array.flags.writeable and not _says_read_only(obj):
        # Producers before DLPack 1.0 cannot say, and NumPy then assumes read-only.
        array = np.asarray(_Memory((obj, array), array))
    return array


def _says_read_only(obj: Any) -> bool:
    flags = getattr(obj, "flags", None)
    writeable = getattr(flags, "writeable", None)
    return writeable is False


def _as_ndarray(obj: Any, writing: bool) -> Any:
    if isinstance(obj, np.ma.MaskedArray):
        raise TypeError("a masked array cannot be sent: send its .data and its .mask")
    if isinstance(obj, np.ndarray):
        return obj
    if hasattr(obj, "__array_interface__"):
        return np.asarray(obj)
    try:
        view = memoryview(obj)
    except TypeError:
        pass
    else:
        return np.asarray(view)
    if hasattr(obj, "__dlpack__"):
        return _from_dlpack(obj, writing)
    if not writing and hasattr(obj, "__array__"):
        return np.asarray(obj)
    raise TypeError(
        f"{type(obj).__name__} has no array to send: it needs the buffer protocol, "
        "__array_interface__ or DLPack; numpy.asarray makes an array of a list"
    )


def _view(obj: Any, known: Descriptions | None, writing: bool) -> View:
    if type(obj) is not np.ndarray:
        view = _torch_view(obj, writing)
        if view is not None:
            return view
        obj = _as_ndarray(obj, writing)
    return View(obj, describe(obj.dtype) if known is None else known.of(obj.dtype))


def source(obj: Any, known: Descriptions | None = None) -> View:
    """What to send of an object; TypeError says what cannot be sent, and why."""
    return _view(obj, known, writing=False)


def target(obj: Any, known: Descriptions | None = None) -> View:
    """Where to receive; ValueError for memory that cannot be written."""
    view = _view(obj, known, writing=True)
    if not view.array.flags.writeable:
        raise ValueError("the array to receive into is read-only")
    if _overlaps_itself(view.array):
        raise ValueError("the array to receive into is broadcast: items share memory")
    return view


def _overlaps_itself(array: Any) -> bool:
    shared = (n > 1 and stride == 0 for n, stride in zip(array.shape, array.strides, strict=True))
    return array.nbytes > 0 and any(shared)


def bytes_of(obj: Any) -> Any:
    """An ndarray over any object's bytes, for raw sending."""
    if type(obj) is np.ndarray and not obj.dtype.hasobject:
        return obj
    return source(obj).array


def room_of(obj: Any) -> Any:
    """An ndarray over any object's writable bytes, for raw receiving."""
    return target(obj).array


def wire_order(array: Any) -> str:
    """The order in which an array's items lie in memory, or nearly so: "C" or "F"."""
    flags = array.flags
    if flags.c_contiguous:
        return "C"
    if flags.f_contiguous:
        return "F"
    strides = [abs(s) for n, s in zip(array.shape, array.strides, strict=True) if n > 1 and s]
    return "F" if len(strides) > 1 and strides[0] < strides[-1] else "C"
