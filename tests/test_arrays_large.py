"""Single arrays beyond 2^31 and 2^32 bytes."""

from __future__ import annotations

import numpy as np
import pytest

import fastnet
import links

pytestmark = [pytest.mark.large, pytest.mark.timeout(120)]

WIDTH = 1 << 20
BEYOND_32 = (1 << 32) // WIDTH + 100  # rows
BEYOND_31 = (1 << 31) // WIDTH + 100


def available() -> int:
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) << 10 for line in info if "MemAvailable" in line)


def tall(rows):
    """Rows of a MiB, each different, in hardly more memory than one of them."""
    base = np.random.default_rng(14).integers(0, 256, WIDTH + 8 * rows, dtype=np.uint8)
    return np.lib.stride_tricks.as_strided(base, (rows, WIDTH), (8, 1), writeable=False)


def check(got, sent):
    assert got.shape == sent.shape
    assert all(np.array_equal(a, b) for a, b in zip(got, sent, strict=True))


@pytest.fixture(autouse=True)
def enough_memory():
    if available() < 6 << 30:
        pytest.skip("less than 6 GiB of memory are free")


def test_out_beyond_32_bits(pair):
    sent = tall(BEYOND_32)
    assert sent.nbytes > 1 << 32
    out = np.empty(sent.shape, "u1")
    sending = links.Background(pair[0].send, sent, name="large")
    assert pair[1].recv(out=out) is out
    assert sending.result(60) == sent.nbytes
    assert pair[1].stats()["bytes_received"] > sent.nbytes
    check(out, sent)


def test_recv_beyond_31_bits(pair):
    sent = tall(BEYOND_31)
    assert 1 << 31 < sent.nbytes < 1 << 32
    sending = links.Background(pair[0].send, sent)
    got = pair[1].recv()
    sending.result(60)
    check(got, sent)


def test_raw_transfer_beyond_32_bits(sockets):
    sent = tall(BEYOND_32)
    out = np.empty(sent.shape, "u1")
    sending = links.Background(fastnet.send_from, sent, sockets[0])
    assert fastnet.recv_into(out, sockets[1]) == sent.nbytes
    assert sending.result(60) == sent.nbytes
    check(out, sent)


def test_counts_beyond_32_bits_when_it_ends_early(sockets):
    """The exact count survives, without the memory of a second array."""
    sent = tall(BEYOND_32)
    sending = links.Background(lambda: (fastnet.send_from(sent, sockets[0]), sockets[0].close()))
    out = np.empty(sent.nbytes + 1, "u1")
    with pytest.raises(fastnet.IncompleteTransfer) as caught:
        fastnet.recv_into(out, sockets[1])
    sending.result(60)
    assert (caught.value.transferred, caught.value.expected) == (sent.nbytes, sent.nbytes + 1)
