"""Waiting for a listener, in a way that another thread can end."""

from __future__ import annotations

import math
import os
import select
from typing import Any

READY = select.POLLIN | select.POLLPRI


def milliseconds(seconds: float | None) -> int | None:
    """A timeout as poll() takes it, rounded up so that no wait ends early."""
    return None if seconds is None else max(0, math.ceil(seconds * 1000))


def ready(server: Any, seconds: float | None) -> bool:
    """Waits for one server's socket; False when the time is over."""
    poll = select.poll()
    poll.register(server.fileno(), READY)
    return bool(poll.poll(milliseconds(seconds)))


class Loop:
    """One thread's serve_forever: its poll object, and a pipe that wakes it.

    Parameters:
        server: what has the fileno() to wait for.

    Without a descriptor to spare there is no pipe, and whoever would wake the
    loop waits for its poll interval instead.
    """

    def __init__(self, server: Any) -> None:
        self._alarm = select.poll()
        self._both = select.poll()
        self._listener = server.fileno()
        self._both.register(self._listener, READY)
        self._read = self._write = -1
        try:
            self._read, self._write = os.pipe()
        except OSError:
            return
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._alarm.register(self._read, select.POLLIN)
        self._both.register(self._read, select.POLLIN)

    def wait(self, seconds: float | None) -> bool:
        """Sleeps until the listener is ready (True), somebody wakes this loop, or time is over."""
        found = self._both.poll(milliseconds(seconds))
        if not found:
            return False
        if any(fd == self._read for fd, _ in found):
            self._drain()
        return any(fd == self._listener for fd, _ in found)

    def pause(self, seconds: float | None) -> None:
        """Sleeps likewise, without an eye on the listener."""
        if self._alarm.poll(milliseconds(seconds)):
            self._drain()

    def wake(self) -> None:
        """Ends the wait of this loop, or its next one.  For any thread."""
        if self._write >= 0:
            try:
                os.write(self._write, b"\0")
            except BlockingIOError:
                pass  # so full of calls that it will wake

    def _drain(self) -> None:
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Gives the pipe back.  Nobody may call wake() from now on."""
        if self._read >= 0:
            os.close(self._read)
            os.close(self._write)
