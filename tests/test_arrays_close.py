"""Ends of a stream: close, abort, a peer that goes, a process that dies or forks."""

from __future__ import annotations

import os
import signal
import threading
import time

import fn1wire
import links
import numpy as np
import pytest

import fastnet
from fastnet import IncompleteTransfer, Limits, ProtocolError, arrays

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


def test_close_under_a_receiver_wakes_it(pair):
    one, _two = pair
    receiving = links.Background(one.recv)
    links.wait_until(lambda: one._link.receiving_now)
    one.abort()
    with pytest.raises((OSError, EOFError, ValueError, fastnet.Error)):
        receiving.result()


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
    with pytest.raises(ProtocolError, match="no more [?] disk[?]"):  # nothing unprintable
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


# ------------------------------------------------------------------- a peer that goes


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("where", ["between", "in the head", "in the body"])
def test_a_peer_that_goes_without_a_word(how, where, raw_pair):
    stream, wire = raw_pair()
    text = fn1wire.array(np.ones(1000))
    cut = {"between": 0, "in the head": 20, "in the body": 2000}[where]
    wire.sock.sendall(text + text[:cut])
    assert stream.recv().size == 1000
    links.wait_until(lambda: stream.stats()["bytes_received"] or True)
    if how == "reset":
        links.reset(wire.sock)
    else:
        wire.close()
    with pytest.raises((IncompleteTransfer, ConnectionResetError)) as caught:
        stream.recv()
    if how == "end":
        assert isinstance(caught.value, IncompleteTransfer)
        assert isinstance(caught.value, EOFError)
    with pytest.raises((fastnet.Error, ConnectionError)):
        stream.recv()
    with pytest.raises((fastnet.Error, ConnectionError)):
        next(iter(stream))


KILLED = """
    import sys, time
    import numpy as np
    import fastnet.arrays
    address = sys.argv[1] if sys.argv[1].startswith("unix:") else ("127.0.0.1", int(sys.argv[1]))
    stream = fastnet.arrays.connect(address)
    stream.send(np.ones(1000))
    if sys.argv[2] == "inside":
        print("ready", flush=True)
        stream.send(np.ones(1 << 27, "u1"))
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["tcp4", "unix"])
@pytest.mark.parametrize("where", ["inside", "between"])
def test_a_peer_that_is_killed(kind, where, listen, keep):
    listener = listen(kind)
    address = listener.address[1] if kind == "tcp4" else f"unix:{listener.address}"
    with links.program(KILLED, address, where) as child:
        stream = keep(listener.accept(links.SOON))
        assert stream.recv().size == 1000
        assert child.stdout.readline() == "ready\n"
        if where == "inside":
            assert stream.peek().nbytes == 1 << 27
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises((IncompleteTransfer, ConnectionResetError)) as caught:
            stream.recv()
        if isinstance(caught.value, IncompleteTransfer):
            words = "inside an array" if where == "inside" else "without saying"
            assert words in str(caught.value)
        with pytest.raises(fastnet.Error):
            stream.recv()


def test_closing_after_the_peer_was_killed(listen):
    """What was sent may not have arrived, so close must not look like success."""
    listener = listen()
    with links.program(KILLED, listener.address[1], "between") as child:
        stream = listener.accept(links.SOON)
        assert child.stdout.readline() == "ready\n"
        stream.send(np.ones(1000))
        child.kill()
        child.wait()
        with pytest.raises((IncompleteTransfer, ConnectionError)):
            stream.close()
    assert stream.closed


def test_closing_a_stream_that_only_received(raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(fn1wire.array(np.ones(3)))
    assert stream.recv().size == 3
    links.reset(wire.sock)
    time.sleep(0.02)
    stream.close()


def test_an_end_inside_the_bytes_of_out(raw_pair):
    stream, wire = raw_pair()
    out = np.zeros(1000, "u1")
    text = fn1wire.array(np.ones(1000, "u1"))
    wire.sock.sendall(text[:-400])
    wire.close()
    with pytest.raises(IncompleteTransfer, match="inside an array"):
        stream.recv(out=out)


# -------------------------------------------------------------------------- forking

FORKED = """
    import os, sys
    import numpy as np
    import fastnet, fastnet.arrays
    listener = fastnet.arrays.listen(("127.0.0.1", 0))
    one = fastnet.arrays.connect(listener.address)
    two = listener.accept(5)
    one.send(np.full(2, 1))
    if os.fork() == 0:
        for call in (lambda: one.send(np.ones(2)), two.recv, two.peek, lambda: next(iter(two)),
                     lambda: one.send_items([np.ones(1)])):
            try:
                call()
            except fastnet.Error as error:
                assert "process that opened it" in str(error), error
            else:
                os._exit(1)
        one.close()       # only this process's copies
        two.abort("words that must not go out")
        listener.close()
        os._exit(0)
    assert os.wait()[1] == 0
    one.send(np.full(2, 2))
    assert [int(two.recv()[0]) for _ in range(2)] == [1, 2]
    three = fastnet.arrays.connect(listener.address)
    four = listener.accept(5)
    three.send(np.ones(1))
    assert four.recv().size == 1
    for stream in (one, two, three, four):
        stream.abort()
    listener.close()
    print("good")
"""


def test_a_fork_leaves_the_stream_with_the_parent():
    assert links.run(FORKED) == "good\n"


def test_many_streams_come_and_go(listen):
    """No descriptor or thread is left by any way to end."""
    listener = listen()
    before = len(links.descriptors())
    for i in range(60):
        client = arrays.connect(listener.address)
        server = listener.accept(links.SOON)
        client.send(np.ones(10))
        if i % 3:
            closing = threading.Thread(target=client.close)
            closing.start()
            server.close()
            closing.join()
        else:
            client.abort()
            server.abort()
    assert len(links.descriptors()) == before
    assert listener.stats()["open"] == 0
