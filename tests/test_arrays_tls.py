"""Arrays over TLS: who is trusted, who is not, and whether both directions run at once."""

from __future__ import annotations

import socket
import ssl
import time

import numpy as np
import pytest

import fastnet
import links
from fastnet import Limits, arrays


@pytest.fixture
def trial(listen, certificates):
    """trial(context name, host name, listener's context) tries to connect."""

    def trial(client, name="localhost", server="server"):
        listener = listen("tls", ssl_context=getattr(certificates, server))
        work = links.Background(
            arrays.connect,
            listener.address,
            ssl_context=getattr(certificates, client),
            server_hostname=name,
            timeout=links.SOON,
        )
        return listener, work

    return trial


def finish(listener, work, keep):
    two = keep(listener.accept(links.SOON))
    one = keep(work.result())
    one.send(np.ones(5))
    assert two.recv(timeout=links.SOON).size == 5
    return one, two


def test_a_certificate_that_is_trusted(trial, keep):
    one, two = finish(*trial("client"), keep)
    assert one.stats()["transport"]["tls"] is True
    assert two.stats()["transport"]["tls"] is True


def test_the_hosts_own_name_is_the_default(trial, keep):
    finish(*trial("client", None), keep)  # the address's 127.0.0.1


def test_client_certificates(trial, keep):
    finish(*trial("known", server="demanding"), keep)


@pytest.mark.parametrize(("client", "name"), [("stranger", "localhost"), ("client", "wrong.name")])
def test_a_listener_that_is_not_trusted(client, name, trial, keep):
    listener, work = trial(client, name)
    links.nobody_comes(listener, 0.3)
    with pytest.raises(ssl.SSLCertVerificationError):
        work.result()
    assert listener.stats()["bad_peers"] == 1
    assert listener.stats()["accepted"] == 0


@pytest.mark.parametrize("client", ["client", "impostor"])
def test_a_client_that_is_not_trusted(client, trial, keep):
    """In TLS 1.3 the client hears of it with its first bytes."""
    listener, work = trial(client, server="demanding")
    links.nobody_comes(listener, 0.3)
    with pytest.raises((ssl.SSLError, ConnectionError, fastnet.Error)):
        keep(work.result()).recv(timeout=links.SOON)
    assert listener.stats()["bad_peers"] == 1


def test_plain_text_at_a_tls_listener(listen, keep):
    listener = listen("tls")
    stream = keep(arrays.connect(listener.address))
    links.nobody_comes(listener, 0.2)
    assert listener.stats()["bad_peers"] == 1
    with pytest.raises((fastnet.Error, ConnectionError)):
        stream.recv(timeout=links.SOON)


def test_tls_at_a_plain_listener(listen, certificates):
    listener = listen()
    work = links.Background(
        arrays.connect, listener.address, ssl_context=certificates.client, timeout=links.SOON
    )
    links.nobody_comes(listener, 0.2)
    assert listener.stats()["bad_peers"] == 1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        work.result()


def test_a_peer_that_is_silent_in_the_handshake(listen, keep, certificates):
    listener = listen("tls", limits=Limits(handshake_timeout=0.15))
    keep(socket.create_connection(listener.address))
    links.nobody_comes(listener, 0.3)
    assert listener.stats()["handshake_timeouts"] == 1
    one, two = links.joined(listener, ssl_context=certificates.client)
    keep(one)
    keep(two)


def test_connecting_to_what_is_silent_in_the_handshake(certificates):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            arrays.connect(silent.getsockname(), ssl_context=certificates.client, timeout=0.1)
        assert time.monotonic() - began < 5


def test_over_a_unix_socket(tmp_path, keep, certificates):
    listener = keep(arrays.listen(tmp_path / "s", ssl_context=certificates.server))
    one, two = links.joined(listener, ssl_context=certificates.client)
    keep(one).send(np.ones(5))
    assert keep(two).recv().size == 5


def test_a_slow_handshake_holds_nobody_up(listen, keep, certificates):
    listener = listen("tls")
    slow = [keep(socket.create_connection(listener.address)) for _ in range(10)]
    for sock in slow:
        sock.sendall(b"\x16\x03\x01")  # a TLS record begins
    began = time.monotonic()
    one, two = links.joined(listener, ssl_context=certificates.client)
    assert time.monotonic() - began < 4  # the handshake timeout is 5
    keep(one)
    keep(two)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(version, listen, keep, certificates):
    listener = listen("tls")
    certificates.client.maximum_version = version
    try:
        one, two = links.joined(listener, ssl_context=certificates.client)
    finally:
        certificates.client.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    keep(one)
    keep(two)
    value = np.random.default_rng(10).standard_normal(500_000)
    work = [links.Background(one.send, value), links.Background(two.send, value)]
    assert (two.recv() == value).all()
    assert (one.recv() == value).all()
    for each in work:
        each.result()


def test_layouts(make_pair):
    one, two = make_pair("tls")
    value = np.random.default_rng(11).standard_normal((600, 700))
    for sent in (value[::2, ::3], value.T, np.asfortranarray(value), value[:, :100]):
        out = np.zeros(sent.shape, order="F")
        work = links.Background(lambda sent=sent: [one.send(sent), one.send_items([sent] * 3)])
        two.recv(out=out)
        assert (out == sent).all()
        assert all((two.recv() == sent).all() for _ in range(3))
        work.result()


def test_an_end_without_tls_goodbye_is_incomplete(make_pair):
    one, two = make_pair("tls")
    one.send(np.ones(3))
    one._cut()
    assert two.recv().size == 3
    with pytest.raises((fastnet.IncompleteTransfer, ConnectionError)):
        two.recv()
