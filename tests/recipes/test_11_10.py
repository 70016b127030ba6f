"""Recipe 11.10, TLS for network services: examples/tls_echo.py and examples/tls_xmlrpc.py."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

from fastnet import tls

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl command here")


def run(name, *words, **options):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words],
        capture_output=True, text=True, timeout=50, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@contextlib.contextmanager
def serving(name, folder):
    """A server in a process of its own; gives its port, and afterwards what it printed."""
    printed = []
    with subprocess.Popen(
        [sys.executable, EXAMPLES / name, "serve", folder, "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as child:  # fmt: skip
        try:
            yield child.stdout.readline().split()[-1], printed
        finally:
            child.terminate()
            printed.append(child.communicate()[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("certificates")
    run("tls_echo.py", "certificates", path)
    return path


def test_the_echo_server_in_one_program():
    text = run("tls_echo.py")
    assert "answer: b'hello\\n' b'world\\n'" in text
    assert "answer: b'still there\\n'" in text
    assert "got connection from client" in text
    assert "turned away: PEER_DID_NOT_RETURN_A_CERTIFICATE" in text
    assert "without a certificate: " in text


def test_the_echo_server_as_programs(folder):
    with serving("tls_echo.py", folder) as (port, _):
        assert run("tls_echo.py", "connect", folder, port, input="one\ntwo\n") == "one\ntwo\n"
        with socket.create_connection(("127.0.0.1", int(port))):  # says nothing
            assert run("tls_echo.py", "connect", folder, port, input="three\n") == "three\n"


def test_a_client_that_trusts_others(folder):
    with serving("tls_echo.py", folder) as (port, _):
        with socket.create_connection(("127.0.0.1", int(port))) as plain:
            with pytest.raises(ssl.SSLCertVerificationError):
                tls.client_context().wrap_socket(plain, server_hostname="localhost")


def test_xmlrpc_in_one_program():
    text = run("tls_xmlrpc.py")
    assert "keys: ['foo', 'spam']" in text
    assert "foo is bar and spam is [1, 2, 3]" in text
    assert "spam exists: False" in text


def test_xmlrpc_as_programs(folder):
    with serving("tls_xmlrpc.py", folder) as (port, printed):
        for _ in range(2):
            assert "spam exists: False" in run("tls_xmlrpc.py", "connect", folder, port)
        nobody = tls.client_context(cafile=folder / "ca.pem")
        with socket.create_connection(("127.0.0.1", int(port))) as plain:
            with pytest.raises(OSError):
                with nobody.wrap_socket(plain, server_hostname="localhost") as sock:
                    sock.recv(1)
        assert "spam exists: False" in run("tls_xmlrpc.py", "connect", folder, port)
    assert printed == [""]
