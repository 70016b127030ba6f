"""How a green server takes its newcomers through TLS, and how many of them at once."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent

from fastnet.errors import LimitError, TransferTimeout

__all__ = ["Handshakes"]

# Seconds that a handshake is left alone for when newcomers wait: several round trips.
# Whoever is that slow then makes room.
_GRACE = 0.25


class Handshakes:
    """The newcomers of one green server.  All but `secure` runs in the hub's greenlet.

    C accepts without asking, so those for whom there is no room wait here, where
    others' would in the listener's queue, and no more of them than that holds.

    Parameters:
        start: gives a connection its greenlet.
        report: called with socket, address and error of each failure, before
            the socket is closed.
        timeout: seconds for a handshake, from the accept on; None has no end.
        most: handshakes at once.
        queue: newcomers that may wait for their turn.
    """

    def __init__(
        self,
        start: Callable[[Any], None],
        report: Callable[[Any, Any, BaseException], None],
        timeout: float | None,
        most: int,
        queue: int,
    ) -> None:
        self._start = start
        self._report = report
        self._timeout = timeout
        self._most = most
        self._queue = queue
        self._accepted: dict[Any, float] = {}  # when, for those not in their greenlet yet
        self._inside: dict[Any, float] = {}  # greenlets, in the order of their coming
        self._waiting: collections.deque[Any] = collections.deque()
        self._closed = False

    def come(self, request: Any) -> None:
        """A connection has been accepted."""
        self._accepted[request] = time.monotonic()
        if not self._waiting and len(self._inside) < self._most:
            self._start(request)
            return
        self._waiting.append(request)
        if len(self._waiting) > self._queue:
            self._turn_away(LimitError(f"more than {self._most} TLS handshakes at once"))

    def turned(self) -> None:
        """Lets in who waits, as far as there is room; called after every turn."""
        while self._waiting:
            now = time.monotonic()
            if self._timeout is not None and now - self._since() >= self._timeout:
                self._turn_away(self._late())
            elif len(self._inside) < self._most:
                self._start(self._waiting.popleft())
            else:
                oldest = next(iter(self._inside))
                if now - self._inside[oldest] < _GRACE:
                    break
                del self._inside[oldest]
                oldest.throw(LimitError(f"more than {self._most} TLS handshakes at once"))

    def secure(self, request: Any, address: Any) -> bool:
        """The handshake, in the connection's greenlet; False when it failed and all is done."""
        accepted = self._accepted.pop(request)
        error: Exception
        current = getcurrent()
        self._inside[current] = time.monotonic()
        try:
            if self._timeout is not None:
                left = accepted + self._timeout - time.monotonic()
                request.settimeout(max(left, 1e-3))
            request.do_handshake()
        except TimeoutError as caught:
            error = self._late() if caught.errno is None else caught
        except Exception as caught:  # a context's callbacks may raise anything
            error = caught
        else:
            request.settimeout(None)
            return True
        finally:
            self._inside.pop(current, None)
        self._fail(request, address, error)
        return False

    def forget(self, request: Any) -> None:
        """A connection has ended, perhaps before its handshake began."""
        self._accepted.pop(request, None)

    def close(self) -> None:
        """Ends the handshakes under way, of which nobody is told."""
        self._closed = True
        while self._waiting:
            request = self._waiting.popleft()
            del self._accepted[request]
            request.close()
        for task in list(self._inside):
            task.throw(ConnectionAbortedError("the server shuts down"))

    def _late(self) -> TransferTimeout:
        return TransferTimeout(f"the TLS handshake took longer than {self._timeout:g} seconds")

    def _since(self) -> float:
        return self._accepted[self._waiting[0]]

    def _turn_away(self, error: Exception) -> None:
        request = self._waiting.popleft()
        del self._accepted[request]
        try:
            address = request.getpeername()
        except OSError:  # gone already
            address = None
        self._fail(request, address, error)

    def _fail(self, request: Any, address: Any, error: Exception) -> None:
        try:
            if not self._closed:
                self._report(request, address, error)
        finally:
            request.close()
