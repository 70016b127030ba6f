"""Who is connected to a listener, and what has been counted there."""

from __future__ import annotations

import collections
import threading

from fastnet.arrays._stream import Stream
from fastnet.limits import Limits

__all__ = ["Ledger"]

_COUNTERS = (
    "accepted",
    "open",
    "pending",
    "refused",
    "bad_peers",
    "handshake_timeouts",
    "shed",
    "bytes_sent",
    "bytes_received",
)


class Ledger:
    """The open streams of a listener by the host they come from, and its counters.

    Any thread may call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newcomers: dict[Stream, str] = {}
        self._guests: dict[Stream, str] = {}
        self._counts: collections.Counter[str] = collections.Counter()

    def count(self, what: str) -> None:
        """Adds one to a counter."""
        with self._lock:
            self._counts[what] += 1

    def refusal(self, host: str, limits: Limits) -> str | None:
        """Why one more connection from this host is too many, or None."""
        with self._lock:
            newcomers, guests = self._newcomers, self._guests
            here = sum(1 for other in guests.values() if other == host)
            waiting = sum(1 for other in newcomers.values() if other == host)
            bounds = (
                (len(guests), limits.connections, "connections"),
                (here, limits.connections_per_address, "connections from this address"),
                (len(newcomers), limits.pending, "handshakes at once"),
                (waiting, limits.pending_per_address, "handshakes at once from this address"),
            )
        for number, limit, words in bounds:
            if limit is not None and number >= limit:
                return f"too many {words} (the limit is {limit})"
        return None

    def arrive(self, stream: Stream, host: str) -> None:
        """A connection stands; its handshake begins."""
        with self._lock:
            self._newcomers[stream] = host

    def admit(self, stream: Stream) -> None:
        """The handshake is complete."""
        with self._lock:
            self._guests[stream] = self._newcomers.pop(stream)

    def leave(self, stream: Stream) -> None:
        """The stream is closed, whatever it was."""
        counters = stream._link.counters()
        with self._lock:
            self._newcomers.pop(stream, None)
            self._guests.pop(stream, None)
            for key in ("bytes_sent", "bytes_received"):
                self._counts[key] += counters[key]

    def stats(self) -> dict[str, int]:
        """All counters; those of bytes include the streams that are open."""
        with self._lock:
            streams = [*self._newcomers, *self._guests]
            result = {key: self._counts[key] for key in _COUNTERS}
            result["open"] = len(self._guests)
            result["pending"] = len(self._newcomers)
        for stream in streams:
            counters = stream._link.counters()
            for key in ("bytes_sent", "bytes_received"):
                result[key] += counters[key]
        return result
