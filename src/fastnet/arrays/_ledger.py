"""Who is connected to a listener, and what has been counted there."""

from __future__ import annotations

import collections
import threading

from fastnet.arrays._end import End
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


def _less(counter: collections.Counter[str], host: str | None) -> None:
    if host is None:
        return
    counter[host] -= 1
    if counter[host] <= 0:
        del counter[host]


class Ledger:
    """The open streams of a listener by the host they come from, and its counters.

    Any thread may call.
    """

    def __init__(self, limits: Limits, pending_per_address: int | None) -> None:
        self._limits = limits
        self._pending_per_address = pending_per_address
        self._lock = threading.Lock()
        self._newcomers: dict[End, str] = {}
        self._guests: dict[End, str] = {}
        # how many of each are from a host
        self._waiting: collections.Counter[str] = collections.Counter()
        self._here: collections.Counter[str] = collections.Counter()
        self._counts: collections.Counter[str] = collections.Counter()

    def count(self, what: str) -> None:
        """Adds one to a counter."""
        with self._lock:
            self._counts[what] += 1

    def refusal(self, host: str) -> str | None:
        """Why one more connection from this host is too many, or None."""
        limits, waiting = self._limits, self._pending_per_address
        with self._lock:
            bounds = (
                (len(self._guests), limits.connections, "connections"),
                (
                    self._here[host],
                    limits.connections_per_address,
                    "connections from this address",
                ),
                (len(self._newcomers), limits.pending, "handshakes at once"),
                (self._waiting[host], waiting, "handshakes at once from this address"),
            )
        for number, limit, words in bounds:
            if limit is not None and number >= limit:
                return f"too many {words} (the limit is {limit})"
        return None

    def crowded_by(self, host: str) -> bool:
        """Whether this host alone has as many handshakes under way as one may."""
        most = self._pending_per_address
        with self._lock:
            return most is not None and self._waiting[host] >= most

    def arrive(self, stream: End, host: str) -> None:
        """A connection stands; its handshake begins."""
        with self._lock:
            self._newcomers[stream] = host
            self._waiting[host] += 1

    def admit(self, stream: End) -> None:
        """The handshake is complete."""
        with self._lock:
            host = self._newcomers.pop(stream)
            self._guests[stream] = host
            _less(self._waiting, host)
            self._here[host] += 1

    def leave(self, stream: End) -> None:
        """The stream is closed, whatever it was."""
        counters = stream._link.counters()
        with self._lock:
            _less(self._waiting, self._newcomers.pop(stream, None))
            _less(self._here, self._guests.pop(stream, None))
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
