"""What handles the HTTP requests of a server's connection."""

from __future__ import annotations

import xmlrpc.server as standard

from fastnet.http.server import BaseHTTPRequestHandler


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

    def do_POST(self) -> None:
        """Answers a call; a body over the limit is 413, and one of negative length 400."""
        size = str(self.headers.get("content-length"))
        known = size.isascii() and size.isdigit()
        if not known or "transfer-encoding" in self.headers or not self.is_rpc_path_valid():
            # What the client sent is not all read, and would pass for its next request.
            self.close_connection = True
        limit = self.max_request_size
        if known and limit is not None and int(size) > limit:
            self._refuse(413)
        elif size.strip().startswith("-"):
            self._refuse(400)
        else:
            super().do_POST()

    def _refuse(self, status: int) -> None:
        """An answer without a body; what was sent stays unread, so the connection ends."""
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-length", "0")
        self.send_header("Connection", "close")
        self.end_headers()


class DocXMLRPCRequestHandler(SimpleXMLRPCRequestHandler, standard.DocXMLRPCRequestHandler):
    """Answers POST requests with XML-RPC in them, and GET requests with the documentation."""
