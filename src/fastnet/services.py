"""Services that are all in C: for `fastnet.serve`, over TCP, UDP and Unix sockets.

Their bytes never enter Python: one thread serves thousands of connections without the
interpreter's lock, several threads as many times more.
"""

from __future__ import annotations

__all__ = ["Discard", "Echo", "Service", "Time"]


class Service:
    """What `fastnet.serve` runs in C; use one of the classes below."""

    codec = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Echo(Service):
    """Sends back what it receives (RFC 862).

    A peer that does not take its echo is not read from while more than
    `Limits.write_buffer` bytes wait for it.
    """

    codec = "echo"


class Discard(Service):
    """Takes what it receives and says nothing (RFC 863)."""

    codec = "discard"


class Time(Service):
    """Tells the local time as `time.ctime` does.

    Over a stream: one line to everybody who connects, then the end.  Over
    datagrams: the text without a newline, in answer to any datagram.
    """

    codec = "time"
