"""A thread for each request."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.socketserver._base import BaseServer as _Server
else:
    _Server = object


class Threads(list[threading.Thread]):
    """Handlers' threads that are to be joined; those that have ended are let go now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._enough = 8  # threads until it is worth looking

    def append(self, thread: threading.Thread) -> None:
        """Takes a running thread, unless it is a daemon, which nobody waits for."""
        if thread.daemon:
            return
        with self._lock:
            if len(self) >= self._enough:
                self[:] = [known for known in self if known.is_alive()]
                self._enough = max(8, 2 * len(self))
            super().append(thread)

    def join(self) -> None:
        """Waits until all have ended."""
        while self:
            self.pop().join()


class Room:
    """Counts handlers, for a server that limits them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0
        self._mine = threading.local()

    def take(self, limit: int, timeout: float | None) -> bool:
        """Takes a place if fewer than limit are taken, or become free within timeout seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._taken < limit, timeout):
                return False
            self._taken += 1
            return True

    def give(self) -> None:
        """Gives a place back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()

    @property
    def reserved(self) -> bool:
        """Whether this thread has taken a place for the request it is waiting for."""
        return getattr(self._mine, "reserved", False)

    @reserved.setter
    def reserved(self, value: bool) -> None:
        self._mine.reserved = value


class ThreadingMixIn(_Server):
    """Handles each request in a thread of its own.  Name it before the server class.

    Attributes:
        daemon_threads: whether the interpreter may exit while handlers run.
        block_on_close: whether `server_close` waits for handlers that are not
            daemons.
        max_threads: how many handlers may run at once; None for any number.
            At the limit nothing is accepted until one of them ends:
            connections wait in the listener's queue.  `shutdown` does not
            wait for them.
    """

    daemon_threads: bool = False
    block_on_close: bool = True
    max_threads: int | None = None
    _threads: Threads = Threads()  # stays empty: a server makes its own when it needs one

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handles a request and ends it, in its thread."""
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for a request."""
        room = self._take_place()
        thread = threading.Thread(
            target=self.process_request_thread if room is None else self._in_place,
            args=(request, client_address),
            daemon=self.daemon_threads,
        )
        try:
            thread.start()
        except BaseException:
            if room is not None:
                room.give()
            raise
        if self.block_on_close:
            if "_threads" not in vars(self):
                vars(self).setdefault("_threads", Threads())
            self._threads.append(thread)

    def server_close(self) -> None:
        """Closes the server, then waits for the handlers (see block_on_close)."""
        super().server_close()
        self._threads.join()

    # ----------------------------------------------------------------- max_threads

    def _room(self) -> Room:
        room: Room = vars(self).setdefault("_places", Room())
        return room

    def _take_place(self) -> Room | None:
        if self.max_threads is None:
            return None
        room = self._room()
        if room.reserved:
            room.reserved = False
        else:
            room.take(self.max_threads, None)
        return room

    def _in_place(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._room().give()
            self._wake_loops()

    def _reserve(self, timeout: float | None) -> bool:
        if self.max_threads is None:
            return True
        room = self._room()
        room.reserved = room.take(self.max_threads, timeout)
        return room.reserved

    def _unreserve(self) -> None:
        room: Room | None = vars(self).get("_places")
        if room is not None and room.reserved:
            room.reserved = False
            room.give()
            self._wake_loops()
