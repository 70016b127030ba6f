"""`fastnet.serve`: one call from a service or a protocol class to a server that listens."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from typing import Any, Literal

from fastnet._bind import bind
from fastnet._serve._gate import make_gate
from fastnet._serve._plan import Plan
from fastnet._serve._server import Server
from fastnet.address import Address, AddressLike, parse
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["Server", "serve"]

BACKLOG = 4096  # the system cuts it to net.core.somaxconn


def serve(
    factory: Any,
    address: AddressLike | socket.socket | Iterable[AddressLike | socket.socket],
    *,
    type: int = socket.SOCK_STREAM,
    threads: int = 1,
    workers: int = 1,
    ssl_context: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    allow: Any = None,
    deny: Any = None,
    backlog: int = BACKLOG,
    reuse_port: bool = False,
    poller: Literal["epoll", "select"] | None = None,
) -> Server:
    """Makes a server that is bound and listens; `start` or `serve_forever` sets it to work.

    Parameters:
        factory: a service of `fastnet.services`, or what makes an asyncio
            protocol for each connection: an `asyncio.Protocol`,
            `BufferedProtocol` or `DatagramProtocol` class.
        address: where: ``(host, port)``, ``"tcp://host:port"``,
            ``"udp://host:port"``, ``"unix:/path"``, or a list of them.  Host
            ``"::"`` means IPv4 as well; ``"unix:\\0name"`` is an abstract name.
            A socket that listens already, for streams, becomes the server's own.
        type: ``socket.SOCK_STREAM`` or ``SOCK_DGRAM``; ``udp://`` says the latter.
        threads: that serve side by side, for services.
        workers: processes that serve side by side, forked by `start`.
        ssl_context: for TLS, with protocols.
        limits: what peers may ask for; see `fastnet.Limits`.  With workers,
            each process has limits of its own.
        tuning: spin and TCP_NODELAY; see `fastnet.Tuning`.
        allow, deny: networks whose peers may connect, or not: a
            `fastnet.cidr.NetworkSet` or what makes one.  deny wins.
        backlog: connections that the system may queue.
        reuse_port: SO_REUSEPORT, for several servers on one port.
        poller: "epoll" or "select"; None takes the best there is.

    Raises:
        ValueError: a combination that cannot be served, in words.
        OSError: the address cannot be bound.
    """
    plan = Plan(
        factory=factory,
        kind=type,
        threads=threads,
        workers=workers,
        ssl_context=ssl_context,
        limits=limits or Limits(),
        tuning=tuning or Tuning(),
        poller=poller,
        backlog=backlog,
    )
    places = _places(address)
    named = [place for place in places if isinstance(place, Address)]
    if any(place.datagram for place in named):
        if len(named) < len(places) or not all(place.datagram or place.unix for place in named):
            raise ValueError("one server speaks datagrams or streams, not both")
        plan = plan.with_kind(socket.SOCK_DGRAM)
    plan.check()
    plan.gate = make_gate(plan.limits, plan.tuning, allow, deny, tls=ssl_context is not None)
    sockets: list[socket.socket] = []
    try:
        for place in places:
            if isinstance(place, socket.socket):
                sockets.append(place)
            else:
                sockets.append(bind(place, backlog, kind=plan.socket_kind, reuse_port=reuse_port))
            sockets[-1].setblocking(False)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return Server(plan, sockets, [getattr(place, "path", "") for place in places])


def _places(address: Any) -> list[Address | socket.socket]:
    several = isinstance(address, list) or (
        isinstance(address, tuple) and bool(address) and isinstance(address[0], (tuple, Address))
    )
    found = [_place(one) for one in (address if several else [address])]
    if not found:
        raise ValueError("there is no address to serve at")
    return found


def _place(one: Any) -> Address | socket.socket:
    if not isinstance(one, socket.socket):
        return parse(one, datagrams=True)
    if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ValueError(f"{one!r} does not listen")
    return one
