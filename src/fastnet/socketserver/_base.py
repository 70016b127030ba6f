"""The part of a server that knows neither its socket nor how requests run side by side."""

from __future__ import annotations

import errno
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from fastnet.socketserver._loop import Loop, ready

NOTHING, TAKEN, TROUBLE = range(3)  # what came of one attempt to take a request

_BATCH = 16  # requests taken after one wait, so that no wait is skipped for ever
_RECOVERY = 0.05  # seconds until a server that could not accept tries again

# After these, the next attempt fails as this one did until something changes
# elsewhere: no descriptors or memory left, or the listener was closed.
_LASTING = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EBADF,
    errno.EINVAL,
    errno.ENOTSOCK,
}


class BaseServer:
    """What all servers share: the loop, and the hooks that it calls.

    Parameters:
        server_address: kept as `server_address`; what it means is the subclass's.
        RequestHandlerClass: called as ``RequestHandlerClass(request,
            client_address, server)`` for each request.

    A subclass gives `fileno` and `get_request`, and may replace any of
    `server_bind`, `server_activate`, `server_close`, `verify_request`,
    `process_request`, `finish_request`, `shutdown_request`, `close_request`,
    `service_actions`, `handle_timeout` and `handle_error`.

    Attributes:
        timeout: seconds that `handle_request` waits, or None.
        RequestHandlerClass, server_address: as given.
    """

    timeout: float | None = None
    socket: Any
    server_address: Any
    RequestHandlerClass: Callable[[Any, Any, Any], Any]

    def __init__(
        self, server_address: Any, RequestHandlerClass: Callable[[Any, Any, Self], Any]
    ) -> None:
        self.server_address = server_address
        self.RequestHandlerClass = RequestHandlerClass
        self.__is_shut_down = threading.Event()
        self.__shutdown_request = False
        self.__loops: set[Loop] = set()  # of the threads in serve_forever
        self.__users = 0  # those and the ones in handle_request
        self.__lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor that is readable when a request is there."""
        return int(self.socket.fileno())

    def server_activate(self) -> None:
        """Called by the constructor after `server_bind`; does nothing here."""

    def server_close(self) -> None:
        """Called to clean up; does nothing here."""

    # ------------------------------------------------------------------ serving

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Handles requests until `shutdown` is called.

        Several threads may be here at once, on one server.

        Parameters:
            poll_interval: seconds between two calls of `service_actions` when
                nothing comes.  `shutdown` does not wait for it.
        """
        loop = self.__enter_loop()
        left = 0  # attempts until the next wait
        try:
            while not self.__stopping():
                if not self._reserve(0):
                    left = 0
                    loop.pause(_shorter(poll_interval, self._recheck))
                    self.service_actions()
                    continue
                outcome: Any = NOTHING
                try:
                    if not left:
                        left = _BATCH if loop.wait(poll_interval) else 0
                        if self.__stopping():
                            break
                    if left:
                        outcome = self._handle_request_noblock()
                finally:
                    self._unreserve()
                left = left - 1 if outcome == TAKEN and self._may_take_more() else 0
                if outcome == TROUBLE:
                    loop.pause(_shorter(poll_interval, _RECOVERY))
                self.service_actions()
        finally:
            self.__leave_loop(loop)

    def shutdown(self) -> None:
        """Ends `serve_forever`, in every thread that is there, and waits until it has ended.

        Call it from another thread than those: it waits for ever otherwise.
        If no thread has come there yet, it waits for the first one; one that
        comes later serves on.
        What runs in threads or processes of its own goes on;
        `server_close` waits for that.
        """
        with self.__lock:
            self.__shutdown_request = True
            for loop in self.__loops:
                loop.wake()
        self.__is_shut_down.wait()

    def service_actions(self) -> None:
        """Called by `serve_forever` after every turn of its loop; does nothing here."""

    def handle_request(self) -> None:
        """Handles one request, or calls `handle_timeout` when none came in time.

        It waits `timeout` seconds, or as long as the socket's own timeout says
        if that is shorter.
        """
        timeout = _shorter(self.socket.gettimeout(), self.timeout)
        end = None if timeout is None else time.monotonic() + timeout
        if not self._reserve(timeout):
            self.handle_timeout()
            return
        try:
            with self.__lock:
                self.__begin()
            try:
                if ready(self, None if end is None else end - time.monotonic()):
                    self._handle_request_noblock()
                    return
            finally:
                with self.__lock:
                    self.__end()
        finally:
            self._unreserve()
        self.handle_timeout()

    def _handle_request_noblock(self) -> int:
        """Takes a request if one is there, and sees to it."""
        try:
            request, client_address = self.get_request()
        except OSError as error:
            return TROUBLE if error.errno in _LASTING else NOTHING
        if not self.verify_request(request, client_address):
            self.shutdown_request(request)
            return TAKEN
        try:
            self.process_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
            self.shutdown_request(request)
        except:
            self.shutdown_request(request)
            raise
        return TAKEN

    # ------------------------------------------------------------ the threads here

    def __enter_loop(self) -> Loop:
        loop = Loop(self)
        with self.__lock:
            self.__is_shut_down.clear()
            self.__loops.add(loop)
            self.__begin()
        return loop

    def __leave_loop(self, loop: Loop) -> None:
        with self.__lock:
            self.__end()
            self.__loops.discard(loop)
            loop.close()
            if not self.__loops:
                self.__shutdown_request = False
                self.__is_shut_down.set()

    def __stopping(self) -> bool:
        return self.__shutdown_request

    def __begin(self) -> None:
        self.__users += 1
        if self.__users == 1:
            self._begin()

    def __end(self) -> None:
        self.__users -= 1
        if self.__users == 0:
            self._end()

    def _begin(self) -> None:
        """The first thread comes to wait on the listener."""

    def _end(self) -> None:
        """The last one goes."""

    def _may_take_more(self) -> bool:
        """Whether get_request() may be called without a wait before it: it never blocks."""
        return False

    def _wake_loops(self) -> None:
        with self.__lock:
            for loop in self.__loops:
                loop.wake()

    # ------------------------------------------- a limit on what runs side by side

    # Seconds until a loop without room asks again; None if it is woken.
    _recheck: float | None = None

    def _reserve(self, timeout: float | None) -> bool:
        """Keeps room for one more request, for this thread; False when there is none in time."""
        return True

    def _unreserve(self) -> None:
        """Gives the room back, unless a request has taken it."""

    # ------------------------------------------------------------------- requests

    def get_request(self) -> tuple[Any, Any]:
        """The next request and its client's address.  A subclass gives this.

        Raises OSError when there is none after all.
        """
        raise OSError(errno.EOPNOTSUPP, f"{type(self).__name__} has no get_request()")

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a request is to be handled; True here."""
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handles a request and ends it; the mix-ins replace this."""
        self.finish_request(request, client_address)
        self.shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Makes a handler, which handles the request."""
        self.RequestHandlerClass(request, client_address, self)

    def shutdown_request(self, request: Any) -> None:
        """Called to end a request: says goodbye, then closes it."""
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Called to clean up after a request; does nothing here."""

    def handle_timeout(self) -> None:
        """Called by `handle_request` when nothing came in time; does nothing here."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called when a handler raised an Exception: prints it to the standard error stream."""
        rule = "-" * 40
        text = f"Exception occurred during processing of request from {client_address}"
        print(f"{rule}\n{text}\n{traceback.format_exc()}{rule}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server_close()


def _shorter(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
