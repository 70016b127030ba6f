"""Connections of every kind, threads that report, and waiting: for tests only."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastnet import Limits, Tuning, arrays

PLAIN = ["tcp4", "tcp6", "unix"]
ALL = [*PLAIN, "tls"]
SOON = 15.0  # seconds that nothing in a test should ever take

_serial = itertools.count()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Certificates:
    """TLS contexts: the listener's, the connecting end's, and those of strangers."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    demanding: ssl.SSLContext  # a listener that asks for the peer's certificate
    known: ssl.SSLContext  # a client that has one
    stranger: ssl.SSLContext  # a client that trusts somebody else
    impostor: ssl.SSLContext  # a client with a certificate of somebody else


class Background(threading.Thread):
    """Runs a function at once in a thread; result() gives what it returned or raised."""

    def __init__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(daemon=True)
        self._work = lambda: work(*args, **kwargs)
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:
            self._error = error

    def result(self, timeout: float = 3 * SOON) -> Any:
        self.join(timeout)
        if self.is_alive():
            raise AssertionError("the thread is still at work")
        if self._error is not None:
            raise self._error
        return self._value


def wait_until(condition: Callable[[], Any], timeout: float = SOON) -> None:
    """Returns when the condition holds; fails when it does not come to hold."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def address_of_kind(kind: str, folder: Any) -> Any:
    """An address to listen at."""
    if kind == "unix":
        return f"unix:{folder}/s{next(_serial)}"
    if kind == "tcp6":
        return ("::1", 0)
    return ("127.0.0.1", 0)


def joined(
    listener: arrays.Listener,
    *,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> tuple[arrays.Stream, arrays.Stream]:
    """A connecting stream and the listener's end of it."""
    options: dict[str, Any] = {"limits": limits, "tuning": tuning}
    if ssl_context is None:
        client = arrays.connect(listener.address, **options)
        return client, listener.accept(SOON)
    handshake = Background(
        arrays.connect,
        listener.address,
        ssl_context=ssl_context,
        server_hostname="localhost",
        **options,
    )
    server = listener.accept(SOON)
    return handshake.result(), server


def socket_pair(kind: str, certificates: Certificates | None = None) -> Any:
    """Two connected blocking sockets."""
    if kind == "unix":
        return socket.socketpair()
    family = socket.AF_INET6 if kind == "tcp6" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind(("::1" if kind == "tcp6" else "127.0.0.1", 0))
        listening.listen()
        one = socket.create_connection(listening.getsockname()[:2])
        two, _ = listening.accept()
    if kind != "tls":
        return one, two
    assert certificates is not None
    greeting = Background(certificates.client.wrap_socket, one, server_hostname="localhost")
    two = certificates.server.wrap_socket(two, server_side=True)
    return greeting.result(), two


@contextlib.contextmanager
def closing(*things: Any) -> Iterator[Any]:
    """Closes several things afterwards."""
    try:
        yield things
    finally:
        for thing in things:
            thing.close()


def reset(sock: socket.socket) -> None:
    """Closes a TCP socket with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


@contextlib.contextmanager
def program(source: str, *args: Any, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A child interpreter that runs a program, ended afterwards whatever happens."""
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def run(source: str, *args: Any, **options: Any) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def descriptors() -> dict[str, str]:
    """The descriptors of this process, and what each is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return {name: what for name, what in found.items() if not what.startswith("/proc/")}


def resident(field: str = "VmRSS") -> int:
    """Bytes of this process's memory, by a line of /proc/self/status."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise AssertionError(f"no {field} here")


def nobody_comes(listener: arrays.Listener, seconds: float) -> None:
    """Accepts for so long; fails when a peer gets through."""
    try:
        stream = listener.accept(seconds)
    except TimeoutError:
        return
    stream.abort()
    raise AssertionError("somebody came")


def growth(before: int) -> int:
    """Bytes of memory taken since resident() said `before`; a sanitizer's own do not count."""
    return 0 if "asan" in os.environ.get("LD_PRELOAD", "") else resident() - before
