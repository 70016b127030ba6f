"""Handshakes and messages between fastnet.connection and the standard library of every Python here.

A relay in between records the frames: their sizes and order are the protocol's, whoever plays
which role.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import glob
import multiprocessing
import os
import shutil
import socket
import struct
import subprocess
import threading

import numpy as np
import pytest

from fastnet.connection import AuthenticationError, Client, Listener
from links import SOON, Background

KEY = b"a key of the tests"
VERSIONS = [(3, minor) for minor in range(8, 14)]
NEW, OLD = (59, 40, 9), (59, 16, 9)  # a challenge of 3.12 or later, and who answers it
SHORT = (31, 16, 9)  # a challenge of 3.11 or before

PEER = """
import ast, sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
role, address, key = sys.argv[1], ast.literal_eval(sys.argv[2]), ast.literal_eval(sys.argv[3])
try:
    if role == "listener":
        listener = Listener(address, authkey=key)
        print(repr(listener.address), flush=True)
        conn = listener.accept()
    else:
        conn = Client(address, authkey=key)
except AuthenticationError:
    sys.exit(7)
conn.send({"version": sys.version_info[:2], "data": [b"x" * 300000, bytearray(70000)]})
try:
    while True:
        conn.send_bytes(conn.recv_bytes())
except EOFError:
    pass
"""


def name_of(version):
    return ".".join(map(str, version))


@functools.cache
def interpreter(version):
    """A Python of one version, or None."""
    name = name_of(version)
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    candidates = [
        shutil.which(f"python{name}"),
        *glob.glob(f"{root}/versions/{name}.*/bin/python3"),
    ]
    for candidate in filter(None, candidates):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            found = subprocess.run(
                [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
                timeout=30,
            )
            if found.stdout.strip() == name:  # pyenv leaves commands that refuse to start
                return candidate
    return None


class Relay:
    """Passes bytes between a client and a listener, and remembers them."""

    def __init__(self, listener_address, own_address):
        family = socket.AF_UNIX if isinstance(listener_address, str) else socket.AF_INET
        self.target, self.family = listener_address, family
        self.server = socket.socket(family)
        self.server.bind(own_address)
        self.server.listen()
        self.address = self.server.getsockname()
        self.frames = []  # (from the listener, size), in their order
        self.lock = threading.Lock()
        self.passing = Background(self.run)

    def run(self):
        client, _ = self.server.accept()
        self.server.close()
        with client, socket.socket(self.family) as listener:
            listener.connect(self.target)
            there = threading.Thread(target=self.one_way, args=(client, listener, False))
            there.start()
            self.one_way(listener, client, True)
            there.join()

    def one_way(self, source, target, from_listener):
        seen = bytearray()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    seen += data
                    while len(self.frames) < 6 and len(seen) >= 4:
                        (size,) = struct.unpack_from("!i", seen)
                        if len(seen) < 4 + size:
                            break
                        self.frames.append((from_listener, size))
                        del seen[: 4 + size]
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def peer(version, role, address, key=KEY):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {name_of(version)} here")
    environment = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    return subprocess.Popen(
        [python, "-c", PEER, role, repr(address), repr(key)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def exchange(conn, version):
    """Messages of every form, in both directions."""
    greeting = conn.recv()
    assert greeting == {"version": version, "data": [b"x" * 300000, bytearray(70000)]}
    for size in (0, 1, 16384, 16385, 70_000, 1_000_000):
        data = os.urandom(size)
        sending = Background(conn.send_bytes, data)
        assert conn.recv_bytes() == data
        sending.result()
    array = np.arange(100_000)
    sending = Background(conn.send, ["text", array])
    text, received = conn.recv()
    sending.result()
    assert text == "text"
    assert np.array_equal(received, array)


def addresses(family, tmp_path):
    if family == "unix":
        return str(tmp_path / "real"), str(tmp_path / "relay")
    return ("127.0.0.1", 0), ("127.0.0.1", 0)


@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_we_listen(version, family, tmp_path):
    real, own = addresses(family, tmp_path)
    with Listener(real, authkey=KEY) as listener:
        relay = Relay(listener.address, own)
        with relay.server, peer(version, "client", relay.address) as process:
            with listener.accept(3 * SOON) as conn:
                exchange(conn, version)
            assert process.wait(SOON) == 0
        relay.passing.result()
    sizes = NEW + NEW if version >= (3, 12) else OLD + SHORT
    assert relay.frames == list(zip([True, False] * 3, sizes, strict=True))


@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_we_connect(version, family, tmp_path):
    real, own = addresses(family, tmp_path)
    with peer(version, "listener", real) as process:
        relay = Relay(ast.literal_eval(process.stdout.readline()), own)
        with relay.server, Client(relay.address, authkey=KEY, timeout=3 * SOON) as conn:
            exchange(conn, version)
        assert process.wait(SOON) == 0
        relay.passing.result()
    sizes = NEW + NEW if version >= (3, 12) else SHORT + OLD
    assert relay.frames == list(zip([True, False] * 3, sizes, strict=True))


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_wrong_keys(version):
    with Listener(("127.0.0.1", 0), authkey=KEY) as listener:
        with peer(version, "client", listener.address, b"wrong") as process:
            with pytest.raises(AuthenticationError):
                listener.accept(3 * SOON)
            assert process.wait(SOON) == 7
    with peer(version, "listener", ("127.0.0.1", 0), b"wrong") as process:
        address = ast.literal_eval(process.stdout.readline())
        with pytest.raises(multiprocessing.AuthenticationError):
            Client(address, authkey=KEY, timeout=3 * SOON)
        assert process.wait(SOON) == 7


@pytest.mark.parametrize("version", VERSIONS, ids=name_of)
def test_min_digest_tells_the_dialects_apart(version):
    with Listener(("127.0.0.1", 0), authkey=KEY, min_digest="sha256") as listener:
        with peer(version, "client", listener.address) as process:
            if version >= (3, 12):
                listener.accept(3 * SOON).close()
                process.wait(SOON)
            else:
                with pytest.raises(AuthenticationError, match="the peer uses md5"):
                    listener.accept(3 * SOON)
                assert process.wait(SOON) == 7


@pytest.mark.large
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ours", ["sends", "receives"])
def test_the_long_form(ours):
    import multiprocessing.connection

    from fastnet.connection import Connection

    one, two = socket.socketpair()
    size = (1 << 31) + 5
    with Connection(one.detach()) as conn:
        with multiprocessing.connection.Connection(two.detach()) as other:
            source, target = (conn, other) if ours == "sends" else (other, conn)
            data = np.zeros(size, "u1")
            data[-5:] = 1, 2, 3, 4, 5
            sending = Background(source.send_bytes, data)
            received = target.recv_bytes()
            sending.result(200)
            assert len(received) == size
            assert received[-6:] == b"\0\1\2\3\4\5"
