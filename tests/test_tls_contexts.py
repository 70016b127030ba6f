"""Contexts that are safe, and errors that name the file."""

from __future__ import annotations

import pathlib
import socket
import ssl
import subprocess
import warnings

import pytest

import links
import tlsfiles
from fastnet import tls


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tlsfiles.Files(tmp_path_factory.mktemp("tls"))


def handshake(server, client):
    """(the server's end, the client's end) of a connection, or the error of either."""
    one, two = socket.socketpair()
    for sock in (one, two):
        sock.settimeout(10)
    work = links.Background(server.wrap_socket, one, server_side=True)
    try:
        there = client.wrap_socket(two, server_hostname="localhost")
    except BaseException:
        two.close()
        with pytest.raises(OSError):
            work.result()
        one.close()
        raise
    try:
        return work.result(), there
    except BaseException:
        there.close()
        one.close()
        raise


def test_both_ends(files):
    here, there = handshake(
        tls.server_context(files.server, files.server_key, alpn=["h2", "http/1.1"]),
        tls.client_context(cafile=files.ca, alpn=["http/1.1"]),
    )
    with here, there:
        assert here.version() == there.version() == "TLSv1.3"
        assert here.selected_alpn_protocol() == "http/1.1"
        assert here.compression() is None
        assert here.getpeercert() is None


def test_settings(files):
    server = tls.server_context(files.server_both)
    client = tls.client_context()
    for context in (server, client):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
    assert server.verify_mode == ssl.CERT_NONE
    assert client.verify_mode == ssl.CERT_REQUIRED
    assert client.check_hostname
    newer = tls.server_context(files.server_both, minimum=ssl.TLSVersion.TLSv1_3)
    assert newer.minimum_version == ssl.TLSVersion.TLSv1_3


def test_a_client_checks_the_authority_and_the_name(files):
    server = tls.server_context(files.server_both)
    for context in (tls.client_context(cafile=files.other_ca), tls.client_context()):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server, context)
    one, two = socket.socketpair()
    with one, two:
        context = tls.client_context(cafile=files.ca)
        with pytest.raises(ValueError, match="server_hostname"):
            context.wrap_socket(two)
    elsewhere = tls.server_context(files.client, files.client_key)
    with pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
        handshake(elsewhere, tls.client_context(cafile=files.ca))


@pytest.mark.parametrize("require", [None, True, False])
def test_client_certificates(files, require):
    server = tls.server_context(
        files.server, files.server_key, client_ca=files.ca, require_client=require
    )
    # TLS 1.2, where the client's own handshake fails, not its first read.
    old = {"cafile": files.ca}
    known = tls.client_context(**old, certfile=files.client, keyfile=files.client_key)
    here, there = handshake(server, known)
    with here, there:
        assert here.getpeercert()["subjectAltName"] == (("DNS", "client.example"),)
    impostor = tls.client_context(**old, certfile=files.impostor_both)
    nobody = tls.client_context(**old)
    for context in (impostor, nobody):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError):
        handshake(server, impostor)
    if require is False:
        here, there = handshake(server, nobody)
        with here, there:
            assert not here.getpeercert()
    else:
        with pytest.raises(OSError):
            handshake(server, nobody)


def test_old_versions_are_refused(files):
    client = tls.client_context(cafile=files.ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        handshake(tls.server_context(files.server_both), client)


def test_an_encrypted_key(files):
    locked = f"{files.folder}/locked.key"
    command = ["openssl", "pkey", "-in", files.server_key, "-out", locked, "-aes256"]
    try:
        subprocess.run([*command, "-passout", "pass:secret"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl command here")
    for password in ("secret", b"secret", lambda: "secret"):
        tls.server_context(files.server, locked, password=password)
    with pytest.raises(ValueError, match=r"locked\.key is encrypted: give password="):
        tls.server_context(files.server, locked)
    with pytest.raises(ValueError, match=r"password does not open the key in .*locked\.key"):
        tls.server_context(files.server, locked, password="wrong")


@pytest.mark.parametrize("missing", ["certfile", "keyfile", "client_ca"])
def test_missing_files_are_named(files, missing):
    options = {"certfile": files.server, "keyfile": files.server_key, missing: "no/such.pem"}
    with pytest.raises(FileNotFoundError) as caught:
        tls.server_context(**options)
    assert caught.value.filename == "no/such.pem"
    if missing != "client_ca":
        with pytest.raises(FileNotFoundError):
            tls.client_context(**options)
    with pytest.raises(FileNotFoundError):
        tls.client_context(cafile="no/such.pem")


def test_wrong_files_are_named(files, tmp_path):
    junk, damaged = tmp_path / "junk.pem", tmp_path / "damaged.pem"
    junk.write_text("nothing in here")
    lines = pathlib.Path(files.server).read_text().splitlines()
    damaged.write_text("\n".join([lines[0], "AAAA", *lines[2:]]))
    for build, words in [
        (lambda: tls.server_context(junk), "junk.pem holds no certificate"),
        (lambda: tls.server_context(files.server), "server.pem holds no private key.*keyfile="),
        (lambda: tls.server_context(files.server, junk), "junk.pem holds no private key"),
        (
            lambda: tls.server_context(files.server, files.client_key),
            r"key in .*client\.key does not belong to the certificate in .*server\.pem",
        ),
        (lambda: tls.server_context(damaged, files.server_key), r"damaged\.pem .*is damaged"),
        (lambda: tls.server_context(files.server_both, client_ca=junk), "junk.pem holds no"),
        (lambda: tls.client_context(cafile=junk), "junk.pem holds no certificate"),
        (lambda: tls.client_context(cafile=damaged), r"damaged\.pem: .*damaged"),
        (lambda: tls.client_context(certfile=files.client), "client.pem holds no private key"),
    ]:
        with pytest.raises(ValueError, match=words):
            build()


def test_a_directory_of_authorities(files):
    with pytest.raises(FileNotFoundError):
        tls.client_context(capath="no/such/directory")
    tls.client_context(capath=files.folder)


def test_contradictions(files):
    with pytest.raises(ValueError, match="require_client needs client_ca"):
        tls.server_context(files.server_both, require_client=True)
    with pytest.raises(ValueError, match="not safe"):
        tls.server_context(files.server_both, minimum=ssl.TLSVersion.TLSv1_1)
    with pytest.raises(ValueError, match="keyfile needs certfile"):
        tls.client_context(keyfile=files.client_key)
    with pytest.raises(TypeError, match="alpn is a list"):
        tls.client_context(alpn="h2")
    with pytest.raises(ValueError, match="1 to 255"):
        tls.client_context(alpn=[""])
