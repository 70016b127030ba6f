"""fastnet.connection: closing, waiting, signals, and other processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import subprocess
import sys
import threading

import pytest

import fastnet.connection as connection
from fastnet.connection import Connection, Pipe, wait
from links import SOON, Background

# ----------------------------------------------------------------------- being closed


def test_closing():
    one, two = Pipe()
    with one, two:
        assert (one.readable, one.writable, one.closed) == (True, True, False)
    assert one.closed
    one.close()
    for call in [one.fileno, one.recv, one.recv_bytes, one.poll, lambda: one.send(1)]:
        with pytest.raises(OSError, match="handle is closed"):
            call()


def test_one_way():
    reader, writer = Pipe(duplex=False)
    with reader, writer:
        with pytest.raises(OSError, match="read-only"):
            reader.send(1)
        for call in (writer.recv, writer.recv_bytes, writer.poll):
            with pytest.raises(OSError, match="write-only"):
                call()


def test_handles_that_are_none():
    for handle in (-1, -5):
        with pytest.raises(ValueError, match="invalid handle"):
            Connection(handle)
    with pytest.raises(ValueError, match="at least one"):
        Connection(5, False, False)
    with pytest.raises(AttributeError):
        Connection("5")
    conn = Connection(1_000_000)
    for call in (conn.poll, conn.recv, lambda: conn.send(1)):
        with pytest.raises(OSError):
            call()
    conn._handle = None
    assert conn.closed


def test_closing_under_a_waiting_receiver():
    one, two = Pipe()
    with two:
        waiting = Background(one.recv)
        started = threading.Event()
        Background(started.set).result()
        one.close()
        with pytest.raises(OSError, match="handle is closed"):
            waiting.result()


def test_a_forked_child_closes_what_the_parent_waits_on():
    """The count of calls under way is the parent's: the child's close must close."""
    one, two = Pipe()
    with one, two:
        waiting = Background(one.recv)
        fd = one.fileno()
        pid = os.fork()
        if pid == 0:
            one.close()
            try:
                os.fstat(fd)
            except OSError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        two.send("on")
        assert waiting.result() == "on"


@pytest.mark.parametrize("module", [connection, multiprocessing.connection])
def test_a_peer_that_is_gone(module):
    one, two = module.Pipe()
    with one:
        two.close()
        for _ in range(2):
            with pytest.raises(BrokenPipeError):
                one.send(1)
            with pytest.raises(EOFError):
                one.recv()
    one, two = module.Pipe()
    with one:
        sending = Background(one.send_bytes, bytes(10_000_000))
        assert two.poll(SOON)
        os.read(two.fileno(), 1000)
        two.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            sending.result()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            one.send_bytes(b"more")


def test_the_descriptor_goes_with_the_object():
    one, two = Pipe()
    with two:
        del one
        with pytest.raises(EOFError):
            two.recv()


def test_both_ways_at_once():
    one, two = Pipe()
    with one, two:
        data = os.urandom(3_000_000)
        sending = [Background(end.send_bytes, data) for end in (one, two)]
        assert one.recv_bytes() == data
        assert two.recv_bytes() == data
        for each in sending:
            each.result()


# -------------------------------------------------------------------------- waiting


def test_poll(ends):
    writer, reader = ends
    for timeout in (0, -1, 0.01):
        assert reader.poll(timeout) is False
    assert reader.poll() is False
    polling = Background(reader.poll, None)
    writer.send_bytes(b"")
    assert polling.result() is True
    assert reader.poll(SOON) is True
    assert reader.recv_bytes() == b""
    writer.close()
    assert reader.poll(SOON) is True


def test_waiting_for_several(raw):
    conn, peer = raw
    other, its_peer = Pipe()
    process = multiprocessing.get_context("fork").Process(target=int)
    with other, its_peer:
        assert wait([conn, other], 0) == []
        assert wait([conn, other], -1) == []
        assert wait([], 0.01) == []
        its_peer.send(1)
        assert wait([conn, other], SOON) == [other]
        assert wait([conn.fileno(), peer, other.fileno()], SOON) == [other.fileno()]
        process.start()
        assert wait([conn, process.sentinel], SOON) == [process.sentinel]
        process.join()
        process.close()
    with pytest.raises(ValueError):
        wait(["text"], 0)


def test_signals_reach_a_waiting_receiver():
    program = """
import os, signal, threading
from fastnet.connection import Pipe
one, two = Pipe()
try:
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    one.recv()
except KeyboardInterrupt:
    two.send("on")
    print(one.recv())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "on\n", done.stderr


def test_an_interrupt_inside_a_message_ends_the_direction():
    program = """
import os, select, signal, struct, socket, threading, time
from fastnet.connection import Connection
one, two = socket.socketpair()
conn = Connection(one.detach())
two.sendall(struct.pack("!i", 10) + b"half")
def interrupt():
    while select.select([conn], [], [], 0)[0]:
        time.sleep(0.01)  # it has not taken them yet
    os.kill(os.getpid(), signal.SIGINT)
try:
    threading.Thread(target=interrupt).start()
    conn.recv_bytes()
except KeyboardInterrupt:
    try:
        conn.recv_bytes()
    except OSError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "an earlier receive stopped inside a message\n", done.stderr


# ------------------------------------------------------------------- other processes


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_connections_go_to_other_processes(method, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
import multiprocessing, sys
from fastnet.connection import Client, Connection, Listener, Pipe

def answer(conn):
    with conn, conn.recv() as other:  # one as an argument, one as a message
        assert type(other) is Connection
        other.send(conn.recv() + 1)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    one, two = Pipe()
    with Listener(("127.0.0.1", 0), allowed={("a", "b")}) as listener:
        client = Client(listener.address)
        with one, client, listener.accept() as accepted:
            with two:
                process = context.Process(target=answer, args=(two,))
                process.start()
            one.send(accepted)
            one.send(41)
            print(client.recv())
            process.join()
            print(process.exitcode)
""")
    done = subprocess.run(
        [sys.executable, program, method], capture_output=True, text=True, timeout=50
    )
    assert done.stdout.split() == ["42", "0"], done.stderr


def test_a_plain_pickle_of_a_connection_is_refused():
    one, two = Pipe()
    with one, two, pytest.raises(TypeError):
        pickle.dumps(one)
