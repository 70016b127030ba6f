"""`fastnet.fdpass`: descriptors there and back, with the standard library at either end."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
from multiprocessing import connection as mp
from multiprocessing import reduction, resource_sharer

import pytest

import links
from fastnet import errors, fdpass
from fastnet.fdpass import _channel, _objects

KEY = b"peekaboo"


def opened(fd, mode="wb"):
    return open(fd, mode, 0)


# ------------------------------------------------------------------ the standard library


@pytest.mark.parametrize("ends", ["duplex", "unix_pair"])
@pytest.mark.parametrize("ours", ["both", "sender", "receiver"])
def test_one_handle(request, ends, ours, pipe):
    one, two = request.getfixturevalue(ends)
    read, write = pipe
    send = reduction.send_handle if ours == "receiver" else fdpass.send_handle
    receive = reduction.recv_handle if ours == "sender" else fdpass.recv_handle
    send(one, write.fileno(), os.getpid())
    with opened(receive(two)) as copy:
        assert copy.fileno() != write.fileno()
        copy.write(b"through")
        assert os.get_inheritable(copy.fileno()) is (ours == "sender")
    assert read.read(100) == b"through"


@pytest.mark.parametrize("count", [1, 2, 253])
@pytest.mark.parametrize("ours", ["sender", "receiver"])
def test_many_handles_in_a_message(unix_pair, pipe, count, ours):
    one, two = unix_pair
    fds = [pipe[1].fileno()] * count
    if ours == "sender":
        fdpass.sendfds(one, fds)
        got = reduction.recvfds(two, count)
    else:
        reduction.sendfds(one, fds)
        got = fdpass.recvfds(two, 253)
    _channel.close_all(got)
    assert len(got) == count


@pytest.mark.parametrize("ours", ["both", "sender", "receiver"])
def test_where_receipt_is_acknowledged(monkeypatch, duplex, pipe, ours):
    """As on macOS."""
    monkeypatch.setattr(_channel, "ACKNOWLEDGE", True)
    monkeypatch.setattr(reduction, "ACKNOWLEDGE", True)
    one, two = duplex
    send = reduction.send_handle if ours == "receiver" else fdpass.send_handle
    receive = reduction.recv_handle if ours == "sender" else fdpass.recv_handle
    receiving = links.Background(receive, two)
    send(one, pipe[1].fileno(), 0)
    os.close(receiving.result())


def test_no_acknowledgement(monkeypatch, unix_pair, pipe):
    monkeypatch.setattr(_channel, "ACKNOWLEDGE", True)
    unix_pair[1].sendall(b"no")
    with pytest.raises(errors.ProtocolError, match="did not say"):
        fdpass.send_handle(unix_pair[0], pipe[0])


PYTHONS = sorted(pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python"))
PYTHONS = [path for path in PYTHONS if int(path.parts[-3].split(".")[1]) >= 8]
PEER = """
import os, socket, sys
from multiprocessing.connection import Client
from multiprocessing.reduction import recv_handle, send_handle, recvfds, sendfds
with Client(sys.argv[1], authkey=b"peekaboo") as conn:
    conn.send_bytes(str(os.getpid()).encode())
    fd = recv_handle(conn)
    with socket.socket(fileno=fd) as sock:
        sock.sendall(b"hello from another Python")
        send_handle(conn, sock.fileno(), 0)
    with socket.socket(fileno=os.dup(conn.fileno())) as plain:
        fds = recvfds(plain, 3)
        sendfds(plain, fds)
"""


@pytest.mark.parametrize("python", [sys.executable, *PYTHONS], ids=str)
def test_separate_programs(tmp_path, keep, python):
    """The recipe's second form, with the standard library of each Python at the other end."""
    here, there = socket.socketpair()
    with (
        links.closing(here),
        mp.Listener(str(tmp_path / "work"), authkey=KEY) as listener,
        subprocess.Popen([python, "-c", PEER, listener.address]) as program,
    ):
        try:
            with listener.accept() as conn:
                assert fdpass.check_peer(conn).pid == program.pid == int(conn.recv_bytes())
                fdpass.send_socket(conn, there)
                there.close()
                assert here.recv(100) == b"hello from another Python"
                with fdpass.recv_socket(conn, timeout=links.SOON) as back:
                    assert (back.family, back.type) == (here.family, here.type)
                    back.sendall(b"again")
                assert here.recv(100) == b"again"
                fdpass.send_handles(conn, [here, 0, 1])
                _channel.close_all(fdpass.recv_handles(conn, 3, timeout=links.SOON))
            assert program.wait(links.SOON) == 0
        finally:
            program.kill()


# -------------------------------------------------------------------------- conveniences


@pytest.mark.parametrize("count", [1, 3, 253, 254, 600])
def test_several(duplex, pipe, count):
    one, two = duplex
    sending = links.Background(fdpass.send_handles, one, [pipe[0]] * count)
    got = fdpass.recv_handles(two, count)
    sending.result()
    _channel.close_all(got)
    assert len(set(got)) == count


@pytest.mark.parametrize("default", [None, 5.0])
def test_sockets(unix_pair, default):
    one, two = unix_pair
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    names = [server.getsockname() for server in servers]
    with links.closing(*servers):
        servers[0].setblocking(False)
        fdpass.send_sockets(one, servers)
    socket.setdefaulttimeout(default)
    try:
        got = fdpass.recv_sockets(two, 3)
    finally:
        socket.setdefaulttimeout(None)
    with links.closing(*got):
        assert [sock.getsockname() for sock in got] == names
        assert [sock.gettimeout() for sock in got] == [default] * 3
        assert not any(os.get_inheritable(sock.fileno()) for sock in got)
        with socket.create_connection(names[0]):
            got[0].accept()[0].close()
    assert os.get_blocking(two.fileno())
    assert two.gettimeout() is None


def test_files(unix_pair, tmp_path):
    one, two = unix_pair
    with open(tmp_path / "file", "w+") as file:
        file.write("written before, ")
        fdpass.send_file(one, file)
    with fdpass.recv_file(two, "r+", encoding="ascii") as copy:
        copy.seek(0, os.SEEK_END)
        copy.write("and after")
        copy.seek(0)
        assert copy.read() == "written before, and after"


@pytest.mark.parametrize(
    ("what", "error", "options"),
    [
        (".", IsADirectoryError, {}),
        ("file", ValueError, {"mode": "q"}),
        ("file", ValueError, {"mode": "r", "buffering": 0}),
        ("file", ValueError, {"closefd": False}),
        ("file", LookupError, {"mode": "r", "encoding": "no-such"}),
    ],
)
def test_what_cannot_be_a_file_object_is_closed_once(
    unix_pair, tmp_path, monkeypatch, what, error, options
):
    """A number that is closed already may be another thread's by then."""
    (tmp_path / "file").write_bytes(b"")

    def close_all(fds):
        for fd in fds:
            os.close(fd)  # which fails where there is nothing to close

    monkeypatch.setattr(_objects, "close_all", close_all)
    fd = os.open(tmp_path / what, os.O_RDONLY)
    fdpass.send_handle(unix_pair[0], fd)
    os.close(fd)
    before = links.descriptors()
    with pytest.raises(error):
        fdpass.recv_file(unix_pair[1], **options)
    assert links.descriptors() == before


def test_dupfd(pipe):
    read, write = pipe
    try:
        wrapper = reduction.ForkingPickler.dumps(fdpass.DupFd(write.fileno()))
        with opened(reduction.ForkingPickler.loads(wrapper).detach()) as copy:
            copy.write(b"through a pickle")
    finally:
        resource_sharer.stop(timeout=links.SOON)
    assert read.read(100) == b"through a pickle"


def test_credentials(tmp_path):
    with links.closing(*socket.socketpair()) as (one, _):
        found = fdpass.peer_credentials(one)
        assert found == (os.getpid(), os.geteuid(), os.getegid())
        assert fdpass.check_peer(one) == found
        with pytest.raises(errors.AuthenticationError, match="not allowed"):
            fdpass.check_peer(one, uids=[os.geteuid() + 1])
    with links.closing(*links.socket_pair("tcp4")) as (one, _):
        with pytest.raises(ValueError, match="Unix socket"):
            fdpass.peer_credentials(one)


def test_a_default_timeout_does_not_change_the_connection(duplex, pipe):
    one, two = duplex
    socket.setdefaulttimeout(5)
    try:
        fdpass.send_handle(one, pipe[0])
        os.close(fdpass.recv_handle(two))
    finally:
        socket.setdefaulttimeout(None)
    assert os.get_blocking(one.fileno())
    assert os.get_blocking(two.fileno())
    one.send("an object")
    assert two.recv() == "an object"


def test_frames_and_descriptors_take_turns(duplex, pipe):
    one, two = duplex
    one.send("first")
    fdpass.send_handle(one, pipe[0])
    one.send("last")
    assert two.recv() == "first"
    with contextlib.closing(opened(fdpass.recv_handle(two), "rb")):
        assert two.recv() == "last"
