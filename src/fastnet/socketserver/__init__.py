"""Python's `socketserver` on fastnet's sockets: change the import, keep the program.

Every public name of the standard module, with its semantics and defaults.
Handlers receive a `fastnet.sockets.Socket` as their request.  Beyond the
standard module:

- Any number of threads may be in `serve_forever` on one server; `shutdown`
  ends them all, and none is held up in `accept` by a connection that another
  one took.
- `shutdown` wakes the loop: it need not wait for the poll interval.
- `ThreadingMixIn.max_threads` limits how many handlers run at once.
- A server that is out of descriptors pauses, and goes on when there are some.

The classes fit together as the standard library's do:

    BaseServer ── TCPServer ─┬─ UDPServer ── UnixDatagramServer
                             └─ UnixStreamServer

and `ThreadingMixIn` or `ForkingMixIn`, named first, makes any of them serve
several requests at a time.
"""

from __future__ import annotations

import os
import socket

from fastnet.socketserver._base import BaseServer
from fastnet.socketserver._handlers import (
    BaseRequestHandler,
    DatagramRequestHandler,
    StreamRequestHandler,
)
from fastnet.socketserver._servers import TCPServer, UDPServer
from fastnet.socketserver._threading import ThreadingMixIn

__all__ = [
    "BaseServer",
    "TCPServer",
    "UDPServer",
    "ThreadingUDPServer",
    "ThreadingTCPServer",
    "BaseRequestHandler",
    "StreamRequestHandler",
    "DatagramRequestHandler",
    "ThreadingMixIn",
]


class ThreadingUDPServer(ThreadingMixIn, UDPServer):
    """A UDP server with a thread for each datagram."""


class ThreadingTCPServer(ThreadingMixIn, TCPServer):
    """A TCP server with a thread for each connection."""


if hasattr(os, "fork"):
    from fastnet.socketserver._forking import ForkingMixIn

    class ForkingUDPServer(ForkingMixIn, UDPServer):
        """A UDP server with a process for each datagram."""

    class ForkingTCPServer(ForkingMixIn, TCPServer):
        """A TCP server with a process for each connection."""

    __all__ += ["ForkingMixIn", "ForkingUDPServer", "ForkingTCPServer"]


if hasattr(socket, "AF_UNIX"):
    from fastnet.socketserver._servers import UnixDatagramServer, UnixStreamServer

    class ThreadingUnixStreamServer(ThreadingMixIn, UnixStreamServer):
        """A Unix stream server with a thread for each connection."""

    class ThreadingUnixDatagramServer(ThreadingMixIn, UnixDatagramServer):
        """A Unix datagram server with a thread for each datagram."""

    __all__ += [
        "UnixStreamServer",
        "UnixDatagramServer",
        "ThreadingUnixStreamServer",
        "ThreadingUnixDatagramServer",
    ]

    if hasattr(os, "fork"):

        class ForkingUnixStreamServer(ForkingMixIn, UnixStreamServer):
            """A Unix stream server with a process for each connection."""

        class ForkingUnixDatagramServer(ForkingMixIn, UnixDatagramServer):
            """A Unix datagram server with a process for each datagram."""

        __all__ += ["ForkingUnixStreamServer", "ForkingUnixDatagramServer"]


# Where a class is written is nobody's business; whoever loads this package under another name
# finds its classes under that name.
for _name in __all__:
    globals()[_name].__module__ = __name__
