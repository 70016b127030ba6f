"""Peers that go without a word, processes that die, and processes that fork."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import IncompleteTransfer, arrays

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
