"""Python's `http.server` on fastnet's sockets: change the import, keep the program.

Every public name of the standard module, with its semantics and defaults: the
servers are those of `fastnet.socketserver`, the handlers subclasses of the
standard ones.  Beyond the standard module:

- Heads of the usual form are parsed without the email package; all others by
  the standard library itself, with its answers.
- Head and body of a reply whose length is known are sent together.
- Large files go from the disk to the socket in the system.
- Any number of threads may serve one server; `ThreadingHTTPServer.max_threads`.
- `HTTPSServer` and `ThreadingHTTPSServer` on every Python.

For files that strangers may ask for there is `fastnet.http.files`.
"""

from __future__ import annotations

import http.server
import os as os  # tests of the standard module reach it from here
import sys
from typing import Any

from fastnet.http._handlers import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from fastnet.http._servers import (
    HTTPServer,
    HTTPSServer,
    ThreadingHTTPServer,
    ThreadingHTTPSServer,
)

_standard: Any = http.server  # it has more names than it shows

__all__ = [
    "HTTPServer",
    "ThreadingHTTPServer",
    "BaseHTTPRequestHandler",
    "SimpleHTTPRequestHandler",
    "HTTPSServer",
    "ThreadingHTTPSServer",
]

if sys.version_info < (3, 15):

    class CGIHTTPRequestHandler(SimpleHTTPRequestHandler, http.server.CGIHTTPRequestHandler):
        """Serves files, and runs programs in ``cgi_directories``, as the standard class does."""

    __all__ += ["CGIHTTPRequestHandler"]
    executable = _standard.executable
    nobody_uid = _standard.nobody_uid
    _url_collapse_path = _standard._url_collapse_path

_get_best_family = _standard._get_best_family


def test(
    HandlerClass: Any = BaseHTTPRequestHandler,  # noqa: PT028
    ServerClass: Any = ThreadingHTTPServer,  # noqa: PT028
    *args: Any,
    **options: Any,
) -> None:
    """Serves until Ctrl-C, with the standard function's other parameters."""
    _standard.test(HandlerClass, ServerClass, *args, **options)


# Where a class is written is nobody's business; whoever loads this package under another name
# finds its classes under that name.
for _name in __all__:
    globals()[_name].__module__ = __name__
