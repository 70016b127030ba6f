"""Names and meta beside arrays, many arrays at once, and iteration."""

from __future__ import annotations

import numpy as np
import pytest

import layouts
import links
from fastnet import Limits, arrays

LINKS = pytest.mark.parametrize("pair", links.ALL, indirect=True)

# ---------------------------------------------------------------- names and meta


@pytest.mark.parametrize("name", [None, "", "a", "näme/mit ..\n\0", "名" * 341, "x" * 1024])
def test_names(name, pair):
    pair[0].send(np.ones(1), name=name)
    assert pair[1].peek().name == name
    assert pair[1].recv_item().name == name


@pytest.mark.parametrize("name", ["x" * 1025, "名" * 342])
def test_names_that_are_too_long(name, pair):
    with pytest.raises(ValueError, match="1024"):
        pair[0].send(np.ones(1), name=name)


@pytest.mark.parametrize("name", [5, b"bytes", ["a"]])
def test_names_that_are_no_text(name, pair):
    with pytest.raises(TypeError):
        pair[0].send(np.ones(1), name=name)


def test_a_name_that_is_no_unicode(pair):
    with pytest.raises(ValueError):
        pair[0].send(np.ones(1), name="\ud800")
    pair[0].send(np.ones(1))
    assert pair[1].recv_item().name is None


METAS = [0, False, "", [], {}, "ä\u2028", 1.5, -(10**30), {"a": [None, True, {"b": "c"}]}, [[[]]]]


@pytest.mark.parametrize("meta", METAS, ids=repr)
def test_meta(meta, pair):
    pair[0].send(np.ones(1), meta=meta)
    got = pair[1].recv_item().meta
    assert got == meta
    assert type(got) is type(meta)


def test_no_meta_is_none(pair):
    pair[0].send(np.ones(1))
    item = pair[1].recv_item()
    assert (item.name, item.meta) == (None, None)


@pytest.mark.parametrize("meta", [object(), {1, 2}, b"x", np.ones(2), {"a": 1j}, {(1, 2): 3}])
def test_meta_that_json_has_no_form_for(meta, pair):
    with pytest.raises(TypeError, match="JSON"):
        pair[0].send(np.ones(1), meta=meta)


@pytest.mark.parametrize("meta", [float("nan"), [float("inf")], "\ud800"], ids=repr)
def test_meta_that_json_cannot_hold(meta, pair):
    with pytest.raises(ValueError):
        pair[0].send(np.ones(1), meta=meta)


def test_meta_that_refers_to_itself(pair):
    meta = []
    meta.append(meta)
    with pytest.raises(ValueError):
        pair[0].send(np.ones(1), meta=meta)


def test_meta_nested_too_deeply(pair):
    meta = []
    for _ in range(100_000):
        meta = [meta]
    with pytest.raises(ValueError):
        pair[0].send(np.ones(1), meta=meta)
    pair[0].send(np.ones(1))
    assert pair[1].recv().tolist() == [1]
    while meta:
        meta = meta.pop()


def test_the_longest_meta(pair):
    longest = "x" * (65536 - 2)
    pair[0].send(np.ones(1), name="n" * 1024, meta=longest)
    assert pair[1].recv_item().meta == longest
    with pytest.raises(ValueError, match="65536"):
        pair[0].send(np.ones(1), meta=longest + "x")


def test_smaller_limits_for_names_and_meta(make_pair):
    limits = Limits(name_bytes=3, meta_bytes=5)
    one, two = make_pair(limits=limits)
    one.send(np.ones(1), name="abc", meta=12345)
    assert two.recv_item().meta == 12345
    with pytest.raises(ValueError):
        one.send(np.ones(1), name="abcd")
    with pytest.raises(ValueError):
        one.send(np.ones(1), meta="abcd")


# ------------------------------------------------------------- items, many at once

ITEMS = {
    "mapping": (lambda: {"a": np.ones(1), "b": np.zeros(2)}, [("a", None), ("b", None)]),
    "list": (lambda: [np.ones(1), np.zeros(2)], [(None, None), (None, None)]),
    "tuples": (lambda: [("a", np.ones(1)), (None, np.zeros(2), 7)], [("a", None), (None, 7)]),
    "items": (
        lambda: [arrays.Item(np.ones(1), "x", [1]), arrays.Item(np.zeros(2))],
        [("x", [1]), (None, None)],
    ),
    "generator": (lambda: (np.full(i, i) for i in (1, 2)), [(None, None)] * 2),
    "iterator": (lambda: iter([("a", np.ones(1)), np.zeros(2)]), [("a", None), (None, None)]),
    "array of arrays": (lambda: np.ones((2, 3)), [(None, None)] * 2),
}


@pytest.mark.parametrize("kind", ITEMS)
@LINKS
def test_send_items(pair, kind):
    make, beside = ITEMS[kind]
    one, two = pair
    assert one.send_items(make()) == 2
    closing = links.Background(one.close)
    got = list(two.items())
    assert [(item.name, item.meta) for item in got] == beside
    two.close()
    closing.result()


def test_send_items_of_all_sizes_mixed(pair):
    rng = np.random.default_rng(6)
    sizes = [1, 5000, 200_000, 3, 8192, 8193, 65_536, 65_537, 0, 1 << 20, 131_072, 7]
    values = [rng.integers(0, 256, n, dtype=np.uint8) for n in sizes] * 3
    values[4] = np.asfortranarray(rng.standard_normal((30, 40)))
    values[5] = rng.standard_normal((300, 40))[::2, ::3]
    sending = links.Background(pair[0].send_items, values)
    for value in values:
        assert layouts.same(pair[1].recv(), np.asarray(value))
    assert sending.result() == len(values)


def test_many_small_arrays(pair):
    values = [np.full(128, i, "f8") for i in range(20_000)]
    sending = links.Background(pair[0].send_items, values)
    got = [pair[1].recv() for _ in values]
    assert sending.result() == 20_000
    assert all((a == b).all() for a, b in zip(got[::97], values[::97], strict=True))
    assert [int(a[0]) for a in got] == list(range(20_000))


def test_send_items_of_nothing(pair):
    assert pair[0].send_items([]) == 0
    assert pair[0].send_items({}) == 0
    assert pair[0].send_items(iter(())) == 0


@pytest.mark.parametrize("items", [5, None])
def test_send_items_of_no_items(items, pair):
    with pytest.raises(TypeError):
        pair[0].send_items(items)


@pytest.mark.parametrize("bad", [("a",), (1, np.ones(1)), ("a", np.ones(1), 1, 2), "text", [1]])
def test_what_came_before_a_bad_item_arrives(bad, pair):
    with pytest.raises(TypeError):
        pair[0].send_items([np.ones(1), np.zeros(2), bad, np.ones(3)])
    pair[0].send(np.ones(4))
    assert [pair[1].recv().size for _ in range(3)] == [1, 2, 4]


@pytest.mark.parametrize("lazy", [True, False])
def test_an_iterable_that_raises(lazy, pair):
    def items():
        yield np.ones(1)
        yield np.ones(2)
        raise KeyError("mine")

    class Container:
        __len__ = lambda self: 3  # noqa: E731
        __iter__ = lambda self: items()  # noqa: E731

    with pytest.raises(KeyError, match="mine"):
        pair[0].send_items(items() if lazy else Container())
    pair[0].send(np.ones(3))
    assert [pair[1].recv().size for _ in range(3)] == [1, 2, 3]


def test_a_generator_is_not_held_back(pair):
    """Each array arrives before the generator is asked for the next."""

    def echoing():
        for i in range(5):
            yield np.full(3, i)
            assert pair[1].recv(timeout=links.SOON).tolist() == [i] * 3

    assert pair[0].send_items(echoing()) == 5


@LINKS
def test_iteration_ends_when_the_peer_closes(pair):
    one, two = pair
    one.send_items([np.full(2, i) for i in range(10)])
    closing = links.Background(one.close)
    assert [int(array[0]) for array in two] == list(range(10))
    assert list(two) == []
    assert list(two.items()) == []
    two.close()
    closing.result()


def test_iteration_can_be_left_and_taken_up(pair):
    pair[0].send_items([np.full(1, i) for i in range(6)])
    for array in pair[1]:
        if array[0] == 2:
            break
    assert pair[1].recv()[0] == 3
    assert next(iter(pair[1].items())).array[0] == 4
    assert next(iter(pair[1]))[0] == 5
