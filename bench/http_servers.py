"""The HTTP servers of the benchmarks, one function each, for ``serve.py``."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from typing import Any

import http_apps
from serve import announce

HOST, BACKLOG = "127.0.0.1", 4096


def free_port() -> int:
    """A port for servers that want to be told one."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def announce_when_up(port: int) -> None:
    """For servers that do not say when they listen.

    From a process, and nobody's child: FastPySGI lets no other thread run, and the server's family
    is measured.
    """
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork():
        os._exit(0)
    for _ in range(600):
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            announce((HOST, port))
            break
    os._exit(0)


def fastnet_wsgi(threads: int = 0, **app: str) -> None:
    """`fastnet.wsgi`, on the loop or with threads."""
    from fastnet.wsgi import WSGIServer

    server = WSGIServer((HOST, 0), http_apps.make(**app), threads=threads, backlog=BACKLOG)
    announce(server.server_address)
    server.serve_forever()


def bjoern(**app: str) -> None:
    import bjoern as peer

    sock = peer.bind_and_listen(HOST, 0, listen_backlog=BACKLOG)
    announce(sock)
    peer.server_run(sock, http_apps.make(**app))


def fastpysgi(**app: str) -> None:
    import fastpysgi as peer

    port = free_port()
    announce_when_up(port)
    peer.server.backlog = BACKLOG
    peer.run(http_apps.make(**app), HOST, port)


def granian(**app: str) -> None:
    """One worker; all else as it comes."""
    from granian import Granian  # type: ignore[attr-defined]
    from granian.constants import Interfaces

    os.environ[http_apps.APP_VARIABLE] = json.dumps(app)
    port = free_port()
    announce_when_up(port)
    Granian(
        "http_apps:from_environment",
        HOST,
        port,
        interface=Interfaces.WSGI,
        workers=1,
        backlog=BACKLOG,
        log_enabled=False,
        factory=True,
    ).serve()


def wsgiref(**app: str) -> None:
    from wsgiref import simple_server

    class Quiet(simple_server.WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(simple_server.WSGIServer):
        request_queue_size = BACKLOG

    warnings.simplefilter("ignore")
    with simple_server.make_server(HOST, 0, http_apps.make(**app), Server, Quiet) as server:
        announce(server.socket)
        server.serve_forever()


def xmlrpc(package: str = "xmlrpc", *, threads: bool = True, keep_alive: bool = True) -> None:
    """``SimpleXMLRPCServer`` of the standard module or of `fastnet.xmlrpc`."""
    import importlib

    sockets = "fastnet.socketserver" if package.startswith("fastnet") else "socketserver"
    mixin = importlib.import_module(sockets).ThreadingMixIn
    module = importlib.import_module(package + ".server")

    class Handler(module.SimpleXMLRPCRequestHandler):  # type: ignore[misc, name-defined]
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

    bases = (mixin,) if threads else ()
    attributes = {"daemon_threads": True, "request_queue_size": BACKLOG}
    server_class = type("Server", (*bases, module.SimpleXMLRPCServer), attributes)
    with server_class((HOST, 0), Handler, logRequests=False) as server:
        server.register_function(http_apps.add)
        announce(server.socket)
        server.serve_forever()


def send_arrays(file: str) -> None:
    """Sends a file's bytes, as an array, for every byte that a connection sends."""
    import numpy as np

    import fastnet

    array = np.fromfile(file)
    with socket.create_server((HOST, 0)) as listener:
        announce(listener)
        while True:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(1):
                    fastnet.send_from(array, connection)
