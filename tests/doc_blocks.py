"""Runs the Python programs of a page one after the other: for test_docs.py only.

python doc_blocks.py < JSON

In comes a list of [name, text, serves]; out goes a JSON line [name, error or null, output] for
each. A program runs in a child forked from here, where the modules are loaded already. One that
serves until Ctrl-C is given one as soon as it is bound to its address.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback

LIMIT = 15.0  # seconds for one program
AFTER_BIND = 0.05  # seconds until the first Ctrl-C, and between two of them


OURS = ["_serve", "arrays", "cidr", "events", "loop", "services", "socketserver", "tls"]
MODULES = ["asyncio", "numpy", "ssl", "fastnet._native.engine", *(f"fastnet.{n}" for n in OURS)]


def preload() -> None:
    for name in MODULES:
        importlib.import_module(name)


def ctrl_c_once_bound() -> list[str]:
    bound: list[str] = []

    def note(event: str, args: tuple[object, ...]) -> None:
        if event == "socket.bind" and not bound:
            bound.append(event)
            signal.setitimer(signal.ITIMER_REAL, AFTER_BIND, AFTER_BIND)

    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.addaudithook(note)
    return bound


def run(name: str, text: str, serves: bool) -> str | None:
    """In the child: what went wrong, or None."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    bound = ctrl_c_once_bound() if serves else []
    try:
        exec(compile(text, name, "exec", dont_inherit=True), {"__name__": "__main__"})
    except KeyboardInterrupt:
        pass
    except BaseException:
        return traceback.format_exc()
    else:
        if serves:
            return "it ended by itself"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None if bound or not serves else "it was interrupted before it was bound"


def run_in_child(name: str, text: str, serves: bool) -> tuple[str | None, str]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        status = 1
        try:
            trouble = run(name, text, serves)
            if trouble:
                print(trouble)
            sys.stdout.flush()
            status = 1 if trouble else 0
        finally:
            os._exit(status)
    os.close(write)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    with os.fdopen(read, errors="replace") as pipe:
        output = pipe.read()
    _, status = os.waitpid(pid, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == 0 else f"ended with {code}", output


def main() -> None:
    blocks = json.load(sys.stdin)
    preload()
    for name, text, serves in blocks:
        error, output = run_in_child(name, text, serves)
        print(json.dumps([name, error, output]), flush=True)


if __name__ == "__main__":
    main()
