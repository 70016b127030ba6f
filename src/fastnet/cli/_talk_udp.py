"""``fastnet talk --udp``: each line is a datagram, and so is each line that is printed."""

from __future__ import annotations

import argparse
import select
import time
from typing import Any

from fastnet.cli import _report, _talk
from fastnet.cli._report import Failure


class Datagrams:
    """Lines from stdin to the server; datagrams from there to stdout, each on its own line."""

    def __init__(self, sock: Any, args: argparse.Namespace, where: str) -> None:
        self.sock = sock
        self.where = where
        self.wait: float = _talk.WAIT if args.wait is None else args.wait
        self.end = b"\r\n" if args.crlf else b""  # of each datagram
        self.text = b""  # read and not sent
        self.unsent: bytes | None = None  # a datagram that the system had no room for
        self.ended: float | None = None

    def run(self) -> int:
        """Returns 0 when the time after the end of stdin is over."""
        _talk.greet(self.where)
        try:
            while not self._turn():
                pass
        except OSError as error:
            raise Failure(f"{self.where}: {_report.system(error)}") from None
        return 0

    def _turn(self) -> bool:
        self._send_next()
        left = None
        if self.ended is not None and not self._has_more():
            left = self.ended + self.wait - time.monotonic()
            if left <= 0:
                return True
        elif self._has_more() and self.unsent is None:
            left = 0.0
        poll = select.poll()
        sock = self.sock.fileno()
        poll.register(sock, select.POLLIN | (select.POLLOUT if self.unsent is not None else 0))
        if self.ended is None and not self._has_more():
            poll.register(_talk.STDIN, select.POLLIN)
        ready = dict(poll.poll(None if left is None else left * 1000))
        if ready.get(sock, 0) & (select.POLLIN | _talk.BROKEN):
            self._print()
        if _talk.STDIN in ready:
            self._take(_talk.read_in())
        return False

    def _has_more(self) -> bool:
        return self.unsent is not None or b"\n" in self.text

    def _take(self, data: bytes | None) -> None:
        if data:
            self.text += data
        elif data is not None:
            if self.text:
                self.text += b"\n"  # the last line had no end
            self.ended = time.monotonic()
        if len(self.text) > _talk.LONGEST and b"\n" not in self.text:
            raise Failure(f"a line is longer than a datagram can be ({_talk.LONGEST} bytes)")

    def _send_next(self) -> None:
        """One datagram at a time, so that answers are read in between."""
        if self.unsent is None:
            line, found, rest = self.text.partition(b"\n")
            if not found:
                return
            self.text, self.unsent = rest, line + self.end
        try:
            self.sock.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = None
        if self.ended is not None:
            self.ended = time.monotonic()  # the wait begins with the last datagram

    def _print(self) -> None:
        try:
            data = self.sock.recv(_talk.LONGEST + 1)
        except BlockingIOError:
            return
        _talk.write_out(data if data.endswith(b"\n") else data + b"\n")
