"""serve_forever: threads, handlers that fail, closing, Ctrl-C, and a lack of descriptors."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time

import numpy as np
import pytest

import fastnet
import links
from fastnet import arrays


def echo(stream):
    for item in stream.items():
        stream.send(item.array, name=item.name, meta=item.meta)


@contextlib.contextmanager
def serving(listener, handler=echo, **options):
    work = links.Background(listener.serve_forever, handler, **options)
    try:
        yield work
    finally:
        listener.close()
        work.result()


@pytest.mark.parametrize("kind", ["tcp4", "unix", "tls"])
def test_many_peers_at_once(kind, listen, certificates):
    listener = listen(kind)
    context = certificates.client if kind == "tls" else None

    def peer(i):
        options = {"ssl_context": context, "server_hostname": "localhost"} if context else {}
        with arrays.connect(listener.address, **options) as stream:
            for size in (1, 10_000, 300_000):
                stream.send(np.full(size, i), name=str(i))
                item = stream.recv_item()
                assert item.name == str(i)
                assert (item.array == i).all()
                assert item.array.size == size
        return i

    with serving(listener, threads=4):
        work = [links.Background(peer, i) for i in range(10)]
        assert [each.result() for each in work] == list(range(10))
    assert listener.stats()["accepted"] == 10
    assert listener.stats()["open"] == 0


def test_threads_are_bound(listen, keep):
    listener = listen()
    running, most, lock = [], [], threading.Lock()
    release = threading.Event()

    def handler(stream):
        with lock:
            running.append(stream)
            most.append(len(running))
        release.wait(links.SOON)
        echo(stream)
        with lock:
            running.remove(stream)

    with serving(listener, handler, threads=2):
        streams = [keep(arrays.connect(listener.address)) for _ in range(6)]
        links.wait_until(lambda: len(running) == 2)
        time.sleep(0.05)
        assert len(running) == 2
        release.set()
        work = [links.Background(stream.close) for stream in streams]
        for each in work:
            each.result()
    assert max(most) == 2
    assert len(most) == 6


@pytest.mark.parametrize("threads", [0, -1])
def test_senseless_threads(threads, listen):
    with pytest.raises(ValueError, match="threads"):
        listen().serve_forever(echo, threads=threads)


def test_a_handler_that_raises_is_logged_and_the_others_go_on(listen, caplog, keep):
    listener = listen()

    def handler(stream):
        array = stream.recv()
        if array[0] == 13:
            raise KeyError("unlucky")
        stream.send(array)
        echo(stream)

    with caplog.at_level(logging.ERROR, logger="fastnet.arrays"), serving(listener, handler):
        good, bad = (keep(arrays.connect(listener.address)) for _ in range(2))
        good.send(np.full(1, 7))
        assert good.recv(timeout=links.SOON)[0] == 7
        bad.send(np.full(1, 13))
        with pytest.raises(fastnet.ProtocolError, match="KeyError"):
            bad.recv(timeout=links.SOON)
        bad.abort()
        good.send(np.full(1, 8))
        assert good.recv(timeout=links.SOON)[0] == 8
        another = keep(arrays.connect(listener.address))
        another.send(np.full(1, 9))
        assert another.recv(timeout=links.SOON)[0] == 9
        for stream in (good, another):
            stream.close()
    (record,) = caplog.records
    assert record.name == "fastnet.arrays"
    assert record.exc_info[0] is KeyError


def test_a_peer_that_goes_is_one_handlers_affair(listen, caplog, keep):
    listener = listen()
    with serving(listener):
        gone = arrays.connect(listener.address)
        gone.send(np.ones(1))
        gone.recv(timeout=links.SOON)
        gone.abort()
        with arrays.connect(listener.address) as stream:
            stream.send(np.ones(3))
            assert stream.recv(timeout=links.SOON).size == 3


def test_close_ends_it_when_the_handlers_have_ended(listen, keep):
    listener = listen()
    with serving(listener) as work:
        stream = keep(arrays.connect(listener.address))
        stream.send(np.ones(3))
        assert stream.recv(timeout=links.SOON).size == 3
        listener.close()
        time.sleep(0.05)
        assert work.is_alive()  # a handler is still at work
        stream.send(np.ones(4))
        assert stream.recv(timeout=links.SOON).size == 4
        stream.close()
        work.result()


def test_close_from_a_handler(listen):
    listener = listen()

    def handler(stream):
        stream.recv()
        listener.close()

    with serving(listener, handler) as work:
        with arrays.connect(listener.address) as stream:
            stream.send(np.ones(1))
        work.result()


@pytest.mark.parametrize("threads", [1, 8])
def test_close_while_all_threads_are_busy(threads, listen, keep):
    listener = listen()
    with serving(listener, threads=threads) as work:
        streams = [keep(arrays.connect(listener.address)) for _ in range(threads + 1)]
        streams[0].send(np.ones(1))
        streams[0].recv(timeout=links.SOON)
        listener.close()
        for stream in streams:
            stream.abort()
        work.result()


SERVER = """
    import sys, time
    import fastnet.arrays
    def handler(stream):
        for array in stream:
            stream.send(array)
    with fastnet.arrays.listen(("127.0.0.1", 0)) as listener:
        print(listener.address[1], flush=True)
        try:
            listener.serve_forever(handler)
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)
            print(listener.fileno(), flush=True)
"""


@pytest.mark.parametrize("busy", [False, True])
def test_ctrl_c(busy, keep):
    with links.program(SERVER) as child:
        address = ("127.0.0.1", int(child.stdout.readline()))
        if busy:
            stream = keep(arrays.connect(address))
            stream.send(np.ones(3))
            assert stream.recv(timeout=links.SOON).size == 3
        time.sleep(0.1)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        lines = child.stdout.read().splitlines()
        assert child.wait(links.SOON) == 0, lines
        stamp = next(float(line) for line in lines if line[:1].isdigit())
        assert stamp - began < 1.0, lines
        assert lines[-1] == "-1", lines
        if busy:
            with pytest.raises((fastnet.Error, ConnectionError)):
                stream.recv(timeout=links.SOON)


SHORT = """
    import resource, socket, sys, threading, time
    import numpy as np
    import fastnet.arrays
    listener = fastnet.arrays.listen(("127.0.0.1", 0), backlog=100)
    def handler(stream):
        for array in stream:
            stream.send(array)
    thread = threading.Thread(target=listener.serve_forever, args=(handler,))
    thread.start()
    early = fastnet.arrays.connect(listener.address)
    early.send(np.ones(2)); assert early.recv(timeout=10).size == 2
    here = len(__import__("os").listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (here + 20, here + 20))
    crowd = []
    try:
        while True:
            crowd.append(socket.create_connection(listener.address))
    except OSError as error:
        assert error.errno == 24, error
    deadline = time.monotonic() + 10
    while not listener.stats()["shed"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert listener.stats()["shed"]
    early.send(np.ones(3)); assert early.recv(timeout=10).size == 3   # goes on
    for sock in crowd:
        sock.close()
    late = fastnet.arrays.connect(listener.address)
    late.send(np.ones(4)); assert late.recv(timeout=10).size == 4     # and recovers
    late.close(); early.close(); listener.close(); thread.join()
    print("good")
"""


def test_a_lack_of_descriptors_is_survived():
    assert links.run(SHORT) == "good\n"
