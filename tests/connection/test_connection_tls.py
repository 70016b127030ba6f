"""fastnet.connection over TLS."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import select
import signal
import socket
import struct
import threading
from multiprocessing.connection import ConnectionWrapper

import numpy as np
import pytest

from connection_kit import HOME, KEY
from fastnet import AuthenticationError
from fastnet.connection import BufferTooShort, Client, Listener, TLSConnection, wait
from links import SOON, Background, wait_until


@pytest.fixture
def pair(keep, certificates):
    listener = keep(Listener(HOME, authkey=KEY, ssl_context=certificates.server))
    connecting = Background(
        Client, listener.address, authkey=KEY, ssl_context=certificates.client, timeout=SOON
    )
    accepted = keep(listener.accept(SOON))
    return keep(connecting.result()), accepted


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 3_000_000])
def test_messages(pair, size):
    one, two = pair
    data = os.urandom(size)
    for source, target in [(one, two), (two, one)]:
        sending = Background(source.send_bytes, data)
        assert target.recv_bytes() == data
        sending.result()
        sending = Background(source.send_bytes, data)
        room = bytearray(size + 3)
        assert target.recv_bytes_into(room, 3) == size
        assert room[3:] == data
        sending.result()


def test_objects(pair):
    one, two = pair
    for value in (None, [1, "a"], np.arange(200_000), b"x" * 100_000):
        sending = Background(one.send, value)
        received = two.recv()
        sending.result()
        assert np.array_equal(received, value)


def test_both_ways_at_once(pair):
    one, _two = pair
    data = os.urandom(2_000_000)
    sending = [Background(end.send_bytes, data) for end in pair]
    receiving = [Background(end.recv_bytes) for end in pair]
    for each in receiving:
        assert each.result() == data
    for each in sending:
        each.result()
    assert isinstance(one, TLSConnection)
    assert (one.readable, one.writable, one.closed) == (True, True, False)


def test_poll_and_wait_know_what_was_decrypted(pair):
    one, two = pair
    assert two.poll() is False
    assert two.poll(0.01) is False
    assert wait([two], 0.01) == []
    one.send(1)
    one.send(2)
    one.send_bytes(b"3")
    assert wait([two], SOON) == [two]
    assert two.poll(SOON) is True
    assert two.recv() == 1  # and the others lie decrypted in memory
    assert wait([two], 0) == [two]
    assert two.poll() is True
    assert two.recv() == 2
    assert two.recv_bytes() == b"3"
    assert two.poll() is False
    quiet, its_peer = socket.socketpair()
    with quiet, its_peer:
        assert wait([two, quiet], 0.01) == []
        its_peer.sendall(b"x")
        assert wait([two, quiet], SOON) == [quiet]


def test_ends(pair):
    one, two = pair
    one.close()
    one.close()
    assert one.closed
    assert two.poll(SOON) is True
    for _ in range(2):
        with pytest.raises(EOFError):
            two.recv()
    for call in (one.recv, one.fileno, one.poll, lambda: one.send(1)):
        with pytest.raises(OSError, match="handle is closed"):
            call()


def test_a_message_cut_short(pair):
    one, two = pair
    one._write(memoryview(struct.pack("!i", 100) + b"half"))
    one.close()
    with pytest.raises(OSError, match="end of file during message"):
        two.recv_bytes()
    with pytest.raises(OSError, match="stopped inside a message"):
        two.recv_bytes()


@pytest.mark.parametrize("head", [struct.pack("!i", 11), struct.pack("!iQ", -1, 1 << 40)])
def test_lengths_that_are_not_accepted(pair, head):
    one, two = pair
    one._write(memoryview(head))
    with pytest.raises(OSError, match="bad message length"):
        two.recv_bytes(10)
    with pytest.raises(OSError, match="write-only"):
        two.recv_bytes()


def test_negative_lengths(pair):
    one, two = pair
    one._write(memoryview(struct.pack("!i", -2)))
    with pytest.raises(OSError, match="below -1"):
        two.recv()


def test_arguments(pair):
    one, two = pair
    for arguments in [(4,), (0, 4), (-1,), (0, -1)]:
        with pytest.raises(ValueError):
            one.send_bytes(b"abc", *arguments)
    with pytest.raises(ValueError):
        two.recv_bytes(-1)
    one.send_bytes(b"hello", 1, 3)
    with pytest.raises(ValueError):
        two.recv_bytes_into(bytearray(3), 4)
    with pytest.raises(TypeError):
        two.recv_bytes_into(b"abc")
    with pytest.raises(BufferTooShort) as caught:
        two.recv_bytes_into(bytearray(3), 1)
    assert caught.value.args == (b"ell",)


def test_it_stays_in_its_process(pair):
    with pytest.raises(TypeError, match="cannot be sent to another process"):
        multiprocessing.reduction.ForkingPickler.dumps(pair[0])
    with pytest.raises(TypeError):
        pickle.dumps(pair[0])


def test_allowed(keep, certificates):
    listener = keep(Listener(HOME, ssl_context=certificates.server, allowed=[]))
    connecting = Background(Client, listener.address, ssl_context=certificates.client)
    accepted = keep(listener.accept(SOON))
    client = keep(connecting.result())
    client.send(os.system)
    with pytest.raises(pickle.UnpicklingError, match="'system' of 'posix'"):
        accepted.recv()
    client.send([1])
    assert accepted.recv() == [1]


def test_strangers(keep, certificates):
    """No TLS, another authority, a wrong key, silence: none is in the way."""
    listener = keep(Listener(HOME, authkey=KEY, ssl_context=certificates.server))
    for _ in range(5):
        keep(socket.create_connection(listener.address))  # silent
    plain = keep(socket.create_connection(listener.address))
    plain.sendall(b"\0\0\0\5hello")
    with pytest.raises(AuthenticationError, match="TLS"):
        listener.accept(SOON)
    connecting = Background(
        Client, listener.address, authkey=KEY, ssl_context=certificates.stranger
    )
    with pytest.raises(AuthenticationError):
        listener.accept(SOON)
    with pytest.raises(OSError, match="certificate verify failed"):
        connecting.result()
    connecting = Background(
        Client, listener.address, authkey=b"wrong", ssl_context=certificates.client
    )
    with pytest.raises(AuthenticationError, match="digest received was wrong"):
        listener.accept(SOON)
    with pytest.raises(AuthenticationError):
        connecting.result()
    connecting = Background(Client, listener.address, authkey=KEY, ssl_context=certificates.client)
    with listener.accept(SOON) as accepted, connecting.result() as client:
        client.send("on")
        assert accepted.recv() == "on"


def test_client_certificates(keep, certificates):
    listener = keep(Listener(HOME, ssl_context=certificates.demanding))
    connecting = Background(Client, listener.address, ssl_context=certificates.known)
    with listener.accept(SOON) as accepted, connecting.result() as client:
        client.send("on")
        assert accepted.recv() == "on"
    connecting = Background(Client, listener.address, ssl_context=certificates.client)
    with pytest.raises(AuthenticationError, match="TLS"):
        listener.accept(SOON)
    with contextlib.suppress(OSError):  # TLS 1.3 tells the client later
        connecting.result().close()


class Interrupt(Exception):
    """What the signal handler raises."""


@contextlib.contextmanager
def interrupted():
    """A signal comes while the block waits."""

    def handler(number, frame):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)  # again, should the block not wait yet
    try:
        with pytest.raises(Interrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_between_messages_loses_nothing(pair):
    one, two = pair
    message = struct.pack("!i", 3) + b"abc"
    for cut in (0, 1, 3):  # inside the length, too
        one._write(memoryview(message[:cut]))
        with interrupted():
            two.recv_bytes()
        one._write(memoryview(message[cut:]))
        assert two.recv_bytes() == b"abc"


def test_polling_beside_a_receiver_changes_no_order(pair):
    one, two = pair
    over = threading.Event()

    def look():
        while not over.is_set():
            two.poll()

    looking = Background(look)
    messages = [bytes([n % 256]) * (n * 37 % 5000) for n in range(600)]
    sending = Background(lambda: [one.send_bytes(message) for message in messages])
    try:
        for message in messages:
            assert two.recv_bytes() == message
    finally:
        over.set()
        looking.result()
    sending.result()


def test_polling_takes_nothing_from_a_waiting_receiver(pair, monkeypatch):
    one, two = pair

    def wait(self, sock, events, seconds):
        """A message, and another thread's look at it, come just before the socket is waited for."""
        one.send_bytes(b"abc")
        assert Background(two.poll, SOON).result()
        poller = select.poll()
        poller.register(sock, events)
        assert poller.poll(SOON * 1000)

    monkeypatch.setattr(type(two), "_wait", wait)
    assert two.recv_bytes() == b"abc"


def test_waiting_through_a_wrapper(pair):
    one, two = pair
    wrapped = ConnectionWrapper(two, pickle.dumps, pickle.loads)
    one.send_bytes(b"a")
    one.send_bytes(b"b")
    assert two.recv_bytes() == b"a"  # what is left was decrypted with it, or comes
    assert wait([wrapped], SOON) == [wrapped]


def test_closing_under_a_waiting_receiver(pair):
    _one, two = pair
    waiting = Background(two.recv)
    wait_until(waiting.is_alive)
    two.close()
    with pytest.raises((OSError, EOFError)):
        waiting.result()


def test_a_plain_listener_and_a_tls_client(keep, certificates):
    listener = keep(Listener(HOME, authkey=KEY))
    connecting = Background(
        Client, listener.address, authkey=KEY, ssl_context=certificates.client, timeout=SOON
    )
    with pytest.raises(AuthenticationError):
        listener.accept(SOON)
    with pytest.raises(OSError):
        connecting.result()
