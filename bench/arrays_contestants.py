"""All contestants of the array benchmarks by short name: `make("seeds", size=64 << 20)`."""

from __future__ import annotations

from typing import Any

from harness import Contestant, python_contestant

C_REFERENCE = "C reference"
GMAC, HMAC = "aes-256-gmac", "hmac-sha256"

# name -> (label in tables, module:Class, packages it needs)
PYTHON: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "seeds": ("seeds' loop", "arrays_stdlib:SeedsLoop", ()),
    "mp-send": ("Connection.send", "arrays_stdlib:ConnectionSend", ()),
    "mp-bytes": ("Connection.send_bytes", "arrays_stdlib:ConnectionSendBytes", ()),
    "raw": ("send_from/recv_into", "arrays_fastnet:Raw", ("fastnet",)),
    "stream-out": ("stream recv(out=)", "arrays_fastnet:StreamOut", ("fastnet",)),
    "stream-pool": ("stream recv()", "arrays_fastnet:StreamPool", ("fastnet",)),
    "stream-gmac": (f"stream, {GMAC}", "arrays_fastnet:StreamGmac", ("fastnet",)),
    "stream-hmac": (f"stream, {HMAC}", "arrays_fastnet:StreamHmac", ("fastnet",)),
    "stream-tls": ("stream, TLS 1.3", "arrays_fastnet:StreamTls", ("fastnet", "trustme")),
    "loop-asyncio": ("stream on asyncio", "arrays_loops:LoopOut", ("fastnet",)),
    "loop-fastnet": ("stream on fastnet's loop", "arrays_loops:FastnetLoopOut", ("fastnet",)),
    "loop-uvloop": ("stream on uvloop", "arrays_loops:UvloopOut", ("fastnet", "uvloop")),
    "items": ("send_items", "arrays_fastnet:Items", ("fastnet",)),
    "pyzmq": ("pyzmq", "peers.pyzmq_tcp:Large", ("zmq",)),
    "pyzmq-small": ("pyzmq bytes", "peers.pyzmq_tcp:Small", ("zmq",)),
    "flight": ("Arrow Flight", "peers.arrow_flight:Flight", ("pyarrow",)),
    "dask": ("Dask tcp", "peers.dask_tcp:DaskComm", ("distributed",)),
}


def make(key: str, *, label: str = "", busy: bool = False, **params: Any) -> Contestant:
    """The contestant ``key`` with the given parameters (``size`` in bytes, ``count``...)."""
    if key == "cref":
        return c_reference(label or C_REFERENCE, busy=busy, **params)
    if key in ("cref-gmac", "cref-hmac"):
        suite = GMAC if key == "cref-gmac" else HMAC
        params["mac"] = key.removeprefix("cref-")
        return c_reference(label or f"{C_REFERENCE}, {suite}", program="mac_ref", **params)
    shown, target, requires = PYTHON[key]
    return python_contestant(label or shown, target, requires=requires, busy=busy, **params)


def c_reference(
    label: str, *, busy: bool = False, program: str = "array_ref", **params: Any
) -> Contestant:
    """The C sender and receiver; ``busy`` puts an equally busy process beside each."""
    from cref.build import build

    command = str(build(program))
    words = [f"{key}={value}" for key, value in params.items()]
    return Contestant(
        label,
        [command, "server", *words],
        [command, "client", *words],
        nbytes=params["size"],
        busy="process" if busy else "",
    )
