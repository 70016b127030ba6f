"""Challenge and response over somebody else's connection, within a deadline.

The one-sided form is the recipe's, so the other end may be the recipe itself
with SHA-256:

    server -> client    challenge[32]
    client -> server    HMAC-SHA256(key, challenge)[32]

In the mutual form the client speaks first, the server proves itself only to a
client that has, and each proof covers both nonces and says whose it is:

    server -> client    nonce_s[32]
    client -> server    nonce_c[32] proof_c[32]
    server -> client    proof_s[32]
    proof_x = HMAC-SHA256(key, "fastnet auth 1 client|server" nonce_s nonce_c)

A proof sent back to where it came from has the wrong role.  A proof of the
one-sided form answers 32 bytes and a proof here covers 85, so that neither can
be had by asking for the other.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any

from fastnet.auth._wire import wire_of
from fastnet.errors import AuthenticationError

__all__ = [
    "client_authenticate",
    "mutual_client_authenticate",
    "mutual_server_authenticate",
    "server_authenticate",
]

_NONCE = 32  # bytes, of a challenge too
_PROOF = 32  # bytes of SHA-256
_LABEL = b"fastnet auth 1 "
_LEAST_KEY = 16  # bytes in the mutual form
_TIMEOUT = 5.0  # seconds; as `Limits.handshake_timeout`


def _key(secret_key: Any, least: int) -> bytes:
    if isinstance(secret_key, str):
        raise TypeError("a key is bytes; encode the text, or better, take random bytes")
    key = bytes(memoryview(secret_key))
    if len(key) < least:
        raise ValueError(f"a key of {len(key)} bytes; at least {least} are needed here")
    return key


def client_authenticate(
    connection: Any, secret_key: Any, *, timeout: float | None = _TIMEOUT
) -> None:
    """Proves to the server that this end has the key: the recipe's client.

    The server answers nothing, so that this returns whether the key was right
    or not; and whoever asks gets a proof for what it asks.  Where that
    matters, use `mutual_client_authenticate`.

    Parameters:
        connection: a connected socket, plain or TLS; or a connection with
            `send_bytes` and `recv_bytes`, as of `multiprocessing`.
        secret_key: bytes that both ends have.
        timeout: seconds for the whole exchange; None waits for ever.

    Raises:
        ValueError: the key is empty.
        AuthenticationError: what the server sent is no challenge.
        TransferTimeout: the server did not send its challenge in time.
        OSError: the connection failed.

    Source: HMAC is RFC 2104, with SHA-256 RFC 4868.
    """
    key = _key(secret_key, 1)
    with wire_of(connection, timeout) as wire:
        challenge = wire.receive(_NONCE, "the server's challenge")
        wire.send(hmac.digest(key, challenge, "sha256"))


def server_authenticate(
    connection: Any, secret_key: Any, *, timeout: float | None = _TIMEOUT, check: bool = False
) -> bool:
    """Whether the client has the key: the recipe's server.

    Parameters:
        connection: as for `client_authenticate`.
        secret_key: bytes that both ends have.
        timeout: seconds for the whole exchange; None waits for ever.
        check: raise, with the reason, instead of returning False.

    Returns:
        True, or False for a client that answered wrongly, not at all, not in
        time, or went away: no client can make a server's loop raise.

    Raises:
        ValueError: the key is empty.
        AuthenticationError: with `check`, the answer was wrong or none.
        TransferTimeout: with `check`, it did not come in time.
        OSError: with `check`, the connection failed.
    """
    key = _key(secret_key, 1)
    return _judge(lambda: _ask(connection, key, timeout), check)


def _judge(exchange: Callable[[], None], check: bool) -> bool:
    try:
        exchange()
    except (AuthenticationError, OSError):  # TransferTimeout is an OSError
        if check:
            raise
        return False
    return True


def _ask(connection: Any, key: bytes, timeout: float | None) -> None:
    challenge = os.urandom(_NONCE)
    with wire_of(connection, timeout) as wire:
        wire.send(challenge)
        answer = wire.receive(_PROOF, "the client's answer")
    if not hmac.compare_digest(answer, hmac.digest(key, challenge, "sha256")):
        raise AuthenticationError("the client does not have the key")


# --------------------------------------------------------------------------- mutual


def _proof(key: bytes, role: bytes, nonce_s: bytes, nonce_c: bytes) -> bytes:
    return hmac.digest(key, _LABEL + role + nonce_s + nonce_c, "sha256")


def mutual_client_authenticate(
    connection: Any, secret_key: Any, *, timeout: float | None = _TIMEOUT
) -> None:
    """Proves this end to the server and the server to this end.

    The other end calls `mutual_server_authenticate`.  When it returns, the
    peer had the key at that moment; afterwards the connection is as it was, and
    somebody between the ends can still change what they send.

    Parameters:
        connection: as for `client_authenticate`.
        secret_key: bytes that both ends have, at least 16.
        timeout: seconds for the whole exchange; None waits for ever.

    Raises:
        ValueError: the key is shorter than 16 bytes.
        AuthenticationError: the server does not have the key, or says that
            this end does not by ending the connection.
        TransferTimeout: the exchange was not complete in time.
        OSError: the connection failed.
    """
    key = _key(secret_key, _LEAST_KEY)
    nonce_c = os.urandom(_NONCE)
    with wire_of(connection, timeout) as wire:
        nonce_s = wire.receive(_NONCE, "the server's nonce")
        wire.send(nonce_c + _proof(key, b"client", nonce_s, nonce_c))
        answer = wire.receive(_PROOF, "the server's proof; it may have refused this end's key")
    if not hmac.compare_digest(answer, _proof(key, b"server", nonce_s, nonce_c)):
        raise AuthenticationError("the server does not have the key")


def mutual_server_authenticate(
    connection: Any, secret_key: Any, *, timeout: float | None = _TIMEOUT
) -> None:
    """The listening end of `mutual_client_authenticate`, with the same parameters.

    A client that has not proved itself gets nothing but a random nonce.

    Raises:
        ValueError: the key is shorter than 16 bytes.
        AuthenticationError: the client does not have the key.
        TransferTimeout: the exchange was not complete in time.
        OSError: the connection failed.
    """
    key = _key(secret_key, _LEAST_KEY)
    nonce_s = os.urandom(_NONCE)
    with wire_of(connection, timeout) as wire:
        wire.send(nonce_s)
        message = wire.receive(_NONCE + _PROOF, "the client's nonce and proof")
        nonce_c, proof = message[:_NONCE], message[_NONCE:]
        if not hmac.compare_digest(proof, _proof(key, b"client", nonce_s, nonce_c)):
            raise AuthenticationError("the client does not have the key")
        wire.send(_proof(key, b"server", nonce_s, nonce_c))
