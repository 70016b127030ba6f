"""Runs one Python server of the benchmarks: ``python serve.py module:function '{"json": 1}'``.

The function gets the parameters as keyword arguments, calls `announce` with its endpoint once it
listens, and serves until the process is killed. Nothing of the harness runs in this process while
it is measured: CPU time, memory and system calls are looked at from outside.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import traceback
from typing import Any


class _Harness:
    """The pipe to the harness: stdout as it was, before prints were sent elsewhere."""

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, text: str) -> None:
        self.out.write(text.replace("\n", " ") + "\n")
        self.out.flush()


_harness: _Harness | None = None


def announce(where: Any, *, kind: str = "tcp") -> None:
    """Tells the harness where to connect: what ``getsockname()`` gives, ``kind`` tcp or udp."""
    if isinstance(where, socket.socket):
        where = where.getsockname()
    words = f"unix {where}" if isinstance(where, str) else f"{kind} {where[0]} {where[1]}"
    if _harness is None:
        print(words, flush=True)
    else:
        _harness.say("ready " + words)


def main(target: str, params: str = "{}") -> None:
    global _harness
    # The contestants import `announce` from this file by its name, not from `__main__`.
    this = importlib.import_module("serve")
    this._harness = _harness = _Harness()
    module, name = target.split(":")
    try:
        getattr(importlib.import_module(module), name)(**json.loads(params))
    except Exception as exc:
        traceback.print_exc()
        _harness.say(f"error {type(exc).__name__}: {exc}")
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
