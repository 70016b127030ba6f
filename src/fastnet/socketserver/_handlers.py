"""What handles one request."""

from __future__ import annotations

import socket
from io import BufferedIOBase, BytesIO
from typing import Any


class BaseRequestHandler:
    """Handles a request, all in its constructor: `setup`, `handle`, `finish`.

    Parameters:
        request: the connection, or for datagrams (bytes, the server's socket).
        client_address: where it came from.
        server: the server.

    `finish` is called even if `handle` raises, but not if `setup` does.  What
    they raise goes to the server's `handle_error`.
    """

    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        self.request = request
        self.client_address = client_address
        self.server = server
        self.setup()
        try:
            self.handle()
        finally:
            self.finish()

    def setup(self) -> None:
        """Called before `handle`; does nothing here."""

    def handle(self) -> None:
        """Does what the service is for; does nothing here."""

    def finish(self) -> None:
        """Called after `handle`; does nothing here."""


class StreamRequestHandler(BaseRequestHandler):
    """Handles a connection through files: `rfile` to read and `wfile` to write.

    Attributes:
        rbufsize: bytes of rfile's buffer; negative for the default, 0 for none.
        wbufsize: likewise for wfile.  With none, each write is sent at once
            and whole.
        timeout: seconds for the connection's calls, or None.
        disable_nagle_algorithm: whether to set TCP_NODELAY.
        connection: the socket.
    """

    rbufsize: int = -1
    wbufsize: int = 0
    timeout: float | None = None
    disable_nagle_algorithm: bool = False

    def setup(self) -> None:
        """Makes the files."""
        self.connection = self.request
        if self.timeout is not None:
            self.connection.settimeout(self.timeout)
        if self.disable_nagle_algorithm:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile: Any
        if self.wbufsize == 0:
            self.wfile = _Writer(self.connection)
        else:
            self.wfile = self.connection.makefile("wb", self.wbufsize)

    def finish(self) -> None:
        """Sends what is still in wfile's buffer and closes the files."""
        if not self.wfile.closed:
            try:
                self.wfile.flush()
            except OSError:
                pass  # the client has gone
        self.wfile.close()
        self.rfile.close()


class _Writer(BufferedIOBase):
    """A file without a buffer whose write() sends everything."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sock.sendall(data)
        with memoryview(data) as view:
            return view.nbytes

    def fileno(self) -> int:
        return int(self._sock.fileno())


class DatagramRequestHandler(BaseRequestHandler):
    """Handles a datagram: `rfile` has its bytes, and what `wfile` gets is the answer.

    Attributes:
        packet: the datagram's bytes.
        socket: the server's socket.
    """

    def setup(self) -> None:
        """Makes the files."""
        self.packet, self.socket = self.request
        self.rfile = BytesIO(self.packet)
        self.wfile = BytesIO()

    def finish(self) -> None:
        """Sends wfile as one datagram to the client."""
        self.socket.sendto(self.wfile.getvalue(), self.client_address)
