"""Processes that the benchmarks start: pinned to a processor, spoken to in lines, ended with us."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import os
import resource
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER_CPU, CLIENT_CPU = 1, 0
REPLY_TIMEOUT = 180.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class HarnessError(Exception):
    """A contestant failed, or delivered something other than what was sent."""


def cpus() -> tuple[int, int]:
    """Processors for server and client: two different ones when this process may use two."""
    allowed = sorted(os.sched_getaffinity(0))
    if {SERVER_CPU, CLIENT_CPU} <= set(allowed):
        return SERVER_CPU, CLIENT_CPU
    return allowed[-1], allowed[0]


def missing(requires: Iterable[str]) -> list[str]:
    """Those of the modules named, dotted or not, that are not there; ``module:name`` a part of one.

    A part is looked for by importing its module.
    """
    return [name for name in requires if not _there(name)]


def _there(name: str) -> bool:
    module, _, part = name.partition(":")
    try:
        if part:
            return hasattr(importlib.import_module(module), part)
        return importlib.util.find_spec(module) is not None
    except ImportError:  # the package that it would be in, or something that it needs
        return False


def pin(cpu: int) -> None:
    """In the child before it runs: one processor, and an end together with ours, however we end.

    It gets all the descriptors that it may have, too.
    """
    os.sched_setaffinity(0, {cpu})
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """One end of a contestant: pinned, spoken to in lines, its complaints kept for the report.

    With ``group`` it leads a process group, all of which is killed at its end: for servers that
    have processes of their own.
    """

    def __init__(self, command: Sequence[str], cpu: int, *, group: bool = False) -> None:
        self.group = group
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in end)
        self.child = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            bufsize=0,
            preexec_fn=lambda: pin(cpu),
            process_group=0 if group else None,
            env={**os.environ, "PYTHONPATH": python_path()},
        )
        self.pending = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.child.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]

    def tell(self, line: str) -> None:
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise HarnessError(f"process ended before {line!r}\n{self.complaints()}") from None

    def hear(self, word: str, timeout: float = REPLY_TIMEOUT) -> str:
        """The rest of the next line, which must begin with ``word``."""
        assert self.child.stdout is not None
        deadline = time.monotonic() + timeout
        while b"\n" not in self.pending:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                raise HarnessError(f"no {word!r} within {timeout:.0f} s\n{self.complaints()}")
            data = os.read(self.child.stdout.fileno(), 1 << 16)
            if not data:
                raise HarnessError(f"process ended before {word!r}\n{self.complaints()}")
            self.pending += data
        line, _, self.pending = self.pending.partition(b"\n")
        first, _, rest = line.decode().strip().partition(" ")
        if first != word:
            raise HarnessError(f"{line.decode()!r} instead of {word!r}\n{self.complaints()}")
        return rest

    def complaints(self) -> str:
        self.log.seek(0)
        return self.log.read()[-4000:]

    def end(self, *, ask: bool = True) -> None:
        """Ends the process: politely, or at once when it listens to nobody (``ask`` false)."""
        try:
            if not ask:
                self.child.kill()
            else:
                with contextlib.suppress(HarnessError):
                    self.tell("quit")
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
        self.selector.close()
        self.log.close()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                pipe.close()


def python_path() -> str:
    own = os.environ.get("PYTHONPATH")
    return str(HERE) + (os.pathsep + own if own else "")
