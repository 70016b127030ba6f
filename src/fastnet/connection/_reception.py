"""Taking in connections: many handshakes side by side, none in another's way.

A peer that says nothing, or speaks slowly, or has the wrong key, costs a
descriptor and a few kilobytes until its deadline, and delays nobody.  Nothing
moves outside `accept`, and the time between two calls counts for no deadline.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from fastnet.connection._negotiation import Negotiation
from fastnet.errors import AuthenticationError
from fastnet.limits import Limits

__all__ = ["Reception"]

_SLICE = 0.5  # seconds; how soon a close() in another thread is noticed
_BATCH = 64  # connections taken from the queue before the others are looked at
_NO_ROOM = {errno.EMFILE, errno.ENFILE}
# What accept(2) reports of a connection that is gone already, and not of the listener.
_GONE = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM}


class _Guest:
    """A connection whose handshake is under way."""

    def __init__(self, negotiation: Negotiation, address: Any, deadline: float) -> None:
        self.negotiation = negotiation
        self.address = address
        self.deadline = deadline


class Reception:
    """The waiting room of one listening socket.

    Parameters:
        sock: the listening socket, which stays the caller's.
        begin: makes the negotiation of a new socket.
        limits: `pending`, `pending_per_address` and `handshake_timeout` count.
    """

    def __init__(
        self,
        sock: socket.socket,
        begin: Callable[[socket.socket], Negotiation],
        limits: Limits,
    ) -> None:
        self._sock = sock
        self._begin = begin
        self._limits = limits
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._guests: dict[int, _Guest] = {}
        self._by_host: Counter[Any] = Counter()
        self._finished: deque[tuple[Negotiation, Any] | BaseException] = deque()
        self._paused = time.monotonic()
        self._poller = select.poll()

    def pending(self) -> int:
        """How many handshakes are under way."""
        return len(self._guests)

    def accept(self, timeout: float | None) -> tuple[Negotiation, Any]:
        """The next complete negotiation, and its peer's address.

        Raises:
            TimeoutError: there was none within timeout seconds.
            AuthenticationError, OSError: a handshake failed; the others go on.
        """
        if self._process != os.getpid():
            self._forget()
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise TimeoutError(f"no connection within {timeout} s")
        try:
            self._resume()
            while not self._finished:
                if not self._turn(deadline) and not self._finished:
                    raise TimeoutError(f"no connection within {timeout} s")
            result = self._finished.popleft()
        finally:
            self._paused = time.monotonic()
            self._lock.release()
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """Ends every negotiation."""
        for guest in list(self._guests.values()):
            self._drop(guest)
        for result in self._finished:
            if not isinstance(result, BaseException):
                result[0].sock.close()
        self._finished.clear()

    def _forget(self) -> None:
        # After a fork the handshakes under way are the parent's; these are copies.
        guests, finished = self._guests, self._finished
        self._reset()
        held = [guest.negotiation for guest in guests.values()]
        held += [result[0] for result in finished if not isinstance(result, BaseException)]
        for negotiation in held:
            os.close(negotiation.sock.detach())

    def _resume(self) -> None:
        pause = time.monotonic() - self._paused
        for guest in self._guests.values():
            guest.deadline += pause
        if self._sock.fileno() >= 0:
            self._poller.register(self._sock, select.POLLIN)

    # ------------------------------------------------------------------- one turn

    def _turn(self, deadline: float | None) -> bool:
        """Waits once and does what can be done; False when the deadline has passed."""
        now = time.monotonic()
        ends = [now + _SLICE]
        if deadline is not None:
            ends.append(deadline)
        if self._guests:  # they came in this order and have the same time each
            ends.append(next(iter(self._guests.values())).deadline)
        ready = self._poller.poll(max(0.0, min(ends) - now) * 1000)
        listening = self._sock.fileno()
        if listening < 0:
            raise OSError("listener is closed")
        for fd, _ in ready:
            if fd == listening:
                self._let_in()
            elif fd in self._guests:
                self._advance(self._guests[fd])
        self._expire()
        return bool(ready) or deadline is None or time.monotonic() < deadline

    def _let_in(self) -> None:
        # settimeout() on the socket, the old way to a timeout, lets accept(2) wait again.
        timeout = self._sock.gettimeout()
        self._sock.setblocking(False)
        try:
            self._take_from_queue()
        finally:
            if self._sock.fileno() >= 0:  # a closed one has no timeout to set
                self._sock.settimeout(timeout)
                os.set_blocking(self._sock.fileno(), False)

    def _take_from_queue(self) -> None:
        for _ in range(_BATCH):
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM and self._guests:
                    self._evict()
                    continue
                if error.errno in _GONE:
                    continue
                raise
            self._welcome(sock, address)
            if self._finished:
                return

    def _welcome(self, sock: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else None
        most, each = self._limits.pending, self._limits.pending_per_address
        if each is not None and host is not None and self._by_host[host] >= each:
            sock.close()
            return
        if most is not None and len(self._guests) >= most:
            self._evict()
        try:
            negotiation = self._begin(sock)
        except (OSError, ValueError):  # reset before it was looked at
            sock.close()
            return
        patience = self._limits.handshake_timeout
        deadline = time.monotonic() + (1e9 if patience is None else patience)
        guest = _Guest(negotiation, address, deadline)
        self._guests[negotiation.sock.fileno()] = guest
        self._by_host[host] += 1
        self._advance(guest)

    def _advance(self, guest: _Guest) -> None:
        try:
            events = guest.negotiation.advance()
        except (AuthenticationError, OSError) as error:
            self._drop(guest)
            self._finished.append(_as_refusal(error, guest.address))
            return
        except BaseException:  # a signal's handler, say: where the handshake stands is unknown
            self._drop(guest)
            raise
        if events:
            self._poller.register(guest.negotiation.sock, events)
            return
        self._leave(guest)
        self._finished.append((guest.negotiation, guest.address))

    def _expire(self) -> None:
        now = time.monotonic()
        for guest in list(self._guests.values()):
            if guest.deadline > now:
                return
            self._drop(guest)
            seconds = self._limits.handshake_timeout
            late = AuthenticationError(f"the handshake took longer than {seconds} s")
            self._finished.append(_as_refusal(late, guest.address))

    def _evict(self) -> None:
        """The oldest makes room: whoever is honest needs no longer than a few round trips."""
        self._drop(next(iter(self._guests.values())))

    def _leave(self, guest: _Guest) -> None:
        sock = guest.negotiation.sock
        host = guest.address[0] if isinstance(guest.address, tuple) else None
        del self._guests[sock.fileno()]
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]
        with contextlib.suppress(KeyError):
            self._poller.unregister(sock)

    def _drop(self, guest: _Guest) -> None:
        self._leave(guest)
        guest.negotiation.sock.close()


def _as_refusal(error: Exception, address: Any) -> Exception:
    """An error that says which peer it is about; its class stays."""
    where = f" (from {address!r})" if address else ""
    if isinstance(error, AuthenticationError):
        return type(error)(f"{error}{where}")
    if isinstance(error, ssl.SSLError):
        return AuthenticationError(f"TLS: {error.reason or error}{where}")
    return AuthenticationError(f"the connection broke inside the handshake: {error}{where}")
