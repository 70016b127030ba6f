"""The sending end of a measurement, and the receiving one as a process beside it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from fastnet.cli import _address, _arena
from fastnet.cli._arena import Broken, Control
from fastnet.cli._arena_server import KEY
from fastnet.cli._report import Failure

START = 30.0  # seconds that the other process may take to start


class Client:
    """A measurement against the server at ``where``; the contestants are in `roles`.

    ``key``: what makes the server trust us, when it is our own child. Raises Failure.
    """

    def __init__(self, where: tuple[str, int], key: bytes = b"") -> None:
        self.where = where
        self.text = _address.show(where)
        self.cpus: tuple[int | None, int | None] | None = None  # the two ends', when we chose
        self.links: dict[str, Any] = {}
        self.roles: list[str] = []
        self.notes: list[str] = []
        self._stack = ExitStack()
        self._block: Any = None
        try:
            self.control = Control(self._plain(_arena.CONTROL, key))
            self._stack.callback(self.control.close)
            self._open_all()
        except BaseException:
            self.close()
            raise

    def _plain(self, role: int, token: bytes) -> socket.socket:
        with ExitStack() as stack:
            try:
                sock = socket.create_connection(self.where, timeout=_arena.STALL)
                stack.callback(sock.close)
                sock.settimeout(None)
                sock.sendall(_arena.header(role, token))
            except OSError as error:
                why = error.strerror or "it does not answer"
                raise Failure(f"cannot connect to {self.text}: {why}") from None
            stack.pop_all()
            return sock

    def _ask(self, timeout: float = _arena.STALL) -> dict[str, Any]:
        """The server's next line; its complaint, or its silence, is a Failure."""
        try:
            line = self.control.receive(timeout)
        except Broken as broken:
            raise Failure(f"{self.text}: {broken}") from None
        if not line:
            raise Failure(
                f"{self.text} closed the connection: is `fastnet bench arrays --serve` there?"
            )
        if "error" in line:
            raise Failure(f"{self.text}: {line['error']}")
        return line

    def _tell(self, **fields: Any) -> None:
        try:
            self.control.send(**fields)
        except Broken as broken:
            raise Failure(f"{self.text}: {broken}") from None

    def _open_all(self) -> None:
        hello = self._ask()
        try:
            token = bytes.fromhex(hello["token"])
            port = int(hello["arrays"])
            versions = hello["versions"]
        except (KeyError, TypeError, ValueError):
            raise Failure(f"{self.text} is not `fastnet bench arrays --serve`") from None
        kinds = {
            _arena.LOOP: _arena.Loop,
            _arena.CONNECTION: _arena.Connection,
            _arena.DIRECT: _arena.Direct,
        }
        if versions is not None and versions != _arena.versions():
            del kinds[_arena.CONNECTION]
            self.notes.append(
                "multiprocessing.connection is left out: it needs the same Python and numpy there"
            )
        for role, kind in kinds.items():
            self._tell(op="open", role=role)
            self._add(role, kind(self._plain(_arena.PLAIN[role], token)))
        self._tell(op="open", role=_arena.STREAM)
        stream = self._stream(port, token)
        self._add(_arena.STREAM, _arena.Stream(stream))
        self.links[_arena.ITEMS] = _arena.Items(stream)

    def _add(self, role: str, link: Any) -> None:
        self._stack.callback(link.close)
        self._ask()
        self.links[role] = link
        self.roles.append(role)

    def _stream(self, port: int, token: bytes) -> Any:
        import numpy as np

        import fastnet
        from fastnet import arrays

        with ExitStack() as stack:
            try:
                stream = arrays.connect((self.where[0], port), timeout=_arena.STALL)
                stack.callback(stream.abort)
                stream.send(np.frombuffer(token, np.uint8))
            except (OSError, fastnet.Error) as error:
                raise Failure(f"cannot connect to {self.text}, arrays: {error}") from None
            stack.pop_all()
            return stream

    def transport(self) -> dict[str, Any]:
        """What the stream of arrays chose for its connection."""
        return dict(self.links[_arena.STREAM].stream.stats()["transport"])

    def fill(self, nbytes: int, count: int) -> list[Any]:
        """The arrays for a run: float64, no two alike."""
        import numpy as np

        wanted = _arena.block_bytes(nbytes, count) // 8
        if self._block is None or self._block.size < wanted:
            self._block = None
            block = np.arange(wanted, dtype=np.float64)
            block *= 1.000000001  # so that the low bytes vary too
            self._block = block
        return _arena.split(self._block[:wanted], nbytes, count)

    def run(self, role: str, views: list[Any], check: bool = False) -> float:
        """Sends ``views`` over one contestant's connection; returns GB/s up to the acknowledgement.

        ``check``: compares every byte as well, so the rate means nothing. Raises Failure.
        """
        nbytes, count = views[0].nbytes, len(views)
        self._tell(op="run", role=role, nbytes=nbytes, count=count, check=check)
        self._ask()
        link = self.links[role]
        began = time.perf_counter()
        try:
            link.send(views)
        except OSError as error:
            raise self._lost(role, error) from None
        done = self._ask()
        seconds = time.perf_counter() - began
        if check:
            digest = hashlib.sha256()
            for view in views:
                digest.update(memoryview(view).cast("B"))
            if digest.hexdigest() != done.get("sha256"):
                raise Failure(f"{_arena.NAMES[role]}: other bytes arrived than were sent")
        return float(nbytes * count / seconds / 1e9)

    def _lost(self, role: str, error: OSError) -> Failure:
        try:
            self._ask(1.0)  # the server may have said why
        except Failure as failure:
            return failure
        return Failure(f"{_arena.NAMES[role]}: {error.strerror or error}")

    def compare(self, array: Any, name: str) -> None:
        """Sends one array of any kind and compares what arrived. Raises Failure."""
        self._tell(op="take")
        self._ask()
        try:
            self.links[_arena.STREAM].stream.send(array, name=name)
        except OSError as error:
            raise self._lost(_arena.STREAM, error) from None
        found = self._ask()
        for what, sent in _arena.identity(array, name).items():
            if found.get(what) != sent:
                raise Failure(f"{name}: another {what} arrived than was sent")

    def rounds(
        self,
        roles: Sequence[str],
        nbytes: int,
        count: int,
        rounds: int,
        budget: float | None = None,
    ) -> dict[str, list[float]]:
        """GB/s of every contestant in every round.

        All are checked once first; then they take turns, each round in another order. ``budget``:
        seconds after which no further round begins, and a quarter of what one contestant may
        spend in a round before it gets one array only.
        """
        began = time.monotonic()
        views = {role: self.fill(nbytes, count) for role in roles}
        for role in roles:
            rate = self._checked(role, views[role])
            if budget is not None and nbytes * count / rate / 1e9 > budget / 4:
                views[role] = views[role][:1]
        rates: dict[str, list[float]] = {role: [] for role in roles}
        for index in range(rounds):
            if index and budget is not None and time.monotonic() - began > budget:
                break
            shift = index % len(roles)
            for role in (*roles[shift:], *roles[:shift]):
                rates[role].append(self.run(role, views[role]))
        return rates

    def _checked(self, role: str, views: list[Any]) -> float:
        """Compares every byte of a run; of one array only for what is not ours to prove."""
        ours = role not in (_arena.LOOP, _arena.CONNECTION)
        return self.run(role, views if ours else views[:1], check=True)

    def close(self) -> None:
        self._stack.close()


def medians(rates: dict[str, list[float]]) -> dict[str, float]:
    """The median of each contestant's rounds."""
    return {role: statistics.median(found) for role, found in rates.items()}


@contextmanager
def beside() -> Iterator[Client]:
    """A measurement with a process of our own beside, each on a CPU of its own where possible."""
    here, there = _arena.two_cpus()
    key = secrets.token_bytes(_arena.TOKEN)
    command = [sys.executable, *_path_flags(), "-m", "fastnet.cli", "bench", "arrays"]
    command += ["--serve", "127.0.0.1:0", "--once", "--json"]
    if there is not None:
        command += ["--cpu", str(there)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, KEY: key.hex()},
    ) as process:
        try:
            port = _port(process)
            with _arena.pinned(here):
                client = Client(("127.0.0.1", port), key)
                client.cpus = here, there
                try:
                    yield client
                finally:
                    client.close()
        finally:
            process.kill()  # it has nothing to lose, and may be in the middle of something


def _port(process: subprocess.Popen[bytes]) -> int:
    """The port that the process says it listens on, in its first line."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START)
    line = process.stdout.readline(_arena.MAX_LINE) if ready else b""
    try:
        return int(json.loads(line)["address"][1])
    except (ValueError, LookupError, TypeError):
        raise Failure("the process for the other end did not start") from None


def _path_flags() -> list[str]:
    """-P unless we search the current folder for modules ourselves: `-m` would in any case."""
    return [] if {"", os.getcwd()} & set(sys.path) else ["-P"]
