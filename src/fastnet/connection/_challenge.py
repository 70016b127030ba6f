"""The handshake of multiprocessing.connection: who has the key?

Each end challenges the other with random bytes, and the answer is their HMAC
under the key.  There are two dialects, and each message tells by its length
which one it is of (CPython 3.12, multiprocessing/connection.py):

    Python 3.12 and later   challenge {sha256} and 40 bytes, answer {sha256} and 32
    Python 3.11 and before  challenge 20 bytes, answer the 16 bytes of HMAC-MD5

The steps are generators that do no I/O: each yields what is to be sent and
whether an answer is wanted, and is sent the answer.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Generator
from typing import Any

from fastnet.errors import AuthenticationError

__all__ = [
    "CHALLENGE",
    "FAILURE",
    "MESSAGE_LENGTH",
    "MOST",
    "WELCOME",
    "Steps",
    "answer_challenge",
    "answering",
    "check_digest",
    "check_key",
    "deliver_challenge",
    "delivering",
]

MESSAGE_LENGTH = 40  # bytes of a challenge; more than 20, which would mean the older dialect
CHALLENGE = _CHALLENGE = b"#CHALLENGE#"
WELCOME = _WELCOME = b"#WELCOME#"
FAILURE = _FAILURE = b"#FAILURE#"
MOST = 256  # bytes of any message before the peer is known

_ALLOWED_DIGESTS = frozenset({b"md5", b"sha256", b"sha384", b"sha3_256", b"sha3_384"})
_MAX_DIGEST_LEN = max(map(len, _ALLOWED_DIGESTS))
_MD5ONLY_MESSAGE_LENGTH = 20
_MD5_DIGEST_LEN = 16
_LEGACY_LENGTHS = (_MD5ONLY_MESSAGE_LENGTH, _MD5_DIGEST_LEN)

_STRENGTH = {"md5": 0, "sha256": 1, "sha3_256": 1, "sha384": 2, "sha3_384": 2}

Steps = Generator[tuple[bytes | None, bool], bytes, None]


def check_key(authkey: Any) -> None:
    """TypeError unless it is None or bytes; the standard library takes any of those."""
    if authkey is not None and not isinstance(authkey, bytes):
        raise TypeError("authkey should be a byte string")


def check_digest(name: str | None) -> None:
    """ValueError for what is no digest that the protocol knows."""
    if name is not None and name not in _STRENGTH:
        raise ValueError(f"min_digest must be one of {', '.join(_STRENGTH)}, not {name!r}")


def _get_digest_name_and_payload(message: bytes) -> tuple[str, bytes]:
    """The digest that a challenge or an answer names, "" in the older dialect, and the rest."""
    if len(message) in _LEGACY_LENGTHS:
        return "", message
    end = message.find(b"}", 1, _MAX_DIGEST_LEN + 2)
    if message.startswith(b"{") and end > 0 and message[1:end] in _ALLOWED_DIGESTS:
        return message[1:end].decode("ascii"), message[end + 1 :]
    raise AuthenticationError(
        f"unsupported message length, missing digest prefix, or unsupported digest "
        f"in a message of {len(message)} bytes"
    )


def _refuse_weak(digest: str, least: str | None) -> None:
    if least is not None and _STRENGTH[digest] < _STRENGTH[least]:
        raise AuthenticationError(f"the peer uses {digest}, and min_digest is {least}")


def _create_response(authkey: bytes, message: bytes, least: str | None = None) -> bytes:
    """The answer to a challenge, in the dialect that the challenge is of."""
    digest = _get_digest_name_and_payload(message)[0]
    _refuse_weak(digest or "md5", least)
    if not digest:
        try:
            return hmac.new(authkey, message, "md5").digest()
        except ValueError:  # no MD5 here: the newer dialect is the best that can be done
            digest = "sha256"
    return b"{%s}%s" % (digest.encode("ascii"), hmac.new(authkey, message, digest).digest())


def _verify_challenge(
    authkey: bytes, message: bytes, response: bytes, least: str | None = None
) -> None:
    """AuthenticationError unless response is the answer to message."""
    name, mac = _get_digest_name_and_payload(response)
    digest = name or "md5"
    _refuse_weak(digest, least)
    try:
        expected = hmac.new(authkey, message, digest).digest()
    except ValueError:
        raise AuthenticationError(f"the digest {digest} is not available here") from None
    if len(expected) != len(mac):
        raise AuthenticationError(f"expected {digest!r} of length {len(expected)} got {len(mac)}")
    if not hmac.compare_digest(expected, mac):
        raise AuthenticationError("digest received was wrong")


def delivering(authkey: bytes, digest: str = "sha256", least: str | None = None) -> Steps:
    """The steps of the end that challenges."""
    challenge = b"{%s}%s" % (digest.encode("ascii"), os.urandom(MESSAGE_LENGTH))
    response = yield _CHALLENGE + challenge, True
    try:
        _verify_challenge(authkey, challenge, response, least)
    except AuthenticationError:
        yield _FAILURE, False
        raise
    yield _WELCOME, False


def answering(authkey: bytes, least: str | None = None) -> Steps:
    """The steps of the end that is challenged."""
    message = yield None, True
    if not message.startswith(_CHALLENGE):
        raise AuthenticationError("the peer does not begin with a challenge")
    challenge = message[len(_CHALLENGE) :]
    if len(challenge) < _MD5ONLY_MESSAGE_LENGTH:
        raise AuthenticationError(f"challenge too short: {len(challenge)} bytes")
    verdict = yield _create_response(authkey, challenge, least), True
    if verdict != _WELCOME:
        raise AuthenticationError("digest sent was rejected")


def _run(steps: Steps, connection: Any) -> None:
    try:
        data, wanted = next(steps)
        while True:
            if data is not None:
                connection.send_bytes(data)
            answer = connection.recv_bytes(MOST) if wanted else b""
            data, wanted = steps.send(answer)
    except StopIteration:
        pass


def _check_bytes(authkey: Any) -> None:
    if not isinstance(authkey, bytes):
        raise ValueError(f"Authkey must be bytes, not {type(authkey)!s}")


def deliver_challenge(connection: Any, authkey: bytes, digest_name: str = "sha256") -> None:
    """Challenges the peer of a connection.

    Parameters:
        connection: anything with send_bytes and recv_bytes.
        digest_name: what the challenge asks for.

    Raises:
        AuthenticationError: the peer does not have the key.
        ValueError: authkey is not bytes.
    """
    _check_bytes(authkey)
    _run(delivering(authkey, digest_name), connection)


def answer_challenge(connection: Any, authkey: bytes) -> None:
    """Answers the challenge of a connection's peer; parameters and errors as deliver_challenge."""
    _check_bytes(authkey)
    _run(answering(authkey), connection)
