"""``fastnet talk``: what is typed, or comes from a pipe, to a server; its answers to stdout.

One thread and one poll(): stdin is read only when what was read before has gone, so nothing piles
up here; stdout is written with plain system calls, so nothing is held back either.
"""

from __future__ import annotations

import argparse
import errno
import os
import select
import socket
import sys
import time
from typing import Any

from fastnet.cli import _place, _report
from fastnet.cli._report import Failure

CHUNK = 64 * 1024
BROKEN = select.POLLERR | select.POLLHUP | select.POLLNVAL
STDIN, STDOUT = 0, 1
LONGEST = 65535  # bytes of a line that becomes a datagram
GRACE = 100  # milliseconds in which stdin has the rest, if there is a rest
WAIT = 1.0  # seconds that datagrams are waited for after the end of stdin


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet talk``."""
    if not args.tls and any((args.cafile, args.cert, args.key, args.insecure, args.name)):
        raise Failure("--cafile, --cert, --key, --name and --insecure are for --tls", 2)
    if args.udp and args.tls:
        raise Failure("--tls needs a stream: leave out --udp", 2)
    address = _place.parse(args.address)
    where = _place.show(address)
    _fill_gaps()
    if args.udp:
        from fastnet.cli._talk_udp import Datagrams

        with _connected(address, args, where) as sock:
            return Datagrams(sock, args, where).run()
    if not args.tls:
        with _connected(address, args, where) as sock:
            return Talk(Plain(sock), args, where).run()
    from fastnet.cli import _talk_tls

    context = _talk_tls.context(args)
    name = _talk_tls.server_name(args, address)
    with _connected(address, args, where) as sock:
        wire = _talk_tls.Tls(sock, context, name, where, args.timeout)
        return Talk(wire, args, where).run()


# ------------------------------------------------------------------------ connecting


def _connected(address: Any, args: argparse.Namespace, where: str) -> Any:
    from fastnet import sockets

    kind = socket.SOCK_DGRAM if args.udp else socket.SOCK_STREAM
    try:
        if isinstance(address, tuple) and not args.udp:
            sock: Any = sockets.create_connection(address, args.timeout)
        else:
            sock = _connect_one(address, kind, args.timeout)
    except socket.gaierror as error:
        raise Failure(f"cannot find host {address[0]!r}: {error.strerror}") from None
    except UnicodeError:
        raise Failure(f"cannot find host {address[0]!r}: not a host name") from None
    except TimeoutError as error:
        after = f" after {args.timeout:g} s" if args.timeout and not error.errno else ""
        raise Failure(f"cannot connect to {where}: no answer{after}") from None
    except OSError as error:
        raise Failure(f"cannot connect to {where}: {_report.system(error)}") from None
    sock.setblocking(False)
    return sock


def _connect_one(address: Any, kind: int, timeout: float | None) -> Any:
    from fastnet.sockets import Socket

    family: int = socket.AF_UNIX
    target: Any
    if isinstance(address, tuple):
        host, port = address
        family, _, _, _, target = socket.getaddrinfo(host, port, type=kind)[0]
    else:
        target = address.removeprefix("unix:")
    sock = Socket(family, kind)
    try:
        sock.settimeout(timeout)
        if family == socket.AF_UNIX and kind == socket.SOCK_DGRAM:
            sock.bind("")  # the system chooses an abstract name: answers need an address
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    return sock


# -------------------------------------------------------------------- stdin and stdout


def write_out(data: bytes | memoryview) -> None:
    """Writes all to stdout, at once. Raises OutputClosed, or Failure when it cannot."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(STDOUT, view) :]
        except BlockingIOError:  # whoever has the other end made it non-blocking
            waiting = select.poll()
            waiting.register(STDOUT, select.POLLOUT)
            waiting.poll()
        except BrokenPipeError:
            _report.silence()
            raise _report.OutputClosed from None
        except OSError as error:
            raise Failure(f"cannot write the output: {error.strerror}") from None


def read_in(size: int = CHUNK) -> bytes | None:
    """What stdin has: b"" at its end, None when it has nothing after all."""
    try:
        return os.read(STDIN, size)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno in (errno.EBADF, errno.EIO):  # closed from the start; a terminal has gone
            return b""
        raise Failure(f"cannot read the input: {error.strerror}") from None


def _fill_gaps() -> None:
    """Puts nothing where stdin, stdout or stderr is closed: the socket must not land there."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, so this one


def greet(where: str) -> None:
    """Tells somebody at a terminal what to do."""
    if _is_terminal() and sys.stderr is not None and sys.stderr.isatty():
        _report.note(f"talking to {where}; Ctrl-D ends what you send, Ctrl-C everything")


class Lines:
    """Turns line ends into CR LF, across the pieces that they come in."""

    def __init__(self) -> None:
        self._last = b""

    def crlf(self, data: bytes) -> bytes:
        """The piece with CR LF for each LF that has no CR before it."""
        split_end = self._last == b"\r" and data.startswith(b"\n")
        self._last = data[-1:] or self._last
        rest = data[1:] if split_end else data
        made = rest.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return b"\n" + made if split_end else made


# -------------------------------------------------------------------------- streams


class Plain:
    """A connection without TLS: what `Talk` moves bytes through."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self._out = memoryview(b"")
        self._got: bytes | None = None

    def send(self, data: bytes) -> None:
        """Takes bytes; `flush` sends them."""
        self._out = memoryview(data)
        self.flush()

    def flush(self) -> None:
        """Sends what the system takes."""
        while self._out:
            try:
                self._out = self._out[self.sock.send(self._out) :]
            except BlockingIOError:
                return

    @property
    def waiting(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._out)

    def finish(self) -> None:
        """No more comes from here."""
        self.sock.shutdown(socket.SHUT_WR)

    def take(self) -> None:
        """Receives once; `receive` gives what came."""
        try:
            self._got = self.sock.recv(CHUNK)
        except BlockingIOError:
            self._got = None

    def receive(self) -> bytes | None:
        """What `take` took and has not been given yet: b"" at the end, None when that is all."""
        got, self._got = self._got, None
        return got


class Talk:
    """stdin to the server and the server to stdout, until the server ends."""

    def __init__(self, wire: Any, args: argparse.Namespace, where: str) -> None:
        self.wire = wire
        self.where = where
        self.timeout: float | None = args.timeout
        self.wait: float | None = args.wait
        self.keep_open: bool = args.keep_open
        self.lines = Lines() if args.crlf else None
        self.moved = time.monotonic()
        self.ended: float | None = None  # when stdin ended
        self.told = False  # and whether the server knows

    def run(self) -> int:
        """Returns 0 when the server has ended the connection."""
        greet(self.where)
        try:
            over = self._print()  # what came with the end of a handshake
            while not over:
                over = self._turn()
        except OSError as error:
            raise Failure(f"{self.where}: {_report.system(error)}") from None
        return 0

    def _turn(self) -> bool:
        poll = select.poll()
        sock = self.wire.sock.fileno()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.wire.waiting else 0))
        if self.ended is None and not self.wire.waiting:
            poll.register(STDIN, select.POLLIN)
        left = self._time_left()
        ready = dict(poll.poll(None if left is None else left * 1000))
        if STDIN in ready:
            self._take(read_in())
        if ready.get(sock, 0) & (select.POLLOUT | BROKEN):
            self._send(self.wire.flush)
        if ready.get(sock, 0) & (select.POLLIN | BROKEN):
            self.wire.take()
            if self._print():
                return True
        return self._over()

    def _take(self, data: bytes | None) -> None:
        if data is None:
            return
        if data:
            self._send(self.wire.send, self.lines.crlf(data) if self.lines else data)
        else:
            self.moved = self.ended = time.monotonic()
            self._tell_end()

    def _send(self, step: Any, *data: bytes) -> None:
        self.moved = time.monotonic()
        try:
            step(*data)
        except OSError:
            self._print_the_rest()
            raise
        self._tell_end()

    def _tell_end(self) -> None:
        """Half-closes once all is sent."""
        if self.ended is None or self.told or self.keep_open or self.wire.waiting:
            return
        self.told = True
        try:
            self.wire.finish()
        except OSError:
            pass  # it has gone, which receiving tells in better words

    def _print(self) -> bool:
        """Prints what has been taken; whether that was the end."""
        while (data := self.wire.receive()) is not None:
            self.moved = time.monotonic()
            if not data:
                self._check_taken()
                return True
            write_out(data)
        return False

    def _print_the_rest(self) -> None:
        """What had come before sending failed."""
        try:
            came = True
            while came:
                self.wire.take()
                came = False
                while data := self.wire.receive():
                    write_out(data)
                    came = True
        except OSError:
            pass  # the end of it

    def _check_taken(self) -> None:
        """The server has ended: a loss, if there was more for it."""
        unsent = self.wire.waiting
        if not unsent and self.ended is None and not _is_terminal():
            poll = select.poll()
            poll.register(STDIN, select.POLLIN)
            unsent = bool(poll.poll(GRACE)) and bool(read_in(1))
        if unsent:
            raise Failure(f"{self.where} ended before it had taken everything")

    def _time_left(self) -> float | None:
        now = time.monotonic()
        ends = []
        if self.wait is not None and self.ended is not None:
            ends.append(self.ended + self.wait)
        if self.timeout is not None and (self.ended is not None or self.wire.waiting):
            ends.append(self.moved + self.timeout)
        return max(min(ends) - now, 0.0) if ends else None

    def _over(self) -> bool:
        now = time.monotonic()
        if self.ended is not None and self.wait is not None and now >= self.ended + self.wait:
            return True
        stuck = self.timeout is not None and (self.ended is not None or self.wire.waiting)
        if stuck and now >= self.moved + (self.timeout or 0.0):
            raise Failure(f"{self.where}: nothing has moved for {self.timeout:g} s")
        return False


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
