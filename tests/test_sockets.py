"""fastnet.sockets: what socket.socket does, for the same calls."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import socket
import struct
import threading

import pytest

import links
import serving
from fastnet.sockets import Socket, socketpair


@pytest.fixture(params=["std", "ours", "ours without spin"])
def pair(request, keep):
    """Two connected sockets, of the standard class or ours: the same must hold."""
    if request.param == "std":
        one, two = socket.socketpair()
    else:
        one, two = socketpair(spin=0 if "without" in request.param else None)
    return keep(one), keep(two)


# ----------------------------------------------------------------------- the same results


def test_bytes_arrive(pair):
    one, two = pair
    for size in (1, 64, 8192, 16384, 16385, 100_000):
        data = os.urandom(size)
        sending = links.Background(one.sendall, data)
        got = b""
        while len(got) < size:
            got += two.recv(size - len(got))
        sending.result()
        assert got == data


def test_recv_takes_what_is_there(pair):
    one, two = pair
    one.sendall(b"hello")
    assert two.recv(2) == b"he"
    assert two.recv(1 << 30) == b"llo"  # and no memory of that size


def test_a_large_recv_takes_all_that_is_there(keep):
    one, two = serving.our_tcp_pair(keep)
    data = os.urandom(3_000_000)
    with contextlib.ExitStack() as stack:
        sending = links.Background(one.sendall, data)
        stack.callback(sending.result)
        got = b""
        while len(got) < len(data):
            got += two.recv(10_000_000)
    assert got == data


def test_a_large_recv_takes_no_memory_for_what_is_not_there(keep):
    one, two = serving.our_tcp_pair(keep)
    before = links.resident("VmPeak")
    waiting = links.Background(two.recv, 1 << 33)
    one.sendall(b"little")
    assert waiting.result() == b"little"
    # without a bound this is 8 GiB of address space; the thread's stack takes some
    assert links.growth(0) == 0 or links.resident("VmPeak") - before < 1 << 30


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("closed", [False, True])
def test_recv_of_nothing(pair, size, closed):
    _, two = pair
    if closed:
        two.close()
    if size < 0:
        with pytest.raises(ValueError, match="negative buffersize"):
            two.recv(size)
    else:
        assert two.recv(size) == b""


def test_the_end(pair):
    one, two = pair
    one.sendall(b"last")
    one.shutdown(socket.SHUT_WR)
    assert two.recv(100) == b"last"
    assert two.recv(100) == b""
    assert two.recv_into(bytearray(10)) == 0
    assert two.recv(1_000_000) == b""


@pytest.mark.parametrize("wrong", [None, "8", 1.5])
def test_sizes_that_are_none(pair, wrong):
    with pytest.raises(TypeError):
        pair[0].recv(wrong)


BUFFERS = {
    "bytearray": lambda: bytearray(8),
    "array": lambda: array.array("i", [0, 0]),
    "memoryview": lambda: memoryview(bytearray(16))[4:12],
    "two dimensions": lambda: memoryview(bytearray(8)).cast("B", (2, 4)),
}


@pytest.mark.parametrize("make", BUFFERS.values(), ids=BUFFERS)
def test_recv_into(pair, make):
    one, two = pair
    buffer = make()
    one.sendall(b"abcdefgh")
    assert two.recv_into(buffer, 3) == 3
    assert bytes(buffer)[:3] == b"abc"
    assert two.recv_into(buffer) == 5
    assert bytes(buffer)[:5] == b"defgh"
    one.sendall(b"12345")
    assert two.recv_into(buffer=buffer, nbytes=4, flags=socket.MSG_PEEK) == 4
    assert two.recv_into(buffer, nbytes=100 if len(bytes(buffer)) > 100 else 4) == 4


def test_recv_into_nothing(pair):
    _, two = pair
    assert two.recv_into(bytearray()) == 0
    with pytest.raises(ValueError, match="negative buffersize"):
        two.recv_into(bytearray(4), -1)
    with pytest.raises(ValueError, match="buffer too small"):
        two.recv_into(bytearray(4), 5)
    for wrong in (b"constant", "text", None, memoryview(bytearray(8))[::2]):
        with pytest.raises((TypeError, BufferError)):
            two.recv_into(wrong)


def test_sending_every_kind_of_buffer(pair):
    one, two = pair
    for data in (b"12345678", bytearray(b"12345678"), array.array("q", [7]), BUFFERS["array"]()):
        assert one.send(data) == 8
        assert two.recv(100) == bytes(data)
        assert one.sendall(memoryview(data)) is None
        assert two.recv(100) == bytes(data)
    assert one.send(b"") == 0
    assert one.sendall(b"") is None
    for wrong in ("text", None, 5):
        with pytest.raises(TypeError):
            one.sendall(wrong)
        with pytest.raises(TypeError):
            one.send(wrong)
    with pytest.raises(BufferError):
        one.sendall(memoryview(b"12345678")[::2])


def test_flags_are_the_systems(pair):
    one, two = pair
    one.sendall(b"abc", 0)
    assert two.recv(2, socket.MSG_PEEK) == b"ab"
    one.send(b"def", socket.MSG_DONTWAIT)
    assert two.recv(6, socket.MSG_WAITALL) == b"abcdef"


def test_a_blocking_send_sends_everything(pair):
    """What the system's own does while nothing goes wrong, and what programs rely on."""
    one, two = pair
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    data = os.urandom(60_000)
    sending = links.Background(one.send, data)
    got = b""
    while len(got) < len(data):
        got += two.recv(1000)
    assert sending.result() == len(data)
    assert got == data


# ------------------------------------------------------------------------------- timeouts


def test_a_timeout(pair):
    one, two = pair
    two.settimeout(0.05)
    for receive in (lambda: two.recv(10), lambda: two.recv_into(bytearray(10))):
        with pytest.raises(TimeoutError, match="timed out") as caught:
            receive()
        assert caught.value.args == ("timed out",)
    one.sendall(b"late")
    assert two.recv(10) == b"late"


def test_a_timeout_of_sendall_is_for_the_whole_call(pair):
    one, two = pair
    one.settimeout(0.2)
    drained = threading.Event()

    def drain():
        with contextlib.suppress(OSError):
            while not drained.wait(0.02):
                two.recv(1000)  # something moves all the time

    slow = links.Background(drain)
    with pytest.raises(TimeoutError, match="timed out"):
        one.sendall(bytes(50_000_000))
    drained.set()
    slow.result()


def test_sendall_within_its_timeout(pair):
    one, two = pair
    one.settimeout(links.SOON)
    two.settimeout(links.SOON)
    data = os.urandom(5_000_000)
    sending = links.Background(one.sendall, data)
    parts = []
    while sum(map(len, parts)) < len(data):
        parts.append(two.recv(65536))
    sending.result()
    assert b"".join(parts) == data


def fill(sock):
    while True:
        assert sock.send(bytes(1000)) > 0


def test_non_blocking(pair):
    one, two = pair
    two.setblocking(False)
    for _ in range(20):  # also after many looks in vain
        with pytest.raises(BlockingIOError):
            two.recv(10)
        with pytest.raises(BlockingIOError):
            two.recv_into(bytearray(10))
    one.sendall(b"x")
    assert two.recv(10) == b"x"
    with pytest.raises(BlockingIOError):
        two.sendall(bytes(50_000_000))
    with pytest.raises(BlockingIOError):
        fill(two)


def test_non_blocking_behind_the_sockets_back(pair):
    _, two = pair
    os.set_blocking(two.fileno(), False)
    with pytest.raises(BlockingIOError):
        two.recv(10)


CALLS = {
    "SO_RCVTIMEO": lambda sock: sock.recv(10),
    "SO_SNDTIMEO": lambda sock: sock.sendall(bytes(50_000_000)),
}


@pytest.mark.parametrize("option", CALLS)
def test_the_systems_own_timeouts(pair, option):
    one, _ = pair
    span = struct.pack("@ll", 0, 20_000)  # seconds, microseconds
    one.setsockopt(socket.SOL_SOCKET, getattr(socket, option), span)
    with pytest.raises(BlockingIOError):
        CALLS[option](one)


def test_the_systems_own_low_water_mark(pair):
    one, two = pair
    two.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 4)
    one.sendall(b"ab")
    waiting = links.Background(two.recv, 10)
    one.sendall(b"cd")
    got = waiting.result()
    if one.family != socket.AF_UNIX:  # on which Linux does not keep to it
        assert got == b"abcd"


# ------------------------------------------------------------------------------ endings


def test_a_closed_socket(pair):
    one, _ = pair
    one.close()
    one.close()
    calls = [
        lambda: one.recv(1),
        lambda: one.recv_into(bytearray(1)),
        lambda: one.send(b"x"),
        lambda: one.sendall(b"x"),
        lambda: one.sendall(b""),
    ]
    for call in calls:
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            call()
        assert caught.value.errno == errno.EBADF


def test_a_peer_that_has_gone(pair):
    one, two = pair
    two.close()
    with pytest.raises(BrokenPipeError):
        one.sendall(b"x")
    with pytest.raises(BrokenPipeError):
        one.send(b"x")
    with pytest.raises(BrokenPipeError):
        one.sendall(bytes(1_000_000))


def test_a_reset(keep):
    one, two = serving.our_tcp_pair(keep)
    waiting = links.Background(one.recv, 10)
    links.reset(two)
    with pytest.raises(ConnectionResetError):
        waiting.result()


def test_not_connected():
    with Socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        with pytest.raises(OSError, match="not connected"):
            sock.recv(10)
        with pytest.raises(OSError):
            sock.sendall(b"x")
