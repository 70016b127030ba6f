"""Memory of received arrays: recycled, capped, given back, and never more than needed."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest

import links
from fastnet import TransferTimeout, Tuning
from fastnet._native.memory import Pool, allocate

MIB = 1 << 20


def receive(pair, size):
    sending = links.Background(pair[0].send, np.ones(size, "u1"))
    array = pair[1].recv()
    sending.result()
    return array


# ----------------------------------------------------------------- as the user sees


@pytest.mark.parametrize("size", [256 << 10, 3 * MIB])
def test_memory_is_recycled_when_the_array_is_collected(size, pair):
    places = set()
    for _ in range(8):
        array = receive(pair, size)
        places.add(array.ctypes.data)
        del array
    assert len(places) == 1


def test_memory_in_use_is_never_recycled(pair):
    arrays = []
    for i in range(6):
        array = receive(pair, MIB)
        array[:] = i
        arrays.append(array)
    assert len({array.ctypes.data for array in arrays}) == 6
    assert [int(array[-1]) for array in arrays] == list(range(6))


def test_a_view_keeps_the_memory(pair):
    view = receive(pair, MIB)[1000:1010]
    view[:] = 9
    gc.collect()
    for _ in range(3):
        receive(pair, MIB)
    assert (view == 9).all()


def test_memory_outlives_stream_and_pool(make_pair):
    pair = make_pair()
    array = receive(pair, 3 * MIB)
    for stream in pair:
        stream.abort()
    del pair, stream
    gc.collect()
    array[:] = 5
    assert int(array.sum()) == 5 * 3 * MIB


def test_no_pool_at_all(make_pair):
    pair = make_pair(tuning=Tuning(pool_bytes=0, huge_pages=False))
    for _ in range(3):
        assert receive(pair, 3 * MIB).sum() == 3 * MIB


def test_out_needs_no_memory_of_the_pool(make_pair):
    one, two = make_pair()
    out = np.zeros(4 * MIB, "u1")
    for _ in range(3):
        sending = links.Background(one.send, np.ones(4 * MIB, "u1"))
        two.recv(out=out)
        sending.result()
    assert out.all()


# -------------------------------------------------------------------------- the pool


def address(block):
    return np.frombuffer(block, "u1").ctypes.data


@pytest.mark.parametrize("huge", [True, False])
@pytest.mark.parametrize("size", [0, 1, 63, 100_000, 128 << 10, MIB, 2 * MIB + 1])
def test_blocks(size, huge):
    pool = Pool(64 * MIB, 10.0, huge)
    block = allocate(pool, size)
    assert len(block) == size
    view = memoryview(block)
    assert (view.nbytes, view.readonly, view.format) == (size, False, "B")
    assert np.frombuffer(block, "u1").ctypes.data % 64 == 0 if size else True


def test_the_cap_holds():
    pool = Pool(4 * MIB, 60.0, False)
    blocks = [allocate(pool, MIB) for _ in range(8)]
    assert pool.stats() == {"free_bytes": 0, "reused": 0, "fresh": 8}
    del blocks
    assert pool.stats()["free_bytes"] == 4 * MIB
    block = allocate(pool, 5 * MIB)
    del block
    assert pool.stats()["free_bytes"] <= 4 * MIB


def test_few_small_blocks_are_kept():
    """They cost the allocator little, so they may not pile up."""
    pool = Pool(4 * MIB, 60.0, False)
    blocks = [allocate(pool, 1000) for _ in range(1000)]
    del blocks
    assert pool.stats()["free_bytes"] <= 64 * 1024
    blocks = [allocate(pool, 100_000) for _ in range(100)]
    del blocks
    assert pool.stats()["free_bytes"] <= 256 * 1024


def test_a_block_much_too_large_is_not_wasted():
    pool = Pool(64 * MIB, 60.0, False)
    large = allocate(pool, 16 * MIB)
    place = address(large)
    del large
    small = allocate(pool, MIB)
    assert address(small) != place
    near = allocate(pool, 12 * MIB)
    assert address(near) == place


def test_what_lies_idle_is_given_back():
    pool = Pool(64 * MIB, 0.02, False)
    allocate(pool, MIB)
    assert pool.stats()["free_bytes"] == MIB
    time.sleep(0.03)
    pool.trim()
    assert pool.stats()["free_bytes"] == 0
    allocate(pool, MIB)
    time.sleep(0.03)
    allocate(pool, 200_000)  # taking and giving trim too
    assert pool.stats()["free_bytes"] < MIB


def test_blocks_outlive_their_pool():
    pool = Pool(64 * MIB, 60.0, False)
    block = allocate(pool, MIB)
    del pool
    view = np.frombuffer(block, "u1")
    view[:] = 3
    assert view[-1] == 3


def test_a_block_too_large_for_the_machine():
    with pytest.raises(MemoryError):
        allocate(Pool(MIB, 1.0, False), 1 << 62)
    with pytest.raises(MemoryError):
        allocate(Pool(MIB, 1.0, False), (1 << 63) - 1)


def test_many_threads_share_a_pool():
    pool = Pool(8 * MIB, 60.0, False)
    failures = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(100):
            block = allocate(pool, int(rng.integers(100_000, 3 * MIB)))
            view = np.frombuffer(block, "u1")
            view[:4096] = seed
            view[-4096:] = seed
            if not ((view[:4096] == seed).all() and (view[-4096:] == seed).all()):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert pool.stats()["free_bytes"] <= 8 * MIB + (256 << 10)  # the few small ones


# -------------------------------------------------------- beyond the arrays themselves

BOUNDED = """
    import sys, threading, numpy as np, fastnet.arrays
    sys.path.insert(0, sys.argv[1])
    from links import resident
    size = 64 << 20
    kind = sys.argv[2]
    base = np.ones((512, size // 512), "u1")
    if kind == "rows":
        value = np.ones((512, size // 256), "u1")[:, : size // 512]
    elif kind == "items":
        value = np.ones((512, size // 256), "u1")[:, ::2]
    else:
        value = base
    out = np.zeros_like(base)
    out[:] = 2
    with fastnet.arrays.listen(("127.0.0.1", 0)) as listener:
        client = fastnet.arrays.connect(listener.address)
        server = listener.accept(5)
    client.send(np.ones(10)); server.recv()   # everything is loaded and warm
    before = resident()
    thread = threading.Thread(target=client.send, args=(value,))
    thread.start()
    server.recv(out=out)
    thread.join()
    assert out.min() == out.max() == 1
    print(max(0, resident("VmHWM") - before))
    client.abort(); server.abort()
"""


@pytest.mark.memory
@pytest.mark.parametrize(("kind", "most"), [("plain", 8), ("rows", 8), ("items", 8)])
def test_memory_beyond_the_arrays(kind, most, request):
    """64 MiB through both ends in one process cost next to nothing beyond the arrays."""
    before_peak = int(links.run(BOUNDED, request.path.parent, kind))
    assert before_peak <= most * MIB


@pytest.mark.memory
@pytest.mark.parametrize("size", [MIB - 4096, 64 * MIB])
def test_memory_goes_back_while_a_receiver_waits(size, make_pair):
    """Nothing has to be received for what lies idle to be given back."""
    pair = make_pair(tuning=Tuning(pool_idle=0.02))
    array = receive(pair, 64 * MIB) if size > MIB else [receive(pair, size) for _ in range(30)]
    held = links.resident()
    del array
    with pytest.raises(TransferTimeout):
        pair[1].recv(timeout=0.4)
    assert held - links.resident() > 20 * MIB
