"""fastnet's own servers."""

from __future__ import annotations

import importlib
import socket
from typing import Any

from serve import announce
from servers_stdlib import ANY, BACKLOG, EchoHandler, run_recipe, run_threading


def service(name: str = "Echo", *, udp: bool = False, unix: str = "", spin: bool = True) -> None:
    """`fastnet.serve` with one of `fastnet.services`; all in C."""
    import fastnet

    made = getattr(importlib.import_module("fastnet.services"), name)()
    options: dict[str, Any] = {} if spin else {"tuning": fastnet.Tuning(spin=0)}
    if udp:
        options["type"] = socket.SOCK_DGRAM
    else:
        options["backlog"] = BACKLOG
    server = fastnet.serve(made, f"unix:{unix}" if unix else ANY, **options)
    announce(server.address, kind="udp" if udp else "tcp")
    server.serve_forever()


def threading_server() -> None:
    run_threading(importlib.import_module("fastnet.socketserver"), EchoHandler)


def green_server() -> None:
    """The seeds' blocking handler, each connection on a greenlet."""
    green = importlib.import_module("fastnet.green")

    class Server(green.GreenTCPServer):  # type: ignore[misc, name-defined]
        request_queue_size = BACKLOG

    with Server(ANY, EchoHandler) as server:
        announce(server.socket)
        server.serve_forever()


def events_loop(idle: int = 900, kind: str = "tcp") -> None:
    """Recipe 11.12's handlers, unmodified, on fastnet's loop."""
    run_recipe(importlib.import_module("fastnet.events").event_loop, idle, kind)
