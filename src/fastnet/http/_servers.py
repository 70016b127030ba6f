"""HTTP's servers on fastnet's sockets."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Self

from fastnet.socketserver import TCPServer, ThreadingMixIn

__all__ = ["HTTPSServer", "HTTPServer", "ThreadingHTTPSServer", "ThreadingHTTPServer"]

PathLike = str | os.PathLike[str]


class HTTPServer(TCPServer):
    """A TCP server for request handlers that speak HTTP.

    Attributes:
        server_name: the host's full name; looked up when it is first asked for.
        server_port: the port.
    """

    allow_reuse_address = True
    server_port: int
    _server_name: str | None = None

    def server_bind(self) -> None:
        """Binds, and sets the name and the port."""
        super().server_bind()
        if isinstance(self.server_address, tuple):
            self.server_port = self.server_address[1]
        else:  # a Unix socket
            self._server_name, self.server_port = "localhost", 0

    @property
    def server_name(self) -> str:
        """The host's full name."""
        if self._server_name is None:
            self._server_name = socket.getfqdn(self.server_address[0])
        return self._server_name

    @server_name.setter
    def server_name(self, value: str) -> None:
        self._server_name = value


class ThreadingHTTPServer(ThreadingMixIn, HTTPServer):
    """The same with a thread for each connection."""

    daemon_threads = True


class HTTPSServer(HTTPServer):
    """An HTTP server on TLS; handshakes are made by those who handle the connections.

    Parameters:
        certfile: the certificate chain, PEM.
        keyfile: its key, where certfile does not hold it.
        password: for the key.
        alpn_protocols: what is offered; ``["http/1.1"]`` by default.
    """

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[[Any, Any, Self], Any],
        bind_and_activate: bool = True,
        *,
        certfile: PathLike,
        keyfile: PathLike | None = None,
        password: Any = None,
        alpn_protocols: str | Sequence[str] | None = None,
    ) -> None:
        if alpn_protocols is None:
            alpn_protocols = ["http/1.1"]
        elif isinstance(alpn_protocols, str):
            alpn_protocols = [alpn_protocols]
        self.certfile = certfile
        self.keyfile = keyfile
        self.password = password
        self.alpn_protocols = list(alpn_protocols)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certfile, keyfile, password)
        self._context.set_alpn_protocols(self.alpn_protocols)
        super().__init__(server_address, RequestHandlerClass, bind_and_activate)

    def get_request(self) -> tuple[Any, Any]:
        """Accepts a connection."""
        request, address = super().get_request()
        wrapped = self._context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Makes the handshake, then handles the connection."""
        request.settimeout(self.handshake_timeout)
        try:
            request.do_handshake()
        except OSError:
            return  # somebody who does not speak TLS, or has gone
        request.settimeout(None)
        super().finish_request(request, client_address)

    handshake_timeout: float = 5.0


class ThreadingHTTPSServer(ThreadingMixIn, HTTPSServer):
    """The same with a thread for each connection."""

    daemon_threads = True
