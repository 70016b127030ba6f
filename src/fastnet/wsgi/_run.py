"""`run`: a server as a program of its own, with signals and reloading.

An application that is named rather than given is imported by a child, its *generation*, which
serves; this process only keeps the sockets. On SIGHUP it starts the next generation, which
imports the application anew, and when that serves, asks the one before to end: that takes no
more connections, and answers each that it has once more.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import IO, Any

from fastnet._fork import fork
from fastnet._named import find
from fastnet._serve import Server, serve
from fastnet.limits import Limits
from fastnet.wsgi._server import WSGIServer
from fastnet.wsgi._systemd import inherited

__all__ = ["Named", "run"]

_READY = b"r"
_PR_SET_PDEATHSIG = 1
_HELD = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_PAUSE = 1.0  # seconds before a generation that died is replaced


class Named:
    """An application by its name, imported where and whenever it is to be served.

    Parameters:
        name: ``"module:attribute"``; ``"module"`` means its `application`.
        check: called with what was found; returns the application, or raises ValueError.
    """

    def __init__(self, name: str, check: Callable[[Any], Any] | None = None) -> None:
        self.name = name
        self._check = check

    def load(self) -> Any:
        """The application.

        Raises:
            ValueError: the name is not of that form, or what it names is not there, or no
                application.
        """
        try:
            found = find(self.name, "application")
        except (ImportError, AttributeError) as error:
            raise ValueError(str(error)) from error
        if self._check is not None:
            found = self._check(found)
        if not callable(found):
            raise ValueError("it cannot be called, so it is no WSGI application")
        return found


def run(
    app: Any,
    address: Any = ("127.0.0.1", 8000),
    *,
    workers: int = 1,
    threads: int = 0,
    ssl_context: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    access_log: Callable[[str], None] | IO[str] | bool | None = None,
    listening: Callable[[Any], None] | None = None,
    **options: Any,
) -> None:
    """Serves an application until SIGINT or SIGTERM, then ends gracefully.

    Parameters:
        app: the application, or ``"module:attribute"``, its name, or `Named`:
            then SIGHUP loads it anew, without a request lost.
        address: as for `WSGIServer`; None takes the sockets that systemd
            has passed (``LISTEN_FDS``).
        workers, threads, ssl_context, limits, access_log, options: as for
            `WSGIServer`.
        listening: called with the address, once, when it is served.

    Raises:
        ValueError: what cannot be served.
        OSError: the address cannot be bound.
    """
    if address is None:
        address = inherited()
    asked: dict[str, Any] = {"workers": workers, "threads": threads, "ssl_context": ssl_context}
    asked |= {"limits": limits, "access_log": access_log, **options}
    if isinstance(app, str):
        app = Named(app)
    if not isinstance(app, Named) or threading.current_thread() is not threading.main_thread():
        app = app.load() if isinstance(app, Named) else app
        server = WSGIServer(address, app, **asked)
        if listening is not None:
            listening(server.server_address)
        _serve_here(server)
        return
    holder = serve(_nobody, address, **{k: v for k, v in options.items() if k in _BINDING})
    try:
        Master(app, holder, asked, listening).run()
    finally:
        holder.shutdown(0)


_BINDING = ("backlog", "reuse_port")


def _nobody() -> Any:
    raise RuntimeError("the sockets are only held here")


def _serve_here(server: WSGIServer) -> None:
    """Serves in this process; SIGTERM ends it as `shutdown` does."""
    before = None
    with server:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)


class Master:
    """Keeps one generation at work."""

    def __init__(
        self,
        named: Named,
        holder: Server,
        asked: dict[str, Any],
        listening: Callable[[Any], None] | None,
    ) -> None:
        self._listening = listening
        self._named = named
        self._holder = holder
        self._asked = asked
        self._limits: Limits = asked["limits"] or Limits()
        self._pid = os.getpid()
        self._present = 0  # the generation that serves
        self._coming: tuple[int, int] | None = None  # the next one, and what it will say
        self._leaving: set[int] = set()
        self._signals: list[int] = []
        self._again_at: float | None = None
        self._served = False  # a generation has, at some time
        self._once_more = False  # a signal came while the next one was being loaded

    def run(self) -> None:
        """Until a signal ends it.

        Raises:
            SystemExit: the application cannot be loaded.
        """
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, self._note) for number in numbers}
        wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        try:
            self._hire()
            while True:
                self._wait(read)
                if self._over():
                    return
        finally:
            signal.set_wakeup_fd(wakeup)
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read)
            os.close(write)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._signals.append(number)

    def _wait(self, wake: int) -> None:
        watched = [wake] + ([self._coming[1]] if self._coming else [])
        left = None if self._again_at is None else max(0.0, self._again_at - time.monotonic())
        ready = select.select(watched, [], [], left)[0]
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 512)
        if self._coming and self._coming[1] in ready:
            self._arrived(*self._coming)
        self._reap()
        if self._again_at is not None and time.monotonic() >= self._again_at:
            self._again_at = None
            if self._coming is None:
                self._hire()

    def _over(self) -> bool:
        while self._signals:
            if self._signals.pop(0) != signal.SIGHUP:
                return True
            if self._coming is None:
                self._hire()
            else:  # which may have been loaded before what the signal is about
                self._once_more = True
        return False

    def _hire(self) -> None:
        """Starts the next generation; at once or, where that cannot be now, later."""
        self._again_at = None
        try:
            self._coming = self._fork()
        except OSError as error:
            if not self._served:
                raise
            print(f"fastnet: no process can be had ({error.strerror})", file=sys.stderr)
            self._again_at = time.monotonic() + _PAUSE

    def _fork(self) -> tuple[int, int]:
        read, write = os.pipe()
        # What is sent to the child before it has handlers of its own must not go to these.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            return fork(lambda: self._generation(write), closes=(read,)), read
        except OSError:
            os.close(read)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(write)

    def _arrived(self, pid: int, read: int) -> None:
        """The next generation serves, or has failed to."""
        ready = os.read(read, 1) == _READY
        os.close(read)
        if ready:
            self._take_over(pid)
        else:
            self._leaving.add(pid)
        self._came(ready)

    def _came(self, ready: bool) -> None:
        self._coming = None
        if not ready:
            self._failed()
        if self._once_more:
            self._once_more = False
            self._hire()

    def _failed(self) -> None:
        """The next generation cannot serve, and has said why."""
        if not self._served:
            raise SystemExit(1)
        if self._present:
            print("fastnet: reloading failed; the one before goes on", file=sys.stderr)
        else:
            self._again_at = time.monotonic() + _PAUSE

    def _take_over(self, pid: int) -> None:
        self._served = True
        before, self._present = self._present, pid
        if self._listening is not None:
            self._listening(self._holder.address)
            self._listening = None
        if before:
            self._leaving.add(before)
            _send(before, signal.SIGUSR1)

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._leaving.discard(pid)
            if self._coming and pid == self._coming[0]:
                os.close(self._coming[1])
                self._came(ready=False)
            if pid == self._present:
                print("fastnet: the server process died; another follows", file=sys.stderr)
                self._present = 0
                self._again_at = time.monotonic() + _PAUSE

    def _end(self) -> None:
        """Asks every generation to end; kills what does not."""
        self._holder.shutdown(0)
        left = {*self._leaving, *([self._present] if self._present else [])}
        if self._coming:
            left.add(self._coming[0])
            os.close(self._coming[1])
        for pid in left:
            _send(pid, signal.SIGTERM)
        span = self._limits.close_timeout
        until = None if span is None else time.monotonic() + span + 2
        while left := {pid for pid in left if not _has_ended(pid)}:
            if until is not None and time.monotonic() > until:
                for pid in left:
                    _send(pid, signal.SIGKILL)
            time.sleep(0.01)

    # ------------------------------------------------------------ in the generation

    def _generation(self, ready: int) -> None:
        signal.set_wakeup_fd(-1)
        _end_with(self._pid)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        try:
            app = self._named.load()
        except ValueError as error:
            print(f"fastnet: cannot serve {self._named.name}: {error}", file=sys.stderr)
            return
        sockets: list[socket.socket] = list(self._holder.sockets)
        server = WSGIServer(sockets, app, **self._asked)
        signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
        signal.signal(signal.SIGUSR1, lambda *_: server.retire())
        os.write(ready, _READY)
        os.close(ready)
        server.serve_forever()


def _end_with(parent: int) -> None:
    """Nobody would end a generation whose master was killed (prctl(2); Linux has it)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it has just been
            os._exit(0)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
