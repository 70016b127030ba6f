"""TLS: safe contexts in one call, and TLS for the server classes of `socketserver`.

    class Server(tls.SSLMixin, ThreadingTCPServer):
        pass

    with Server(address, Handler, certfile="server.pem", keyfile="server.key") as server:
        server.serve_forever()

    context = tls.client_context(cafile="authority.pem")
    sock = context.wrap_socket(socket.create_connection(address), server_hostname="localhost")

Sources: RFC 8446 (TLS 1.3), RFC 9325 (recommendations for its safe use), the
standard library's `ssl` and `socketserver`.
"""

from __future__ import annotations

from fastnet.tls._contexts import client_context, server_context
from fastnet.tls._mixin import SSLMixin

__all__ = ["SSLMixin", "client_context", "server_context"]
