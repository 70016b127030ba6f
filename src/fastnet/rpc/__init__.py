"""Remote procedure calls: functions of one process, called from another.

    server = fastnet.rpc.RPCServer(("127.0.0.1", 9000), authkey=key)

    @server.method
    def add(a, b):
        return a + b

    with server:
        server.serve_forever()

    with fastnet.rpc.RPCClient(("127.0.0.1", 9000), authkey=key) as client:
        client.add(2, 3)

`RPCHandler` and `RPCProxy` are the small form of it over anything that has
``send`` and ``recv``.  docs/rpc.md tells the whole.
"""

from __future__ import annotations

from fastnet._native.rpchub import current_call
from fastnet.rpc._async import AsyncItems, AsyncRPCClient
from fastnet.rpc._client import RPCClient
from fastnet.rpc._errors import CallTimeout, ConnectionLost, RemoteError
from fastnet.rpc._future import Batch, Items, RPCFuture
from fastnet.rpc._pool import Pool
from fastnet.rpc._recipe import JSONHandler, JSONProxy, RPCHandler, RPCProxy
from fastnet.rpc._server import RPCServer

__all__ = [
    "RPCServer",
    "RPCClient",
    "AsyncRPCClient",
    "Pool",
    "RPCFuture",
    "Batch",
    "Items",
    "AsyncItems",
    "current_call",
    "RemoteError",
    "CallTimeout",
    "ConnectionLost",
    "RPCHandler",
    "RPCProxy",
    "JSONHandler",
    "JSONProxy",
]
