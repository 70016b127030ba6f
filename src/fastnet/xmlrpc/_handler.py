"""What handles the HTTP requests of a server's connection."""

from __future__ import annotations

import traceback
import xmlrpc.server as standard
from http.client import HTTPMessage
from typing import Any, cast
from xmlrpc.client import gzip_encode

from fastnet.http.server import BaseHTTPRequestHandler
from fastnet.xmlrpc._lengths import length_of

_SMALL = 1 << 20  # bytes that are read at once because somebody said that they come

# Who overrides one of these takes part in an answer; then it is made step by step.
_STEPS = ("accept_encodings", "decode_request_content", "end_headers", "flush_headers",
          "send_header", "send_response", "send_response_only")  # fmt: skip


class SimpleXMLRPCRequestHandler(BaseHTTPRequestHandler, standard.SimpleXMLRPCRequestHandler):
    """Answers POST requests with XML-RPC in them.

    Attributes:
        rpc_paths: the paths that are answered; any path, when empty.
        encode_threshold: bytes from which an answer goes out in gzip, to
            clients that take it; None for never.
        max_request_size: bytes that a request's body may have; None, as in the
            standard library, is no limit.  Beyond it the answer is 413.
        protocol_version: "HTTP/1.0", as in the standard library; set it to
            "HTTP/1.1" to serve several calls on one connection.
    """

    max_request_size: int | None = None
    _plain = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        base = SimpleXMLRPCRequestHandler
        cls._plain = all(getattr(cls, step) is getattr(base, step) for step in _STEPS)

    def do_POST(self) -> None:
        """Answers a call; a body over the limit is 413, and one of negative length 400."""
        if self._plain and type(self.headers) is HTTPMessage and self._answer_quickly():
            return
        size = str(self.headers.get("content-length"))
        length = length_of(size)
        if length is None or "transfer-encoding" in self.headers or not self.is_rpc_path_valid():
            # What the client sent is not all read, and would pass for its next request.
            self.close_connection = True
        most = self.max_request_size
        if length is not None and most is not None and length > most:
            self._refuse(413)
        elif size.strip().startswith("-"):
            self._refuse(400)
        else:
            super().do_POST()

    def send_header(self, keyword: str, value: Any) -> None:
        """Adds a header; line ends in its value, as tracebacks have them, become spaces."""
        super().send_header(keyword, " ".join(str(value).splitlines()))

    def _refuse(self, status: int) -> None:
        """An answer without a body; what was sent stays unread, so the connection ends."""
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    # ------------------------------------------------------------------ the quick way

    def _answer_quickly(self) -> bool:
        """Answers a call of the usual kind; False, with nothing read, if it is another."""
        size, packs = "", False
        for name, value in self.headers.items():
            name = name.lower()
            if name == "content-length" and not size:
                size = value
            elif name in ("content-length", "content-encoding", "transfer-encoding"):
                return False
            elif name == "accept-encoding":
                packs = True
        if not (size.isascii() and size.isdigit() and len(size) < 8 and self.is_rpc_path_valid()):
            return False
        limit = self.max_request_size
        if int(size) > (_SMALL if limit is None else min(limit, _SMALL)):
            return False
        data, server = self.rfile.read(int(size)), cast("Any", self.server)
        try:
            answer = server._marshaled_dispatch(data, getattr(self, "_dispatch", None), self.path)
        except Exception as error:
            self._report(error)
        else:
            self._reply(answer, packs)
        return True

    def _reply(self, answer: bytes, packs: bool) -> None:
        threshold, coding = self.encode_threshold, ""
        packs = packs and threshold is not None and len(answer) > threshold
        if packs and self.accept_encodings().get("gzip", 0):
            answer, coding = gzip_encode(answer), "Content-Encoding: gzip\r\n"
        self.log_request(200)
        head = (
            f"{self.protocol_version} 200 OK\r\nServer: {self.version_string()}\r\n"
            f"Date: {self.date_time_string()}\r\nContent-type: text/xml\r\n{coding}"
            f"Content-length: {len(answer)}\r\n\r\n"
        )
        self.wfile.write(head.encode("latin-1") + answer)

    def _report(self, error: Exception) -> None:
        """The answer when a dispatcher failed itself: 500, with the reason where that is asked."""
        self.send_response(500)
        if getattr(self.server, "_send_traceback_header", False):
            trace = traceback.format_exc().encode("ascii", "backslashreplace").decode()
            self.send_header("X-exception", str(error))
            self.send_header("X-traceback", trace)
        self.send_header("Content-length", "0")
        self.end_headers()


class DocXMLRPCRequestHandler(SimpleXMLRPCRequestHandler, standard.DocXMLRPCRequestHandler):
    """Answers POST requests with XML-RPC in them, and GET requests with the documentation."""
