"""Ends of a stream: close, abort, a peer that goes, a process that dies or forks."""

from __future__ import annotations

import time

import numpy as np
import pytest

import fastnet
import links
from fastnet import IncompleteTransfer, Limits, ProtocolError

LINKS = pytest.mark.parametrize("pair", links.ALL, indirect=True)


def leave(*streams):
    """Closes both ends of a connection, each waiting for the other."""
    work = [links.Background(stream.close) for stream in streams]
    for each in work:
        each.result()


# -------------------------------------------------------------------------- close


@LINKS
def test_close_is_the_peers_eof(pair):
    one, two = pair
    one.send(np.ones(3))
    closing = links.Background(one.close)
    assert two.recv().size == 3
    for call in (two.recv, two.recv_item, two.peek):
        with pytest.raises(EOFError) as caught:
            call()
        assert not isinstance(caught.value, fastnet.Error)
    with pytest.raises(EOFError):
        two.recv(out=np.ones(3))
    assert list(two) == []
    two.close()
    closing.result()


@LINKS
def test_one_side_may_go_on_sending(pair):
    """CLOSE ends one direction only; the other is thrown away until its own."""
    one, two = pair
    closing = links.Background(one.close)
    assert list(two) == []
    for _ in range(5):
        two.send(np.ones(100_000))
    two.close()
    closing.result()


@LINKS
def test_nothing_already_sent_is_lost(pair):
    """close() while megabytes lie unread on both sides (a reset would destroy them)."""
    one, two = pair
    values = [np.full(1 << 20, i, "u1") for i in range(21)]
    filling = links.Background(lambda: [two.send(v, timeout=links.SOON) for v in values])
    sending = links.Background(lambda: [one.send(v) for v in values])
    time.sleep(0.02)
    got = [two.recv() for _ in range(3)]
    sending_rest = links.Background(lambda: got.extend(two))
    sending.result()
    closing = links.Background(one.close)  # with all of the peer's arrays unread
    sending_rest.result()
    filling.result()
    assert [int(array[-1]) for array in got] == list(range(21))
    assert all(array.size == 1 << 20 for array in got)
    two.close()
    closing.result()


@LINKS
def test_a_receiver_that_comes_late_gets_everything(pair):
    one, two = pair
    one.send_items([np.full(300, i) for i in range(30)])
    unread = links.Background(two.send_items, [np.full(1000, i) for i in range(30)])
    time.sleep(0.05)
    closing = links.Background(one.close)
    time.sleep(0.1)
    assert [int(array[0]) for array in two] == list(range(30))
    unread.result()
    two.close()
    closing.result()


@LINKS
def test_a_close_that_gives_up_waiting_loses_nothing(pair):
    one, two = pair
    one.send(np.ones(1000))
    began = time.monotonic()
    one.close(0.05)
    assert time.monotonic() - began < 4
    assert two.recv().size == 1000
    with pytest.raises(EOFError):
        two.recv()
    two.close()


def test_the_close_timeout_is_a_limit(make_pair):
    one, _two = make_pair(limits=Limits(close_timeout=0.05))
    began = time.monotonic()
    one.close()
    assert 0.04 < time.monotonic() - began < 4


@LINKS
def test_close_after_the_peer_is_gone_for_good(pair):
    one, two = pair
    one.send(np.ones(5))
    assert two.recv().size == 5
    two.close(0.05)
    one.close()


@LINKS
def test_close_when_the_peer_left_after_its_close(pair):
    one, two = pair
    one.send(np.ones(5))
    two.send(np.ones(5))
    assert one.recv().size == two.recv().size == 5
    one.close(0.05)
    assert list(two) == []
    two.close()


@LINKS
def test_close_twice_and_in_any_order(pair):
    leave(*pair)
    for stream in pair:
        stream.close()
        stream.abort()
        assert stream.closed


@LINKS
def test_use_after_close(pair):
    leave(*pair)
    one, _ = pair
    value = np.ones(1)
    for call in (
        one.recv, one.recv_item, one.peek, lambda: one.send(value),
        lambda: one.send_items([value]), lambda: next(iter(one)), lambda: next(one.items()),
        lambda: one.recv(out=value),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="closed"):
            call()
    assert one.stats()["messages_sent"] == 0


def test_close_throws_away_what_was_peeked(pair):
    pair[0].send(np.ones(9_000))
    pair[1].peek()
    pair[1].send(np.ones(1))
    leave(*pair)


@LINKS
def test_abort_wakes_a_receiver(pair):
    one, _two = pair
    receiving = links.Background(one.recv)
    links.wait_until(lambda: one._link.receiving_now)
    one.abort()
    with pytest.raises((OSError, EOFError, ValueError, fastnet.Error)):
        receiving.result(links.SOON)


@LINKS
def test_abort_wakes_a_sender(pair):
    one, _two = pair
    sending = links.Background(one.send, np.ones(80 << 20, "u1"))
    links.wait_until(lambda: one.stats()["bytes_sent"] > 100_000)
    time.sleep(0.05)
    one.abort()
    with pytest.raises((OSError, ValueError, fastnet.Error)):
        sending.result(links.SOON)


def test_abort_under_a_receiver_never_touches_another_connection(listen, keep):
    """A descriptor that is closed in the middle of a call may be another one's at once."""
    listener = listen()
    for _ in range(20):
        one, two = (keep(stream) for stream in links.joined(listener))
        receiving = links.Background(one.recv)
        links.wait_until(lambda one=one: one._link.receiving_now)
        one.abort()
        three, four = links.joined(listener)  # takes the number that became free
        three.send(np.full(3, 5))
        assert four.recv(timeout=links.SOON)[0] == 5
        four.send(np.full(3, 6))
        assert three.recv(timeout=links.SOON)[0] == 6
        with pytest.raises((OSError, EOFError, ValueError, fastnet.Error)):
            receiving.result(links.SOON)
        for stream in (two, three, four):
            stream.abort()


@LINKS
def test_close_while_another_thread_receives(pair):
    """The usual reader thread: it sees the peer's close, and close() waits for that."""
    one, two = pair
    reading = links.Background(lambda: [array.size for array in one])
    answering = links.Background(lambda: [two.send(array) for array in two])
    for size in (1, 2, 3):
        one.send(np.ones(size))
    closing = links.Background(one.close)
    answering.result()
    two.close()
    closing.result()
    assert reading.result() == [1, 2, 3]


@LINKS
def test_as_a_context_manager(pair):
    one, two = pair

    def reading():
        with two:
            return [array.size for array in two]

    work = links.Background(reading)
    with one as same:
        assert same is one
        one.send(np.ones(4))
    assert work.result() == [4]
    assert one.closed
    assert two.closed


def test_memory_views_do_not_keep_it_open(pair):
    buffer = bytearray(8)
    pair[0].send(buffer)
    buffer += b"x"
    out = bytearray(8)
    assert pair[1].recv(out=out) is out
    out += b"x"


# -------------------------------------------------------------------------- abort


@LINKS
def test_a_block_that_raises_tells_the_peer(pair):
    one, two = pair

    def failing():
        with one:
            one.send(np.ones(3))
            raise KeyError("mine")

    work = links.Background(failing)
    assert two.recv().size == 3
    with pytest.raises(ProtocolError, match="KeyError"):
        two.recv()
    with pytest.raises(fastnet.Error):
        next(iter(two))
    two.abort()
    with pytest.raises(KeyError):
        work.result()


@LINKS
def test_abort_is_not_a_regular_end(pair):
    one, two = pair
    one.send(np.ones(3))
    one.abort()
    assert two.recv().size == 3
    with pytest.raises(IncompleteTransfer):
        two.recv()
    with pytest.raises(fastnet.Error):
        list(two)


def test_abort_with_a_reason(pair):
    work = links.Background(pair[0].abort, "no more \u2028 disk\x07")
    with pytest.raises(ProtocolError, match=r"no more [?] disk[?]"):  # nothing unprintable
        pair[1].recv()
    pair[1].abort()
    work.result()


def test_an_abort_is_told_to_a_sender(pair):
    one, two = pair

    def sending():
        while True:
            one.send(np.ones(1 << 20, "u1"), timeout=links.SOON)

    work = links.Background(sending)
    links.wait_until(lambda: one.stats()["bytes_sent"] > 100_000)
    two.abort("enough")
    with pytest.raises(ProtocolError, match="enough"):
        work.result()


def test_abort_under_a_sender(pair):
    one, _two = pair
    sending = links.Background(one.send, np.ones(80 << 20, "u1"))
    links.wait_until(lambda: one.stats()["bytes_sent"] > 100_000)
    one._cut()
    with pytest.raises((OSError, fastnet.Error)):
        sending.result()
