"""``fastnet serve files DIR``, ``serve rest MODULE:DISPATCHER`` and ``serve wsgi MODULE:APP``."""

from __future__ import annotations

import argparse
import contextlib
import ssl
import sys
from collections.abc import Iterator
from typing import Any

from fastnet.cli import _address, _object, _place, _report
from fastnet.cli._report import Failure

PORT = 8000
SERVICES = ("files", "rest", "wsgi")
_ELSEWHERE = {  # options of the other services, by what they are when not given
    "key": None,
    "udp": False,
    "allow": None,
    "deny": None,
    "stats": None,
}


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet serve`` for one of these services."""
    for name, absent in _ELSEWHERE.items():
        if getattr(args, name) != absent:
            raise Failure(f"--{name} is not for {args.service}", 2)
    if args.no_listing and args.service != "files":
        raise Failure("--no-listing is for files", 2)
    where = _where(args)
    context = _context(args)
    with _application(args) as application, _log(args.access_log) as log:
        from fastnet import wsgi

        try:
            wsgi.run(
                application,
                where,
                workers=args.workers,
                threads=args.threads or 0,
                ssl_context=context,
                limits=_limits(args),
                access_log=log,
                listening=lambda _: _announce(where, context is not None, args),
            )
        except OSError as error:
            raise Failure(f"cannot serve: {_report.reason(error)}") from None
    return 0


def _where(args: argparse.Namespace) -> Any:
    given = [_place.parse(text) for text in args.bind or ()]
    given += [_place.unix(text) for text in args.unix or ()]
    if len(given) > 1:
        raise Failure(f"{args.service} listens at one address", 2)
    return _address.to_listen(given[0] if given else ("127.0.0.1", PORT), args.insecure)


def _limits(args: argparse.Namespace) -> Any:
    import fastnet

    return fastnet.Limits(
        connections=args.max_connections,
        connections_per_address=args.max_per_address,
        idle_timeout=args.idle,
    )


def _context(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.cert is None:
        if args.key_file is not None:
            raise Failure("--key-file needs --cert", 2)
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(args.cert, args.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        raise Failure(f"{args.cert}: {_report.reason(error)}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; serve it from a file that is not")


@contextlib.contextmanager
def _log(path: str | None) -> Iterator[Any]:
    """The access log: a file that is added to, or stdout for ``-``."""
    if path is None:
        yield None
    elif path == "-":
        yield sys.stdout
    else:
        try:
            file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise Failure(_report.reason(error)) from None
        with file:
            yield file


# -------------------------------------------------------------------- what is served


@contextlib.contextmanager
def _application(args: argparse.Namespace) -> Iterator[Any]:
    if args.service == "files":
        from fastnet.http.files import Files

        try:
            files = Files(args.object or ".", listing=not args.no_listing)
        except OSError as error:
            raise Failure(f"cannot serve: {_report.reason(error)}") from None
        with files:
            yield files
        return
    # Imported by the process that serves it, anew for each SIGHUP.
    from fastnet.wsgi import Named

    check = _dispatcher if args.service == "rest" else None
    yield Named(_object.named(args.object, args.service), check)


def _dispatcher(found: Any) -> Any:
    """A dispatcher that was named, or made by what was."""
    from fastnet.rest import PathDispatcher

    if isinstance(found, type) and issubclass(found, PathDispatcher):
        found = found()
    if not isinstance(found, PathDispatcher):
        raise ValueError("it is no PathDispatcher; serve wsgi takes any application")
    return found


def _announce(where: Any, safe: bool, args: argparse.Namespace) -> None:
    if args.json:
        plain = _address.plain(where) if isinstance(where, tuple) else _place.show(where)
        _report.record(event="listening", service=args.service, udp=False, address=plain)
        return
    shown = _place.show(where)
    if isinstance(where, tuple):
        shown = f"{'https' if safe else 'http'}://{shown}/"
    _report.note(f"{args.service} on {shown}; Ctrl-C ends")
