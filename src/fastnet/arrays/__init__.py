"""NumPy arrays between processes and nodes, each with its dtype, shape and order.

    with fastnet.arrays.listen(("127.0.0.1", 9000)) as listener:
        for stream in listener:
            for array in stream:
                ...

    with fastnet.arrays.connect(("127.0.0.1", 9000)) as stream:
        stream.send(array, name="weights", meta={"step": 7})

For asyncio there are `open_connection` and `start_server`.

The bytes go from the sender's array to the receiver's without a copy in
between; docs/arrays.md tells how, and docs/protocol-fn1.md what is on the wire.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastnet.arrays._connect import connect
from fastnet.arrays._incoming import ArrayInfo
from fastnet.arrays._listener import Listener, listen
from fastnet.arrays._outgoing import Item
from fastnet.arrays._stream import Stream

if TYPE_CHECKING:
    from fastnet.arrays._aio_connect import open_connection as open_connection
    from fastnet.arrays._aio_server import AsyncServer as AsyncServer
    from fastnet.arrays._aio_server import start_server as start_server
    from fastnet.arrays._aio_stream import AsyncStream as AsyncStream

__all__ = [
    "ArrayInfo",
    "AsyncServer",
    "AsyncStream",
    "Item",
    "Listener",
    "Stream",
    "connect",
    "listen",
    "open_connection",
    "start_server",
]

# Programs without an event loop do not load asyncio.
_HOME = {
    "AsyncServer": "_aio_server",
    "AsyncStream": "_aio_stream",
    "open_connection": "_aio_connect",
    "start_server": "_aio_server",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
