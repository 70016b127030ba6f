"""All contestants of the server benchmarks by short name: `make("uvloop", Load(size=64))`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from process import HERE, HarnessError
from servers_harness import Contestant, Load, python_server

C_REFERENCE = "C reference"


@dataclass(frozen=True)
class Recipe:
    """How a contestant is started: ``module:function`` with parameters, and what it needs.

    ``program`` names a C program instead, whose words are ``words``.
    """

    label: str
    target: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    program: str = ""
    words: tuple[str, ...] = ()


def _asyncio(label: str, loop: str, kind: str) -> Recipe:
    requires = {"asyncio": (), "uvloop": ("uvloop",), "fastnet": ("fastnet:new_event_loop",)}[loop]
    return Recipe(label, "servers_asyncio:run", {"loop": loop, "kind": kind}, requires)


def _service(label: str, **params: Any) -> Recipe:
    return Recipe(label, "servers_fastnet:service", params, ("fastnet:serve", "fastnet.services"))


TCP = "tcp 127.0.0.1 0"
STANDARD, STANDARD_NODELAY = "ThreadingTCPServer", "ThreadingTCPServer, NODELAY"

RECIPES: dict[str, Recipe] = {
    # echo, nothing of Python in it
    "cref": Recipe(C_REFERENCE, program="echo_ref", words=(TCP,)),
    "cref-spin": Recipe("C reference, spinning", program="echo_ref", words=(TCP, "spin=150")),
    "cref-pair": Recipe("C blocking pair", program="echo_ref", words=(TCP, "mode=pair")),
    "echo": _service("services.Echo"),
    "echo-nospin": _service("services.Echo, spin off", spin=False),
    # asyncio's interfaces on three loops
    "fast-protocol": _asyncio("Protocol on fastnet", "fastnet", "protocol"),
    "uv-protocol": _asyncio("Protocol on uvloop", "uvloop", "protocol"),
    "aio-protocol": _asyncio("Protocol on asyncio", "asyncio", "protocol"),
    "fast-buffered": _asyncio("BufferedProtocol on fastnet", "fastnet", "buffered"),
    "uv-buffered": _asyncio("BufferedProtocol on uvloop", "uvloop", "buffered"),
    "aio-buffered": _asyncio("BufferedProtocol on asyncio", "asyncio", "buffered"),
    "fast-streams": _asyncio("streams on fastnet", "fastnet", "streams"),
    "uv-streams": _asyncio("streams on uvloop", "uvloop", "streams"),
    "aio-streams": _asyncio("streams on asyncio", "asyncio", "streams"),
    # the seeds' blocking handler
    "std-threads": Recipe(STANDARD, "servers_stdlib:threading_server"),
    "std-nodelay": Recipe(STANDARD_NODELAY, "servers_stdlib:threading_server", {"nodelay": True}),
    "fast-threads": Recipe(
        "fastnet ThreadingTCPServer",
        "servers_fastnet:threading_server",
        requires=("fastnet.socketserver",),
    ),
    "green": Recipe(
        "GreenTCPServer",
        "servers_fastnet:green_server",
        requires=("fastnet.green", "greenlet"),
    ),
    "gevent": Recipe("gevent", "peers.gevent_server:stream_server", requires=("gevent",)),
    # UDP time
    "udp-cref": Recipe(C_REFERENCE, program="udp_ref", words=("udp 127.0.0.1 0",)),
    "udp-time": _service("services.Time", name="Time", udp=True),
    "udp-std": Recipe("socketserver.UDPServer", "servers_stdlib:udp_server"),
    "udp-fast": _asyncio("DatagramProtocol on fastnet", "fastnet", "datagrams"),
    "udp-uv": _asyncio("DatagramProtocol on uvloop", "uvloop", "datagrams"),
    "udp-aio": _asyncio("DatagramProtocol on asyncio", "asyncio", "datagrams"),
    # recipe 11.12
    "recipe": Recipe("recipe 11.12's loop", "servers_stdlib:recipe_loop"),
    "events": Recipe("fastnet.events", "servers_fastnet:events_loop", requires=("fastnet.events",)),
}


def make(key: str, load: Load | None = None, *, label: str = "", **params: Any) -> Contestant:
    """The contestant ``key`` under the given load; ``params`` go to a Python server's function."""
    from cref.build import build

    recipe = RECIPES[key]
    if recipe.program:
        server = (str(build(recipe.program)), *recipe.words)
    else:
        server = python_server(recipe.target, **{**recipe.params, **params})
    return Contestant(label or recipe.label, server, load or default_load(key), recipe.requires)


def default_load(key: str) -> Load:
    """What suits the kind of server."""
    return Load(kind="udp") if key.startswith("udp") else Load()


def unix_pair(directory: str, load: Load) -> list[Contestant]:
    """The C reference and `services.Echo` on Unix sockets in a directory."""
    reference = make("cref", load)
    reference = replace(reference, server=(reference.server[0], f"unix {directory}/cref.sock"))
    return [reference, make("echo", load, unix=f"{directory}/echo.sock")]


def tls_load(directory: str, **fields: Any) -> Load:
    """A TLS load that trusts the certificate in ``directory``, made at the first call."""
    from cref.build import build

    try:
        build("tls_load")
    except subprocess.CalledProcessError:
        raise HarnessError("the TLS client needs OpenSSL's headers (libssl-dev)") from None
    make_certificate(directory)
    return Load(ca=f"{directory}/cert.pem", **fields)


@cache
def make_certificate(directory: str) -> str:
    """A certificate for localhost, good for a day; returns the file with certificate and key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise HarnessError("the TLS rows need the openssl command, to make a certificate")
    where = Path(directory)
    key, cert, both = where / "key.pem", where / "cert.pem", where / "both.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(cert)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HarnessError(f"openssl: {done.stderr.strip()[-200:]}")
    both.write_text(cert.read_text() + key.read_text())
    return str(both)


def pingpong_client(connect: str, *, size: int, spin: bool = True) -> Load:
    """A blocking client in Python instead of the C one."""
    params = json.dumps({"size": size, "spin": spin})
    command = (sys.executable, str(HERE / "pingpong.py"), connect, params)
    return Load(connections=1, size=size, command=command)


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """A directory with a short path, since a Unix socket's address holds 107 bytes."""
    return tempfile.TemporaryDirectory(prefix="fnb-")
