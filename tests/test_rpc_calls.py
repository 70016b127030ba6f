"""Calls and their answers: values, arrays, errors, in every codec, with and without a key."""

from __future__ import annotations

import gc
import os
import socket
import threading
import traceback

import numpy as np
import pytest

import rpc_kit
from fastnet import Error, rpc
from rpc_kit import KEY, serving

pytest.importorskip("msgspec")


@pytest.fixture(params=["plain", "key", "tls", "unix"])
def pair(request, tmp_path, certificates):
    """(client, handlers), in each of the ways that they can be connected."""
    kind = request.param
    address = f"unix:{tmp_path}/rpc" if kind == "unix" else ("127.0.0.1", 0)
    there = {"authkey": KEY} if kind == "key" else {}
    here = dict(there)
    if kind == "tls":
        there["ssl_context"] = certificates.server
        here.update(ssl_context=certificates.client, server_hostname="localhost")
    with serving(address, **there) as (server, handlers):
        with rpc.RPCClient(server.address, **here) as client:
            yield client, handlers


def test_a_call(pair):
    client, _ = pair
    assert client.add(2, 3) == 5
    assert client.add(2, b=4) == 6
    assert client.call("add", "a", b="b") == "ab"
    assert client.echo(1, x=2) == [[1], {"x": 2}]
    assert client.echo() == []


@pytest.mark.parametrize(
    "value",
    [None, True, -5, 1 << 60, 0.5, "text é", b"bytes", [1, [2, "x"]], {"a": {"b": []}}],
    ids=repr,
)
def test_values(pair, value):
    client, _ = pair
    assert client.echo(value) == value


@pytest.mark.parametrize("n", [0, 1, 1000, 8192, 8193, 65536, 65537, 300_000, 5_000_000])
def test_bytes_of_every_size(pair, n):
    client, _ = pair
    data = os.urandom(n)
    assert client.echo(data) == data
    text = "é" * (n // 2)
    assert client.echo(text) == text


@pytest.mark.parametrize("n", [0, 1, 100, 1023, 1025, 8191, 8193, 300_000, 2_000_000])
def test_arrays_of_every_size(pair, n):
    client, _ = pair
    array = np.arange(n, dtype=np.float64)
    back = client.echo(array)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert back.flags.writeable
    assert back.size == 0 or back.ctypes.data % 64 == 0


def test_arrays_of_many_kinds(pair):
    client, _ = pair
    matrix = np.arange(12.0).reshape(3, 4)
    for array in (
        matrix.T,
        matrix[:, ::2],
        np.asfortranarray(matrix),
        np.array(5),
        np.zeros((0, 3)),
        np.array(["a", "bc"]),
        np.array([1, 2], "datetime64[s]"),
        np.array([(1, 2.0)], [("a", "i4"), ("b", ">f8")]),
    ):
        back = client.echo(array)
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_arrays_inside_values(pair):
    client, _ = pair
    a, b = np.arange(5), np.ones(100_000, np.float32)
    back = client.echo([a, {"b": b, "c": [a, 1]}], x=b)
    assert np.array_equal(back[0][0][1]["b"], b)
    assert np.array_equal(back[0][0][1]["c"][0], a)
    assert np.array_equal(back[1]["x"], b)
    assert client.echo(np.float64(1.5)) == 1.5


def test_many_arrays_at_once(pair):
    client, _ = pair
    arrays = [np.full(i * 50, i, np.int32) for i in range(200)]
    back = client.echo(arrays)
    assert all(np.array_equal(x, y) for x, y in zip(arrays, back, strict=True))
    with pytest.raises(ValueError, match="at most 1024"):
        client.echo([np.zeros(1)] * 1025)
    assert client.add(1, 1) == 2


def test_an_exception_has_its_type_and_traceback(pair):
    client, _ = pair
    with pytest.raises(ValueError) as caught:
        client.fail("ValueError", "no", 5)
    assert caught.value.args == ("no", 5)
    text = "".join(traceback.format_exception(caught.value))
    assert "On the server" in text
    assert "in fail" in text
    with pytest.raises(FileNotFoundError) as missing:
        client.fail("FileNotFoundError", 2, "gone", "name")
    assert missing.value.filename == "name"


def test_an_unknown_type_is_a_remote_error_until_it_is_registered(pair):
    client, _ = pair
    with pytest.raises(rpc.RemoteError, match=r"rpc_kit\.Custom: sorry") as caught:
        client.fail("Custom", "sorry")
    assert caught.value.type_name == "rpc_kit.Custom"
    with pytest.raises(rpc.RemoteError, match="SystemExit"):
        client.fail("SystemExit", 3)
    client.register_exception(rpc_kit.Custom)
    with pytest.raises(rpc_kit.Custom, match="sorry"):
        client.fail("Custom", "sorry")


def test_what_cannot_be_encoded(pair):
    client, _ = pair
    with pytest.raises(TypeError, match="cannot be sent"):
        client.echo(object())
    with pytest.raises(TypeError, match="cannot be sent"):
        client.unencodable()
    with pytest.raises(TypeError, match="objects cannot be sent"):
        client.echo(np.array([object()]))
    assert client.add(1, 2) == 3


def test_what_is_not_there(pair):
    client, _ = pair
    with pytest.raises(AttributeError, match="no method 'nothing'"):
        client.nothing()
    with pytest.raises(TypeError):
        client.add(1, 2, 3)


def test_futures_and_batches(pair):
    client, _ = pair
    futures = [client.submit("add", i, 1) for i in range(500)]
    assert [future.result() for future in futures] == list(range(1, 501))
    failing = client.submit("fail", "KeyError", "k")
    assert isinstance(failing.exception(), KeyError)
    with client.batch() as batch:
        sums = [batch.add(i, i) for i in range(10)]
        batch.fail("ValueError", "x")
    assert [one.result() for one in sums] == [2 * i for i in range(10)]
    with pytest.raises(ValueError):
        batch.results()


def test_a_stream(pair):
    client, handlers = pair
    assert list(client.count(1000)) == list(range(1000))
    assert list(client.count(0)) == []
    with client.count(1 << 40) as items:
        assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    for _ in range(3):
        rpc_kit.entered(handlers)
    assert handlers.log == ["closed"] * 3
    items = client.broken(3)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="after"):
        next(items)
    assert list(client.ticks(300)) == list(range(300))


def test_a_stream_of_arrays_keeps_its_order(pair):
    client, _ = pair
    for size in (10, 20_000, 300_000):
        got = [(int(block[0]), block.size) for block in client.blocks(40, size)]
        assert got == [(i, size) for i in range(40)]


def test_coroutines(pair):
    client, _ = pair
    assert client.later(5) == 5
    futures = [client.submit("later", i) for i in range(100)]
    assert [future.result() for future in futures] == list(range(100))


def test_threads_share_a_client(pair):
    client, _ = pair
    wrong = []

    def work(base):
        for i in range(100):
            if client.add(base, i) != base + i:
                wrong.append((base, i))
        array = np.full(50_000, base)
        if not np.array_equal(client.echo(array), array):
            wrong.append(base)

    threads = [threading.Thread(target=work, args=(i * 1000,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_notify_and_ping(pair):
    client, handlers = pair
    client.notify("note", "told")
    rpc_kit.entered(handlers)
    assert handlers.log == ["told"]
    client.notify("fail", "ValueError", "nobody hears it")
    large = np.arange(3_000_000.0)
    client.notify("note", str(large.size))
    client.notify("echo", large)
    assert client.add(1, 1) == 2
    assert 0 < client.ping() < rpc_kit.SOON


def test_introspection(pair):
    client, _ = pair
    assert {"add", "count", "system.list_methods"} <= set(client.list_methods())
    assert client.method_signature("add").startswith("(a")
    assert client.method_help("add") == "The sum of two things."
    assert client.system.method_help("echo") == ""


@pytest.mark.parametrize("codec", ["json", "msgpack", "pickle"])
def test_codecs(codec, tmp_path):
    with serving(f"unix:{tmp_path}/rpc", codec=codec) as (server, _):
        with rpc.RPCClient(server.address, codec=codec) as client:
            assert client.add(2, b=3) == 5
            array, large = np.arange(100_000.0), bytes(100_000)
            back = client.echo([array, {"large": large}], x=array[:10])
            assert np.array_equal(back[0][0][0], array)
            assert back[0][0][0].flags.writeable
            assert back[0][0][1]["large"] == large
            assert np.array_equal(back[1]["x"], array[:10])
            assert list(client.count(5)) == [0, 1, 2, 3, 4]
            with pytest.raises(ValueError, match="no"):
                client.fail("ValueError", "no")


def test_dotted_names_and_decorators():
    server = rpc.RPCServer(("127.0.0.1", 0))

    @server.method
    def one():
        return 1

    @server.method("numbers.two")
    def two():
        return 2

    server.register_function(lambda: 3, "numbers.three")
    server.start()
    with server, rpc.RPCClient(server.address) as client:
        assert [client.one(), client.numbers.two(), client.numbers.three()] == [1, 2, 3]
    with pytest.raises(ValueError, match="is closed"):
        client.one()


def test_a_client_belongs_to_its_process():
    with serving() as (server, _), rpc.RPCClient(server.address) as client:
        assert client.add(1, 2) == 3
        pid = os.fork()
        if not pid:
            try:
                client.add(1, 2)
            except Error:
                client.close()
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert client.add(1, 2) == 3


def test_a_forgotten_client_leaves_nothing():
    with serving() as (server, _):
        client = rpc.RPCClient(server.address)
        assert client.add(1, 2) == 3
        del client
        gc.collect()


def test_a_pool():
    with serving() as (server, _), rpc.Pool(server.address, size=3) as pool:
        assert [pool.add(i, 1) for i in range(9)] == list(range(1, 10))
        assert pool.submit("add", 1, 1).result() == 2
        assert server.stats()["open"] == 3


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        client = rpc.RPCClient(taken.getsockname())
        with client, pytest.raises(ConnectionRefusedError):
            client.add(1, 2)
