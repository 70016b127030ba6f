"""TLS: who is trusted, connections kept, ends that are cut off."""

from __future__ import annotations

import functools
import socket
import ssl

import numpy as np
import pytest
import trustme

import client_kit as kit
from client_kit import CLOSE, Scripted, chunked, reply
from fastnet import http


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    client = ca.issue_cert("client.example")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(demanding)
    ca.configure_trust(demanding)
    demanding.verify_mode = ssl.CERT_REQUIRED
    return folder, context, demanding


def test_trust(authority):
    folder, context, _ = authority
    with kit.serving(context) as server, http.Session(trust_env=False) as session:
        with pytest.raises(http.SSLError, match="certificate verify failed"):
            session.get(server.url)
        assert session.get(server.url, verify=folder / "ca.pem").ok
        assert session.get(server.url, verify=False).ok
        with pytest.raises(http.SSLError):  # the others' connections are not for this one
            session.get(server.url)
        session.verify = str(folder / "ca.pem")
        for _ in range(3):
            assert session.get(server.url).ok
        assert session.get(server.url.replace("127.0.0.1", "localhost")).ok
        own = ssl.create_default_context(cafile=folder / "ca.pem")
        assert session.get(server.url, verify=own).ok
        with pytest.raises(ValueError):
            session.get(server.url, verify=own, cert="x")
        session.verify = True
        with pytest.raises(http.SSLError):
            session.get(server.url)


def test_the_name_must_be_the_certificates(authority):
    folder = authority[0]
    ca = trustme.CA()
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("elsewhere.example").configure_cert(other)
    ca.cert_pem.write_to_path(folder / "other.pem")
    with kit.serving(other) as server:
        with http.Session(verify=folder / "other.pem", trust_env=False) as session:
            with pytest.raises(http.SSLError, match=r"not valid for '127.0.0.1'"):
                session.get(server.url)
            assert session.get(server.url, verify=False).ok


def test_a_certificate_of_ones_own(authority):
    folder, _, demanding = authority
    with kit.serving(demanding) as server:
        with http.Session(verify=folder / "ca.pem", trust_env=False) as session:
            with pytest.raises(http.RequestException):
                session.get(server.url)
            assert session.get(server.url, cert=folder / "client.pem").ok
            pair = (folder / "client.pem", folder / "client.pem")
            assert session.get(server.url, cert=pair).ok


def test_bodies_and_kept_connections(authority):
    folder, context, _ = authority
    data = np.random.default_rng(2).bytes(1_500_000)
    script = [reply(data), chunked(data[:1000], data[1000:]), reply(b"x"), reply(data)]
    with Scripted(*script, context=context) as server:
        with http.Session(verify=folder / "ca.pem", trust_env=False) as session:
            for _ in range(2):
                array = np.zeros(len(data), "u1")
                with session.get(server.url, stream=True) as response:
                    assert response.recv_into(array) == len(data)
                assert array.tobytes() == data
            assert session.post(server.url, data=data).text == "x"
            assert session.post(server.url, data=iter([data[:10], data[10:]])).content == data
            assert [body for _, body in server.requests] == [b"", b"", data, data]
            assert server.connections == 1


def test_an_end_without_goodbye_is_no_end(authority):
    """Whoever cuts the connection must not be able to shorten a body (RFC 9112 9.8)."""
    folder, context, _ = authority

    def cut(sock):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

    script = [(b"HTTP/1.1 200 OK\r\n\r\nbody", cut, CLOSE)]
    with Scripted(*script, context=context) as server:
        with http.Session(verify=folder / "ca.pem", trust_env=False) as session:
            with pytest.raises(http.IncompleteTransfer):
                session.get(server.url)


def test_a_server_that_closed_is_noticed(authority):
    folder, context, _ = authority
    import links

    with Scripted(*[(reply(b"x"), CLOSE)] * 3, context=context) as server:
        with http.Session(verify=folder / "ca.pem", trust_env=False) as session:
            for _ in range(3):
                assert session.post(server.url, data=b"1").text == "x"
                links.wait_until(functools.partial(kit.useless, session))


def test_timeouts(authority):
    folder, context, _ = authority

    def silent(sock):
        sock.recv(1)

    script = [silent, (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", silent)]
    with Scripted(*script, context=context) as server:
        with http.Session(verify=folder / "ca.pem", trust_env=False) as session:
            for _ in script:
                with pytest.raises(http.ReadTimeout):
                    session.get(server.url, timeout=(20, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # never shakes hands
        with pytest.raises(http.ConnectTimeout):
            http.get(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2, verify=False)
