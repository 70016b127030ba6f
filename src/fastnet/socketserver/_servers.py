"""The servers, by the kind of socket they have."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, Self

from fastnet.sockets import Socket
from fastnet.socketserver._base import BaseServer

# A datagram that another thread took must not be waited for.
_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)


class TCPServer(BaseServer):
    """A server for TCP connections, one after the other.

    Parameters:
        server_address: (host, port); port 0 lets the system choose, and
            `server_address` then says what it chose.
        RequestHandlerClass: called as ``RequestHandlerClass(request,
            client_address, server)``; request is a `fastnet.sockets.Socket`.
        bind_and_activate: whether to bind and listen at once.  If not, set
            what is to be set on `socket`, then call `server_bind` and
            `server_activate`.

    Raises OSError when the address cannot be had.

    Attributes:
        address_family: AF_INET unless a subclass says otherwise.
        socket_type: SOCK_STREAM likewise.
        request_queue_size: connections that may wait to be accepted.
        allow_reuse_address: whether to set SO_REUSEADDR.
        allow_reuse_port: whether to set SO_REUSEPORT.
        socket: the listening socket.  While a thread serves, it is in
            non-blocking mode, whatever its timeout.
    """

    address_family: int = socket.AF_INET
    socket_type: int = socket.SOCK_STREAM
    request_queue_size: int = 5
    allow_reuse_address: bool = False
    allow_reuse_port: bool = False
    _made_nonblocking = False

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[[Any, Any, Self], Any],
        bind_and_activate: bool = True,
    ) -> None:
        super().__init__(server_address, RequestHandlerClass)
        self.socket = Socket(self.address_family, self.socket_type)
        if bind_and_activate:
            try:
                self.server_bind()
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def server_bind(self) -> None:
        """Binds the socket to `server_address`, and sets that to what it became."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Linux 6.12.9 and later refuse it for every other family.
        inet = self.address_family in (socket.AF_INET, socket.AF_INET6)
        if self.allow_reuse_port and inet and hasattr(socket, "SO_REUSEPORT"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def server_activate(self) -> None:
        """Listens."""
        self.socket.listen(self.request_queue_size)

    def server_close(self) -> None:
        """Closes the listening socket."""
        self.socket.close()

    def get_request(self) -> tuple[Any, Any]:
        """Accepts a connection; raises OSError when there is none."""
        accepted: tuple[Any, Any] = self.socket.accept()
        return accepted

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection: the client sees the end of the data, then it is closed."""
        try:
            # close() alone ends nothing while another process has the connection too.
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client was quicker
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Closes a connection."""
        request.close()

    # With several threads waiting, each of them sees every connection and one
    # gets it.  The others must come back from accept() at once.

    def _begin(self) -> None:
        try:
            if self.socket.gettimeout() is None and os.get_blocking(self.fileno()):
                os.set_blocking(self.fileno(), False)
                self._made_nonblocking = True
        except OSError:
            pass  # closed already: the loop will find out

    def _end(self) -> None:
        if self._made_nonblocking:
            self._made_nonblocking = False
            try:
                os.set_blocking(self.fileno(), True)
            except OSError:
                pass  # closed meanwhile

    def _may_take_more(self) -> bool:
        return self._made_nonblocking and type(self).get_request is TCPServer.get_request


class UDPServer(TCPServer):
    """A server for datagrams: a request is (bytes, the server's socket).

    Attributes:
        max_packet_size: bytes of a datagram; the rest of a longer one is lost.
    """

    socket_type: int = socket.SOCK_DGRAM
    allow_reuse_address: bool = False
    allow_reuse_port: bool = False
    max_packet_size: int = 8192

    def get_request(self) -> tuple[Any, Any]:
        """Receives a datagram; raises OSError when there is none."""
        data, client_address = self.socket.recvfrom(self.max_packet_size, _DONTWAIT)
        return (data, self.socket), client_address

    def server_activate(self) -> None:
        """Nothing: datagrams need no listening."""

    def shutdown_request(self, request: Any) -> None:
        """Calls `close_request`."""
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Nothing: the socket serves the next datagram as well."""

    # Handlers wait on this socket too, so its mode stays as it is.

    def _begin(self) -> None:
        pass

    def _may_take_more(self) -> bool:
        ours = type(self).get_request is UDPServer.get_request
        return ours and bool(_DONTWAIT) and not self.socket.gettimeout()


if hasattr(socket, "AF_UNIX"):

    class UnixStreamServer(TCPServer):
        """A server for connections over a Unix socket; its address is a path.

        The path is not removed when the server closes.
        """

        address_family: int = socket.AF_UNIX

    class UnixDatagramServer(UDPServer):
        """A server for datagrams over a Unix socket; its address is a path."""

        address_family: int = socket.AF_UNIX
