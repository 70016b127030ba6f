"""Python's standard servers and connections at C speed, and NumPy arrays at the speed of the wire.

The names below load on first use, so importing fastnet costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet import address as address
    from fastnet import arrays as arrays
    from fastnet import auth as auth
    from fastnet import cidr as cidr
    from fastnet import connection as connection
    from fastnet import errors as errors
    from fastnet import events as events
    from fastnet import fdpass as fdpass
    from fastnet import http as http
    from fastnet import limits as limits
    from fastnet import loop as loop
    from fastnet import services as services
    from fastnet import sockets as sockets
    from fastnet import socketserver as socketserver
    from fastnet import tls as tls
    from fastnet import tuning as tuning
    from fastnet import xmlrpc as xmlrpc
    from fastnet._serve import Server as Server
    from fastnet._serve import serve as serve
    from fastnet.errors import (
        AuthenticationError as AuthenticationError,
    )
    from fastnet.errors import (
        Error as Error,
    )
    from fastnet.errors import (
        IncompleteTransfer as IncompleteTransfer,
    )
    from fastnet.errors import (
        LimitError as LimitError,
    )
    from fastnet.errors import (
        ProtocolError as ProtocolError,
    )
    from fastnet.errors import (
        TransferTimeout as TransferTimeout,
    )
    from fastnet.limits import Limits as Limits
    from fastnet.loop import EventLoop as EventLoop
    from fastnet.loop import new_event_loop as new_event_loop
    from fastnet.transfer import recv_into as recv_into
    from fastnet.transfer import send_from as send_from
    from fastnet.tuning import Tuning as Tuning

__version__ = "0.1.0"

_HOME = {
    "Error": "errors",
    "ProtocolError": "errors",
    "LimitError": "errors",
    "AuthenticationError": "errors",
    "IncompleteTransfer": "errors",
    "TransferTimeout": "errors",
    "Limits": "limits",
    "Tuning": "tuning",
    "send_from": "transfer",
    "recv_into": "transfer",
    "EventLoop": "loop",
    "new_event_loop": "loop",
    "serve": "_serve",
    "Server": "_serve",
}
_MODULES = (
    "address",
    "arrays",
    "auth",
    "cidr",
    "connection",
    "errors",
    "events",
    "fdpass",
    "http",
    "limits",
    "loop",
    "services",
    "sockets",
    "socketserver",
    "tls",
    "transfer",
    "tuning",
    "xmlrpc",
)

# Not in __all__: they need what only the extras of their names install.
_EXTRA = ("green", "http", "rest", "rpc")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES or name in _EXTRA:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_EXTRA})
