"""Connections that are kept, and those that have gone meanwhile."""

from __future__ import annotations

import functools
import multiprocessing
import os
import threading

import pytest

import client_kit as kit
import links
from client_kit import CLOSE, Scripted, reply
from fastnet import http


def closes_when_told(event):
    def wait(sock):
        event.wait(links.SOON)

    return wait


def test_connections_are_kept():
    with Scripted(*[reply(b"x")] * 10) as server, http.Session(trust_env=False) as session:
        for _ in range(5):
            session.get(server.url)
        for _ in range(5):
            session.post(server.url, data=b"y")
        assert server.connections == 1
        assert len(session._pool) == 1
    assert len(session._pool) == 0


def test_a_server_that_closed_is_noticed():
    with Scripted(*[(reply(b"x"), CLOSE)] * 5) as server:
        with http.Session(trust_env=False) as session:
            for turn in range(5):
                assert session.post(server.url, data=b"1").text == "x"
                links.wait_until(functools.partial(kit.useless, session))
                assert server.connections == turn + 1


def test_a_server_that_spoke_unasked_is_not_used_again():
    def more(sock):
        sock.sendall(reply(b"one"))
        sent.wait(links.SOON)
        sock.sendall(reply(b"evil"))
        done.set()

    sent, done = threading.Event(), threading.Event()
    with Scripted(more, reply(b"two")) as server, http.Session(trust_env=False) as session:
        assert session.get(server.url).text == "one"
        sent.set()
        assert done.wait(links.SOON)
        links.wait_until(functools.partial(kit.useless, session))
        assert session.get(server.url).text == "two"


def test_what_may_be_sent_again_is():
    """The server takes the second request on a kept connection and closes without an answer."""
    for method, again in (("GET", True), ("PUT", True), ("DELETE", True), ("POST", False),
                          ("PATCH", False)):  # fmt: skip
        with Scripted(reply(b"1"), CLOSE, reply(b"2")) as server:
            with http.Session(trust_env=False) as session:
                assert session.get(server.url).text == "1"
                if again:
                    assert session.request(method, server.url).text == "2"
                    assert len(server.requests) == 3
                else:
                    with pytest.raises(http.RequestException):
                        session.request(method, server.url)
                    assert len(server.requests) == 2


def test_not_on_a_new_connection_nor_after_a_byte():
    with Scripted(CLOSE, reply(b"1"), (b"HTTP", CLOSE)) as server:
        with http.Session(trust_env=False) as session:
            with pytest.raises(http.NoResponse) as caught:
                session.get(server.url)
            assert isinstance(caught.value, (EOFError, ConnectionError))
            session.get(server.url)
            with pytest.raises(http.IncompleteTransfer):
                session.get(server.url)
            assert len(server.requests) == 3


def test_unread_streams_are_not_reused():
    with Scripted(reply(b"x" * 10), reply(b"y")) as server:
        with http.Session(trust_env=False) as session:
            with session.get(server.url, stream=True) as response:
                assert response.read(5) == b"xxxxx"
            assert session.get(server.url).text == "y"
            assert server.connections == 2


def test_streams_read_to_their_end_are():
    with Scripted(reply(b"x" * 10), reply(b"y"), reply(b"")) as server:
        with http.Session(trust_env=False) as session:
            assert session.get(server.url, stream=True).read() == b"x" * 10
            assert session.get(server.url, stream=True).read(1) == b"y"
            assert session.get(server.url, stream=True).status_code == 200
            assert server.connections == 1


def test_at_most_so_many():
    with kit.serving() as server, http.Session(most=2, trust_env=False) as session:
        url = f"{server.url}/x"
        one = session.get(url, stream=True)
        with session.get(url, stream=True):
            with pytest.raises(http.ConnectTimeout, match="in use"):
                session.get(url, timeout=0.05)
            waiting = links.Background(session.get, url)
            one.close()
            assert waiting.result().ok


def test_many_threads():
    with kit.serving() as server, http.Session(keep=3, trust_env=False) as session:

        def work(number):
            for turn in range(5):
                path = f"/{number}/{turn}"
                assert session.get(server.url + path).json()["path"] == path

        threads = [links.Background(work, number) for number in range(6)]
        for thread in threads:
            thread.result()
        assert 1 <= len(session._pool) <= 3


def ask_in_a_child(session, url, pipe):
    pipe.send((session.get(url).json()["peer"], os.getpid()))
    pipe.close()


def test_a_forked_child_has_connections_of_its_own():
    with kit.serving() as server, http.Session(trust_env=False) as session:
        ours = session.get(server.url).json()["peer"]
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        child = context.Process(target=ask_in_a_child, args=(session, server.url, there))
        child.start()
        there.close()
        theirs, _ = here.recv()
        here.close()
        child.join()
        child.close()
        assert theirs != ours
        assert session.get(server.url).json()["peer"] == ours


def test_hosts_do_not_share():
    with kit.serving() as one, kit.serving() as two, http.Session(trust_env=False) as session:
        for server in (one, two, one, two):
            said = session.get(server.url).json()
            assert said["headers"]["host"] == f"127.0.0.1:{server.port}"
        assert len(session._pool) == 2
