"""A stream of arrays: send, recv, out=, peek, names, meta, items, iteration."""

from __future__ import annotations

import json

import numpy as np
import pytest

import layouts
import links
from fastnet import arrays
from test_transfer_sources import Capsule, Convertible, Interface, Old

LINKS = pytest.mark.parametrize("pair", links.ALL, indirect=True)


@LINKS
def test_over_every_kind_of_connection(pair):
    one, two = pair
    assert one.send(np.arange(6).reshape(2, 3), name="a", meta={"k": 1}) == 48
    item = two.recv_item()
    assert item.array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (item.name, item.meta) == ("a", {"k": 1})
    assert two.send(np.float32(2.5)) == 4
    assert one.recv() == 2.5


@LINKS
def test_sizes_around_every_threshold(pair):
    one, two = pair
    rng = np.random.default_rng(4)
    sizes = [0, 1, *(n + d for n in (8 << 10, 64 << 10, 128 << 10, 256 << 10, 1 << 20, 2 << 20)
                     for d in (-1, 0, 1))]  # fmt: skip
    values = [rng.integers(0, 256, n, dtype=np.uint8) for n in sizes]
    work = links.Background(lambda: [one.send(v) for v in values] + [one.send_items(values)])
    for value in values:
        assert (two.recv() == value).all()
    for value in values:
        out = np.zeros_like(value)
        assert two.recv(out=out) is out
        assert (out == value).all()
    assert work.result() == [*sizes, len(sizes)]
    assert two.stats()["messages_received"] == 2 * len(sizes)


@pytest.mark.parametrize("size", [3, 9_000, 70_000, 300_000, 3 << 20])
def test_received_arrays_are_ones_own(size, pair):
    sending = links.Background(pair[0].send, np.ones(size, "u1"))
    array = pair[1].recv()
    sending.result()
    assert type(array) is np.ndarray
    assert array.flags.writeable
    assert array.flags.aligned
    assert array.ctypes.data % 64 == 0
    array[...] = 7
    pair[0].close(0.0)
    pair[1].close()
    assert (array == 7).all()  # it outlives the stream


def test_what_is_sent_may_be_changed_when_send_returns(pair):
    value = np.zeros(1000, "i8")
    for step in range(5):
        value[:] = step
        pair[0].send(value)
    assert [pair[1].recv()[-1] for _ in range(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "make",
    [
        lambda array: array,
        lambda array: Interface(array),
        lambda array: Capsule(array),
        lambda array: Old(array),
        lambda array: memoryview(array),
        lambda array: array.view(np.recarray),
    ],
    ids=["numpy", "interface", "dlpack", "old dlpack", "memoryview", "subclass"],
)
def test_anything_that_holds_an_array(make, pair):
    value = np.arange(12, dtype="<i4").reshape(3, 4)
    pair[0].send(make(value.copy()))
    target = np.zeros_like(value)
    out = make(target)
    assert pair[1].recv(out=out) is out
    assert (target == value).all()
    pair[0].send(make(value.copy()))
    assert (pair[1].recv() == value).all()


def test_array_method_and_bytes_can_be_sent(pair):
    pair[0].send(Convertible())
    pair[0].send(b"abc")
    assert pair[1].recv().size == 60
    assert pair[1].recv().tobytes() == b"abc"


# -------------------------------------------------------------------------- out=


@pytest.mark.parametrize("target", layouts.LAYOUTS)
@pytest.mark.parametrize("source", ["C", "F", "rows", "items", "F part", "negative"])
def test_out_in_any_layout(source, target, pair):
    value = layouts.LAYOUTS[source]("<f4")
    out = layouts.LAYOUTS[target]("<f4")
    pair[0].send(value)
    assert pair[1].recv(out=out) is out
    assert (out == value).all()


@pytest.mark.parametrize("order", ["C", "F"])
def test_large_out_in_the_other_order(order, pair):
    value = np.array(np.random.default_rng(5).standard_normal((700, 900)), order=order)
    out = np.zeros(value.shape, order="F" if order == "C" else "C")
    sending = links.Background(pair[0].send, value)
    pair[1].recv(out=out)
    sending.result()
    assert (out == value).all()


def test_only_out_is_written(pair):
    whole = np.full((40, 30), 7, "i2")
    value = np.ones((20, 10), "i2")
    pair[0].send(value)
    pair[1].recv(out=whole[::2, ::3])
    assert (whole[::2, ::3] == 1).all()
    assert whole.sum() == 200 + 7 * 1000


def _read_only():
    array = np.zeros((3, 4))
    array.flags.writeable = False
    return array


BAD = {
    "shape": lambda: np.zeros((4, 3)),
    "dimensions": lambda: np.zeros(12),
    "more": lambda: np.zeros((3, 4, 1)),
    "dtype": lambda: np.zeros((3, 4), "i8"),
    "byte order": lambda: np.zeros((3, 4), ">f8"),
    "read-only": _read_only,
    "shared": lambda: np.lib.stride_tricks.as_strided(np.zeros(4), (3, 4), (0, 8)),
    "bytes": lambda: bytes(96),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("size", ["small", "large"])
def test_out_that_does_not_fit_loses_nothing(kind, size, pair):
    value = np.arange(12.0).reshape(3, 4)
    extra = np.ones(1 if size == "small" else 300_000)
    sending = links.Background(lambda: [pair[0].send(value), pair[0].send(extra)])
    for _ in range(2):
        with pytest.raises(ValueError):
            pair[1].recv(out=BAD[kind]())
    assert (pair[1].recv() == value).all()
    with pytest.raises(ValueError):
        pair[1].recv(out=BAD[kind]())
    with pytest.raises(ValueError):
        pair[1].recv_item(BAD[kind]())
    assert (pair[1].recv() == extra).all()
    sending.result()


def test_out_of_no_array_loses_nothing(pair):
    pair[0].send(np.ones(2))
    for thing in ([0.0, 0.0], "text", object()):
        with pytest.raises(TypeError):
            pair[1].recv(out=thing)
    assert pair[1].recv().tolist() == [1, 1]


def test_the_error_says_what_comes(pair):
    pair[0].send(np.ones((2, 3), ">i2"))
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        pair[1].recv(out=np.zeros(6, ">i2"))
    with pytest.raises(ValueError, match=">i2"):
        pair[1].recv(out=np.zeros((2, 3), "<i2"))


# -------------------------------------------------------------------------- peek


@LINKS
def test_peek_makes_a_place(pair, tmp_path):
    one, two = pair
    value = np.asfortranarray(np.arange(300_000, dtype=">i4").reshape(500, 600))
    sending = links.Background(one.send, value, name="weights", meta=[1, {"a": None}])
    for _ in range(3):
        info = two.peek()
    assert info == arrays.ArrayInfo(
        "weights", np.dtype(">i4"), (500, 600), "F", value.nbytes, [1, {"a": None}]
    )
    place = np.lib.format.open_memmap(
        tmp_path / "w.npy", "w+", info.dtype, info.shape, fortran_order=info.order == "F"
    )
    item = two.recv_item(place)
    sending.result()
    assert item.array is place
    assert (item.name, item.meta) == ("weights", [1, {"a": None}])
    place.flush()
    del item, place
    assert (np.load(tmp_path / "w.npy") == value).all()


def test_peek_at_the_end_is_eof(pair):
    closing = links.Background(pair[0].close)
    for _ in range(2):
        with pytest.raises(EOFError):
            pair[1].peek()
    pair[1].close()
    closing.result()


def test_peek_reads_names_again(pair):
    """Two arrays that look the same but for what is beside them."""
    pair[0].send(np.ones(2), name="a", meta={"x": []})
    pair[0].send(np.ones(2), name="a", meta={"x": []})
    first = pair[1].recv_item()
    first.meta["x"].append("mine")
    assert pair[1].peek().meta == {"x": []}
    assert pair[1].recv_item().meta == {"x": []}


def test_stats(pair):
    one, two = pair
    one.send_items({"a": np.ones(10), "b": np.ones(1000)})
    two.recv()
    two.recv()
    assert one.stats()["messages_sent"] == two.stats()["messages_received"] == 2
    assert one.stats()["bytes_sent"] >= 8080
    links.wait_until(lambda: two.stats()["bytes_received"] >= 8080)
    json.dumps(one.stats())
    assert set(one.stats()) == {
        "bytes_sent", "bytes_received", "messages_sent", "messages_received", "transport",
    }  # fmt: skip


def test_describing_itself(pair):
    one, two = pair
    assert one.local_address == two.peer_address
    assert two.local_address == one.peer_address
    assert str(two.peer_address[1]) in repr(two)
    assert one.fileno() > 2
    assert not one.closed
    one.abort()
    assert one.closed
    assert one.fileno() == -1
    assert "closed" in repr(one)
