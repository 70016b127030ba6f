"""The standard library's handlers, with a quick way through the parts that every request takes."""

from __future__ import annotations

import http.server as standard
import re
import time
from io import DEFAULT_BUFFER_SIZE, BufferedReader
from typing import Any

from fastnet.http import _head
from fastnet.http._writer import ReplyWriter, RequestReader

__all__ = ["BaseHTTPRequestHandler", "SimpleHTTPRequestHandler"]

_BODY_FOLLOWS = re.compile(rb"\r\ncontent-length:[ \t]*[1-9]", re.I).search


class BaseHTTPRequestHandler(standard.BaseHTTPRequestHandler):
    """Handles the requests of a connection: ``do_GET`` and the like, in a subclass.

    The standard class in all that can be seen, and quicker: heads of the
    usual form are parsed without the email package, and where a
    Content-Length says that a body follows, head and body are sent together.

    Attributes:
        gather_replies: whether a head waits for its body.  It never waits
            without a Content-Length, nor beyond the request, nor for who
            reads from the client or asks for `connection`, `request` or
            ``wfile.fileno()``.
    """

    gather_replies: bool = True
    raw_requestline: bytes
    _writer: ReplyWriter | None = None
    _date: tuple[int, str] = (-1, "")

    def setup(self) -> None:
        """Makes the files."""
        super().setup()
        if self.wbufsize == 0:
            self._writer = self.wfile = ReplyWriter(self._connection)
            if self.gather_replies and isinstance(self.rfile, BufferedReader):
                size = self.rbufsize if self.rbufsize > 1 else DEFAULT_BUFFER_SIZE
                self.rfile = BufferedReader(RequestReader(self.rfile.detach(), self._writer), size)

    # Who takes the socket may write to it, and then what is held must have gone before.

    @property
    def connection(self) -> Any:
        """The socket."""
        if self._writer is not None:
            self._writer.flush()
        return self._connection

    @connection.setter
    def connection(self, value: Any) -> None:
        self._connection = value

    @property
    def request(self) -> Any:
        """The socket."""
        if self._writer is not None:
            self._writer.flush()
        return self._request

    @request.setter
    def request(self, value: Any) -> None:
        self._request = value

    def parse_request(self) -> bool:
        """Parses the head whose first line is in `raw_requestline`; False when it was refused."""
        head = _head.read(self.raw_requestline, self.rfile, self.MessageClass)
        if head is None:
            return super().parse_request()
        self.requestline = head.line
        self.command, self.path, self.request_version = head.command, head.path, head.version
        self.headers = headers = head.headers
        persistent = self.protocol_version >= "HTTP/1.1"
        self.close_connection = not (persistent and head.version == "HTTP/1.1")
        wish = headers.get("Connection", "").lower()
        if wish == "close":
            self.close_connection = True
        elif wish == "keep-alive" and persistent:
            self.close_connection = False
        expected = headers.get("Expect", "").lower() == "100-continue"
        if expected and persistent and head.version == "HTTP/1.1":
            return self.handle_expect_100()
        return True

    def flush_headers(self) -> None:
        """Sends the head, or has it wait for the body that is announced."""
        buffer = getattr(self, "_headers_buffer", None)
        writer = self._writer
        gathers = self.gather_replies and self.rbufsize != 0
        if buffer and gathers and writer is not None and writer is self.wfile:
            head = b"".join(buffer)
            if self.command != "HEAD" and _BODY_FOLLOWS(head) and head.endswith(b"\r\n\r\n"):
                self._headers_buffer: list[bytes] = []
                writer.hold(head)
                return
        super().flush_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """A time as headers have it; now, when none is given."""
        if timestamp is not None:
            return super().date_time_string(timestamp)
        now = time.time()
        second, text = BaseHTTPRequestHandler._date
        if int(now) != second:
            text = super().date_time_string(now)
            BaseHTTPRequestHandler._date = (int(now), text)
        return text

    def address_string(self) -> str:
        """Where the client is; a Unix socket has no name for it."""
        return str(self.client_address[0]) if self.client_address else "unix"


class SimpleHTTPRequestHandler(BaseHTTPRequestHandler, standard.SimpleHTTPRequestHandler):
    """Serves the files of a directory, the current one by default; ``directory=`` names another.

    The standard class; the system itself moves the bytes of large files to
    the socket.  It follows links out of the directory, knows no ranges and
    lists what is there: `fastnet.http.files.Files` is for files that strangers
    may ask for.
    """

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Copies a file to the client."""
        writer = self._writer
        if writer is None or outputfile is not writer or not writer.send_file(source):
            super().copyfile(source, outputfile)
