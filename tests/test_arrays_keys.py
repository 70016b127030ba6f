"""Streams with a key: who gets in, what is told, and what goes on working."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading

import numpy as np
import pytest

import fastnet
import fn1keyed
import links
from fastnet import AuthenticationError, Limits, arrays
from fastnet.arrays._newcomer import pending_per_address

KEY = bytes(range(200, 232))
OTHER = bytes(32)
SUITES = ["hmac-sha256", "aes-256-gmac"]


@pytest.fixture
def keyed(keep, tmp_path):
    """A listener of some kind with a key."""

    def make(kind="tcp4", key=KEY, **options):
        return keep(arrays.listen(links.address_of_kind(kind, tmp_path), authkey=key, **options))

    return make


def pair(listener, keep, key=KEY, **options):
    connecting = links.Background(arrays.connect, listener.address, authkey=key, **options)
    server = keep(listener.accept(links.SOON))
    return keep(connecting.result()), server


def hear(stream, sends):
    """Receives, or sends an array and waits for the reset."""
    if sends is None:
        return stream.recv(timeout=links.SOON)
    stream.send(sends, timeout=links.SOON)
    poller = select.poll()
    poller.register(stream.fileno(), 0)  # POLLHUP and POLLERR come unasked
    assert poller.poll(links.SOON * 1e3)
    return None


def refused(listener, sends=None, **options):
    """What a peer hears that is not let in; the listener goes on.

    sends: an array for it to send, and then to close; it receives otherwise.
    """
    over = threading.Event()

    def accept():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                listener.accept(0.02).abort()
                return True
        return False

    accepting = links.Background(accept)
    try:
        with (
            pytest.raises(AuthenticationError) as caught,
            arrays.connect(listener.address, **options) as stream,
        ):
            hear(stream, sends)
    finally:
        over.set()
        assert not accepting.result(), "it was let in"
    return str(caught.value)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("kind", links.PLAIN)
def test_arrays_both_ways(kind, suite, keyed, keep):
    if kind == "tcp6" and not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    client, server = pair(keyed(kind), keep, suites=[suite])
    for stream in (client, server):
        assert stream.stats()["transport"]["suite"] == suite
    values = [np.arange(n, dtype="u2") for n in (0, 3, 8000, 8500, 200_000, 2_000_000)]
    values += [
        np.arange(600_000.0).reshape(600, 1000)[:, ::3],
        np.arange(9000.0).reshape(90, 100).T,
    ]
    for sender, receiver in ((client, server), (server, client)):
        sending = links.Background(sender.send_items, values)
        for value in values:
            assert np.array_equal(receiver.recv(timeout=links.SOON), value)
        assert sending.result() == len(values)
        sending = links.Background(sender.send_items, values)
        for value in values:
            out = np.empty((*value.shape, 2), value.dtype)[..., 0]
            if value.flags.f_contiguous and not value.flags.c_contiguous:
                out = np.empty_like(value)
            assert receiver.recv(out=out, timeout=links.SOON) is out
            assert np.array_equal(out, value)
        sending.result()


def test_why_it_was_refused_is_told_after_a_reset(keyed):
    # The listener closes over most of the array unread, and the system resets the connection.
    assert "the peer has a key" in refused(keyed(), sends=np.zeros(50_000))


def test_many_small_ones(keyed, keep):
    client, server = pair(keyed(), keep)
    sending = links.Background(client.send_items, [np.full(10, n) for n in range(20_000)])
    for n in range(20_000):
        assert server.recv(timeout=links.SOON)[9] == n
    sending.result()


def test_names_meta_and_a_close_that_both_hear(keyed, keep):
    client, server = pair(keyed(), keep)
    client.send(np.ones(3), name="w", meta={"a": [1]})
    item = server.recv_item(timeout=links.SOON)
    assert (item.name, item.meta) == ("w", {"a": [1]})
    closing = links.Background(client.close)
    with pytest.raises(EOFError):
        server.recv(timeout=links.SOON)
    server.close()
    closing.result()


def test_with_tls_as_well(keyed, keep, certificates):
    listener = keyed(ssl_context=certificates.server)
    client, server = pair(
        listener, keep, ssl_context=certificates.client, server_hostname="localhost"
    )
    sending = links.Background(client.send, np.arange(500_000))
    assert server.recv(timeout=links.SOON).sum() == sum(range(500_000))
    sending.result()
    assert server.stats()["transport"]["tls"]
    assert server.stats()["transport"]["suite"]
    closing = links.Background(client.close)
    server.close()
    closing.result()


def test_keys_by_id(keyed, keep):
    asked = []

    def find(key_id):
        asked.append(key_id)
        return {b"one": KEY, b"two": OTHER}.get(key_id)

    listener = keyed(key=find)
    for key, key_id in ((KEY, "one"), (OTHER, b"two")):
        client, server = pair(listener, keep, key, key_id=key_id)
        client.send(np.arange(3))
        assert server.recv(timeout=links.SOON).size == 3
    assert asked == [b"one", b"two"]
    unknown = refused(listener, authkey=KEY, key_id="three")
    assert refused(listener, authkey=OTHER, key_id="one") == unknown  # nothing to tell them apart
    assert refused(listener, authkey=KEY) == unknown
    assert listener.stats()["bad_peers"] == 3


def test_wrong_key(keyed):
    listener = keyed()
    assert "does not accept" in refused(listener, authkey=OTHER)
    assert "key" in refused(listener)


def test_a_listener_without_the_key(keep, listen):
    """Whoever listens there without the key, or with another, is not talked to."""
    listener = listen()
    accepting = links.Background(listener.accept, links.SOON)
    with pytest.raises(AuthenticationError, match="peer has none"):
        arrays.connect(listener.address, authkey=KEY)
    keep(arrays.connect(listener.address))
    keep(accepting.result())
    assert listener.stats()["bad_peers"] <= 1


def test_no_common_suite(keyed):
    assert "does not accept" in refused(
        keyed(suites=["hmac-sha256"]), authkey=KEY, suites=["aes-256-gmac"]
    )


def test_a_listener_that_does_not_answer(keep):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(fastnet.TransferTimeout):
            arrays.connect(silent.getsockname(), authkey=KEY, timeout=0.05)
        with pytest.raises(fastnet.TransferTimeout):
            arrays.connect(silent.getsockname(), authkey=KEY, limits=Limits(handshake_timeout=0.05))
        leaving = links.Background(lambda: [silent.accept()[0].close() for _ in range(3)])
        with pytest.raises((AuthenticationError, ConnectionError)):
            arrays.connect(silent.getsockname(), authkey=KEY)
        leaving.result()


@pytest.mark.parametrize("key", [b"short", bytes(15), bytes(5000)])
def test_bad_keys_are_refused_at_once(key):
    with pytest.raises(ValueError, match="16 to 4096"):
        arrays.listen(("127.0.0.1", 0), authkey=key)
    with pytest.raises(ValueError, match="16 to 4096"):
        arrays.connect(("127.0.0.1", 1), authkey=key)


def test_nothing_is_sent_by_the_child_of_a_fork(keyed, keep):
    client, server = pair(keyed(), keep)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.send(np.arange(10))
        except fastnet.Error as error:
            status = 0 if "process" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    client.send(np.arange(20))  # the parent goes on
    assert server.recv(timeout=links.SOON).size == 20


def test_no_secret_is_shown(keyed, keep, caplog):
    caplog.set_level(logging.DEBUG)
    listener = keyed()
    client, server = pair(listener, keep)
    refused(listener, authkey=OTHER)
    shown = f"{listener!r} {client!r} {server!r} {client.stats()} {listener.stats()} {caplog.text}"
    for secret in (repr(KEY)[2:-1], KEY.hex()):
        assert secret not in shown


def test_one_thread_sends_while_another_receives(keyed, keep):
    client, server = pair(keyed(), keep)
    values = [np.full(n, n) for n in (1, 5000, 100_000)] * 20
    echoing = links.Background(lambda: [server.send(server.recv()) for _ in values])
    sending = links.Background(lambda: [client.send(value) for value in values])
    for value in values:
        assert np.array_equal(client.recv(timeout=links.SOON), value)
    sending.result()
    echoing.result()
    assert threading.active_count() < 20


def test_one_address_may_not_have_all_handshakes():
    assert pending_per_address(Limits(), keyed=True) == 32
    assert pending_per_address(Limits(pending=4), keyed=True) == 8
    assert pending_per_address(Limits(pending_per_address=3), keyed=True) == 3
    assert pending_per_address(Limits(), keyed=False) is None
    assert pending_per_address(Limits(pending=None), keyed=True) is None


@pytest.mark.parametrize("count", [1000, 5000], ids=["one frame", "several"])
@pytest.mark.parametrize("suite", [fn1keyed.HMAC_SHA256, fn1keyed.AES_256_GMAC])
def test_a_receive_that_stopped_inside_an_array_is_not_taken_up_again(keyed, keep, suite, count):
    """What came before is wiped, so the rest must not pass for the whole."""
    listener = keyed()
    value = np.arange(count)
    for inside in (0, 1, 4000, value.nbytes - 1, value.nbytes, value.nbytes + 15):
        accepting = links.Background(listener.accept, links.SOON)
        wire = keep(fn1keyed.Keyed(socket.create_connection(listener.address, links.SOON)))
        wire.shake(KEY, suites=(suite,))
        stream = keep(accepting.result())
        blob = b"".join(map(wire.sealing.frame, fn1keyed.array(value)))
        at = blob.index(value.tobytes()) + inside
        wire.sock.sendall(blob[:at])
        with pytest.raises(fastnet.TransferTimeout):
            stream.recv(timeout=0.02)
        wire.sock.sendall(blob[at:])
        try:
            got = stream.recv(timeout=links.SOON)
        except fastnet.Error as error:
            got = str(error)
        if isinstance(got, str):
            assert inside
            assert "stopped inside an array" in got
        else:
            assert (got == value).all()
        stream.abort()
        wire.close()
