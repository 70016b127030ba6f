"""Listening and connecting: addresses, accepting, iterating, counting."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import Limits, arrays

LOOPBACK = ("127.0.0.1", 0)


def free_port():
    with socket.socket() as sock:
        sock.bind(LOOPBACK)
        return sock.getsockname()[1]


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize("kind", links.PLAIN)
def test_the_address_is_the_sockets_own(kind, listen, keep):
    listener = listen(kind)
    name = listener.address
    if kind == "unix":
        assert os.path.exists(name)
    else:
        assert name[1] > 0
    assert str(name) in repr(listener) or repr(name) in repr(listener)
    one, two = links.joined(listener)
    keep(two)
    keep(one).send(np.ones(3))
    assert two.recv().size == 3


@pytest.mark.parametrize("form", ["tcp://127.0.0.1:{}", "tcp://localhost:{}", ("127.0.0.1",)])
def test_forms_of_address(form, listen, keep):
    port = listen().address[1]
    address = (*form, port) if isinstance(form, tuple) else form.format(port)
    keep(arrays.connect(address))


def test_ipv6_with_brackets(keep):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    listener = keep(arrays.listen("tcp://[::1]:0"))
    assert listener.address[0] == "::1"
    keep(arrays.connect(f"tcp://[::1]:{listener.address[1]}"))
    keep(arrays.connect(listener.address))  # the four-tuple


def test_every_interface(keep):
    listener = keep(arrays.listen(("", 0)))
    keep(arrays.connect(("127.0.0.1", listener.address[1])))
    assert listener.address[0] == "0.0.0.0"


def test_both_families_at_once(keep):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    listener = keep(arrays.listen(("::", 0)))
    for host in ("127.0.0.1", "::1"):
        keep(arrays.connect((host, listener.address[1])))
        keep(listener.accept(links.SOON))


def test_abstract_names(keep):
    name = f"\0fastnet-test-{os.getpid()}"
    listener = keep(arrays.listen(name))
    assert listener.address == name.encode()
    keep(arrays.connect(listener.address))
    keep(arrays.connect(name))
    with pytest.raises(OSError, match="@fastnet-test"):
        arrays.listen(name)


def test_a_unix_path_is_cleaned_up(tmp_path):
    path = tmp_path / "s"
    with arrays.listen(path):
        assert path.exists()
    assert not path.exists()
    with arrays.listen(f"unix:{path}") as listener:
        with pytest.raises(OSError, match=str(path)):
            arrays.listen(path)
        os.unlink(path)
        path.write_text("somebody else's")
        listener.close()
    assert path.read_text() == "somebody else's"


def test_a_stale_path_is_taken_over(tmp_path, keep):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    listener = keep(arrays.listen(path))
    keep(arrays.connect(path))
    keep(listener.accept(links.SOON))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_path_of_something_else_is_left_alone(kind, tmp_path):
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    else:
        path.mkdir()
    with pytest.raises(OSError, match=str(path)):
        arrays.listen(path)
    assert path.exists()


def test_a_path_that_cannot_be(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        arrays.listen(tmp_path / "nowhere" / "s")
    with pytest.raises(OSError):
        arrays.listen(f"unix:{tmp_path}/{'x' * 200}")
    with pytest.raises(OSError):
        arrays.connect(f"unix:{tmp_path}/{'x' * 200}")


def test_a_port_in_use_names_the_address(listen):
    port = listen().address[1]
    with pytest.raises(OSError, match=f"127.0.0.1:{port}") as caught:
        arrays.listen(("127.0.0.1", port))
    assert caught.value.errno == 98


def test_an_address_of_another_machine():
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        arrays.listen(("192.0.2.1", 0))


def test_a_port_can_be_taken_again_at_once(keep):
    listener = keep(arrays.listen(LOOPBACK))
    address = listener.address
    streams = [keep(stream) for stream in links.joined(listener)]
    listener.close()
    streams[1].abort()
    keep(arrays.listen(address))


@pytest.mark.parametrize("call", [arrays.listen, arrays.connect])
def test_a_host_that_cannot_be_resolved(call):
    with pytest.raises(socket.gaierror):
        call(("no-such-host.invalid", 9))


@pytest.mark.parametrize("call", [arrays.listen, arrays.connect])
@pytest.mark.parametrize("address", ["localhost:5", 5, "udp://h:1"])
def test_what_is_no_address(call, address):
    with pytest.raises(ValueError, match=r"(address|tcp)"):
        call(address)


# ---------------------------------------------------------------------- connecting


def test_nobody_listens(tmp_path):
    port = free_port()
    with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port}"):
        arrays.connect(("127.0.0.1", port))
    with pytest.raises(FileNotFoundError, match="nobody"):
        arrays.connect(tmp_path / "nobody")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_retrying_until_somebody_listens(kind, tmp_path, keep):
    address = ("127.0.0.1", free_port()) if kind == "tcp" else str(tmp_path / "s")
    box = []
    timer = threading.Timer(0.15, lambda: box.append(keep(arrays.listen(address))))
    timer.start()
    stream = keep(arrays.connect(address, retry_for=links.SOON))
    timer.join()
    stream.send(np.ones(3))
    assert keep(box[0].accept(links.SOON)).recv().size == 3


def test_retrying_in_vain():
    address = ("127.0.0.1", free_port())
    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        arrays.connect(address, retry_for=0.1)
    assert 0.09 < time.monotonic() - began < 5
    with pytest.raises((ConnectionRefusedError, TimeoutError)):
        arrays.connect(address, retry_for=60, timeout=0.1)


def test_the_timeout_of_a_peer_that_does_not_answer():
    """A full backlog: the system neither accepts nor refuses."""
    with socket.socket() as full, links.closing(*(socket.socket() for _ in range(4))) as fillers:
        full.bind(LOOPBACK)
        full.listen(0)
        for sock in fillers:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        time.sleep(0.02)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            arrays.connect(full.getsockname(), timeout=0.1)
        assert time.monotonic() - began < 5


def test_connect_does_not_wait_for_accept(listen, keep):
    listener = listen()
    streams = [keep(arrays.connect(listener.address)) for _ in range(5)]
    for i, stream in enumerate(streams):
        stream.send(np.full(2, i))
    got = [int(keep(listener.accept(links.SOON)).recv()[0]) for _ in streams]
    assert sorted(got) == list(range(5))


# ----------------------------------------------------------------------- accepting


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_nobody_comes(timeout, listen):
    listener = listen()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        listener.accept(timeout)
    assert timeout * 0.9 <= time.monotonic() - began < 5


def test_accept_with_timeout_zero_takes_who_is_there(listen, keep):
    listener = listen()
    keep(arrays.connect(listener.address))
    time.sleep(0.02)
    keep(listener.accept(0))


def test_two_threads_may_accept(listen, keep):
    listener = listen()
    work = [links.Background(listener.accept, links.SOON) for _ in range(2)]
    for _ in range(2):
        keep(arrays.connect(listener.address))
    streams = [keep(each.result()) for each in work]
    assert streams[0] is not streams[1]
    assert listener.stats()["accepted"] == 2


def test_a_second_accept_keeps_its_deadline(listen):
    listener = listen()
    first = links.Background(links.nobody_comes, listener, 0.4)
    time.sleep(0.02)
    began = time.monotonic()
    links.nobody_comes(listener, 0.05)
    assert time.monotonic() - began < 0.35
    first.result()


def test_iterating(listen, keep):
    listener = listen()
    for _ in range(3):
        keep(arrays.connect(listener.address))
    got = []
    for stream in listener:
        got.append(keep(stream))
        if len(got) == 3:
            break
    assert len(set(map(id, got))) == 3


@pytest.mark.parametrize("kind", ["tcp4", "unix", "tls"])
def test_close_by_another_thread_ends_iteration(kind, listen):
    listener = listen(kind)
    work = links.Background(lambda: list(listener))
    waiting = links.Background(listener.accept)
    time.sleep(0.05)
    listener.close()
    assert work.result() == []
    with pytest.raises(OSError, match="closed"):
        waiting.result()


def test_closing(listen, keep):
    listener = listen()
    one, two = (keep(stream) for stream in links.joined(listener))
    waiting = keep(arrays.connect(listener.address))  # not accepted yet
    listener.close()
    listener.close()
    assert listener.fileno() == -1
    assert "closed" in repr(listener)
    with pytest.raises(OSError, match="closed"):
        listener.accept()
    with pytest.raises(OSError, match="closed"):
        listener.accept(0)
    assert list(listener) == []
    with pytest.raises((fastnet.Error, ConnectionError)):
        waiting.recv(timeout=links.SOON)
    one.send(np.ones(3))  # streams that were handed out go on
    assert two.recv().size == 3
    with pytest.raises(ConnectionRefusedError):
        arrays.connect(listener.address)


def test_as_a_context_manager():
    with arrays.listen(LOOPBACK) as listener:
        assert listener.fileno() > 2
    assert listener.fileno() == -1


def test_a_dropped_listener_is_reported():
    """Like a socket that was never closed."""
    held = [arrays.listen(LOOPBACK)]
    with pytest.warns(ResourceWarning):
        held.clear() or gc.collect()


# ------------------------------------------------------------------------- counting


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_stats(kind, listen, keep, certificates):
    listener = listen(kind)
    context = certificates.client if kind == "tls" else None
    assert set(listener.stats()) == {
        "accepted", "open", "pending", "refused", "bad_peers", "handshake_timeouts", "shed",
        "bytes_sent", "bytes_received",
    }  # fmt: skip
    assert set(listener.stats().values()) == {0}
    one, two = links.joined(listener, ssl_context=context)
    one.send(np.ones(1000))
    two.recv()
    stats = listener.stats()
    assert (stats["accepted"], stats["open"], stats["pending"]) == (1, 1, 0)
    assert stats["bytes_received"] >= 8000
    one.abort()
    two.abort()
    after = listener.stats()
    assert (after["accepted"], after["open"]) == (1, 0)
    assert after["bytes_received"] >= 8000


def test_stats_of_those_that_misbehave(listen, keep):
    listener = listen(limits=Limits(handshake_timeout=0.2))
    bad = keep(socket.create_connection(listener.address))
    bad.sendall(b"GET / HTTP/1.1\r\n\r\n")
    keep(socket.create_connection(listener.address))  # silent
    good = keep(arrays.connect(listener.address))
    keep(listener.accept(links.SOON))
    links.nobody_comes(listener, 0.4)
    stats = listener.stats()
    assert (stats["accepted"], stats["bad_peers"], stats["handshake_timeouts"]) == (1, 1, 1)
    assert (stats["open"], stats["pending"]) == (1, 0)
    good.send(np.ones(1))


def test_connecting_to_what_speaks_something_else(keep):
    """The first call that hears of it says so; close does not hide it."""
    with socket.create_server(LOOPBACK) as web:
        stream = keep(arrays.connect(web.getsockname()))
        peer = keep(web.accept()[0])
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(fastnet.ProtocolError, match="fn1"):
            stream.recv(timeout=links.SOON)
        other = keep(arrays.connect(web.getsockname()))
        again = keep(web.accept()[0])
        again.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        time.sleep(0.02)
        with pytest.raises(fastnet.ProtocolError, match="fn1"):
            other.send_items(np.ones((1000, 1)))


def test_what_speaks_fn1_for_something_else(raw_client):
    listener, wire = raw_client()
    wire.sock.sendall(fn1wire.preface(extensions=fn1wire.extension(1, b"rpc")))
    links.nobody_comes(listener, 0.1)
    assert listener.stats()["bad_peers"] == 1
    wire.preface()
    code, text = wire.error()
    assert code == 1
    assert "rpc" in text
    assert "arrays" in text
