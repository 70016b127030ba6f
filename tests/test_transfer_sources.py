"""What send_from and recv_into take for an array."""

from __future__ import annotations

import array as stdlib_array
import ctypes
import mmap

import numpy as np
import pytest

import fastnet
from links import closing

DATA = bytes(range(1, 61))


class Interface:
    """Nothing but __array_interface__."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = array.__array_interface__


class Capsule:
    """Nothing but DLPack."""

    def __init__(self, array, device=(1, 0)):
        self._array = array
        self._device = device

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._device


class Old(Capsule):
    """DLPack as it was before it could say what is read-only."""

    def __dlpack__(self, stream=None):
        return self._array.__dlpack__()


class Convertible:
    """Nothing but __array__, which may copy: good to send, not to receive into."""

    def __array__(self, dtype=None, copy=None):
        return np.frombuffer(DATA, "u1")


def _mmap():
    memory = mmap.mmap(-1, len(DATA))
    memory[:] = DATA
    return memory


SOURCES = {
    "bytes": lambda: DATA,
    "bytearray": lambda: bytearray(DATA),
    "memoryview": lambda: memoryview(bytearray(DATA)),
    "memoryview of floats": lambda: memoryview(bytearray(DATA[:56] + DATA[:4])).cast("f"),
    "array.array": lambda: stdlib_array.array("I", DATA),
    "ctypes": lambda: (ctypes.c_uint16 * 30).from_buffer_copy(DATA),
    "ctypes 2-d": lambda: ((ctypes.c_uint32 * 3) * 5).from_buffer_copy(DATA),
    "array interface": lambda: Interface(np.frombuffer(bytearray(DATA), "<i4").reshape(3, 5)),
    "DLPack": lambda: Capsule(np.frombuffer(bytearray(DATA), "<i4").reshape(3, 5)),
    "old DLPack": lambda: Old(np.frombuffer(bytearray(DATA), "<i4").reshape(3, 5)),
    "numpy": lambda: np.frombuffer(bytearray(DATA), "<i4"),
    "matrix": lambda: np.frombuffer(bytearray(DATA), "<i4").reshape(3, 5).view(np.recarray),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_sources(kind, sockets):
    value = SOURCES[kind]()
    sent = bytes(value) if isinstance(value, (bytes, bytearray)) else None
    assert fastnet.send_from(value, sockets[0]) == 60
    got = sockets[1].recv(100)
    assert got == (sent or got)
    assert len(got) == 60
    assert got[:56] == DATA[:56]


@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind != "bytes"])
def test_targets(kind, sockets):
    target = SOURCES[kind]()
    fresh = DATA[::-1]
    sockets[1].sendall(fresh)
    assert fastnet.recv_into(target, sockets[0]) == 60
    if isinstance(target, (Interface, Capsule)):
        target = target._array
    assert bytes(memoryview(target).cast("B")) == fresh


def test_mmap(sockets):
    with _mmap() as source, mmap.mmap(-1, len(DATA)) as target:
        assert fastnet.send_from(source, sockets[0]) == 60
        assert fastnet.recv_into(target, sockets[1]) == 60
        assert target[:] == DATA


def test_memmap(sockets, tmp_path):
    target = np.memmap(tmp_path / "f", dtype="u1", mode="w+", shape=(60,))
    sockets[0].sendall(DATA)
    fastnet.recv_into(target, sockets[1])
    target.flush()
    assert (tmp_path / "f").read_bytes() == DATA
    del target


def test_strided_memoryview(sockets):
    fastnet.send_from(memoryview(DATA)[::-2], sockets[0])
    assert sockets[1].recv(100) == DATA[::-2]


def test_array_method_is_good_for_sending_only(sockets):
    assert fastnet.send_from(Convertible(), sockets[0]) == 60
    assert sockets[1].recv(100) == DATA
    with pytest.raises(TypeError):
        fastnet.recv_into(Convertible(), sockets[1])


def _read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "target",
    [
        DATA,
        memoryview(DATA),
        _read_only(np.zeros(60, "u1")),
        _read_only(np.zeros((12, 5), "u1"))[::2],
        np.broadcast_to(np.zeros(1, "u1"), 60),
        Interface(_read_only(np.zeros(60, "u1"))),
        np.frombuffer(DATA, "u1"),
    ],
    ids=lambda target: type(target).__name__,
)
def test_read_only_targets(target, sockets):
    sockets[0].sendall(DATA)
    with pytest.raises(ValueError, match="read-only"):
        fastnet.recv_into(target, sockets[1])
    assert sockets[1].recv(100) == DATA  # nothing was taken


def test_a_broadcast_target_is_refused(sockets):
    target = np.lib.stride_tricks.as_strided(np.zeros(1, "u1"), (60,), (0,))
    with pytest.raises(ValueError, match="broadcast"):
        fastnet.recv_into(target, sockets[1])


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array([(1, None)], dtype=[("a", "i4"), ("b", "O")]),
        [1, 2, 3],
        "text",
        5,
        None,
        np.ma.masked_array([1, 2], [True, False]),
        Capsule(np.zeros(3), device=(2, 0)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_bytes_is_a_type_error(value, sockets):
    with pytest.raises(TypeError):
        fastnet.send_from(value, sockets[0])
    with pytest.raises(TypeError):
        fastnet.recv_into(value, sockets[1])


def test_objects_are_named_in_the_error(sockets):
    with pytest.raises(TypeError, match="Python objects"):
        fastnet.send_from(np.array([None]), sockets[0])


def test_string_dtype_is_named_in_the_error(sockets):
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("this NumPy has no StringDType")
    with pytest.raises(TypeError, match="StringDType"):
        fastnet.send_from(np.array(["a"], np.dtypes.StringDType()), sockets[0])


def test_memory_is_released(sockets):
    """A buffer stays exported only as long as the call lasts."""
    buffer = bytearray(DATA)
    fastnet.send_from(buffer, sockets[0])
    buffer += b"x"  # BufferError while it is exported
    target = bytearray(60)
    fastnet.recv_into(target, sockets[1])
    target += b"x"
    sockets[0].close()
    with pytest.raises(fastnet.IncompleteTransfer):
        fastnet.recv_into(target, sockets[1])
    target += b"x"


def test_two_targets_of_one_memory(sockets):
    with closing(*sockets):
        memory = np.zeros((4, 6), "u1")
        sockets[0].sendall(bytes(range(24)))
        fastnet.recv_into(memory[:, :3], sockets[1])
        fastnet.recv_into(memory[:, 3:], sockets[1])
        assert memory[0].tolist() == [0, 1, 2, 12, 13, 14]
