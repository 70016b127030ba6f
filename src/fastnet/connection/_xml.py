"""Connections that carry XML-RPC's form of objects, for multiprocessing's managers."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from typing import Any

from fastnet.connection._client import Client
from fastnet.connection._listener import Listener

__all__ = ["ConnectionWrapper", "XmlClient", "XmlListener"]


class ConnectionWrapper:
    """A connection whose `send` and `recv` use functions of one's own.

    Parameters:
        conn: the connection.
        dumps, loads: from an object to bytes, and back.
    """

    def __init__(
        self, conn: Any, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]
    ) -> None:
        self._conn = conn
        self._dumps = dumps
        self._loads = loads
        for name in ("fileno", "close", "poll", "recv_bytes", "send_bytes"):
            setattr(self, name, getattr(conn, name))

    def send(self, obj: Any) -> None:
        """Sends an object."""
        self._conn.send_bytes(self._dumps(obj))

    def recv(self) -> Any:
        """The next object."""
        return self._loads(self._conn.recv_bytes())


def _dumps(obj: Any) -> bytes:
    return xmlrpc.client.dumps((obj,), None, None, None, True).encode("utf-8")


def _loads(data: bytes) -> Any:
    (obj,), _ = xmlrpc.client.loads(data.decode("utf-8"))
    return obj


class XmlListener(Listener):
    """A listener whose connections speak XML."""

    def accept(self, timeout: float | None = None) -> Any:
        """As Listener.accept."""
        return ConnectionWrapper(super().accept(timeout), _dumps, _loads)


def XmlClient(*args: Any, **kwargs: Any) -> ConnectionWrapper:
    """As Client, for an XmlListener."""
    return ConnectionWrapper(Client(*args, **kwargs), _dumps, _loads)
