"""gevent's StreamServer with the seeds' blocking echo."""

from __future__ import annotations

import socket

from gevent.server import StreamServer

from serve import announce
from servers_stdlib import ANY, BACKLOG


def echo(sock: socket.socket, address: tuple[str, int]) -> None:
    while True:
        msg = sock.recv(8192)
        if not msg:
            break
        sock.send(msg)


def stream_server() -> None:
    server = StreamServer(ANY, echo, backlog=BACKLOG)
    server.start()
    announce(server.socket.getsockname())
    server.serve_forever()
