"""Several connections to one server."""

from __future__ import annotations

import itertools
from types import TracebackType
from typing import Any, Self

from fastnet.address import AddressLike
from fastnet.rpc._client import RPCClient
from fastnet.rpc._future import Proxy, RPCFuture

__all__ = ["Pool"]


class Pool:
    """Spreads calls over several connections, for servers with workers.

    Parameters:
        address, options: as for `RPCClient`.
        size: connections, each made at its first call.
    """

    def __init__(self, address: AddressLike, *, size: int = 4, **options: Any) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size!r}")
        self._clients = [RPCClient(address, **options) for _ in range(size)]
        self._turn = itertools.cycle(self._clients)

    def client(self) -> RPCClient:
        """The one whose turn it is."""
        return next(self._turn)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """As `RPCClient.call`, on the connection whose turn it is."""
        return self.client().call(name, *args, **kwargs)

    def submit(self, name: str, /, *args: Any, **kwargs: Any) -> RPCFuture:
        """As `RPCClient.submit`, on the connection whose turn it is."""
        return self.client().submit(name, *args, **kwargs)

    def notify(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """As `RPCClient.notify`, on the connection whose turn it is."""
        self.client().notify(name, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Proxy(self.call, name)

    def __len__(self) -> int:
        return len(self._clients)

    def close(self) -> None:
        """Closes every connection."""
        for client in self._clients:
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
