"""``fastnet talk --tls``."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import fastnet
import tlsfiles
from cli_talking import EVERY_BYTE, answering, everything, shown, talk


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tlsfiles.Files:
    return tlsfiles.Files(tmp_path_factory.mktemp("tls"))


@contextmanager
def secure(context: ssl.SSLContext, work: Callable[[Any], None]) -> Iterator[str]:
    def shaken(sock: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(sock, server_side=True) as safe:
            work(safe)

    with answering(shaken) as where:
        yield where


def answer(sock: Any) -> None:
    """Waits for the end of what is sent, answers, and ends TLS as it should be ended."""
    got = everything(sock)
    sock.sendall(b"got %d" % len(got))
    with suppress(OSError):
        sock.unwrap()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tls_both_ways(files: tlsfiles.Files, version: str) -> None:
    context = fastnet.tls.server_context(files.server, files.server_key)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with secure(context, answer) as where:
        done = talk(where, "--tls", "--cafile", files.ca, data=bytes(1_000_000))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"got 1000000"


def test_tls_much_at_once(files: tlsfiles.Files) -> None:
    def work(sock: Any) -> None:
        sock.sendall(EVERY_BYTE * 500)
        with suppress(OSError):
            sock.unwrap()

    context = fastnet.tls.server_context(files.server, files.server_key)
    with secure(context, work) as where:
        done = talk(where, "--tls", "--cafile", files.ca)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == EVERY_BYTE * 500


def test_tls_with_a_client_certificate(files: tlsfiles.Files) -> None:
    context = fastnet.tls.server_context(files.server, files.server_key, client_ca=files.ca)
    own = ("--cert", files.client, "--key", files.client_key)
    with secure(context, answer) as where:
        assert talk(where, "--tls", "--cafile", files.ca, *own, data=b"x").stdout == b"got 1"
    with secure(context, answer) as where:
        done = talk(where, "--tls", "--cafile", files.ca, data=None, stdin=subprocess.DEVNULL)
        assert done.returncode == 1
        assert b"TLS: " in done.stderr


@pytest.mark.parametrize("case", ["stranger", "name"])
def test_tls_that_is_not_trusted(files: tlsfiles.Files, case: str) -> None:
    context = fastnet.tls.server_context(files.server, files.server_key)
    options = ("--cafile", files.ca, "--name", "other.example")
    if case == "stranger":
        options = ("--cafile", files.other_ca)
    with secure(context, answer) as where:
        done = talk(where, "--tls", *options, data=b"secret")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"the server's certificate is not trusted" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_tls_without_verification(files: tlsfiles.Files) -> None:
    context = fastnet.tls.server_context(files.server, files.server_key)
    with secure(context, answer) as where:
        done = talk(where, "--tls", "--insecure", data=b"x")
    assert (done.returncode, done.stdout) == (0, b"got 1")
    assert done.stderr == b"fastnet: warning: nobody checks who the server is (--insecure)\n"


def test_tls_that_breaks_off(files: tlsfiles.Files) -> None:
    def work(sock: Any) -> None:
        sock.sendall(b"some")
        os.close(sock.detach())

    context = fastnet.tls.server_context(files.server, files.server_key)
    with secure(context, work) as where:
        done = talk(where, "--tls", "--cafile", files.ca, "--keep-open")
    assert done.stdout == b"some"
    assert done.returncode == 1
    assert b"perhaps not all has come" in done.stderr


def test_tls_to_what_is_no_tls() -> None:
    with answering(lambda sock: sock.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")) as where:
        done = talk(where, "--tls", "--insecure")
        assert done.returncode == 1
        assert b": TLS: " in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = shown(silent.getsockname())
        done = talk(where, "--tls", "--insecure", "--timeout", "0.2")
        assert done.stderr.endswith(b"has not answered the TLS handshake\n")
