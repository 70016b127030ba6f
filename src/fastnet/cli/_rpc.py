"""``fastnet serve rpc MODULE:OBJECT``."""

from __future__ import annotations

import argparse
import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from fastnet.cli import _address, _keygen, _object, _place, _report
from fastnet.cli._report import Failure

PORT = 9000


@contextlib.contextmanager
def made(args: argparse.Namespace) -> Iterator[Any]:
    """The server that the command line asks for."""
    import fastnet
    from fastnet import rpc

    if args.udp or args.allow or args.deny:
        raise Failure("--udp, --allow and --deny are not for rpc", 2)
    given = [_place.parse(text, any_port=True) for text in args.bind or ()]
    given += [_place.unix(text) for text in args.unix or ()]
    if len(given) > 1:
        raise Failure("rpc listens at one address", 2)
    key = None if args.key is None else _keygen.load(args.key)
    where = given[0] if given else ("127.0.0.1", PORT)
    target = _object.load(args.object, "rpc")
    try:
        server = rpc.RPCServer(
            _address.to_listen(where, args.insecure or key is not None, _address.KEY_HINT),
            authkey=key,
            workers=args.workers,
            threads=max(args.threads, 16),
            limits=fastnet.Limits(
                connections=args.max_connections,
                connections_per_address=args.max_per_address,
                idle_timeout=args.idle,
            ),
        )
    except OSError as error:
        raise Failure(f"cannot serve: {_report.reason(error)}") from None
    with server:
        if inspect.isroutine(target):
            server.register_function(target)
        else:
            server.register_instance(target)
        yield server
