"""Other links than IPv4 loopback: they must work, and deliver the right bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import replace

from arrays_contestants import make
from arrays_rows import MIB, Proof
from harness import Contestant, HarnessError, Pair
from table import Row

SERVER_ADDRESS, CLIENT_ADDRESS = "10.213.77.1", "10.213.77.2"


def links(proof: Proof) -> list[Row]:
    """IPv6 and a veth pair between two network namespaces, raw and as a stream."""
    rows = []
    for key in ("raw", "stream-out"):
        proof.say(f"links {key} ...")
        rows.append(_checked(f"IPv6, {key}", make(key, size=64 * MIB, host="::1")))
    try:
        with namespaces() as (server, client):
            for key in ("raw", "stream-out"):
                contestant = replace(
                    make(key, size=64 * MIB, host=SERVER_ADDRESS),
                    server_prefix=("ip", "netns", "exec", server),
                    client_prefix=("ip", "netns", "exec", client),
                )
                rows.append(_checked(f"veth between two namespaces, {key}", contestant))
    except (OSError, subprocess.CalledProcessError) as exc:
        rows.append(Row("links", "veth between two namespaces", 0.0, None, note=str(exc)))
    return rows


def _checked(what: str, contestant: Contestant) -> Row:
    """A row that is met when the bytes arrive; its figure is for information."""
    missing = contestant.missing()
    if missing:
        return Row("links", what, 0.0, None, note="not installed: " + ", ".join(missing))
    try:
        with contextlib.closing(Pair(contestant)) as pair:
            pair.verify()
            seconds = statistics.median(pair.run(5))
    except HarnessError as exc:
        return Row("links", what, 0.0, None, note=str(exc).splitlines()[0], failed=True)
    return Row("links", what, 0.0, contestant.nbytes / seconds / 1e9, "GB/s", note="verified")


@contextlib.contextmanager
def namespaces() -> Iterator[tuple[str, str]]:
    """Two fresh network namespaces joined by a veth pair, gone again afterwards.

    Raises `OSError` where the ``ip`` tool is absent or its use is not permitted.
    """
    if shutil.which("ip") is None or os.geteuid() != 0:
        raise PermissionError("needs the ip tool (iproute2) and the right to use it")
    server, client = (f"fnbench{os.getpid()}{side}" for side in "sc")
    with contextlib.ExitStack() as stack:
        for name in (server, client):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        # Removing a namespace removes the end of the pair that lives in it, and so the pair.
        pair = f"link add fn0 type veth peer name fn0 netns {client}"
        _ip("-n", server, *pair.split())
        for name, address in ((server, SERVER_ADDRESS), (client, CLIENT_ADDRESS)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "fn0")
            _ip("-n", name, "link", "set", "fn0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield server, client


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
