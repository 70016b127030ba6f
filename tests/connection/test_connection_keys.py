"""fastnet.connection: who has the key, and in which dialect."""

from __future__ import annotations

import multiprocessing
import socket
import struct

import pytest

from connection_kit import HOME, KEY, KEYS, frame, meet, message
from fastnet import AuthenticationError
from fastnet.connection import (
    Client,
    Listener,
    _create_response,
    _verify_challenge,
    answer_challenge,
    deliver_challenge,
)
from links import SOON, Background

# ------------------------------------------------------------------------------ keys


@pytest.mark.parametrize("key", KEYS, ids=len)
@pytest.mark.parametrize("address", [HOME, None], ids=["tcp", "unix"])
def test_every_key(key, address):
    with Listener(address, authkey=key) as listener:
        client, accepted = meet(listener, key)
        with client, accepted:
            client.send(1)
            assert accepted.recv() == 1
            accepted.send(2)
            assert client.recv() == 2


@pytest.mark.parametrize("wrong", [b"", b"another", KEY + b"x"])
def test_a_wrong_key(listener, wrong):
    connecting = Background(Client, listener.address, authkey=wrong)
    with pytest.raises(AuthenticationError, match="digest received was wrong") as caught:
        listener.accept(SOON)
    assert isinstance(caught.value, multiprocessing.AuthenticationError)
    assert "127.0.0.1" in str(caught.value)
    with pytest.raises(multiprocessing.AuthenticationError, match="digest sent was rejected"):
        connecting.result()
    client, accepted = meet(listener)  # and the listener goes on
    client.close()
    accepted.close()


@pytest.mark.parametrize("key", ["text", 5, bytearray(b"k"), [b"k"]])
def test_what_is_no_key(key):
    with pytest.raises(TypeError, match="byte string"):
        Listener(HOME, authkey=key)
    with pytest.raises(TypeError, match="byte string"):
        Client(("127.0.0.1", 1), authkey=key)
    for function in (answer_challenge, deliver_challenge):
        with pytest.raises(ValueError, match="must be bytes"):
            function(None, key)


def test_no_key_in_what_is_printed(listener):
    connecting = Background(Client, listener.address, authkey=b"no")
    with pytest.raises(AuthenticationError) as caught:
        listener.accept(SOON)
    with pytest.raises(AuthenticationError):
        connecting.result()
    text = f"{caught.value!r} {listener!r} {vars(caught.value)}"
    assert KEY.decode() not in text


def test_the_client_notices_a_listener_without_the_key(keep):
    server = keep(socket.create_server(HOME))
    connecting = Background(Client, server.getsockname(), authkey=KEY)
    peer = keep(server.accept()[0])
    peer.sendall(frame(b"#CHALLENGE#{sha256}" + bytes(40)))
    assert message(peer).startswith(b"{sha256}")
    peer.sendall(frame(b"#WELCOME#"))  # whatever it was
    challenge = message(peer)
    assert challenge.startswith(b"#CHALLENGE#{sha256}")
    peer.sendall(frame(b"{sha256}" + bytes(32)))
    with pytest.raises(AuthenticationError, match="digest received was wrong"):
        connecting.result()
    assert message(peer) == b"#FAILURE#"


ANSWERS = {
    "nothing": b"",
    "no prefix": bytes(32),
    "unknown digest": b"{sha512}" + bytes(64),
    "short": b"{sha256}" + bytes(31),
    "long": b"{sha256}" + bytes(33),
    "wrong": b"{sha256}" + bytes(32),
    "legacy wrong": bytes(16),
    "open brace": b"{" * 256,
    "welcome": b"#WELCOME#",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_bad_answers(listener, stranger, name):
    peer = stranger()
    accepting = Background(listener.accept, SOON)
    assert message(peer).startswith(b"#CHALLENGE#{sha256}")
    peer.sendall(frame(ANSWERS[name]))
    with pytest.raises(AuthenticationError):
        accepting.result()
    assert message(peer) == b"#FAILURE#"
    assert peer.recv(1) == b""


@pytest.mark.parametrize("length", [257, 1 << 30, -2, -(1 << 31), (-1, 257), (-1, 1 << 62)])
def test_oversized_frames_before_the_key(listener, stranger, length):
    peer = stranger()
    head = struct.pack("!i", length) if isinstance(length, int) else struct.pack("!iQ", *length)
    peer.sendall(head + bytes(500))
    with pytest.raises(AuthenticationError, match="bad message length"):
        listener.accept(SOON)


CHALLENGES = {
    "no challenge": (b"#WELCOME#", "does not begin with a challenge"),
    "empty": (b"", "does not begin"),
    "short": (b"#CHALLENGE#" + bytes(19), "too short"),
    "unknown digest": (b"#CHALLENGE#{sha512}" + bytes(40), "unsupported"),
    "no digest": (b"#CHALLENGE#" + bytes(40), "unsupported"),
}


@pytest.mark.parametrize("name", CHALLENGES)
def test_bad_challenges(keep, name):
    server = keep(socket.create_server(HOME))
    connecting = Background(Client, server.getsockname(), authkey=KEY)
    peer = keep(server.accept()[0])
    sent, words = CHALLENGES[name]
    peer.sendall(frame(sent))
    with pytest.raises(AuthenticationError, match=words):
        connecting.result()


# --------------------------------------------------------------------------- dialects


def test_responses_of_both_dialects():
    for prefix, size in [(b"", 16), (b"{md5}", 21), (b"{sha256}", 40), (b"{sha3_384}", 58)]:
        challenge = prefix + b"is-twenty-bytes-long"
        response = _create_response(KEY, challenge)
        assert len(response) == size
        _verify_challenge(KEY, challenge, response)
        with pytest.raises(AuthenticationError):
            _verify_challenge(KEY + b"x", challenge, response)


def test_a_legacy_client_is_let_in_unless_min_digest_says_no(keep):
    import hmac

    for least in (None, "md5", "sha256", "sha384"):
        with Listener(HOME, authkey=KEY, min_digest=least) as listener:
            accepting = Background(listener.accept, SOON)
            with socket.create_connection(listener.address, timeout=SOON) as peer:
                challenge = message(peer)[len(b"#CHALLENGE#") :]
                assert challenge.startswith(b"{sha384}" if least == "sha384" else b"{sha256}")
                peer.sendall(frame(hmac.new(KEY, challenge, "md5").digest()))
                if least in (None, "md5"):
                    assert message(peer) == b"#WELCOME#"
                    theirs = b"#CHALLENGE#" + bytes(20)
                    peer.sendall(frame(theirs))
                    assert message(peer) == hmac.new(KEY, bytes(20), "md5").digest()
                    peer.sendall(frame(b"#WELCOME#"))
                    accepting.result().close()
                else:
                    assert message(peer) == b"#FAILURE#"
                    with pytest.raises(AuthenticationError, match=f"min_digest is {least}"):
                        accepting.result()


@pytest.mark.parametrize("challenge", [bytes(20), b"{md5}" + bytes(40)])
def test_a_client_refuses_weak_challenges_where_min_digest_says_so(keep, challenge):
    server = keep(socket.create_server(HOME))
    connecting = Background(Client, server.getsockname(), authkey=KEY, min_digest="sha256")
    peer = keep(server.accept()[0])
    peer.sendall(frame(b"#CHALLENGE#" + challenge))
    with pytest.raises(AuthenticationError, match="the peer uses md5"):
        connecting.result()
    assert peer.recv(1) == b""  # not a byte of an answer


@pytest.mark.parametrize("least", ["sha256", "sha384", "sha3_384"])
def test_both_ends_with_min_digest(least):
    with Listener(HOME, authkey=KEY, min_digest=least) as listener:
        client, accepted = meet(listener, min_digest=least)
        client.close()
        accepted.close()


def test_unknown_digests():
    for make in (Listener, Client):
        with pytest.raises(ValueError, match="min_digest must be one of"):
            make(HOME, authkey=KEY, min_digest="crc32")
