"""WSGI applications over HTTP/1.1, with all but the application in C (PEP 3333, RFC 9112)."""

from fastnet.wsgi._files import FileWrapper
from fastnet.wsgi._run import Named, run
from fastnet.wsgi._server import WSGIRequestHandler, WSGIServer, make_server
from fastnet.wsgi._systemd import inherited

__all__ = [
    "FileWrapper",
    "Named",
    "WSGIRequestHandler",
    "WSGIServer",
    "inherited",
    "make_server",
    "run",
]
