"""What a server of calls does beside answering: slow handlers, ends of calls, its own end."""

from __future__ import annotations

import concurrent.futures
import copyreg
import os
import pickle
import signal
import socket
import threading
import time

import numpy as np
import pytest

import links
from fastnet import AuthenticationError, Error, Limits, errors, rpc
from rpc_kit import KEY, SOON, entered, serving

pytest.importorskip("msgspec")


def test_a_slow_handler_delays_nobody():
    with serving(threads=3) as (server, handlers), rpc.RPCClient(server.address) as client:
        slow = [client.submit("wait") for _ in range(2)]
        client.add(1, 1)  # sends them
        entered(handlers)
        entered(handlers)
        assert client.add(2, 3) == 5
        assert client.ping() < SOON
        with rpc.RPCClient(server.address) as other:
            assert other.add(4, 5) == 9
        assert server.stats()["takeovers"] >= 2
        assert not any(one.done() for one in slow)
        handlers.gate.set()
        assert [one.result(SOON) for one in slow] == ["waited", "waited"]


def test_more_slow_handlers_than_threads():
    with serving(threads=2) as (server, handlers), rpc.RPCClient(server.address) as client:
        slow = [client.submit("wait") for _ in range(6)]
        quick = client.submit("add", 1, 2)
        assert client.ping() < SOON
        entered(handlers)
        entered(handlers)
        assert client.ping() < SOON  # answered while every thread is taken
        handlers.gate.set()
        assert [one.result(SOON) for one in slow] == ["waited"] * 6
        assert quick.result(SOON) == 3
        assert client.add(1, 1) == 2


def test_a_large_argument_and_small_calls():
    with serving() as (server, _), rpc.RPCClient(server.address) as client:
        large = np.ones(4_000_000)
        futures = [client.submit("echo", large) for _ in range(3)]
        assert [client.add(i, i) for i in range(50)] == [2 * i for i in range(50)]
        for future in futures:
            assert np.array_equal(future.result(SOON), large)


def test_the_deadline_travels_with_the_call():
    with serving() as (server, handlers), rpc.RPCClient(server.address) as client:
        assert client.about() == ["about", False, False]
        assert client.options(timeout=SOON).about() == ["about", True, False]
        with pytest.raises(rpc.CallTimeout, match="until_cancelled"):
            client.options(timeout=0.05).until_cancelled()
        entered(handlers)
        entered(handlers)
        assert handlers.log[0] in ("cancelled", "expired")
        with pytest.raises(TimeoutError):
            client.options(timeout=0.05).forever()
        entered(handlers)
        entered(handlers)
        assert handlers.log[1] == "stopped"
        assert client.add(1, 1) == 2


def test_cancelling_a_future_reaches_the_server():
    with serving() as (server, handlers), rpc.RPCClient(server.address) as client:
        for name in ("until_cancelled", "forever"):
            future = client.submit(name)
            client.add(0, 0)
            entered(handlers)
            assert future.cancel()
            assert future.cancelled()
            entered(handlers)
            with pytest.raises(concurrent.futures.CancelledError):
                future.result()
        assert handlers.log == ["cancelled", "stopped"]
        assert client.add(1, 1) == 2
        assert server.stats()["cancelled"] >= 2


def test_futures_are_those_of_concurrent_futures():
    with serving() as (server, handlers), rpc.RPCClient(server.address) as client:
        futures = [client.submit("add", i, 1) for i in range(20)]
        done, left = concurrent.futures.wait(futures, SOON)
        assert not left
        assert sorted(one.result() for one in done) == list(range(1, 21))
        told = threading.Event()
        client.submit("later", 1).add_done_callback(lambda _: told.set())
        assert told.wait(SOON)  # nobody waits on the connection: the thread behind does
        more = [client.submit("add", i, 1) for i in range(5)]
        assert sorted(f.result() for f in concurrent.futures.as_completed(more, SOON)) == [
            1, 2, 3, 4, 5,
        ]  # fmt: skip
        blocked = client.submit("wait")
        with pytest.raises(TimeoutError):
            blocked.result(0.05)
        assert not blocked.done()
        handlers.gate.set()
        assert blocked.result(SOON) == "waited"


def test_a_client_that_vanishes_cancels_its_calls():
    with serving() as (server, handlers):
        client = rpc.RPCClient(server.address)
        future = client.submit("forever")
        client.add(1, 1)
        entered(handlers)
        stream = client.count(1 << 40)
        assert next(stream) == 0
        client.close()
        entered(handlers)
        entered(handlers)
        assert sorted(handlers.log) == ["closed", "stopped"]
        with pytest.raises(Error, match="client was closed"):
            future.result()
        with pytest.raises(Error):
            list(stream)


def test_reconnecting():
    with serving() as (server, handlers):
        client = rpc.RPCClient(server.address)
        future = client.submit("wait")
        again = client.options(idempotent=True).submit("wait")
        client.add(1, 1)
        entered(handlers)
        entered(handlers)
        address = server.address
        server.shutdown(0.0)
        with pytest.raises(rpc.ConnectionLost):
            future.result(SOON)
        with pytest.raises((rpc.ConnectionLost, ConnectionRefusedError)):
            again.result(SOON)
    with serving(address) as (server, handlers):
        assert client.add(2, 3) == 5
        assert client.stats()["connects"] >= 2
        client.close()


def test_an_idempotent_call_is_sent_again():
    calls = []
    with serving() as (server, _):

        def once():
            calls.append(1)
            if len(calls) == 1:
                with os_socket(server) as copy:
                    copy.shutdown(socket.SHUT_RDWR)
            return len(calls)

        server.register_function(once)
        with rpc.RPCClient(server.address) as client:
            assert client.options(idempotent=True).once() == 2


def os_socket(server):
    """A socket object over the first connection's descriptor."""
    fd = server._server._side.descriptors()[0]
    return socket.socket(fileno=os.dup(fd))


def test_shutdown_answers_what_has_come():
    with serving() as (server, handlers), rpc.RPCClient(server.address) as client:
        slow = client.submit("wait")
        client.add(1, 1)
        entered(handlers)
        ended = threading.Thread(target=server.shutdown, args=(SOON,))
        ended.start()
        links.wait_until(lambda: not server.sockets)
        handlers.gate.set()
        assert slow.result(SOON) == "waited"
        ended.join()
        with pytest.raises((ConnectionError, Error)):
            client.add(1, 1)


def test_workers():
    with serving(workers=2) as (server, _):
        server.register_function(os.getpid, "pid")
    server = rpc.RPCServer(("127.0.0.1", 0), workers=2)
    server.register_function(os.getpid, "pid")
    server.start()
    with server:
        found = set()
        end = time.monotonic() + SOON
        while len(found) < 2 and time.monotonic() < end:
            with rpc.RPCClient(server.address) as client:
                found.add(client.pid())
        assert len(found) == 2
        assert os.getpid() not in found


# ------------------------------------------------------------------------- who may call


def test_keys():
    with serving(authkey=KEY) as (server, _):
        with rpc.RPCClient(server.address, authkey=KEY) as client:
            assert client.add(1, 2) == 3
        with rpc.RPCClient(server.address, authkey=bytes(32)) as wrong:
            with pytest.raises(AuthenticationError):
                wrong.add(1, 2)
        with rpc.RPCClient(server.address) as none:
            with pytest.raises((errors.ProtocolError, AuthenticationError, ConnectionError)):
                none.add(1, 2)
    with serving() as (server, _), rpc.RPCClient(server.address, authkey=KEY) as client:
        with pytest.raises((errors.ProtocolError, AuthenticationError)):
            client.add(1, 2)
    with pytest.raises(ValueError, match="16"):
        rpc.RPCServer(("127.0.0.1", 0), authkey=b"short")


def test_keys_by_id():
    keys = {b"one": KEY, b"two": bytes(range(32))}
    with serving(authkey=keys.get) as (server, _):
        for name, key in keys.items():
            with rpc.RPCClient(server.address, authkey=key, key_id=name) as client:
                assert client.add(1, 2) == 3
        with rpc.RPCClient(server.address, authkey=KEY, key_id="three") as client:
            with pytest.raises(AuthenticationError):
                client.add(1, 2)


class Marker:
    """Something that a pickle can name."""


class Bomb:
    def __reduce__(self):
        return os.getpid, ()


def test_pickles_are_for_those_who_are_trusted(tmp_path):
    with pytest.raises(ValueError, match="pickles run code"):
        rpc.RPCServer(("127.0.0.1", 0), codec="pickle")
    for kind in (rpc.RPCClient, rpc.AsyncRPCClient):
        with pytest.raises(ValueError, match="pickles run code"):  # whose answers are pickles, too
            kind(("127.0.0.1", 1), codec="pickle")
    with serving() as (server, _):
        with rpc.RPCClient(server.address, codec="pickle", trust_pickle=True) as client:
            with pytest.raises(Error, match="codec"):
                client.add(1, 2)
    for address, options in (
        (("127.0.0.1", 0), {"authkey": KEY}),
        (f"unix:{tmp_path}/rpc", {}),
        (("127.0.0.1", 0), {"trust_pickle": True}),
    ):
        with serving(address, codec="pickle", **options) as (server, _):
            with rpc.RPCClient(server.address, codec="pickle", **options) as client:
                assert client.echo({1: {2}}) == {1: {2}}
                assert isinstance(client.echo(Marker()), Marker)


def test_pickles_that_use_the_extension_registry_are_refused():
    """What it has looked up before it would find again without asking the list."""
    module = os.getpid.__module__
    copyreg.add_extension(module, "getpid", 99)
    try:
        assert pickle.loads(pickle.dumps(os.getpid, 2)) is os.getpid  # it knows the way now
        with serving(codec="pickle", authkey=KEY, allowed=[Marker]) as (server, _):
            with rpc.RPCClient(server.address, codec="pickle", authkey=KEY) as client:
                with pytest.raises(errors.ProtocolError, match="extension registry"):
                    client.echo(os.getpid)
    finally:
        copyreg.remove_extension(module, "getpid", 99)
        copyreg.clear_extension_cache()


def test_pickles_name_only_what_is_allowed():
    with serving(codec="pickle", authkey=KEY, allowed=[Marker]) as (server, _):
        with rpc.RPCClient(server.address, codec="pickle", authkey=KEY) as client:
            assert isinstance(client.echo(Marker()), Marker)
            assert np.array_equal(client.echo(np.arange(5)), np.arange(5))
            with pytest.raises(errors.ProtocolError, match="which allowed= does not name"):
                client.echo(Bomb())
            assert client.add(1, 1) == 2


# ------------------------------------------------------------------------------- limits


def test_open_calls_are_bounded():
    with serving(limits=Limits(calls=8)) as (server, handlers):
        with rpc.RPCClient(server.address) as client:
            open_calls = [client.submit("forever") for _ in range(8)]
            client.submit("add", 1, 1).exception(SOON)
            for _ in range(8):
                entered(handlers)
            with pytest.raises(errors.LimitError, match=r"Limits\.calls"):
                client.later(1)
            for one in open_calls:
                one.cancel()
            for _ in range(8):
                entered(handlers)
            links.wait_until(lambda: client.submit("later", 1).exception(SOON) is None)


def test_large_arguments_are_bounded():
    with serving(limits=Limits(message_bytes=1 << 20)) as (server, _):
        with rpc.RPCClient(server.address) as client:
            assert client.add(1, 1) == 2
            with pytest.raises(errors.LimitError, match="larger than its receiver accepts"):
                client.echo(np.zeros(1 << 18))
            assert client.add(1, 1) == 2


def test_bodies_on_their_way_are_bounded():
    limits = Limits(in_flight_bytes=1 << 20)
    with serving(limits=limits) as (server, _), rpc.RPCClient(server.address) as client:
        arrays = [np.full(100_000, i, np.float64) for i in range(20)]
        futures = [client.submit("echo", one) for one in arrays]
        for future, one in zip(futures, arrays, strict=True):
            assert np.array_equal(future.result(SOON), one)


def test_ctrl_c_interrupts_a_wait():
    with serving() as (server, handlers), rpc.RPCClient(server.address) as client:

        def interrupt():
            entered(handlers)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.forever()
        thread.join()
        entered(handlers)
        assert handlers.log == ["stopped"]
        assert client.add(1, 1) == 2
