"""A connection in time: deadlines, signals, threads."""

from __future__ import annotations

import functools
import signal
import socket
import threading
import time

import pytest

import fastnet
import links
from client_kit import Scripted, reply
from fastnet import http
from fastnet._native.httpconn import Connection


def test_timeouts():
    def drip(sock):
        for _ in range(200):
            try:
                sock.sendall(b"X")
            except OSError:
                return
            time.sleep(0.02)

    def silent(sock):
        sock.recv(1)

    script = [silent, (b"HTTP/1.1 200 OK\r\nX: ", drip),
              (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", silent)]  # fmt: skip
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        for _ in range(3):
            with pytest.raises(http.ReadTimeout) as caught:
                session.get(server.url, timeout=(20, 0.15))
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(ValueError):
            session.get(server.url, timeout=0)
        with pytest.raises(ValueError):
            session.get(server.url, timeout=(1, 2, 3))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(http.ReadTimeout):
            http.get(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)
    with pytest.raises(http.ConnectionError, match="port"):
        http.get(f"http://127.0.0.1:{kit_free_port()}")


def kit_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_one_at_a_time():
    with Scripted(reply(b"ab"), reply(b"cd")) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        connection = Connection(sock)
        try:
            connection.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20)
            with pytest.raises(fastnet.Error, match="not been read"):
                connection.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20)
            assert connection.read(10, 20) == b"ab"
            assert connection.exchange((b"GET / HTTP/1.1\r\n", b"Host: x\r\n\r\n"), 20) == 200
            assert connection.read(10, 20) == b"cd"
            with pytest.raises(ValueError, match="at most"):
                connection.send((b"",) * 5)
        finally:
            connection.close()
        with pytest.raises(ValueError, match="closed"):
            connection.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not connection.idle


def test_a_close_from_elsewhere():
    def silent(sock):
        sock.recv(1)

    with Scripted((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", silent)) as server:
        with http.Session(trust_env=False) as session:
            response = session.get(server.url, stream=True)
            reader = links.Background(response.read)
            links.wait_until(lambda: response._consumed)
            time.sleep(0.01)
            response.close()
            with pytest.raises((http.RequestException, ValueError)):
                reader.result()


def test_two_threads_at_one_response():
    def late(sock):
        done.wait(links.SOON)
        sock.sendall(b"12345")

    done = threading.Event()
    with Scripted((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", late)) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        connection = Connection(sock)
        try:
            connection.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 20)
            reader = links.Background(connection.read, 10, 20)
            refused = functools.partial(is_refused, connection)
            links.wait_until(refused)
            done.set()
            assert reader.result() == b"12345"
        finally:
            connection.close()


def is_refused(connection):
    try:
        connection.start()
    except RuntimeError:
        return True
    except fastnet.Error:  # the other thread is not there yet
        return False
    raise AssertionError


def test_a_signal_while_it_waits():
    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    def silent(sock):
        sock.recv(1)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with Scripted(silent, (reply(b"")[:-2], silent)) as server:
            with http.Session(trust_env=False) as session:
                for _ in range(2):
                    signal.setitimer(signal.ITIMER_REAL, 0.1)
                    with pytest.raises(Alarm):
                        session.get(server.url, timeout=None)
                assert len(session._pool) == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
