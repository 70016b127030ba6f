"""Fixtures for all tests, and the rule that a test leaves nothing behind."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

import pytest
import trustme
from hypothesis import HealthCheck, settings

import links
from fastnet import Limits, Tuning, arrays
from fn1wire import Wire

# A shell starts what runs behind it with Ctrl-C ignored, and so it would be in every program
# that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Sockets on a shared machine have no steady pace, so no example has a deadline.
settings.register_profile(
    "fastnet",
    deadline=None,
    max_examples=50,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fastnet")


# ---------------------------------------------------------------- nothing is left


def _tracker() -> tuple[str, int | None]:
    """multiprocessing's own helper process, which stays for good once it runs."""
    tracker = resource_tracker._resource_tracker
    return str(getattr(tracker, "_fd", None)), getattr(tracker, "_pid", None)


def _children() -> set[int]:
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/self/task/{task}/children") as listing:
                found.update(map(int, listing.read().split()))
    return found


def _held() -> dict[Any, Any]:
    """Descriptors, threads and child processes."""
    descriptor, pid = _tracker()
    held: dict[Any, Any] = {
        ("descriptor", number, what): what
        for number, what in links.descriptors().items()
        if number != descriptor
    }
    held.update((("thread", id(thread)), thread.name) for thread in threading.enumerate())
    held.update((("child", child), child) for child in _children() if child != pid)
    return held


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test after which a descriptor, thread or child process is left."""
    before = _held()
    yield
    end = time.monotonic() + 10.0  # a busy machine takes its time to end a thread
    while left := {key: what for key, what in _held().items() if key not in before}:
        gc.collect()
        if time.monotonic() > end:
            pytest.fail(f"left behind: {sorted(map(str, left))}", pytrace=False)
        time.sleep(0.01)


# --------------------------------------------------------------------- connections


@pytest.fixture(scope="session")
def certificates() -> links.Certificates:
    """TLS contexts, made once."""
    ours, others = trustme.CA(), trustme.CA()
    certificate = ours.issue_cert("localhost", "127.0.0.1")

    def server() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def client(trusted: trustme.CA, own: Any = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.configure_trust(context)
        if own is not None:
            own.configure_cert(context)
        return context

    demanding = server()
    demanding.verify_mode = ssl.CERT_REQUIRED
    ours.configure_trust(demanding)
    return links.Certificates(
        server=server(),
        client=client(ours),
        demanding=demanding,
        known=client(ours, ours.issue_cert("client.example")),
        stranger=client(others),
        impostor=client(ours, others.issue_cert("client.example")),
    )


@pytest.fixture
def keep() -> Iterator[Callable[[Any], Any]]:
    """keep(thing) returns it, and aborts or closes it when the test is over."""
    with contextlib.ExitStack() as stack:

        def keep(thing: Any) -> Any:
            stack.callback(getattr(thing, "abort", thing.close))
            return thing

        yield keep


@pytest.fixture
def listen(keep: Any, tmp_path: Any, certificates: Any) -> Callable[..., arrays.Listener]:
    """listen(kind, **options) listens on loopback, by default over TCP on IPv4."""

    def listen(kind: str = "tcp4", **options: Any) -> arrays.Listener:
        if kind == "tcp6" and not links.has_ipv6():
            pytest.skip("this machine has no IPv6")
        if kind == "tls":
            options.setdefault("ssl_context", certificates.server)
        return keep(arrays.listen(links.address_of_kind(kind, tmp_path), **options))

    return listen


@pytest.fixture
def make_pair(listen: Any, keep: Any, certificates: Any) -> Callable[..., Any]:
    """make_pair(kind, ...) connects two streams; `there` is the listener's end."""

    def make_pair(
        kind: str = "tcp4",
        *,
        limits: Limits | None = None,
        tuning: Tuning | None = None,
        there: dict[str, Any] | None = None,
    ) -> tuple[arrays.Stream, arrays.Stream]:
        listener = listen(kind, **{"limits": limits, "tuning": tuning, **(there or {})})
        context = certificates.client if kind == "tls" else None
        client, server = links.joined(listener, limits=limits, tuning=tuning, ssl_context=context)
        return keep(client), keep(server)

    return make_pair


@pytest.fixture
def pair(request: pytest.FixtureRequest, make_pair: Any) -> tuple[arrays.Stream, arrays.Stream]:
    """Two connected streams, over TCP or what the test is parametrized with."""
    return make_pair(getattr(request, "param", "tcp4"))


@pytest.fixture
def sockets(request: pytest.FixtureRequest, keep: Any, certificates: Any) -> tuple[Any, Any]:
    """Two connected blocking sockets, over TCP or what the test is parametrized with."""
    kind = getattr(request, "param", "tcp4")
    if kind == "tcp6" and not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    one, two = links.socket_pair(kind, certificates)
    return keep(one), keep(two)


@pytest.fixture
def raw_client(listen: Any, keep: Any) -> Callable[..., tuple[arrays.Listener, Wire]]:
    """raw_client(**options) gives a listener and a connection to it that is spoken by hand."""

    def raw_client(**options: Any) -> tuple[arrays.Listener, Wire]:
        listener = listen(**options)
        return listener, keep(Wire(socket.create_connection(listener.address)))

    return raw_client


@pytest.fixture
def raw_pair(raw_client: Any, keep: Any) -> Callable[..., tuple[arrays.Stream, Wire]]:
    """raw_pair(preface, **options) gives an accepted stream whose peer is spoken by hand."""
    import fn1wire

    def raw_pair(preface: bytes | None = None, **options: Any) -> tuple[arrays.Stream, Wire]:
        listener, wire = raw_client(**options)
        wire.sock.sendall(fn1wire.preface() if preface is None else preface)
        stream = keep(listener.accept(links.SOON))
        assert wire.preface().role == b"S"
        return stream, wire

    return raw_pair


# -------------------------------------------------------------------- descriptors


@pytest.fixture
def duplex(keep: Any) -> tuple[Any, Any]:
    """Two ends of a duplex pipe."""
    one, two = multiprocessing.Pipe()
    return keep(one), keep(two)


@pytest.fixture
def unix_pair(keep: Any) -> tuple[Any, Any]:
    """Two connected Unix sockets."""
    one, two = socket.socketpair()
    return keep(one), keep(two)


@pytest.fixture
def pipe(keep: Any) -> tuple[Any, Any]:
    """A system pipe's two descriptors, as file objects."""
    read, write = os.pipe()
    return keep(open(read, "rb", 0)), keep(open(write, "wb", 0))
