"""The HTTP connections under a proxy: the one place that says whose they are.

A request of the usual kind goes over a `fastnet._native.httpconn.Connection`.
What needs more, such as a transport that sends its headers itself, goes over
an `http.client` connection, and that is also what makes every connection and
every head: names, ports, certificates and headers are checked as ever.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any

from fastnet import errors
from fastnet._native.httpconn import Connection

UNLIMITED = 1 << 62
_LENGTH = b"Content-Length: 0\r\n\r\n"


class BadAnswer(errors.ProtocolError, http.client.HTTPException):
    """A server's answer is no HTTP."""


class _OneSend(http.client.HTTPConnection):
    """A connection on which a request goes out in one piece, headers and body."""

    line: Line | None = None  # made by this one, and closed with it
    _held: list[bytes] | None = None

    def close(self) -> None:
        """Closes it and its line."""
        line, self.line = self.line, None
        if line is not None:
            line.connection.close()
        super().close()

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Sends the request; it waits in no buffer of the system's for an acknowledgement."""
        self._held = []
        try:
            super().endheaders(message_body, encode_chunked=encode_chunked)
            held, self._held = self._held, None
            self.send(b"".join(held))
        finally:
            self._held = None

    def send(self, data: Any) -> None:
        """Sends bytes, or what a file or an iterable gives."""
        if self._held is not None and isinstance(data, bytes):
            self._held.append(data)
            return
        super().send(data)


class PlainConnection(_OneSend):
    """A connection to a server, made when the first request is sent."""


class SafeConnection(_OneSend, http.client.HTTPSConnection):
    """The same over TLS."""


class Recorder(http.client.HTTPConnection):
    """Keeps what would be sent."""

    def __init__(self, host: str, secure: bool) -> None:
        self.default_port = 443 if secure else 80  # the port that a Host field leaves out
        super().__init__(host)
        self.sent: list[bytes] = []

    def send(self, data: Any) -> None:
        """Keeps bytes."""
        self.sent.append(bytes(data))

    def head(self) -> bytes | None:
        """What was sent, up to the length of its empty body; None if that is not last."""
        data = b"".join(self.sent)
        return data[:-5] if data.endswith(_LENGTH) else None


class Line:
    """A connection that takes one request after the other.

    Parameters:
        maker: an `http.client` connection, which connects as it would.

    Attributes:
        connection: the socket and the answer that was received last.
        timeout: seconds for a request to be sent, for the head of its answer
            to come, and then without a byte; None waits for ever.
    """

    def __init__(self, maker: http.client.HTTPConnection) -> None:
        maker.connect()
        sock, maker.sock = maker.sock, None
        self.timeout = sock.gettimeout()
        sock.settimeout(None)
        self.connection = Connection(sock, isinstance(sock, ssl.SSLSocket))

    def ask(self, head: bytes, body: bytes, limit: int) -> tuple[int, bytes]:
        """Sends a request; the status and the body of the answer.

        Raises http.client.HTTPException and OSError as http.client does, and
        `errors.LimitError` for a body of more than limit bytes.
        """
        connection, began = self.connection, False
        try:
            status = connection.exchange((head, body), self.timeout)
            began = True
            return status, connection.read(limit, self.timeout)
        except errors.IncompleteTransfer as error:
            if began:
                raise http.client.IncompleteRead(b"") from error
            text = "Remote end closed connection without response"
            raise http.client.RemoteDisconnected(text) from error
        except ConnectionError as error:
            if began:  # called and answered: not to be called again
                raise http.client.IncompleteRead(b"") from error
            raise
        except errors.LimitError:
            if began:
                raise
            raise BadAnswer("the head of the answer is longer than this end accepts") from None
        except errors.ProtocolError as error:
            raise BadAnswer(str(error)) from error
