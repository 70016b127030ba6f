"""`fastnet.auth`'s challenges: the recipe's wire, the mutual form, and peers that misbehave."""

from __future__ import annotations

import contextlib
import hmac
import multiprocessing
import os
import socket
import struct
from multiprocessing import connection as mp

import pytest

import links
from fastnet import errors
from fastnet.auth import (
    client_authenticate,
    mutual_client_authenticate,
    mutual_server_authenticate,
    server_authenticate,
)

KEY = b"0123456789abcdef"
WIRES = ["tcp4", "unix", "tls", "pipe", "listener"]
SOCKETS = ["tcp4", "tls"]
FRAMES = ["pipe", "listener"]


@pytest.fixture
def ends(keep, certificates):
    """ends(kind) gives two connected ends."""

    def ends(kind):
        if kind == "pipe":
            one, two = multiprocessing.Pipe()
        elif kind == "listener":
            with mp.Listener(("127.0.0.1", 0)) as listener:
                connecting = links.Background(mp.Client, listener.address)
                two = listener.accept()
            one = connecting.result()
        else:
            one, two = links.socket_pair(kind, certificates)
        return keep(one), keep(two)

    return ends


# ------------------------------------------------- the recipe, with its digest named


def recipe_client_authenticate(connection, secret_key):
    message = connection.recv(32)
    hash = hmac.new(secret_key, message, "sha256")
    digest = hash.digest()
    connection.send(digest)


def recipe_server_authenticate(connection, secret_key):
    message = os.urandom(32)
    connection.send(message)
    hash = hmac.new(secret_key, message, "sha256")
    digest = hash.digest()
    response = connection.recv(len(digest))
    return hmac.compare_digest(digest, response)


@pytest.mark.parametrize("kind", ["tcp4", "unix", "tls"])
@pytest.mark.parametrize("key", [KEY, b"peekaboo", b"x" * 200])
def test_either_end_may_be_the_recipe(ends, kind, key):
    client, server = ends(kind)
    proving = links.Background(recipe_client_authenticate, client, key)
    assert server_authenticate(server, key)
    proving.result()
    asking = links.Background(recipe_server_authenticate, server, key)
    assert client_authenticate(client, key) is None
    assert asking.result() is True
    asking = links.Background(recipe_server_authenticate, server, key)
    client_authenticate(client, key + b"?")
    assert asking.result() is False


@pytest.mark.parametrize("kind", WIRES)
def test_the_right_key_and_a_wrong_one(ends, kind):
    client, server = ends(kind)
    for key, good in ((KEY, True), (bytearray(KEY), True), (KEY[:-1] + b"0", False)):
        proving = links.Background(client_authenticate, client, key)
        assert server_authenticate(server, memoryview(KEY)) is good
        proving.result()
    proving = links.Background(client_authenticate, client, b"another key")
    with pytest.raises(errors.AuthenticationError, match="does not have the key"):
        server_authenticate(server, KEY, check=True)
    proving.result()


@pytest.mark.parametrize("kind", WIRES)
def test_mutual(ends, kind):
    client, server = ends(kind)
    for _ in range(2):
        proving = links.Background(mutual_client_authenticate, client, KEY)
        mutual_server_authenticate(server, KEY)
        assert proving.result() is None


@pytest.mark.parametrize("kind", WIRES)
def test_mutual_with_different_keys(ends, kind):
    client, server = ends(kind)
    proving = links.Background(mutual_client_authenticate, client, KEY)
    with pytest.raises(multiprocessing.AuthenticationError, match="client does not have the key"):
        mutual_server_authenticate(server, KEY[::-1])
    server.close()  # which is all that the client learns
    with pytest.raises((errors.AuthenticationError, OSError)):
        proving.result()


def test_what_follows_is_left_unread(ends):
    client, server = ends("tcp4")
    server.sendall(bytes(32) + b"welcome")
    client_authenticate(client, KEY)
    client.sendall(b"first words")
    assert client.recv(100) == b"welcome"
    assert server.recv(32, socket.MSG_WAITALL) == hmac.digest(KEY, bytes(32), "sha256")
    assert server.recv(100) == b"first words"


@pytest.mark.parametrize("before", [None, 0.0, 3.5])
def test_the_sockets_own_timeout_stays(ends, before):
    client, server = ends("tcp4")
    server.settimeout(before)
    client.settimeout(before)
    proving = links.Background(client_authenticate, client, KEY, timeout=1e12)
    assert server_authenticate(server, KEY, timeout=None)
    proving.result()
    assert server.gettimeout() == client.gettimeout() == before


# ------------------------------------------------------------------- what is refused


def test_keys_and_timeouts_that_are_none():
    one, two = socket.socketpair()
    with links.closing(one, two):
        for function in (client_authenticate, server_authenticate):
            with pytest.raises(ValueError, match="at least 1"):
                function(one, b"")
            with pytest.raises(TypeError, match="bytes"):
                function(one, "peekaboo")
            with pytest.raises(ValueError, match="timeout"):
                function(one, KEY, timeout=-1)
            with pytest.raises(TypeError, match="a socket, or a connection"):
                function(object(), KEY)
        for function in (mutual_client_authenticate, mutual_server_authenticate):
            with pytest.raises(ValueError, match="15 bytes; at least 16"):
                function(one, KEY[:15])
    with pytest.raises(OSError):  # not a peer's doing
        server_authenticate(one, KEY, check=True)


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize("function", [mutual_client_authenticate, client_authenticate])
def test_a_silent_server(ends, kind, function):
    client, server = ends(kind)
    with pytest.raises(errors.TransferTimeout, match="in time"):
        function(client, KEY, timeout=0.05)
    del server


@pytest.mark.parametrize("kind", WIRES)
def test_a_silent_client(ends, kind):
    _client, server = ends(kind)
    assert server_authenticate(server, KEY, timeout=0.05) is False
    for function in (mutual_server_authenticate, strict_server):
        _client, server = ends(kind)
        with pytest.raises(errors.TransferTimeout):
            function(server, KEY, timeout=0.05)


def strict_server(connection, key, **options):
    assert server_authenticate(connection, key, check=True, **options)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("sent", [b"\0\0", b"\0\0\0\x20", b"\0\0\0\x20" + b"x" * 31])
def test_half_a_frame(ends, kind, sent):
    client, server = ends(kind)
    os.write(client.fileno(), sent)
    with pytest.raises(errors.TransferTimeout):
        strict_server(server, KEY, timeout=0.05)


@pytest.mark.parametrize("kind", SOCKETS)
def test_a_client_that_drips_has_no_more_time_than_others(ends, kind):
    client, server = ends(kind)
    with contextlib.ExitStack() as stack:
        asking = links.Background(strict_server, server, KEY, timeout=0.2)
        stack.callback(asking.join)
        with contextlib.suppress(OSError):
            for _ in range(31):  # one short of an answer
                client.sendall(b"x")
                asking.join(0.02)
        with pytest.raises(errors.TransferTimeout):
            asking.result()


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize("function", [strict_server, mutual_server_authenticate])
def test_a_client_that_goes_away(ends, kind, function):
    client, server = ends(kind)
    asking = links.Background(function, server, KEY)
    client.close()
    with pytest.raises((errors.AuthenticationError, OSError)):
        asking.result()
    client, server = ends(kind)
    client.close()
    assert server_authenticate(server, KEY) is False


@pytest.mark.parametrize("kind", SOCKETS)
def test_a_client_that_goes_away_in_the_middle(ends, kind):
    client, server = ends(kind)
    asking = links.Background(strict_server, server, KEY)
    client.recv(32)
    client.sendall(b"x" * 31)
    client.shutdown(socket.SHUT_WR) if kind == "tcp4" else client.close()
    with pytest.raises(errors.AuthenticationError, match="31 of 32 bytes of the client's answer"):
        asking.result()


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("size", [0, 31, 33, 1 << 20])
def test_frames_of_another_size(ends, kind, size):
    client, server = ends(kind)
    sending = links.Background(client.send_bytes, bytes(size))
    with pytest.raises(errors.AuthenticationError, match="answer is"):
        strict_server(server, KEY)
    server.close()
    with contextlib.suppress(OSError):
        sending.result()
    client, server = ends(kind)
    client.send_bytes(bytes(size)) if size < 100 else os.write(client.fileno(), b"\x7f" * 8)
    with pytest.raises(errors.AuthenticationError, match="challenge is"):
        client_authenticate(server, KEY)


@pytest.mark.parametrize("size", [-2, 0x7FFFFFFF, -1])
def test_a_claimed_length_takes_no_memory(ends, size):
    client, server = ends("pipe")
    os.write(client.fileno(), struct.pack("!iQ", size, 1 << 40))
    before = links.resident()
    with pytest.raises((errors.AuthenticationError, errors.TransferTimeout)):
        strict_server(server, KEY, timeout=1)
    assert links.growth(before) < 8 << 20


# ----------------------------------------------------------------- attacks on proofs


@pytest.mark.parametrize("kind", ["tcp4", "pipe"])
def test_reflected_proofs_are_wrong(ends, kind):
    """A peer without the key gives each end its own words back."""
    client, server = ends(kind)
    send, receive = plain(client)
    asking = links.Background(mutual_server_authenticate, server, KEY)
    nonce = receive(32)
    send(nonce + nonce)
    with pytest.raises(errors.AuthenticationError, match="client does not have"):
        asking.result()
    client, server = ends(kind)
    send, receive = plain(server)
    proving = links.Background(mutual_client_authenticate, client, KEY)
    send(bytes(32))
    send(receive(64)[32:])
    with pytest.raises(errors.AuthenticationError, match="server does not have"):
        proving.result()


@pytest.mark.parametrize("kind", ["tcp4", "pipe"])
def test_a_client_is_no_oracle_for_a_server(ends, kind):
    """What a client of the one-sided form signs is no proof in the mutual one, nor the reverse."""
    client, server = ends(kind)
    send, receive = plain(server)
    proving = links.Background(client_authenticate, client, KEY)
    send(b"fastnet auth 1 client".ljust(32, b"\0"))
    answer = receive(32)
    proving.result()
    asking = links.Background(mutual_server_authenticate, server, KEY)
    send, receive = plain(client)
    receive(32)
    send(bytes(32) + answer)
    with pytest.raises(errors.AuthenticationError):
        asking.result()


def test_a_recorded_session_is_worth_nothing(ends):
    client, server = ends("tcp4")
    proving = links.Background(mutual_client_authenticate, client, KEY)
    nonce = bytes(32)
    server.sendall(nonce)
    recorded = server.recv(64, socket.MSG_WAITALL)
    server.close()
    with pytest.raises((errors.AuthenticationError, OSError)):
        proving.result()
    client, server = ends("tcp4")
    asking = links.Background(mutual_server_authenticate, server, KEY)
    assert client.recv(32, socket.MSG_WAITALL) != nonce
    client.sendall(recorded)
    with pytest.raises(errors.AuthenticationError):
        asking.result()


def test_every_flipped_bit_is_noticed(ends):
    client, server = ends("tcp4")
    for bit in range(0, 256, 7):
        asking = links.Background(server_authenticate, server, KEY)
        challenge = client.recv(32, socket.MSG_WAITALL)
        answer = int.from_bytes(hmac.digest(KEY, challenge, "sha256"), "big") ^ (1 << bit)
        client.sendall(answer.to_bytes(32, "big"))
        assert asking.result() is False


def plain(end):
    """send and receive for either kind of end, as an attacker has them."""
    if hasattr(end, "send_bytes"):
        return end.send_bytes, lambda size: end.recv_bytes()
    return end.sendall, lambda size: end.recv(size, socket.MSG_WAITALL)


def test_no_error_holds_the_key(ends):
    client, server = ends("tcp4")
    proving = links.Background(client_authenticate, client, b"other")
    with pytest.raises(errors.AuthenticationError) as caught:
        strict_server(server, KEY)
    proving.result()
    assert KEY.decode() not in repr(caught.value) + str(caught.value.__context__)
