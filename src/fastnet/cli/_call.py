"""``fastnet call``: one call of an RPC server."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fastnet.cli import _address, _keygen, _report
from fastnet.cli._report import Failure


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet call``."""
    from fastnet import rpc

    key = None if args.key is None else _keygen.load(args.key)
    address = _address.parse(args.address)
    positional, named = _arguments(args.arguments)
    with rpc.RPCClient(address, authkey=key, key_id=args.key_id, timeout=args.timeout) as client:
        if args.method is None:
            for name in client.list_methods():
                _report.line(f"{name}{client.method_signature(name)}")
            return 0
        try:
            result = client.call(args.method, *positional, **named)
            if isinstance(result, rpc.Items):
                for item in result:
                    _report.line(_text(item))
            else:
                _report.line(_text(result))
        except (OSError, EOFError, rpc.CallTimeout, rpc.ConnectionLost) as error:
            if not hasattr(error, "remote_traceback"):
                raise
            raise Failure(_said(error)) from None
        except Exception as error:
            raise Failure(_said(error)) from None
    return 0


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def _arguments(texts: list[str]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name.isidentifier():
            named[name] = _value(value)
        else:
            positional.append(_value(text))
    return positional, named


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
