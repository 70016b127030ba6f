"""The deadlines of calls for whose answers nobody waits, or others do."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

from fastnet import rpc
from rpc_kit import KEY, SOON, serving

pytest.importorskip("msgspec")


@pytest.fixture(params=[None, KEY], ids=["plain", "key"])
def client(request):
    key = {} if request.param is None else {"authkey": request.param}
    with serving(**key) as (server, handlers):
        with rpc.RPCClient(server.address, **key) as client:
            yield client
            handlers.gate.set()


def late(client, seconds=0.05):
    return client.options(timeout=seconds).submit("wait")


def test_waited_for_by_others(client):
    future = late(client)
    assert concurrent.futures.wait([future], SOON).done == {future}
    assert isinstance(future.exception(), rpc.CallTimeout)
    for _ in range(2):
        with pytest.raises(rpc.CallTimeout):
            future.result()
    assert client.add(2, 3) == 5


def test_as_they_are_completed(client):
    futures = [late(client, seconds) for seconds in (0.2, 0.05, 0.1)]
    came = set(concurrent.futures.as_completed(futures, SOON))
    assert came == set(futures)


def test_a_callback_hears_of_it(client):
    heard = threading.Event()
    future = late(client)
    future.add_done_callback(lambda _: heard.set())
    assert heard.wait(SOON)
    assert future.done()
    assert not future.cancelled()


def test_beside_a_thread_that_drives(client):
    """Another call's thread moves the bytes, and ends this call on its way."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        driving = pool.submit(client.options(timeout=0.5).call, "wait")
        assert concurrent.futures.wait([late(client)], SOON).not_done == set()
        assert isinstance(driving.exception(SOON), rpc.CallTimeout)


def test_the_wait_for_a_result_is_not_the_calls_deadline(client):
    future = late(client, 0.3)
    with pytest.raises(TimeoutError) as caught:
        future.result(0.01)
    assert not isinstance(caught.value, rpc.CallTimeout)
    assert not future.done()
    with pytest.raises(rpc.CallTimeout):
        future.result()
    with pytest.raises(rpc.CallTimeout):
        future.result(0)


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_no_span_of_time(client, timeout):
    with pytest.raises(ValueError, match="at least 0 seconds"):
        client.options(timeout=timeout)
    with pytest.raises(ValueError, match="at least 0 seconds"):
        rpc.AsyncRPCClient(("127.0.0.1", 1), timeout=timeout)


def test_no_names(client):
    with pytest.raises(TypeError, match="is a str, not int"):
        client.call(5)
    with pytest.raises(ValueError, match="not empty"):
        client.submit("")
    assert client.add(2, 3) == 5
