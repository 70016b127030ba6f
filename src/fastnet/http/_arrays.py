"""Bodies that are the bytes of an array."""

from __future__ import annotations

from typing import Any

from fastnet._array.sources import room_of
from fastnet.http.exceptions import IncompleteTransfer
from fastnet.transfer import recv_into

__all__ = ["receive"]


def receive(response: Any, arr: Any) -> int:
    """Fills an array with a response's body; see `Response.recv_into`."""
    array = room_of(arr)
    total = int(array.nbytes)
    rest, length = response._rest, None
    if rest is not None and response._content is None and not response._codings():
        length = rest.left
    if length is not None and length > total:
        raise ValueError(f"the body has {length} bytes, the array {total}")
    if array.flags.c_contiguous and array.size:
        view = memoryview(array.reshape(-1).view("V1")).cast("B")
        got = response.readinto(view)
        if got < total:
            raise IncompleteTransfer(f"the body ended after {got} of {total} bytes", got, total)
    elif array.size:
        recv_into(array, _Reader(response))
    if response.read(1):
        response.close()
        raise ValueError(f"the body has more than the array's {total} bytes")
    return total


class _Reader:
    """A response as `fastnet.recv_into` takes a connection."""

    def __init__(self, response: Any) -> None:
        self.recv_into = response.readinto
