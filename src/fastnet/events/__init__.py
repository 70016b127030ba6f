"""Event handlers and the loop that calls them: recipe 11.12 of the Python Cookbook, and fast.

A handler is any object with `fileno()`, `wants_to_receive()`, `handle_receive()`,
`wants_to_send()` and `handle_send()`; it need not derive from `EventHandler`. A list of handlers
goes into `event_loop`, and handlers come and go by changing that list::

    handlers: list[fastnet.events.EventHandler] = []
    handlers.append(TCPServer(("127.0.0.1", 16000), EchoClient, handlers))
    fastnet.events.event_loop(handlers)

The recipe's loop asks every handler before every wait. This one compares the list in C and asks
those that are new, those it has just called and those that are ready, so a turn costs what is
ready and not what is connected. The others, which only another handler's doing can have
changed, are asked while nothing is ready, in up to a sixteenth of the time, and all of them at
least once in every `sweep` seconds, by default 20 ms, as long as handlers are being called. So
one handler may fill another's buffer; one that is found changed in this way is then asked every
turn, and `EventHandler.changed` says at once what a sweep would find.

Calls come in the recipe's order: those that can receive, then those that can send, each in the
order of the list. One that leaves the list is not called again. One that is in it twice is called
once. An error or a hang-up of a descriptor makes it ready both ways. A closed handler that is
still in the list is a `ValueError`, a descriptor that the system does not know an `OSError`.
"""

from __future__ import annotations

from fastnet.events._handlers import EventHandler, Handler
from fastnet.events._loop import EventLoop, event_loop
from fastnet.events._pool import ThreadPoolHandler
from fastnet.events._sockets import TCPClient, TCPServer, UDPServer

__all__ = [
    "EventHandler",
    "EventLoop",
    "Handler",
    "TCPClient",
    "TCPServer",
    "ThreadPoolHandler",
    "UDPServer",
    "event_loop",
]
