"""`xmlrpc.server` with messages read and written in C: change the import, keep the program.

Every public name of the standard module.  Servers are `fastnet.socketserver`'s;
dispatchers and handlers are subclasses of the standard ones.  Beyond the
standard module:

- `XMLRPCApp` and `application` make a WSGI application of a service, for a
  server that keeps many connections.
- `SimpleXMLRPCRequestHandler.max_request_size` bounds a request's body.
- A message with a DTD, or nested beyond reason, is answered with a fault
  (`client.DocumentRefused`).
"""

from __future__ import annotations

import xmlrpc.server as standard
from collections.abc import Callable
from typing import Any
from xmlrpc.client import Fault, gzip_decode, gzip_encode
from xmlrpc.server import (
    ServerHTMLDoc,
    XMLRPCDocGenerator,
    list_public_methods,
    resolve_dotted_attribute,
)

from fastnet.socketserver import TCPServer
from fastnet.xmlrpc._codec import DocumentRefused, dumps, dumps_bytes, loads
from fastnet.xmlrpc._dispatch import MultiPath, SimpleXMLRPCDispatcher
from fastnet.xmlrpc._handler import DocXMLRPCRequestHandler, SimpleXMLRPCRequestHandler
from fastnet.xmlrpc._wsgi import XMLRPCApp, application

__all__ = [
    "CGIXMLRPCRequestHandler",
    "DocCGIXMLRPCRequestHandler",
    "DocXMLRPCRequestHandler",
    "DocXMLRPCServer",
    "DocumentRefused",
    "Fault",
    "MultiPathXMLRPCServer",
    "ServerHTMLDoc",
    "SimpleXMLRPCDispatcher",
    "SimpleXMLRPCRequestHandler",
    "SimpleXMLRPCServer",
    "XMLRPCApp",
    "XMLRPCDocGenerator",
    "application",
    "dumps",
    "gzip_decode",
    "gzip_encode",
    "list_public_methods",
    "loads",
    "resolve_dotted_attribute",
]

Handler = Callable[[Any, Any, Any], Any]


class SimpleXMLRPCServer(TCPServer, SimpleXMLRPCDispatcher):
    """A server for calls, one connection after the other; with `ThreadingMixIn`, many at a time.

    Parameters:
        addr: (host, port).
        requestHandler: what handles a connection.
        logRequests: whether requests are logged to the standard error stream.
        allow_none, encoding, use_builtin_types: as for `SimpleXMLRPCDispatcher`.
        bind_and_activate: whether to bind and listen at once.
    """

    allow_reuse_address = True
    _send_traceback_header = False  # for debugging only: it tells strangers where the code fails

    def __init__(
        self,
        addr: Any,
        requestHandler: Handler = SimpleXMLRPCRequestHandler,
        logRequests: bool = True,
        allow_none: bool = False,
        encoding: str | None = None,
        bind_and_activate: bool = True,
        use_builtin_types: bool = False,
    ) -> None:
        self.logRequests = logRequests
        SimpleXMLRPCDispatcher.__init__(self, allow_none, encoding, use_builtin_types)
        TCPServer.__init__(self, addr, requestHandler, bind_and_activate)


class MultiPathXMLRPCServer(MultiPath, SimpleXMLRPCServer):
    """A server with a dispatcher for each path; its handler must let the paths through.

    Parameters: as for `SimpleXMLRPCServer`.
    """

    def __init__(
        self,
        addr: Any,
        requestHandler: Handler = SimpleXMLRPCRequestHandler,
        logRequests: bool = True,
        allow_none: bool = False,
        encoding: str | None = None,
        bind_and_activate: bool = True,
        use_builtin_types: bool = False,
    ) -> None:
        MultiPath.__init__(self)
        SimpleXMLRPCServer.__init__(
            self, addr, requestHandler, logRequests, allow_none, encoding,
            bind_and_activate, use_builtin_types,
        )  # fmt: skip

    def _marshaled_dispatch(  # type: ignore[override]
        self, data: Any, dispatch_method: Any = None, path: Any = None
    ) -> bytes:
        try:
            dispatcher = self.dispatchers[path]
            return bytes(dispatcher._marshaled_dispatch(data, dispatch_method, path))
        except BaseException as error:  # a dispatcher answers for its own: this is none
            fault = Fault(1, f"{type(error)}:{error}")
            return dumps_bytes(fault, None, None, self.encoding, self.allow_none)


class CGIXMLRPCRequestHandler(SimpleXMLRPCDispatcher, standard.CGIXMLRPCRequestHandler):
    """Answers a call that came through CGI, on the standard output stream."""


class DocXMLRPCServer(SimpleXMLRPCServer, XMLRPCDocGenerator):
    """A server for calls, and for the documentation of what can be called.

    Parameters: as for `SimpleXMLRPCServer`.
    """

    def __init__(
        self,
        addr: Any,
        requestHandler: Handler = DocXMLRPCRequestHandler,
        logRequests: bool = True,
        allow_none: bool = False,
        encoding: str | None = None,
        bind_and_activate: bool = True,
        use_builtin_types: bool = False,
    ) -> None:
        SimpleXMLRPCServer.__init__(
            self, addr, requestHandler, logRequests, allow_none, encoding,
            bind_and_activate, use_builtin_types,
        )  # fmt: skip
        XMLRPCDocGenerator.__init__(self)


class DocCGIXMLRPCRequestHandler(CGIXMLRPCRequestHandler, standard.DocCGIXMLRPCRequestHandler):
    """Answers a call, or a request for the documentation, that came through CGI."""


def __getattr__(name: str) -> Any:
    """What is not public in the standard module, as it is there."""
    return getattr(standard, name)
