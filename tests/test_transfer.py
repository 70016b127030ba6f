"""send_from and recv_into: the raw bytes of any array over any stream."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest

import fastnet
import layouts
import links

KINDS = pytest.mark.parametrize("sockets", links.ALL, indirect=True)


class Duck:
    """sendall and recv_into over a buffer, and nothing else; in odd portions."""

    def __init__(self, data: bytes = b"", portion: int = 7) -> None:
        self.data = bytearray(data)
        self.portion = portion

    def sendall(self, data) -> None:
        view = memoryview(data)
        assert view.format == "B"
        assert view.contiguous
        self.data += view

    def recv_into(self, view) -> int:
        n = min(len(view), self.portion, len(self.data))
        view[:n] = self.data[:n]
        del self.data[:n]
        return n


def recipe_send(arr, dest):
    view = memoryview(arr).cast("B")
    while len(view):
        view = view[dest.send(view) :]


def recipe_recv(arr, source):
    view = memoryview(arr).cast("B")
    while len(view):
        view = view[source.recv_into(view) :]


def move(array, one, two):
    """Sends the array, and returns what comes out as bytes."""
    sending = links.Background(fastnet.send_from, array, one)
    out = bytearray(array.nbytes)
    assert fastnet.recv_into(out, two) == array.nbytes
    assert sending.result() == array.nbytes
    return bytes(out)


# ----------------------------------------------------------------- what is moved


@pytest.mark.parametrize("dtype", layouts.DTYPES)
def test_dtypes(dtype, sockets):
    array = layouts.filled(dtype, (5, 3))
    assert move(array, *sockets) == array.tobytes()
    target = np.zeros_like(array)
    fastnet.send_from(array, sockets[0])
    assert fastnet.recv_into(target, sockets[1]) == array.nbytes
    assert layouts.same(target, array)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_types_of_ml_dtypes(name, sockets):
    array = layouts.filled(layouts.ml_dtype(name), (5, 3))
    target = np.zeros_like(array)
    fastnet.send_from(array, sockets[0])
    fastnet.recv_into(target, sockets[1])
    assert target.tobytes() == array.tobytes()


@pytest.mark.parametrize("layout", {**layouts.LAYOUTS, **layouts.SHARED, **layouts.EDGES})
@pytest.mark.parametrize("sockets", ["tcp4", "tls"], indirect=True)
def test_layouts_are_sent_in_c_order(layout, sockets):
    make = {**layouts.LAYOUTS, **layouts.SHARED, **layouts.EDGES}[layout]
    for dtype in ("<f8", "S3", layouts.STRUCTURED["plain"]):
        array = make(dtype)
        assert move(array, *sockets) == array.tobytes()


@pytest.mark.parametrize("layout", {**layouts.LAYOUTS, **layouts.EDGES})
@pytest.mark.parametrize("sockets", ["tcp4", "tls"], indirect=True)
def test_layouts_are_filled_in_c_order(layout, sockets):
    for dtype in ("<f8", "S3", layouts.STRUCTURED["plain"]):
        target = {**layouts.LAYOUTS, **layouts.EDGES}[layout](dtype)
        value = layouts.filled(dtype, target.shape)
        sockets[0].sendall(value.tobytes())
        assert fastnet.recv_into(target, sockets[1]) == value.nbytes
        assert layouts.same(target, value)


def test_a_strided_target_leaves_the_rest_alone(sockets):
    whole = np.full((50, 40), 7, "i8")
    value = np.arange(25 * 20).reshape(25, 20)
    fastnet.send_from(value, sockets[0])
    fastnet.recv_into(whole[::2, 1::2], sockets[1])
    assert (whole[::2, 1::2] == value).all()
    assert (whole[1::2] == 7).all()
    assert (whole[:, ::2] == 7).all()


@pytest.mark.parametrize("layout", ["C", "rows", "items", "F"])
@KINDS
def test_megabytes(sockets, layout):
    base = np.random.default_rng(1).standard_normal((1200, 900))
    array = {"C": base, "rows": base[::2], "items": base[:, ::2], "F": base.T}[layout]
    target = np.zeros_like(base)[: array.shape[0], : array.shape[1]]
    if layout == "F":
        target = np.zeros_like(base).T
    sending = links.Background(fastnet.send_from, array, sockets[0])
    assert fastnet.recv_into(target, sockets[1]) == array.nbytes
    assert sending.result() == array.nbytes
    assert (target == array).all()


# ------------------------------------------------------------ over which streams


@KINDS
@pytest.mark.parametrize("mode", [None, 20.0, 0.0])
def test_blocking_modes_are_kept(sockets, mode):
    one, two = sockets
    for sock in sockets:
        sock.settimeout(mode)
    array = np.arange(600_000)
    target = np.zeros_like(array)
    receiving = links.Background(fastnet.recv_into, target, two)
    time.sleep(0.02)  # the receiver has to wait
    assert fastnet.send_from(array, one) == array.nbytes
    assert receiving.result() == array.nbytes
    assert (target == array).all()
    assert [sock.gettimeout() for sock in sockets] == [mode, mode]


@pytest.mark.parametrize("layout", ["C", "rows", "negative", "F"])
@pytest.mark.parametrize("portion", [1, 7, 1 << 20])
def test_anything_with_sendall_and_recv_into(layout, portion):
    array = layouts.LAYOUTS[layout]("<u4")
    duck = Duck(portion=portion)
    assert fastnet.send_from(array, duck) == array.nbytes
    assert bytes(duck.data) == array.tobytes()
    target = layouts.LAYOUTS[layout]("<u4")
    assert fastnet.recv_into(target, duck) == array.nbytes
    assert (target == array).all()


def test_a_subclass_that_changes_the_methods_is_used_through_them(sockets):
    seen = []

    class Recording(socket.socket):
        def sendall(self, data, *flags):
            seen.append(len(data))
            return super().sendall(data, *flags)

    with Recording(fileno=sockets[0].detach()) as recording:
        array = np.arange(1000)
        fastnet.send_from(array, recording)
        assert sum(seen) == array.nbytes


def test_a_plain_subclass_is_a_plain_socket(sockets):
    class Named(socket.socket):
        name = "x"

    with Named(fileno=sockets[0].detach()) as named:
        assert move(np.arange(100), named, sockets[1]) == np.arange(100).tobytes()


@pytest.mark.parametrize("thing", [object(), None, 5, "text"])
def test_what_is_no_stream_is_a_type_error(thing):
    with pytest.raises(TypeError, match="sendall"):
        fastnet.send_from(np.zeros(1), thing)
    with pytest.raises(TypeError, match="recv_into"):
        fastnet.recv_into(np.zeros(1), thing)


def test_files_are_a_type_error(tmp_path):
    with open(tmp_path / "f", "w+b") as file:
        with pytest.raises(TypeError, match="sendall"):
            fastnet.send_from(np.zeros(1), file)
        with pytest.raises(TypeError, match="recv_into"):
            fastnet.recv_into(np.zeros(1), file)


def test_datagrams_are_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("127.0.0.1", 9))
        with pytest.raises(ValueError, match="stream"):
            fastnet.send_from(np.zeros(4), udp)
        with pytest.raises(ValueError, match="stream"):
            fastnet.recv_into(np.zeros(4), udp)


def test_a_closed_socket_is_an_os_error(sockets):
    sockets[0].close()
    with pytest.raises(OSError):
        fastnet.send_from(np.zeros(4), sockets[0])
    with pytest.raises(OSError):
        fastnet.recv_into(np.zeros(4), sockets[0])


# ------------------------------------------------------------------ interoperation


@KINDS
def test_with_plain_sendall_and_recv(sockets):
    array = np.arange(50_000, dtype=">i4")
    sending = links.Background(sockets[0].sendall, array.tobytes())
    target = np.zeros_like(array)
    fastnet.recv_into(target, sockets[1])
    sending.result()
    assert (target == array).all()
    sending = links.Background(fastnet.send_from, array, sockets[1])
    got = bytearray()
    while len(got) < array.nbytes:
        got += sockets[0].recv(1 << 16)
    sending.result()
    assert bytes(got) == array.tobytes()


@pytest.mark.parametrize("sender", [recipe_send, fastnet.send_from])
@pytest.mark.parametrize("receiver", [recipe_recv, fastnet.recv_into])
@KINDS
def test_with_the_recipes_own_loop(sockets, sender, receiver):
    array = np.arange(0.0, 400_000.0)
    target = np.zeros_like(array)
    sending = links.Background(sender, array, sockets[0])
    receiver(target, sockets[1])
    sending.result()
    assert (target == array).all()


def test_several_in_a_row_do_not_run_into_each_other(sockets):
    arrays = [np.arange(n, dtype="u2") for n in (1, 7, 1000, 0, 65_537, 3)]
    sending = links.Background(lambda: [fastnet.send_from(a, sockets[0]) for a in arrays])
    for array in arrays:
        target = np.zeros_like(array)
        fastnet.recv_into(target, sockets[1])
        assert (target == array).all()
    assert sending.result() == [a.nbytes for a in arrays]


@pytest.mark.parametrize("sockets", links.PLAIN, indirect=True)  # OpenSSL: one at a time
def test_both_directions_at_once(sockets):
    one, two = sockets
    array = np.random.default_rng(2).integers(0, 256, 16 << 20, dtype=np.uint8)
    targets = [np.zeros_like(array) for _ in range(2)]
    work = [
        links.Background(fastnet.send_from, array, one),
        links.Background(fastnet.send_from, array, two),
        links.Background(fastnet.recv_into, targets[0], one),
        links.Background(fastnet.recv_into, targets[1], two),
    ]
    assert [each.result() for each in work] == [array.nbytes] * 4
    assert (targets[0] == array).all()
    assert (targets[1] == array).all()


def test_threads_at_once_on_many_sockets():
    def one_pair(seed):
        with links.closing(*links.socket_pair("tcp4")) as (one, two):
            array = np.random.default_rng(seed).integers(0, 256, 1 << 20, dtype=np.uint8)
            return move(array, one, two) == array.tobytes()

    work = [links.Background(one_pair, seed) for seed in range(6)]
    assert all(each.result() for each in work)
    assert threading.active_count() < 50


def test_tuning_is_taken(sockets):
    tuning = fastnet.Tuning(chunk=4096, spin=0, congestion="nonexistent")
    array = np.arange(200_000)
    sending = links.Background(fastnet.send_from, array, sockets[0], tuning=tuning)
    target = np.zeros_like(array)
    fastnet.recv_into(target, sockets[1], tuning=tuning)
    sending.result()
    assert (target == array).all()
