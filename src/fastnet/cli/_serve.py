"""``fastnet serve``: a service in C, until somebody ends it."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from fastnet.cli import _address, _board, _place, _report
from fastnet.cli._report import Failure

TICK = 3600.0  # seconds between two looks where nothing is to be shown


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet serve``."""
    if args.service in ("files", "rest", "wsgi"):
        from fastnet.cli import _serve_http

        return _serve_http.run(args)
    for name in ("access_log", "cert", "key_file", "no_listing"):
        if getattr(args, name):
            option = name.replace("_", "-")
            raise Failure(f"--{option} is for files, rest and wsgi", 2)
    args.threads = args.threads or 1
    with _made(args) as server, _board.board(args) as board:
        with _terminable():
            try:
                server.wait(0)  # who waits is told of a failure, and it is not printed besides
                server.start()
                _announce(server, args)
                while not server.wait(args.stats or TICK):
                    board.show(server)
                raise Failure("the server has ended by itself")
            finally:
                board.close()
                _end(server, args)


def _end(server: Any, args: argparse.Namespace) -> None:
    """Lets work in flight end; a second Ctrl-C or SIGTERM cuts it short."""
    try:
        server.shutdown()
    except BaseException:
        server.shutdown(0)
        raise
    finally:
        with contextlib.suppress(_report.OutputClosed):
            _sum_up(server.stats(), args)


# ------------------------------------------------------------------- what is made


@contextlib.contextmanager
def _made(args: argparse.Namespace) -> Iterator[Any]:
    import fastnet

    if args.service == "rpc":
        from fastnet.cli import _rpc

        with _rpc.made(args) as server:
            yield server
        return
    if args.object is not None or args.key is not None:
        raise Failure("MODULE:OBJECT and --key are for the service rpc", 2)
    places = _places(args)
    limits = fastnet.Limits(
        connections=args.max_connections,
        connections_per_address=args.max_per_address,
        idle_timeout=args.idle,
    )
    from fastnet import services

    service = {"echo": services.Echo, "discard": services.Discard, "time": services.Time}
    from socket import SOCK_DGRAM, SOCK_STREAM

    try:
        server = fastnet.serve(
            service[args.service](),
            places,
            type=SOCK_DGRAM if args.udp else SOCK_STREAM,
            threads=args.threads,
            workers=args.workers,
            limits=limits,
            allow=_networks(args.allow),
            deny=_networks(args.deny),
        )
    except OSError as error:
        raise Failure(f"cannot serve: {_report.reason(error)}") from None
    with server:
        yield server


def _places(args: argparse.Namespace) -> list[Any]:
    given = [_place.parse(text, any_port=True) for text in args.bind or ()]
    given += [_place.unix(text) for text in args.unix or ()]
    if not given:
        given = [_place.parse(args.default)]
    return [_address.to_listen(one, args.insecure) for one in given]


def _networks(texts: list[str] | None) -> list[str] | None:
    for text in texts or ():
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise Failure(f"{error}: write 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32", 2) from None
    return texts


# --------------------------------------------------------------------- how it ends


def _terminated(number: int, frame: Any) -> None:
    sys.exit(128 + number)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# ------------------------------------------------------------------- what it prints


def _announce(server: Any, args: argparse.Namespace) -> None:
    names = [sock.getsockname() for sock in server.sockets]
    if args.json:
        plain = [_address.plain(n) if isinstance(n, tuple) else _place.show(n) for n in names]
        _report.record(
            event="listening",
            service=args.service,
            udp=args.udp,
            address=plain[0],
            addresses=plain,
        )
        return
    over = " over UDP" if args.udp else ""
    shown = ", ".join(map(_place.show, names))
    _report.note(f"{args.service}{over} on {shown}; Ctrl-C ends")


def _sum_up(stats: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        _report.record(event="done", **_board.figures(stats))
        return
    _report.note(_board.summary(stats, args.udp))
