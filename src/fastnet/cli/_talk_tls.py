"""``fastnet talk --tls``: OpenSSL between the socket and `Talk`.

OpenSSL works on memory here, so that the end of one direction can be told (RFC 8446, section 6.1)
while the other goes on: an SSLSocket has no call for that.
"""

from __future__ import annotations

import argparse
import select
import ssl
import time
from typing import Any

from fastnet.cli import _report, _talk
from fastnet.cli._report import Failure


def context(args: argparse.Namespace) -> ssl.SSLContext:
    """The client's context; without verification only where that was asked for."""
    from fastnet import tls

    try:
        made = tls.client_context(cafile=args.cafile, certfile=args.cert, keyfile=args.key)
    except (OSError, ValueError) as error:
        raise Failure(_report.reason(error)) from None
    if args.insecure:
        _report.complain("warning: nobody checks who the server is (--insecure)")
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def server_name(args: argparse.Namespace, address: Any) -> str | None:
    """The name that the server's certificate must bear."""
    if args.name:
        return str(args.name)
    if isinstance(address, tuple):
        return str(address[0])
    if args.insecure:
        return None
    raise Failure("a Unix socket has no name: add --name NAME, the one in the certificate", 2)


class Tls:
    """A connection that speaks TLS; connected and greeted when it is made.

    ``timeout``: seconds for the handshake. Raises Failure when it fails.
    """

    def __init__(
        self,
        sock: Any,
        context: ssl.SSLContext,
        name: str | None,
        where: str,
        timeout: float | None,
    ) -> None:
        self.sock = sock
        self._where = where
        self._in, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._out = memoryview(b"")
        self._over = False
        try:
            self._tls = context.wrap_bio(self._in, self._outgoing, server_hostname=name)
        except ValueError as error:
            raise Failure(f"{name!r} cannot be a server's name: {error}", 2) from None
        try:
            self._shake_hands(None if timeout is None else time.monotonic() + timeout)
        except OSError as error:
            raise self._failure(error) from None

    def _shake_hands(self, deadline: float | None) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                self._tell_why()
                raise
            else:
                self.flush()
                return
            self.flush()
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0) * 1000
            poll = select.poll()
            poll.register(self.sock, select.POLLIN | (select.POLLOUT if self.waiting else 0))
            if not poll.poll(left):
                raise Failure(f"{self._where}: the server has not answered the TLS handshake")
            self._feed()

    def _tell_why(self) -> None:
        """Sends the alert that says what was wrong, if the system takes it."""
        try:
            self.flush()
        except OSError:
            pass

    def _failure(self, error: OSError) -> Failure:
        if isinstance(error, ssl.SSLCertVerificationError):
            text = f"the server's certificate is not trusted: {error.verify_message}"
        elif isinstance(error, ssl.SSLEOFError):
            text = "the server broke off without the end of TLS: perhaps not all has come"
        elif isinstance(error, ssl.SSLError):
            text = f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
        else:
            text = _report.system(error)
        return Failure(f"{self._where}: {text}")

    # --------------------------------------------------------------- what Talk asks for

    def send(self, data: bytes) -> None:
        """Takes bytes; `flush` sends them."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise self._failure(error) from None
        self.flush()

    def flush(self) -> None:
        """Sends what the system takes."""
        while self._out or self._outgoing.pending:
            if not self._out:
                self._out = memoryview(self._outgoing.read())
            try:
                self._out = self._out[self.sock.send(self._out) :]
            except BlockingIOError:
                return

    @property
    def waiting(self) -> bool:
        """Whether bytes wait to be sent."""
        return bool(self._out) or self._outgoing.pending > 0

    def finish(self) -> None:
        """Sends the record that ends this direction."""
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            pass  # the server has not ended its own yet
        self.flush()

    def take(self) -> None:
        """Receives once; `receive` gives what came."""
        if not self._over:
            self._feed()

    def receive(self) -> bytes | None:
        """What came and has not been given yet: b"" at the end, None when that is all."""
        try:
            data: bytes = self._tls.read(_talk.CHUNK)
        except ssl.SSLWantReadError:
            self.flush()  # a key update, for one
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise self._failure(error) from None
        return data

    def _feed(self) -> None:
        try:
            data = self.sock.recv(_talk.CHUNK)
        except BlockingIOError:
            return
        if data:
            self._in.write(data)
        else:
            self._over = True
            self._in.write_eof()
