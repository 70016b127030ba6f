"""Blocking handlers by the thousand: each connection on a greenlet, one thread for all.

The handler classes of `socketserver` run here as they are.  What would block a
thread switches to another greenlet instead; a handler that computes, or calls
something that blocks by other means than its `request`, holds up all others.

Needs greenlet, which the extra ``green`` installs.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from greenlet import GreenletExit, getcurrent, greenlet

from fastnet._native.greenhub import Hub
from fastnet.green._socket import GreenSocket
from fastnet.limits import Limits
from fastnet.socketserver import TCPServer, UnixStreamServer
from fastnet.tuning import Tuning

if TYPE_CHECKING:
    import ssl

    from fastnet.green._handshakes import Handshakes
    from fastnet.green._tls import GreenTLSSocket

# Seconds; how late a newcomer that waits for its turn to speak TLS may be seen to.
_TLS_INTERVAL = 0.25

__all__ = [
    "GreenMixIn",
    "GreenSocket",
    "GreenTCPServer",
    "GreenTLSSocket",
    "GreenUnixStreamServer",
    "sleep",
]


def __getattr__(name: str) -> Any:
    if name == "GreenTLSSocket":  # with ssl, which servers in plain text do without
        from fastnet.green import _tls

        return _tls.GreenTLSSocket
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Task(greenlet):  # type: ignore[misc]
    """The greenlet of one handler."""

    __slots__ = ("hub", "request")
    hub: Hub
    request: GreenSocket


def sleep(seconds: float) -> None:
    """Waits; in a handler of a green server only that handler does.

    Parameters:
        seconds: 0 lets the others have a turn.
    """
    current = getcurrent()
    if isinstance(current, _Task):
        current.hub.sleep(seconds)
    else:
        time.sleep(seconds)


class GreenMixIn(TCPServer):
    """Runs the handlers of a stream server on greenlets.  Name it before the server class.

    One thread is in `serve_forever`; what it calls for each connection
    (`verify_request`, `process_request`, `finish_request`, the handler,
    `handle_error`, `shutdown_request`) runs in a greenlet of the connection's
    own, so any of them may wait.  `get_request` is not called: connections
    are accepted in C, and a class that overrides it is refused.

    With an `ssl_context` the server speaks TLS, and a handler's `request` is a
    `GreenTLSSocket` whose handshake is complete.  Handshakes run side by side,
    each in its connection's greenlet, before `verify_request`.  The context is an
    attribute or an argument, or comes from `fastnet.tls.SSLMixin` named first.

    Parameters:
        ssl_context: an `ssl.SSLContext` for a server, as the attribute.
        All others go to the server class.

    Raises:
        TypeError: the class overrides `get_request`, or names `SSLMixin` after
            the green server class.

    Attributes:
        ssl_context: an `ssl.SSLContext`; None for plain text.
        max_handshakes: handshakes at once, 64.  When there are as many, up to
            `request_queue_size` newcomers wait until the oldest handshake is a quarter
            of a second old, and is ended in favour of the next.
        limits: what peers may ask for, see `fastnet.Limits`; none by default
            but those that it says.
        tuning: spin and TCP_NODELAY.
        poller: "epoll", "select" or None for the best there is.
        stop_timeout: seconds that handlers with work in flight, and peers who
            take their last bytes, have when the server shuts down.  Handlers
            that wait for their peer's bytes see the end of the stream; what is
            left after that is ended by `greenlet.GreenletExit`.

    A handshake has until `Limits.handshake_timeout`, or that of `SSLMixin`.
    """

    request_queue_size = 1024
    limits: Limits = Limits()
    tuning: Tuning = Tuning()
    poller: str | None = None
    stop_timeout: float = 5.0
    ssl_context: ssl.SSLContext | None = None
    max_handshakes: int = 64
    _accepts_in_c = True  # what SSLMixin goes by
    _handshakes: Handshakes | None = None

    def __init__(
        self, *args: Any, ssl_context: ssl.SSLContext | None = None, **kwargs: Any
    ) -> None:
        _refuse_plain_text(type(self))
        if ssl_context is not None:
            self.ssl_context = ssl_context
        self._hub: Hub | None = None
        self._tasks: set[_Task] = set()
        self._stopped = threading.Event()
        self._stop_asked = False
        super().__init__(*args, **kwargs)

    # ------------------------------------------------------------------------ serving

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Serves until `shutdown` is called from another thread or a handler.

        Parameters:
            poll_interval: most seconds between two calls of `service_actions`,
                which a server that does not define it does without.

        Raises:
            RuntimeError: another thread is here already.
            TypeError: `socket` was made a TLS socket, the server has got a `get_request` of
                its own, or `SSLMixin` has no context: it would serve in plain text.
        """
        if self._hub is not None:
            raise RuntimeError("a green server serves in one thread")
        lost = self.ssl_context is None and isinstance(self, _ssl_mixin() or ())
        if lost or "get_request" in vars(self) or hasattr(self.socket, "do_handshake"):
            self._stopped.set()  # nobody has to wait for its end
            raise TypeError("a green server accepts in C: for TLS give it ssl_context=")
        hub = Hub(
            self.poller or os.environ.get("FASTNET_POLLER"),
            self.tuning.spin_seconds(),
            getcurrent,
        )
        self._stopped.clear()
        self._hub = hub
        try:
            if not self._stop_asked:
                self._serve(hub, poll_interval)
        finally:
            self._kill_tasks()
            hub.close()
            self._hub = None
            self._handshakes = None
            self._stop_asked = False
            self._stopped.set()

    def _serve(self, hub: Hub, poll_interval: float | None) -> None:
        os.set_blocking(self.socket.fileno(), False)
        spawn = self._spawner(hub)
        actions = _own_actions(self)
        turned = actions or _nothing
        interval = poll_interval if actions else None
        if self.ssl_context is None:
            make: Callable[[], GreenSocket] = self._make_socket
        else:
            make = self._make_tls_sockets(hub, self.ssl_context)
            self._handshakes = handshakes = self._make_handshakes(spawn)
            spawn = handshakes.come
            interval = _TLS_INTERVAL if interval is None else min(interval, _TLS_INTERVAL)
            turned = handshakes.turned if actions is None else _both(handshakes.turned, actions)
        acceptor = hub.listen(self.socket.fileno(), self._make_gate(), make, spawn)
        try:
            hub.run(interval, turned)
            hub.run(0.0, _Rounds(hub, 2).turn)  # who has come already is taken in
        finally:
            acceptor.close()
        self._finish(hub)

    def _make_socket(self) -> GreenSocket:
        return GreenSocket(self)

    def _make_tls_sockets(self, hub: Hub, context: ssl.SSLContext) -> Callable[[], GreenSocket]:
        from fastnet.green._tls import GreenTLSSocket

        return lambda: GreenTLSSocket(self, context, hub.sleep)

    def _make_handshakes(self, start: Callable[[Any], None]) -> Handshakes:
        from fastnet.green._handshakes import Handshakes

        return Handshakes(
            start,
            self._report_handshake,
            getattr(self, "handshake_timeout", self.limits.handshake_timeout),
            self.max_handshakes,
            self.request_queue_size,
        )

    def _make_gate(self) -> Any:
        from fastnet._serve._gate import make_gate

        return make_gate(self.limits, self.tuning, None, None)

    def _spawner(self, hub: Hub) -> Callable[[GreenSocket], None]:
        """What the hub calls with each new connection."""
        tasks, run, parent = self._tasks, self._run, getcurrent()

        def spawn(request: GreenSocket) -> None:
            task = _Task(run, parent)
            task.hub = hub
            task.request = request
            tasks.add(task)
            task.switch(request)

        return spawn

    def _run(self, request: GreenSocket) -> None:
        try:
            address = request.getpeername() if self.address_family != socket.AF_UNIX else ""
        except OSError:  # gone already
            self.close_request(request)
            self._leave(request)
            return
        try:
            if self._handshakes is not None and not self._handshakes.secure(request, address):
                return
            if self.verify_request(request, address):
                self.process_request(request, address)
            else:
                self.shutdown_request(request)
        except GreenletExit:
            request.close()
        except Exception:
            self.handle_error(request, address)
            self.shutdown_request(request)
        except BaseException:
            self.shutdown_request(request)
            raise
        finally:
            self._leave(request)

    def _leave(self, request: GreenSocket) -> None:
        if self._handshakes is not None:
            self._handshakes.forget(request)
        self._tasks.discard(cast(_Task, getcurrent()))

    def get_request(self) -> tuple[Any, Any]:
        """Accepts a connection, for `handle_request`; `serve_forever` does not call it.

        Raises RuntimeError where the server speaks TLS, which only `serve_forever` does.
        """
        if self.ssl_context is not None:
            raise RuntimeError("a green server speaks TLS in serve_forever only")
        return super().get_request()

    def handle_handshake_error(self, sock: Any, address: Any, error: BaseException) -> None:
        """Called when a TLS handshake failed, before the connection is closed; does nothing here.

        Parameters:
            sock: the connection; not to be used for anything but asking it things.
            address: the client's.
            error: as for `fastnet.tls.SSLMixin.handle_handshake_error`.
        """

    def _report_handshake(self, sock: Any, address: Any, error: BaseException) -> None:
        try:
            self.handle_handshake_error(sock, address, error)
        except Exception:
            self.handle_error(sock, address)  # the hook's own mistake

    # --------------------------------------------------------------------- shutting down

    def shutdown(self) -> None:
        """Ends `serve_forever` and waits until it has ended, but not in a handler.

        If no thread has come there yet, it waits for the first one.
        """
        self._stop_asked = True
        hub = self._hub
        if hub is not None:
            hub.stop()
        if not isinstance(getcurrent(), _Task):
            self._stopped.wait()
            self._stop_asked = False

    def _finish(self, hub: Hub) -> None:
        """Nobody new comes; the handlers end."""
        end = time.monotonic() + self.stop_timeout

        def pending() -> bool:  # what a handler wrote may go out long after it has ended
            return bool(self._tasks) or hub.unsent()

        def turned() -> None:
            for task in list(self._tasks):
                if not task.dead:
                    task.request.end_of_stream()
            if not pending() or time.monotonic() > end:
                hub.stop()

        hub.run(0.0, _Rounds(hub, 2).turn)  # what has come already is handled
        if self._handshakes is not None:
            self._handshakes.close()
        if pending():
            hub.run(0.02, turned)
        self._kill_tasks()
        hub.run(0.0, _Rounds(hub, 2).turn)  # their last words go out

    def _kill_tasks(self) -> None:
        for task in list(self._tasks):
            if not task.dead:
                task.throw(GreenletExit)
        self._tasks.clear()

    def stats(self) -> dict[str, int]:
        """The reactor's counters while the server serves, otherwise nothing."""
        hub = self._hub
        return {} if hub is None else hub.stats()


class _Rounds:
    """Lets a hub make so many turns."""

    def __init__(self, hub: Hub, count: int) -> None:
        self._hub = hub
        self._left = count

    def turn(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self._hub.stop()


def _nothing() -> None:
    pass


def _both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], None]:
    def both() -> None:
        first()
        second()

    return both


def _definers(kind: type, name: str) -> list[type]:
    """The classes that define a method, SSLMixin and those that a green server is made of not."""
    ours = {*GreenMixIn.__mro__, UnixStreamServer}
    mixin = _ssl_mixin()
    return [base for base in kind.__mro__ if name in vars(base) and base not in ours | {mixin}]


def _own_actions(server: GreenMixIn) -> Callable[[], object] | None:
    """service_actions, if anybody but us has one."""
    own = _definers(type(server), "service_actions") or "service_actions" in vars(server)
    return server.service_actions if own else None


def _ssl_mixin() -> Any:
    """`fastnet.tls.SSLMixin`, if the program has it."""
    return getattr(sys.modules.get("fastnet.tls"), "SSLMixin", None)


def _refuse_plain_text(kind: type) -> None:
    """Raises TypeError for classes that look as if they spoke TLS, and would not."""
    for base in _definers(kind, "get_request"):
        raise TypeError(
            f"{base.__name__}.get_request would never be called: a green server accepts in C; "
            "for TLS give it ssl_context=, or name fastnet.tls.SSLMixin first"
        )
    mixin = _ssl_mixin()
    if mixin in kind.__mro__ and kind.__mro__.index(mixin) > kind.__mro__.index(GreenMixIn):
        raise TypeError("name SSLMixin before the green server class: class Server(SSLMixin, ...)")


class GreenTCPServer(GreenMixIn, TCPServer):
    """A TCP server with a greenlet for each connection."""


class GreenUnixStreamServer(GreenMixIn, UnixStreamServer):
    """A Unix stream server with a greenlet for each connection."""
