"""`fastnet.fdpass` with peers that send what they should not, or nothing at all."""

from __future__ import annotations

import array
import multiprocessing
import socket

import pytest

import links
from fastnet import errors, fdpass
from fastnet.fdpass import _channel


def test_what_cannot_pass(unix_pair, pipe, certificates):
    one, _ = unix_pair
    reader, writer = multiprocessing.Pipe(duplex=False)
    with links.closing(reader, writer):
        with pytest.raises(ValueError, match="duplex"):
            fdpass.send_handle(writer, 0)
    with links.closing(*links.socket_pair("tcp4")) as (tcp, _), pytest.raises(ValueError):
        fdpass.recv_handle(tcp)
    with links.closing(*links.socket_pair("tls", certificates)) as (tls, _):
        for send in (fdpass.send_socket, lambda c, s: fdpass.send_sockets(c, [s])):
            with pytest.raises(TypeError, match="TLS"):
                send(one, tls)
    closed = socket.socket()
    closed.close()
    for thing, error in (
        (closed, ValueError),
        ("x", TypeError),
        (True, TypeError),
        (-1, Exception),
    ):
        with pytest.raises(error):
            fdpass.send_handle(one, thing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        fdpass.send_handle(one, 1 << 20)
    for fds in ([], [0] * 254):
        with pytest.raises(ValueError, match="from 1 to 253"):
            fdpass.sendfds(one, fds)
    with pytest.raises(ValueError, match="nothing"):
        fdpass.send_handles(one, [])
    with pytest.raises(ValueError, match="at least one"):
        fdpass.recv_handles(one, 0)
    with pytest.raises(ValueError, match="timeout"):
        fdpass.recv_handle(one, timeout=-1)


def test_timeouts(unix_pair, duplex):
    one, two = unix_pair
    with pytest.raises(errors.TransferTimeout):
        fdpass.recv_handle(one, timeout=0.01)
    with pytest.raises(errors.TransferTimeout):
        fdpass.recv_handle(duplex[0], timeout=0)
    one.settimeout(0.01)  # its own counts where nothing else is said
    with pytest.raises(TimeoutError):
        fdpass.recv_handle(one)
    one.settimeout(0.0)
    with pytest.raises(TimeoutError):
        fdpass.recv_handle(one)
    with pytest.raises(errors.TransferTimeout) as caught:
        fill(two)
    assert caught.value.expected == 300
    assert caught.value.transferred in (0, 253)


def fill(conn):
    while True:
        fdpass.send_handles(conn, [0] * 300, timeout=0.01)


def test_a_peer_that_is_gone(unix_pair, pipe):
    one, two = unix_pair
    fdpass.send_handle(one, pipe[0])
    one.close()
    with pytest.raises(errors.IncompleteTransfer, match="after 1 of 2"):
        fdpass.recv_handles(two, 2)
    with pytest.raises(EOFError):
        fdpass.recv_handle(two)
    with pytest.raises(BrokenPipeError):
        fdpass.send_handle(two, pipe[0])


def raw(sock, message, fds):
    """A message as a peer may send it."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([message], rights)


@pytest.mark.parametrize(
    ("message", "count", "words"),
    [
        (b"\1", 0, "without any"),
        (b"\2", 1, "1 descriptors came, and the sender says 2"),
        (b"\0", 1, "says 0"),
        (b"\2", 2, "2 descriptors came where 1 were expected"),
        (b"\xfd", 253, "253 descriptors came where 1"),
    ],
)
def test_what_is_not_expected_is_closed(unix_pair, message, count, words):
    one, two = unix_pair
    before = links.descriptors()
    raw(one, message, [0] * count)
    with pytest.raises(errors.ProtocolError, match=words):
        fdpass.recv_handle(two)
    assert links.descriptors() == before
    if count != 253:
        raw(one, message, [0] * count)
        with pytest.raises(errors.ProtocolError):
            fdpass.recvfds(two, 1)
        assert links.descriptors() == before


def test_what_is_no_socket_is_closed(unix_pair, pipe):
    one, two = unix_pair
    before = links.descriptors()
    fdpass.send_handles(one, [two, pipe[0], two])
    with pytest.raises(errors.ProtocolError, match="no socket"):
        fdpass.recv_sockets(two, 3)
    assert links.descriptors() == before


def test_what_comes_beside_descriptors(unix_pair, pipe):
    one, two = unix_pair
    two.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    fdpass.send_handles(one, [pipe[0]] * 3)
    got = fdpass.recv_handles(two, 3)
    _channel.close_all(got)
    raw(one, b"x", [])
    with pytest.raises(errors.ProtocolError, match="without any"):
        fdpass.recv_handle(two)


LIMITED = """
import os, resource, socket
from fastnet import errors, fdpass
one, two = socket.socketpair()
rights = [0] * 5
fdpass.send_handle(one, 0)
fdpass.sendfds(one, rights)
fdpass.send_handle(one, 0)
room = [os.dup(0) for _ in range(8)]
limit = max(room) + 1
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
def held():
    found = 0
    for fd in range(limit):
        try:
            os.get_inheritable(fd)
            found += 1
        except OSError:
            pass
    return found
before = held()
def failure(function, *args):
    try:
        function(*args)
    except OSError as error:
        assert error.errno == 24, error
        print(error.strerror)
    else:
        raise AssertionError("it was received")
failure(fdpass.recv_handle, two)
for fd in room[:3]:
    os.close(fd)
failure(fdpass.recvfds, two, 5)
assert held() == before - 3
os.close(fdpass.recv_handle(two))
"""


def test_the_limit_on_descriptors_is_named():
    none, some = links.run(LIMITED).splitlines()
    assert none.startswith("only 0 of 1 descriptors could be received, and were closed")
    assert some.startswith("only 3 of 5 descriptors")
    assert "RLIMIT_NOFILE" in none
