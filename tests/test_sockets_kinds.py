"""fastnet.sockets: where sockets come from, and what kinds there are."""

from __future__ import annotations

import pickle
import socket
import ssl

import pytest

import links
import serving
from fastnet import Tuning, sockets
from fastnet.sockets import Socket, create_connection, socketpair


@pytest.fixture
def ours(keep):
    one, two = socketpair()
    return keep(one), keep(two)


def test_datagrams(keep):
    one, two = map(keep, socketpair(type=socket.SOCK_DGRAM))
    for size in (0, 1, 5000, 100_000):
        one.sendall(bytes(size)) if size else one.send(b"")
        assert two.recv(1_000_000) == bytes(size)
    one.sendall(b"")  # a datagram too
    assert two.recv(10) == b""
    one.sendall(b"cut off")
    assert two.recv(3) == b"cut"
    one.sendall(b"next")
    assert two.recv_into(buffer := bytearray(10)) == 4
    assert buffer.startswith(b"next")


def test_files(ours):
    one, two = ours
    with one.makefile("wb") as writer, two.makefile("rb") as reader:
        for _ in range(3):
            pickle.dump({"a": [1, 2, 3]}, writer)
            writer.flush()
            assert pickle.load(reader) == {"a": [1, 2, 3]}
    with one.makefile("rw") as both, two.makefile("r") as lines:
        both.write("one\ntwo\n")
        both.flush()
        assert lines.readline() == "one\n"
        assert next(lines) == "two\n"


def test_accept_dup_detach(keep):
    one, two = serving.our_tcp_pair(keep, spin=0.5)
    assert type(two) is Socket
    assert one.spin == 0.5
    assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    one.settimeout(3)
    with one.dup() as other:
        assert type(other) is Socket
        assert (other.gettimeout(), other.spin) == (3, 0.5)
        other.sendall(b"x")
    assert two.recv(1) == b"x"
    fd = one.detach()
    assert one.fileno() == -1
    assert keep(Socket(fileno=fd)).family == socket.AF_INET


def test_taking_over(keep, certificates):
    one, two = socket.socketpair()
    one.settimeout(7)
    with Socket.from_socket(one) as taken:
        assert one.fileno() == -1
        assert taken.gettimeout() == 7
        taken.sendall(b"x")
    with two, pytest.raises(ValueError):
        Socket.from_socket(two, spin=2)
    with ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(
        socket.socket(), server_hostname="x"
    ) as secure:
        with pytest.raises(TypeError):
            Socket.from_socket(secure)


def test_under_tls(keep, certificates):
    one, two = serving.our_tcp_pair(keep)
    client = links.Background(certificates.client.wrap_socket, one, server_hostname="localhost")
    with certificates.server.wrap_socket(two, server_side=True) as server:
        with client.result() as sock:
            sock.sendall(b"secret")
            assert server.recv(10) == b"secret"


def test_spin():
    default = Tuning().spin_seconds()
    with Socket() as sock:
        assert sock.spin == default
        sock.spin = 0
        assert sock.spin == 0
        sock.spin = None
        assert sock.spin == default
        for wrong in (-1, 2, float("nan")):
            with pytest.raises(ValueError, match="spin"):
                sock.spin = wrong
    with pytest.raises(ValueError, match="spin"):
        Socket(spin=-1)


def test_create_connection_fails_as_the_standard_one(keep):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = bound.getsockname()
        with pytest.raises(ConnectionRefusedError):
            create_connection(address, timeout=5)
        with pytest.raises(ExceptionGroup) as caught:
            create_connection(address, all_errors=True)
        assert isinstance(caught.value.exceptions[0], ConnectionRefusedError)
    with pytest.raises(OSError):
        create_connection(("127.0.0.1", 1), source_address=("192.0.2.1", 0))
    assert set(sockets.__all__) <= set(dir(sockets))
