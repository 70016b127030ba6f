"""A process for each request."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet.socketserver._base import BaseServer as _Server
else:
    _Server = object

_RECHECK = 0.01  # seconds between two looks for a child that has ended


class ForkingMixIn(_Server):
    """Handles each request in a process of its own.  Name it before the server class.

    Only processes made here are waited for.

    Attributes:
        timeout: seconds that `handle_request` waits, so that children which
            have ended are seen to.
        max_children: how many may run at once.  At the limit nothing is
            accepted until one of them ends.
        block_on_close: whether `server_close` waits for the children.
        active_children: process numbers, or None before the first.
    """

    timeout: float | None = 300
    max_children: int = 40
    block_on_close: bool = True
    active_children: set[int] | None = None

    _recheck: float | None = _RECHECK

    def collect_children(self, *, blocking: bool = False) -> None:
        """Sees to children that have ended; with blocking, waits for all of them."""
        for pid in list(self.active_children or ()):
            self._collect(pid, 0 if blocking else os.WNOHANG)

    def _collect(self, pid: int, flags: int) -> None:
        try:
            ended, _ = os.waitpid(pid, flags)
        except ChildProcessError:
            ended = pid  # somebody else has seen to it
        if ended and self.active_children is not None:
            self.active_children.discard(pid)

    def handle_timeout(self) -> None:
        """Sees to children that have ended."""
        self.collect_children()

    def service_actions(self) -> None:
        """Sees to children that have ended."""
        self.collect_children()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a process for a request."""
        pid = os.fork()
        if pid:
            if self.active_children is None:
                self.active_children = set()
            self.active_children.add(pid)
            self.close_request(request)
            return
        status = 1
        try:
            self.finish_request(request, client_address)
            status = 0
        except Exception:
            self.handle_error(request, client_address)
        finally:
            try:
                self.shutdown_request(request)
            finally:
                os._exit(status)

    def server_close(self) -> None:
        """Closes the server, then sees to the children (see block_on_close)."""
        super().server_close()
        self.collect_children(blocking=self.block_on_close)

    def _reserve(self, timeout: float | None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while len(self.active_children or ()) >= self.max_children:
            self.collect_children()
            if len(self.active_children or ()) < self.max_children:
                break
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(_RECHECK)
        return True
