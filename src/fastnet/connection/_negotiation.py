"""One connection on its way in: TLS's handshake, then the key's, without blocking.

`advance` goes as far as the bytes at hand allow and says what to wait for, so
any number of negotiations progress side by side, each with its own deadline.
No more is read than a message of the handshake, and none is longer than 256
bytes.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Generator, Iterator

from fastnet.connection._challenge import MOST, Steps
from fastnet.errors import AuthenticationError

__all__ = ["HungUp", "Negotiation", "chain"]

_DONE = 0


class HungUp(AuthenticationError, EOFError):
    """The peer ended the connection before it had shown that it has the key."""


def chain(steps: Iterator[Steps]) -> Steps:
    """Several handshakes, one after the other."""
    for each in steps:
        yield from each


class Negotiation:
    """Takes a connected socket through its handshakes.

    Parameters:
        sock: becomes non-blocking; with TLS, an SSL socket whose handshake is
            still to be done.
        steps: of the key's handshake; None where there is no key.
    """

    def __init__(self, sock: socket.socket, steps: Steps | None) -> None:
        self.sock = sock
        sock.setblocking(False)
        self._complete = False
        self._run = self._course(steps)

    def advance(self) -> int:
        """Goes on; the events of poll(2) to wait for, or 0 when all is done.

        Raises:
            AuthenticationError: the peer does not have the key, or went away.
            OSError: the connection broke, or TLS failed.
        """
        events = next(self._run, _DONE)
        # A generator that an exception ended looks like one that came to its end.
        if events == _DONE and not self._complete:
            raise AuthenticationError("the handshake was interrupted")
        return events

    def _course(self, steps: Steps | None) -> Generator[int, None, None]:
        if isinstance(self.sock, ssl.SSLSocket):
            yield from self._tls(self.sock)
        if steps is not None:
            yield from self._shake_hands(steps)
        self._complete = True

    def _shake_hands(self, steps: Steps) -> Generator[int, None, None]:
        try:
            data, wanted = next(steps)
            while True:
                if data is not None:
                    yield from self._send(struct.pack("!i", len(data)) + data)
                answer = (yield from self._message()) if wanted else b""
                data, wanted = steps.send(answer)
        except StopIteration:
            return

    def _tls(self, sock: ssl.SSLSocket) -> Generator[int, None, None]:
        while True:
            try:
                sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                yield select.POLLIN
            except ssl.SSLWantWriteError:
                yield select.POLLOUT

    def _send(self, data: bytes) -> Generator[int, None, None]:
        while data:
            try:
                data = data[self.sock.send(data) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield select.POLLOUT
            except ssl.SSLWantReadError:
                yield select.POLLIN

    def _message(self) -> Generator[int, None, bytes]:
        (size,) = struct.unpack("!i", (yield from self._exactly(4)))
        if size == -1:
            (size,) = struct.unpack("!Q", (yield from self._exactly(8)))
        if not 0 <= size <= MOST:
            raise AuthenticationError(
                f"bad message length: {size} bytes are announced in the handshake, "
                f"{MOST} are accepted"
            )
        return (yield from self._exactly(size))

    def _exactly(self, size: int) -> Generator[int, None, bytes]:
        got = b""
        while len(got) < size:
            try:
                more = self.sock.recv(size - len(got))
            except (BlockingIOError, ssl.SSLWantReadError):
                yield select.POLLIN
                continue
            except ssl.SSLWantWriteError:
                yield select.POLLOUT
                continue
            if not more:
                raise HungUp("the peer ended the connection inside the handshake")
            got += more
        return got
