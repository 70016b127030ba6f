"""fastnet.connection: messages of every kind over sockets and pipes."""

from __future__ import annotations

import array
import multiprocessing
import multiprocessing.connection
import os
import select
import socket
import struct

import numpy as np
import pytest

import fastnet.connection as connection
from fastnet import errors
from fastnet.connection import BufferTooShort, Pipe
from links import Background

SIZES = [0, 1, 3, 8191, 8192, 8193, 16384, 16385, 70_000, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_bytes_arrive(ends, size):
    writer, reader = ends
    data = os.urandom(size)
    sending = Background(writer.send_bytes, data)
    assert reader.recv_bytes() == data
    sending.result()
    sending = Background(writer.send_bytes, data)
    room = bytearray(size + 5)
    assert reader.recv_bytes_into(room, 2) == size
    assert room[2 : size + 2] == data
    assert room[:2] + room[size + 2 :] == bytes(5)
    sending.result()


def test_growing_beyond_the_first_step(ends):
    writer, reader = ends
    data = bytes(range(256)) * (70 * 4096)  # 70 MiB, more than is allocated on a claim alone
    for send, receive in [(writer.send_bytes, reader.recv_bytes), (writer.send, reader.recv)]:
        for value in (data, bytearray(data))[: 1 if send == writer.send_bytes else 2]:
            sending = Background(send, value)
            received = receive()
            assert received == value
            assert type(received) is type(value)
            sending.result()


def test_offsets_and_sizes(raw):
    conn, peer = raw
    conn.send_bytes(array.array("i", [1, 2, 3]), 4, 4)
    assert peer.recv(100) == struct.pack("!i", 4) + struct.pack("i", 2)
    conn.send_bytes(np.arange(6, dtype="<u2").reshape(2, 3))
    assert peer.recv(100) == struct.pack("!i", 12) + np.arange(6, dtype="<u2").tobytes()
    conn.send_bytes(np.array(["2020-01-01"], "datetime64[D]"))  # memoryview refuses this one
    assert len(peer.recv(100)) == 12
    for arguments in [(4,), (0, 4), (1, 3), (-1,), (0, -1)]:
        with pytest.raises(ValueError):
            conn.send_bytes(b"abc", *arguments)
    for bad in [np.arange(10)[::2], "text", 5]:
        with pytest.raises(TypeError):
            conn.send_bytes(bad)
    with pytest.raises(BufferError):
        conn.send_bytes(np.arange(10, dtype="u1")[::2])
    conn.close()
    assert peer.recv(1) == b""


@pytest.mark.parametrize("module", [connection, multiprocessing.connection])
def test_items_that_do_not_come_whole_land_where_the_standard_library_puts_them(module):
    outcomes = []
    for size, offset in [(5, 0), (4, 2), (6, 3), (3, 0), (8, 4), (0, 1)]:
        reader, writer = module.Pipe(duplex=False)
        with reader, writer:
            writer.send_bytes(bytes(range(1, size + 1)))
            room = array.array("I", [0] * 4)
            outcomes.append((reader.recv_bytes_into(room, offset), room.tobytes().hex()))
    assert outcomes == [
        (5, "01020304" + "00" * 12),
        (4, "01020304" + "00" * 12),
        (6, "0102030405060000" + "00" * 8),
        (3, "00" * 16),
        (8, "00" * 4 + "0102030405060708" + "00" * 4),
        (0, "00" * 16),
    ]


def test_memory_that_cannot_take_a_message(raw):
    conn, peer = raw
    peer.sendall(struct.pack("!i", 5) + b"hello")
    for bad in [b"bytes", np.arange(10)[::2], 5, memoryview(b"abc")]:
        with pytest.raises(TypeError):
            conn.recv_bytes_into(bad)
    for offset in (-1, 6):
        with pytest.raises(ValueError):
            conn.recv_bytes_into(bytearray(5), offset)
    with pytest.raises(BufferTooShort) as caught:
        conn.recv_bytes_into(bytearray(5), 1)
    assert caught.value.args == (b"hello",)
    big = os.urandom(100_000)
    sending = Background(peer.sendall, struct.pack("!i", len(big)) + big)
    with pytest.raises(BufferTooShort) as caught:
        conn.recv_bytes_into(np.zeros(3))
    assert caught.value.args == (big,)
    sending.result()
    peer.sendall(struct.pack("!i", 2) + b"ok")
    assert conn.recv_bytes() == b"ok"  # and the connection is of use


# --------------------------------------------------------------------------- frames


def test_what_goes_out_is_what_the_standard_library_sends(raw):
    conn, peer = raw
    for data in [b"", b"x", b"y" * 16384]:
        conn.send_bytes(data)
        assert peer.recv(len(data) + 100, socket.MSG_WAITALL | socket.MSG_DONTWAIT) == (
            struct.pack("!i", len(data)) + data
        )


def test_long_form_of_a_short_length(raw):
    conn, peer = raw
    peer.sendall(struct.pack("!iQ", -1, 3) + b"abc" + struct.pack("!iQ", -1, 0))
    assert conn.recv_bytes() == b"abc"
    assert conn.recv_bytes() == b""


def test_nothing_beyond_a_frame_is_read(raw):
    conn, peer = raw
    fds = os.pipe()
    try:
        peer.sendall(struct.pack("!i", 3) + b"abc")
        socket.send_fds(peer, [b"!"], [fds[0]])
        assert conn.recv_bytes() == b"abc"
        assert select.select([conn], [], [], 0)[0] == [conn]
        mine = socket.socket(fileno=os.dup(conn.fileno()))
        with mine:
            data, received, _, _ = socket.recv_fds(mine, 10, 4)
        assert data == b"!"
        assert len(received) == 1
        os.close(received[0])
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_trickle(raw, step):
    conn, peer = raw
    stream = b"".join(
        [struct.pack("!i", 5), b"hello", struct.pack("!iQ", -1, 2), b"ab", struct.pack("!i", 0)]
    )

    def trickle():
        for at in range(0, len(stream), step):
            peer.sendall(stream[at : at + step])

    sending = Background(trickle)
    assert [conn.recv_bytes() for _ in range(3)] == [b"hello", b"ab", b""]
    sending.result()


ENDS = [
    (b"", EOFError),
    (b"\0\0", OSError),
    (b"\0\0\0\2", EOFError),
    (b"\0\0\0\2a", OSError),
    (struct.pack("!i", -1), EOFError),
    (struct.pack("!i", -1) + b"\0", OSError),
    (struct.pack("!iQ", -1, 9), EOFError),
]


@pytest.mark.parametrize("module", [connection, multiprocessing.connection])
@pytest.mark.parametrize(("sent", "error"), ENDS)
@pytest.mark.parametrize("receive", ["recv_bytes", "recv", "recv_bytes_into"])
def test_ends(module, sent, error, receive):
    one, two = socket.socketpair()
    with module.Connection(one.detach()) as conn:
        with two:
            two.sendall(sent)
        arguments = [bytearray(10)] if receive == "recv_bytes_into" else []
        with pytest.raises((EOFError, OSError)) as caught:
            getattr(conn, receive)(*arguments)
        assert caught.type is error
        with pytest.raises(EOFError):
            getattr(conn, receive)(*arguments)


def test_a_length_that_is_not_accepted(raw):
    conn, peer = raw
    peer.sendall(struct.pack("!i", 11) + b"hello world")
    with pytest.raises(ValueError):
        conn.recv_bytes(-1)
    with pytest.raises(OSError, match="bad message length: 11 bytes are announced, 10") as caught:
        conn.recv_bytes(10)
    assert caught.type is errors.LimitError
    assert not conn.readable
    with pytest.raises(OSError, match="write-only"):
        conn.recv_bytes()
    conn.send_bytes(b"still of use")


def test_a_reader_with_a_length_that_is_not_accepted_is_closed():
    reader, writer = Pipe(duplex=False)
    with writer:
        writer.send_bytes(b"hello")
        with pytest.raises(OSError, match="bad message length"):
            reader.recv_bytes(4)
        assert reader.closed


@pytest.mark.parametrize("length", [-2, -(1 << 31)])
def test_lengths_below_minus_one(raw, length):
    conn, peer = raw
    peer.sendall(struct.pack("!i", length))
    with pytest.raises(errors.ProtocolError, match="below -1"):
        conn.recv()
    assert not conn.readable


def test_maxlength_may_be_any_number(raw):
    conn, peer = raw
    peer.sendall(struct.pack("!i", 2) + b"ab" + struct.pack("!i", 0))
    assert conn.recv_bytes(1 << 80) == b"ab"
    assert conn.recv_bytes(0) == b""
