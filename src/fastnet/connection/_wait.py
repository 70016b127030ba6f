"""Waiting for any of several connections, sockets or processes."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterable
from typing import Any

from fastnet.connection._tls import TLSConnection

__all__ = ["wait"]


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Those objects that can be read, as soon as there is one.

    Parameters:
        object_list: connections, sockets, processes' sentinels, anything with a
            fileno() or that is a descriptor.
        timeout: seconds; None waits for ever.

    Returns:
        The ready ones, an empty list when the time is over.  A connection over
        TLS is ready when a message's beginning was decrypted, not when bytes
        came that may be TLS's own.
    """
    with selectors.PollSelector() as selector:
        for obj in object_list:
            selector.register(obj, selectors.EVENT_READ)
        watched: list[Any] = [key.fileobj for key in selector.get_map().values()]
        veiled = [obj for obj in watched if _over_tls(obj)]
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            decrypted = [obj for obj in veiled if obj.poll(0)]
            found: list[Any] = [
                key.fileobj for key, _ in selector.select(0 if decrypted else timeout)
            ]
            ready = [obj for obj in found if not _over_tls(obj)]
            if ready or decrypted:
                return ready + decrypted
            if deadline is not None:
                timeout = deadline - time.monotonic()
                if timeout < 0:
                    return [obj for obj in veiled if obj.poll(0)]


def _over_tls(obj: Any) -> bool:
    return isinstance(getattr(obj, "_conn", obj), TLSConnection)  # through a ConnectionWrapper
