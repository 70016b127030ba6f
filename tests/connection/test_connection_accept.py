"""fastnet.connection: many handshakes at a time; peers that are slow, silent or strangers."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import subprocess
import sys

import pytest

from connection_kit import HOME, KEY, frame, meet, message
from fastnet import AuthenticationError, Limits
from fastnet.connection import (
    Client,
    Listener,
    _create_response,
    answer_challenge,
    deliver_challenge,
)
from links import SOON, Background, wait_until

# ---------------------------------------------------------------------------- waiting


def test_accept_with_a_timeout(listener):
    for timeout in (0, 0.05):
        with pytest.raises(TimeoutError, match=f"no connection within {timeout} s"):
            listener.accept(timeout)
    client, accepted = meet(listener)
    client.close()
    accepted.close()


def test_the_old_way_to_a_timeout(listener):
    listener._listener._socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_client_timeout(keep):
    server = keep(socket.create_server(HOME))
    with pytest.raises(TimeoutError):
        Client(server.getsockname(), authkey=KEY, timeout=0.05)


def test_closing_under_accept(listener):
    accepting = Background(listener.accept)
    listener.close()
    with pytest.raises(OSError, match="listener is closed"):
        accepting.result()
    with pytest.raises(OSError, match="listener is closed"):
        listener.accept()


def test_silent_peers_delay_nobody(listener, stranger):
    """Silent, half way through, and with half a header: all stay where they are."""
    others = [stranger() for _ in range(30)]
    for each in others[10:20]:
        each.sendall(b"\0\0")
    for each in others[20:]:
        each.sendall(struct.pack("!i", 40) + b"{sha256}")
    for _ in range(3):
        client, accepted = meet(listener)
        client.send("on")
        assert accepted.recv() == "on"
        client.close()
        accepted.close()
    assert listener._reception.pending() == 30


def test_hundreds_of_half_open_handshakes_are_reaped():
    room = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 3)
    with Listener(HOME, authkey=KEY, limits=Limits(pending=1024, handshake_timeout=60)) as listener:
        with contextlib.ExitStack() as stack:
            for number in range(1, room + 1):
                stack.enter_context(socket.create_connection(listener.address))
                if number % 50 == 0 or number == room:
                    client, accepted = meet(listener)
                    client.close()
                    accepted.close()
            assert listener._reception.pending() == room
            for guest in listener._reception._guests.values():
                guest.deadline -= 100  # so much time goes by
            for _ in range(room):
                with pytest.raises(AuthenticationError, match="longer than 60 s"):
                    listener.accept(SOON)
            assert listener._reception.pending() == 0


def test_past_the_limit_the_oldest_gives_way():
    with Listener(HOME, authkey=KEY, limits=Limits(pending=3)) as listener:
        with contextlib.ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(listener.address, timeout=SOON))
                for _ in range(5)
            ]
            client, accepted = meet(listener)
            client.close()
            accepted.close()
            for each in silent[:3]:
                message(each)
                with contextlib.suppress(ConnectionResetError):
                    assert each.recv(1) == b""
            assert listener._reception.pending() == 2


def test_each_address_has_its_share():
    with Listener(HOME, authkey=KEY, limits=Limits(pending_per_address=2)) as listener:
        with contextlib.ExitStack() as stack:
            peers = [
                stack.enter_context(socket.create_connection(listener.address, timeout=SOON))
                for _ in range(4)
            ]
            with pytest.raises(TimeoutError):
                listener.accept(0.2)
            for each in peers[2:]:
                with contextlib.suppress(ConnectionResetError):
                    assert each.recv(1) == b""
            assert listener._reception.pending() == 2


def test_a_slow_peer_gets_in(listener, stranger):
    """A byte at a time, while others come and go."""
    peer = stranger()
    sent = bytearray()

    class Slowly:
        def send_bytes(self, data):
            for byte in frame(data):
                peer.sendall(bytes([byte]))
                sent.append(byte)

        def recv_bytes(self, most):
            return message(peer)

    def handshake():
        answer_challenge(Slowly(), KEY)
        deliver_challenge(Slowly(), KEY)

    shaking = Background(handshake)
    accepted = listener.accept(SOON)
    shaking.result()
    accepted.close()


def test_a_peer_that_hangs_up(listener, stranger):
    for sent in (b"", b"\0\0", struct.pack("!i", 5) + b"ab"):
        peer = stranger()
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(AuthenticationError, match="inside the handshake") as caught:
            listener.accept(SOON)
        assert isinstance(caught.value, EOFError)


def test_a_peer_that_resets(listener, stranger):
    peer = stranger()
    with pytest.raises(TimeoutError):
        listener.accept(0.05)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(AuthenticationError):
        listener.accept(SOON)


def test_time_outside_accept_counts_for_no_deadline():
    with Listener(HOME, authkey=KEY, limits=Limits(handshake_timeout=SOON)) as listener:
        with socket.create_connection(listener.address, timeout=SOON) as peer:
            accepting = Background(listener.accept, 0.05)
            challenge = message(peer)[len(b"#CHALLENGE#") :]
            with pytest.raises(TimeoutError):
                accepting.result()
            listener._reception._paused -= 100  # the server was busy with somebody else
            for guest in listener._reception._guests.values():
                guest.deadline -= 100
            peer.sendall(frame(_create_response(KEY, challenge)))
            peer.sendall(frame(b"#CHALLENGE#{sha256}" + bytes(40)))
            peer.sendall(frame(b"#WELCOME#"))
            listener.accept(SOON).close()


def test_several_threads_accept(listener):
    accepting = [Background(listener.accept, SOON) for _ in range(4)]
    connecting = [Background(Client, listener.address, authkey=KEY) for _ in range(4)]
    for each in [*accepting, *connecting]:
        each.result().close()


def test_a_forked_child_leaves_the_parents_handshakes_alone(listener, stranger):
    peer = stranger()
    with pytest.raises(TimeoutError):
        listener.accept(0.05)
    message(peer)
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(TimeoutError):
            listener.accept(0.05)
        os._exit(listener._reception.pending())
    assert os.waitpid(pid, 0)[1] == 0
    assert listener._reception.pending() == 1
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)


def test_no_descriptors_left():
    """A flood of strangers, and few descriptors: the oldest strangers give way."""
    few = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from fastnet.connection import Listener
listener = Listener(("127.0.0.1", 0), authkey=b"k")
print(listener.address[1], flush=True)
while True:
    try:
        conn = listener.accept(20)
    except Exception as error:
        print(type(error).__name__, error, file=sys.stderr)
        continue
    print(conn.recv())
    break
"""
    with subprocess.Popen(
        [sys.executable, "-c", few], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline())
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            with Client(("127.0.0.1", port), authkey=b"k", timeout=3 * SOON) as conn:
                conn.send("honest")
                out, err = process.communicate(timeout=30)
        assert out == "honest\n", err


# --------------------------------------------------------------------------- sockets


def test_what_connections_are_tuned_to(listener):
    client, accepted = meet(listener)
    with client, accepted:
        for each in (client, accepted):
            with socket.socket(fileno=os.dup(each.fileno())) as sock:
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert os.get_blocking(sock.fileno())
        assert listener.last_accepted[0] == "127.0.0.1"


def test_unix_paths(tmp_path):
    path = str(tmp_path / "socket")
    with Listener(path, authkey=KEY) as listener:
        assert listener.address == path
        client, accepted = meet(listener)
        client.close()
        accepted.close()
        with pytest.raises(OSError):
            Listener(path)
    assert not os.path.exists(path)


def test_ipv6(keep):
    try:
        listener = keep(Listener(("::1", 0), "AF_INET6", authkey=KEY))
    except OSError:
        pytest.skip("this machine has no IPv6")
    client, accepted = meet(listener)
    client.close()
    accepted.close()
    with Client(listener.address[:2]), pytest.raises(TimeoutError):  # it has no key
        listener.accept(0.05)


def test_addresses_that_are_none():
    for bad in (5, b"path", ["list"]):
        with pytest.raises(ValueError):
            Client(bad)
    for family in ("AF_PIPE", "AF_NONE"):
        with pytest.raises(ValueError, match="not recognized"):
            Client("/tmp/x", family)
    with pytest.raises(ValueError):
        Listener(r"\\.\pipe\x")


def test_nobody_listens(tmp_path):
    with pytest.raises(FileNotFoundError):
        Client(str(tmp_path / "nobody"), authkey=KEY)
    with Listener(HOME) as listener:
        address = listener.address
    with pytest.raises(ConnectionRefusedError):
        Client(address, authkey=KEY)


def test_recipe_server_survives_everything(listener, stranger):
    """Recipe 11.7's loop, while strangers do their worst."""
    seen = []

    def serve():
        while True:
            try:
                with listener.accept() as conn:
                    while True:
                        conn.send(conn.recv())
            except Exception as error:
                seen.append(type(error))
                if listener._listener is None:
                    return

    serving = Background(serve)
    for sent in (b"", b"\0", frame(b"bad"), struct.pack("!i", 1 << 30)):
        peer = stranger()
        peer.sendall(sent)
        if sent != b"\0":
            peer.close()
    with contextlib.suppress(Exception):
        Client(listener.address, authkey=b"wrong")
    with Client(listener.address, authkey=KEY, timeout=SOON) as client:
        client.send([1, 2])
        assert client.recv() == [1, 2]
    wait_until(lambda: EOFError in seen)
    listener.close()
    serving.result()
    assert AuthenticationError in seen
