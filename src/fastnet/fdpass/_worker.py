"""A process that takes connections from a dispatcher and handles them."""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from fastnet.errors import ProtocolError
from fastnet.fdpass._objects import recv_socket

__all__ = ["BACK", "DONE", "READY", "TAKEN", "Handler", "work"]

Handler: TypeAlias = Callable[[socket.socket, Any], object]

# What a worker says of its connections, in the order in which it received them: each is
# taken once, and done once; or it is given back, for another to take, and no more is to come
# until the worker is ready again.
TAKEN, DONE, BACK, READY = b"t", b"d", b"b", b"r"

_log = logging.getLogger("fastnet.fdpass")


def work(channel: socket.socket, handler: Handler, threads: int) -> None:
    """Handles what comes over the channel until its end, then what is in work.

    The dispatcher sends no more than `threads` connections that are not done.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to decide
    # No more connections, and an end when those are done that are here.
    signal.signal(signal.SIGTERM, lambda *_: channel.shutdown(socket.SHUT_RD))
    busy: set[threading.Thread] = set()
    ended = threading.Event()  # some thread has, since this was cleared

    def finish(sock: socket.socket) -> None:
        try:
            _handle(handler, sock)
        finally:
            _say(channel, DONE)  # before the process may end
            busy.discard(threading.current_thread())
            ended.set()

    while True:
        ended.clear()
        try:
            sock = recv_socket(channel)
        except EOFError:
            break
        except OSError as error:
            # The dispatcher still has the connection.  Where no descriptor is left, another
            # takes it, and this worker goes on when one of its own is done; otherwise it
            # ends, and what it has not taken is another's.
            if busy and (error.errno == errno.EMFILE or isinstance(error, ProtocolError)):
                _say(channel, BACK)
                ended.wait()
                _say(channel, READY)
                continue
            _log.exception("a worker takes no more connections")
            break
        _say(channel, TAKEN)
        if threads == 1:
            finish(sock)
            continue
        thread = threading.Thread(target=finish, args=(sock,), name="fastnet-fdpass")
        busy.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            _log.exception("a connection is closed without having been handled")
            busy.discard(thread)
            sock.close()
            _say(channel, DONE)
    for thread in list(busy):
        thread.join()


def _say(channel: socket.socket, what: bytes) -> None:
    with contextlib.suppress(OSError):  # the dispatcher has gone: this worker ends next
        channel.sendall(what)


def _handle(handler: Handler, sock: socket.socket) -> None:
    """One connection, closed afterwards whatever happens."""
    try:
        with sock:
            try:
                address = sock.getpeername()
            except OSError:
                return  # it was reset while it waited, so there is nobody and nothing to read
            handler(sock, address)
    except Exception:  # of closing too, where the handler has closed its descriptor
        _log.exception("the handler of a connection failed")
