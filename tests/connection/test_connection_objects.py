"""fastnet.connection: objects, their large buffers, and what a pickle may ask for."""

from __future__ import annotations

import copyreg
import datetime
import io
import multiprocessing.connection
import os
import pickle
import socket
import struct
import threading

import numpy as np
import pytest

from fastnet.connection import NUMPY, Client, Connection, Listener, Pipe
from links import SOON, Background


def same(one, two):
    if isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        assert one.flags.c_contiguous <= two.flags.c_contiguous
        assert two.flags.writeable == one.flags.writeable
        return np.array_equal(one, two)
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two and type(one) is type(two)


def readonly(array):
    array.flags.writeable = False
    return array


OBJECTS = {
    "none": None,
    "true": True,
    "number": 1 << 100,
    "text": "grüße" * 30_000,
    "surrogates": "\ud800" * 100_000,
    "bytes": os.urandom(300_000),
    "bytearray": bytearray(os.urandom(300_000)),
    "list": list(range(200_000)),
    "small array": np.arange(10.0),
    "array": np.arange(200_000.0),
    "read-only array": readonly(np.arange(200_000.0)),
    "F order": np.asfortranarray(np.arange(200_000).reshape(400, 500)),
    "strided": np.arange(200_000)[::2],
    "several": [np.arange(n * 1000) for n in (1, 10, 100, 50)] + [b"x" * 70_000, {"a": 1}],
    "at the edge": [bytes(65_535), bytes(65_536), bytearray(65_536)] * 3,
    "structured": np.zeros(100_000, [("a", "<i4"), ("b", "S3")]),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("duplex", [True, False])
def test_objects_arrive(name, duplex):
    reader, writer = Pipe(duplex)
    with reader, writer:
        for _ in range(2):
            sending = Background(writer.send, OBJECTS[name])
            received = reader.recv()
            sending.result()
            assert same(OBJECTS[name], received)


@pytest.mark.parametrize("name", OBJECTS)
def test_the_standard_library_reads_what_we_send_and_the_other_way(name):
    one, two = socket.socketpair()
    with Connection(one.detach()) as ours:
        with multiprocessing.connection.Connection(two.detach()) as theirs:
            for source, target in [(ours, theirs), (theirs, ours)]:
                sending = Background(source.send, OBJECTS[name])
                received = target.recv()
                sending.result()
                if isinstance(OBJECTS[name], np.ndarray):
                    assert np.array_equal(OBJECTS[name], received)
                else:
                    assert same(OBJECTS[name], received)


def test_it_is_one_ordinary_pickle():
    one, two = Pipe()
    with one, two:
        value = [np.arange(100_000), np.arange(100_000)]
        value.append(value[0])  # once more: a reference
        sending = Background(one.send, value)
        data = two.recv_bytes()
        sending.result()
    loaded = pickle.loads(data)
    assert same(value, loaded)
    assert loaded[2] is loaded[0]
    assert len(data) < 2 * 800_000 + 1000


def test_references_to_large_buffers_stay_references():
    one, two = Pipe()
    with one, two:
        shared = bytearray(100_000)
        sending = Background(one.send, [shared, shared, b"y" * 200_000])
        received = two.recv()
        sending.result()
    assert received[0] is received[1]
    assert same(shared, received[0])


def test_every_protocol_of_a_peer():
    value = [1, "text", b"z" * 300_000, {"k": (1.5, None)}, bytearray(300_000)]
    one, two = Pipe()
    with one, two:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            sending = Background(one.send_bytes, pickle.dumps(value, protocol))
            assert two.recv() == value
            sending.result()


def test_what_follows_a_pickle_is_passed_over():
    one, two = Pipe()
    with one, two:
        for value in ([1], [bytes(300_000)]):
            sending = Background(one.send_bytes, pickle.dumps(value) + b"\x97 and more" * 9)
            assert two.recv() == value
            sending.result()
        one.send("next")
        assert two.recv() == "next"


MALFORMED = {
    "empty": b"",
    "cut": pickle.dumps([1, 2, 3])[:-1],
    "unknown opcode": b"\x80\x05\xff.",
    "buffer from outside": b"\x80\x05\x97.",
    "claims 2^40 bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "claims 2^63 bytes": b"\x80\x05\x8e" + struct.pack("<Q", 1 << 63) + b".",
    "negative length": b"\x80\x05T" + struct.pack("<i", -5) + b"abc.",
    "stack underflow": b"\x80\x05s.",
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("padding", [0, 300_000])
@pytest.mark.parametrize("allowed", [None, frozenset()])
def test_malformed_pickles_leave_the_connection_of_use(name, padding, allowed):
    one, two = socket.socketpair()
    with Connection(one.detach()) as sender, Connection(two.detach(), allowed=allowed) as conn:
        bad = MALFORMED[name]
        if padding and name != "empty":
            bad = b"\x80\x05B" + struct.pack("<I", padding) + bytes(padding) + b"0" + bad[2:]
        sending = Background(sender.send_bytes, bad)
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError,
                            OverflowError, MemoryError)):  # fmt: skip
            conn.recv()
        sending.result()
        sender.send([1, 2])
        assert conn.recv() == [1, 2]


# --------------------------------------------------------------------------- allowed=


def test_allowed():
    with Listener(("127.0.0.1", 0), allowed={("datetime", "date"), *NUMPY}) as listener:
        with Client(listener.address) as client, listener.accept(SOON) as conn:
            for value in (
                [1, "a", {2: None}],
                datetime.date(2020, 1, 2),
                np.arange(5),
                np.arange(100_000.0),
                np.float32(1.5),
                readonly(np.arange(100_000)),
            ):
                sending = Background(client.send, value)
                received = conn.recv()
                assert np.array_equal(received, value)
                sending.result()


class Calls:
    def __reduce__(self):
        return os.system, ("true",)


def calling(function, *arguments, protocol=2, padding=b""):
    """A pickle that calls a function."""

    class Call:
        def __reduce__(self):
            return function, arguments

    return pickle.dumps([padding, Call()], protocol)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("padding", [b"", b"p" * 300_000])
def test_pickles_that_call_out_are_refused(protocol, padding):
    one, two = socket.socketpair()
    with Connection(one.detach()) as sender:
        with Connection(two.detach(), allowed=frozenset({("datetime", "date")})) as conn:
            for bad in (
                calling(os.system, "true", protocol=protocol, padding=padding),
                calling(eval, "1", protocol=protocol, padding=padding),
                calling(getattr, "text", "upper", protocol=protocol),
            ):
                sending = Background(sender.send_bytes, bad)
                with pytest.raises(pickle.UnpicklingError) as caught:
                    conn.recv()
                sending.result()
                assert "allowed=" in str(caught.value)
            sender.send(datetime.date(2020, 1, 2))
            assert conn.recv() == datetime.date(2020, 1, 2)


def test_the_refusal_names_what_was_asked_for():
    one, two = socket.socketpair()
    with Connection(one.detach()) as sender, Connection(two.detach(), allowed=frozenset()) as conn:
        sender.send(Calls())
        with pytest.raises(pickle.UnpicklingError, match="asks for 'system' of 'posix'"):
            conn.recv()


def test_names_are_exact():
    """A dotted name, or a name of an allowed module, is something else."""
    one, two = socket.socketpair()
    allowed = frozenset({("datetime", "date"), ("os", "path")})
    with Connection(one.detach()) as sender, Connection(two.detach(), allowed=allowed) as conn:
        for module, name in [("datetime", "date.today"), ("os", "path.os"), ("os.path", "os"),
                             ("datetime", "sys"), ("Datetime", "date")]:  # fmt: skip
            text = b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name))
            sender.send_bytes(b"\x80\x04" + text + b"\x93.")
            with pytest.raises(pickle.UnpicklingError, match="allowed="):
                conn.recv()


def test_the_extension_registry_is_no_way_round():
    """Once looked up, what it names is found without find_class."""
    copyreg.add_extension("os", "getcwd", 200)
    try:
        data = pickle.dumps(os.getcwd, 2)
        assert b"\x82\xc8" in data or pickle.loads(data) is os.getcwd
        pickle.loads(b"\x80\x02\x82\xc8.")  # into the cache
        one, two = socket.socketpair()
        with Connection(one.detach()) as sender:
            with Connection(two.detach(), allowed=frozenset()) as conn:
                sender.send_bytes(b"\x80\x02\x82\xc8.")
                with pytest.raises(pickle.UnpicklingError, match="extension registry"):
                    conn.recv()
    finally:
        copyreg.remove_extension("os", "getcwd", 200)


def test_persistent_ids_are_refused():
    one, two = socket.socketpair()
    with Connection(one.detach()) as sender, Connection(two.detach(), allowed=frozenset()) as conn:
        for bad in (b"Pid\n.", b"K\1Q."):
            sender.send_bytes(bad)
            with pytest.raises(pickle.UnpicklingError, match="persistent"):
                conn.recv()


@pytest.mark.parametrize("bad", [["os.system"], [("os", 5)], [("os",)], [["os", "system"]]])
def test_allowed_holds_pairs(bad):
    with pytest.raises(TypeError, match="pairs"):
        Listener(("127.0.0.1", 0), allowed=bad)
    with pytest.raises(TypeError, match="pairs"):
        Client(("127.0.0.1", 1), allowed=bad)


# ----------------------------------------------------------------------------- memory


def _peak_kib():
    with open("/proc/self/status") as status:
        found = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("Vm")}
    return int(found["VmRSS"])


@pytest.mark.memory
@pytest.mark.parametrize("receive", ["recv", "recv_bytes"])
def test_a_claimed_length_is_not_allocated(receive):
    one, two = socket.socketpair()
    with Connection(one.detach()) as conn, two:
        before = _peak_kib()
        two.sendall(struct.pack("!iQ", -1, 1 << 40) + b"\x80\x05\x96" + struct.pack("<Q", 1 << 39))
        receiving = Background(getattr(conn, receive))
        assert not threading.Event().wait(0.2)
        assert _peak_kib() - before < 16 * 1024
        two.close()
        with pytest.raises(OSError, match="end of file"):
            receiving.result()


def test_sending_does_not_copy_large_buffers():
    """The pieces of a pickle are the arrays' own memory."""
    from fastnet._native import mppickle

    array, text = np.arange(100_000), b"x" * 100_000
    pieces, alive = mppickle.pieces([array, text, bytearray(text)])
    large = [piece for piece in pieces if len(piece) >= 65_536]
    assert len(large) == 3
    assert np.frombuffer(large[0], array.dtype).ctypes.data == array.ctypes.data
    assert large[1] is text
    whole = b"".join(bytes(piece) for piece in pieces)
    assert same([array, text, bytearray(text)], pickle.load(io.BytesIO(whole)))
    del alive
