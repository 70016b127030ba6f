"""The slides' programs: examples/slides_*.py."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time

import pytest

import links
import recipe_programs as programs

ECHOING = ["threaded", "forking", "select"]
NO_RAW = 1  # the program's exit code


@pytest.mark.parametrize("variant", ["hello", "options"])
def test_the_server_that_says_hello(variant):
    with programs.started("slides_tcp_server.py", variant, 0) as (_, port):
        for _ in range(3):
            with programs.connect(port) as sock:
                assert programs.everything(sock) == b"Hello 127.0.0.1\n"


@pytest.mark.parametrize("variant", ECHOING)
def test_concurrent_servers(variant):
    with programs.started("slides_tcp_server.py", variant, 0) as (_, port):
        programs.echoes(port, 8)


@pytest.mark.parametrize("variant", ECHOING)
def test_the_clients(variant):
    with programs.started("slides_tcp_server.py", variant, 0) as (_, port):
        said = programs.finished("slides_tcp_client.py", port)
    assert said.splitlines() == [
        "response: b'GET /index.html HTTP/1.0\\n\\n'",
        "sent only a part: True",
        "read at most what was asked for: True",
        "reassembled: b'one message in pieces'",
        "end of data: b''",
        "timeout: timed out",
        "non-blocking: " + os.strerror(errno.EAGAIN),
        "lines: Hello World",
        "pickled: [1, 2, {'three': 4.0}]",
    ]


def test_udp():
    with programs.started("slides_udp.py", "serve", 0) as (_, port):
        for _ in range(2):
            said = programs.finished("slides_udp.py", "connect", port)
            assert said == f"Get off my lawn! from ('127.0.0.1', {port})\n"


def test_unix_sockets(tmp_path):
    path = tmp_path / "s"
    with programs.started("slides_unix.py", "serve", path):
        links.wait_until((tmp_path / "s.dgram").exists)
        said = programs.finished("slides_unix.py", "connect", path)
    assert said == "HELLO OVER A STREAM\nHELLO IN A DATAGRAM\n"


def test_names():
    said = programs.finished("slides_raw_and_names.py", "names", "localhost")
    assert f"this machine: {socket.gethostname()}\n" in said
    assert "address of localhost: 127.0.0." in said
    assert said.count("\n") == 8


def may_sniff():
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
    except (AttributeError, PermissionError):
        return False
    return True


@pytest.mark.skipif(not may_sniff(), reason="raw sockets need root or CAP_NET_RAW, and Linux")
def test_raw_sockets():
    with programs.started("slides_raw_and_names.py", "raw", "lo", 1) as (child, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while child.poll() is None:
                sock.sendto(b"seen", ("127.0.0.1", 9))
                time.sleep(0.01)
        assert "bytes, ('lo', 2048, " in child.stdout.read()


@pytest.mark.skipif(may_sniff(), reason="raw sockets are permitted here")
def test_raw_sockets_are_refused_with_a_reason():
    command = [sys.executable, programs.EXAMPLES / "slides_raw_and_names.py", "raw"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == NO_RAW
    assert "not permitted" in done.stderr


@pytest.mark.parametrize(
    "kind", ["plain", "forking", "threading", "mixin", "forking-mixin", "restricted"]
)
def test_socketserver(kind):
    with programs.started("slides_socketserver.py", kind, 0) as (_, port):
        for _ in range(3):
            with programs.connect(port) as sock:
                line = programs.everything(sock).decode()
            assert line.endswith("\n")
            assert time.strptime(line.strip(), "%a %b %d %H:%M:%S %Y")


@pytest.mark.parametrize("kind", ["restricted", "mixin"])
def test_the_restricted_server_refuses(kind):
    with programs.started("slides_socketserver.py", kind, 0, "192.0.2.1") as (_, port):
        for _ in range(2):
            with programs.connect(port) as sock:
                assert programs.everything(sock) == b""
