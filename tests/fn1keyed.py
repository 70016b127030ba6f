"""fn1 with a key by hand: a second implementation, for tests only.

Written from the text of docs/protocol-fn1.md with hashlib, hmac and, for GMAC,
cryptography's AES-GCM, so that a mistake in the core cannot hide in its mirror.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import fn1wire
from fn1wire import DATA, ERROR, HEAD, INLINE, MESSAGE, PONG, PREFACE, Frame, Wire, extension

AUTH = 9
KEYED = 1
KEY_ID, SUITES, NONCE, PROOF, REFUSED = 2, 3, 4, 5, 6
HMAC_SHA256, AES_256_GMAC = 1, 2
NAMES = {HMAC_SHA256: "hmac-sha256", AES_256_GMAC: "aes-256-gmac"}
SHORT_MAX, CHUNK, TAG = 16 * 1024, 256 * 1024, 16
SHORT_FRAME, LONG_HEAD, PART = 1, 2, 3
REKEY_TAGS, REKEY_BYTES = 1 << 20, 1 << 36


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt: bytes, key: bytes) -> bytes:
    return mac(salt, key)


def expand(secret: bytes, info: bytes, length: int = 32) -> bytes:
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = mac(secret, block + info + bytes([number]))
        out, number = out + block, number + 1
    return out[:length]


def psk_of(key: bytes) -> bytes:
    return extract(b"fn1 psk", key)


# ---------------------------------------------------------------------- handshake


def hello(
    key: bytes,
    *,
    key_id: bytes = b"",
    suites: tuple[int, ...] = (AES_256_GMAC, HMAC_SHA256),
    nonce: bytes | None = None,
    extensions: bytes = fn1wire.ARRAYS,
    flags: int = KEYED,
    **options: Any,
) -> bytes:
    """The client's preface."""
    ext = extensions + extension(KEY_ID, key_id) + extension(SUITES, bytes(suites))
    ext += extension(NONCE, os.urandom(32) if nonce is None else nonce)
    draft = fn1wire.preface(
        b"C", flags=flags, extensions=ext + extension(PROOF, bytes(32)), **options
    )
    binder = mac(expand(psk_of(key), b"fn1 binder"), draft[:-32])
    return draft[:-32] + binder


class Keys(NamedTuple):
    suite: int
    client: bytes
    server: bytes
    server_proof: bytes
    client_proof: bytes


def derive(key: bytes, suite: int, client: bytes, server: bytes) -> Keys:
    """From both prefaces; of the server's, the last 32 bytes do not count."""
    th = hashlib.sha256(client + server[:-32]).digest()
    prk = extract(th, psk_of(key))

    def label(use: str) -> bytes:
        return expand(prk, f"fn1 {NAMES[suite]} {use}".encode())

    return Keys(
        suite,
        label("client"),
        label("server"),
        mac(label("server proof"), th),
        mac(label("client proof"), th),
    )


def reply(
    key: bytes,
    client: bytes,
    suite: int,
    *,
    nonce: bytes | None = None,
    extensions: bytes = fn1wire.ARRAYS,
    **options: Any,
) -> tuple[bytes, Keys]:
    """The server's preface."""
    ext = extensions + extension(SUITES, bytes([suite]))
    ext += extension(NONCE, os.urandom(32) if nonce is None else nonce)
    draft = fn1wire.preface(
        b"S", flags=KEYED, extensions=ext + extension(PROOF, bytes(32)), **options
    )
    keys = derive(key, suite, client, draft)
    return draft[:-32] + keys.server_proof, keys


# --------------------------------------------------------------------------- tags


class Seal:
    """One direction's tags."""

    def __init__(self, suite: int, secret: bytes) -> None:
        self.suite, self.secret = suite, secret
        self.counter = self.tags = self.bytes = 0

    def tag(self, kind: int, data: bytes) -> bytes:
        if self.tags >= REKEY_TAGS or self.bytes >= REKEY_BYTES:
            self.secret = expand(self.secret, b"fn1 rekey")
            self.tags = self.bytes = 0
        nonce = struct.pack("<IQ", kind, self.counter)
        key = expand(self.secret, b"fn1 key")
        self.counter, self.tags, self.bytes = (
            self.counter + 1,
            self.tags + 1,
            self.bytes + len(data),
        )
        if self.suite == HMAC_SHA256:
            return mac(key, nonce + data)[:TAG]
        iv = bytes(a ^ b for a, b in zip(expand(self.secret, b"fn1 iv", 12), nonce, strict=True))
        return AESGCM(key).encrypt(iv, b"", data)

    def frame(self, frame: bytes) -> bytes:
        """A frame as fn1wire makes it, with its tags."""
        head, payload = frame[: HEAD.size], frame[HEAD.size :]
        if len(payload) <= SHORT_MAX:
            return frame + self.tag(SHORT_FRAME, frame)
        out = head + self.tag(LONG_HEAD, head)
        step = len(payload) if head[0] == MESSAGE else CHUNK
        for at in range(0, len(payload), step):
            part = payload[at : at + step]
            out += part + self.tag(PART, part)
        return out


def message(head: bytes, body: bytes, *, number: int = 0) -> list[bytes]:
    """An array's message as frames that may be tagged."""
    wrapped = fn1wire.envelope(head, (len(body),))
    if len(wrapped) + len(body) <= SHORT_MAX:
        return [fn1wire.frame(MESSAGE, wrapped + body, flags=INLINE, message=number)]
    out = [fn1wire.frame(MESSAGE, wrapped, message=number)]
    for at in range(0, len(body), 1 << 20):
        out.append(fn1wire.frame(DATA, body[at : at + (1 << 20)], message=number, offset=at))
    return out


def array(value: Any, *, number: int = 0) -> list[bytes]:
    head = fn1wire.header(fn1wire.describe(value.dtype), value.shape)
    return message(head, value.tobytes(), number=number)


class Keyed(Wire):
    """One end of a keyed connection; `shake` or `answer` comes first."""

    sealing: Seal
    opening: Seal

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.pongs: list[int] = []  # what they answered; they may come anywhere

    def raw_preface(self) -> bytes:
        fixed = self.read(PREFACE.size)
        return fixed + self.read(struct.unpack_from("<H", fixed, 8)[0])

    def shake(self, key: bytes, **options: Any) -> None:
        """As the client."""
        first = hello(key, **options)
        self.sock.sendall(first)
        answer = self.raw_preface()
        found = extensions_of(answer)
        assert REFUSED not in found, found[REFUSED]
        keys = derive(key, found[SUITES][0], first, answer)
        assert found[PROOF] == keys.server_proof == answer[-32:]
        self.sealing = Seal(keys.suite, keys.client)
        self.opening = Seal(keys.suite, keys.server)
        self.send(fn1wire.frame(AUTH, keys.client_proof))

    def answer(self, key: bytes, suite: int, **options: Any) -> bytes:
        """As the server; the key id that was named."""
        first = self.raw_preface()
        found = extensions_of(first)
        assert found[PROOF] == mac(expand(psk_of(key), b"fn1 binder"), first[:-32])
        assert suite in found[SUITES]
        mine, keys = reply(key, first, suite, **options)
        self.sock.sendall(mine)
        self.sealing = Seal(suite, keys.server)
        self.opening = Seal(suite, keys.client)
        proof = self.frame()
        assert (proof.kind, proof.payload) == (AUTH, keys.client_proof)
        return found[KEY_ID]

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(self.sealing.frame(one) for one in frames))

    def frame(self) -> Frame:
        """The next frame that is no PONG."""
        while (got := self._frame()).kind == PONG:
            self.pongs.append(got.offset)
        return got

    def _frame(self) -> Frame:
        head = self.read(HEAD.size)
        kind, flags, zero, stream, length, number, offset = HEAD.unpack(head)
        assert zero == 0
        if length <= SHORT_MAX:
            payload = self.read(length)
            self._check(SHORT_FRAME, head + payload)
        else:
            self._check(LONG_HEAD, head)
            payload = b""
            step = length if kind == MESSAGE else CHUNK
            while len(payload) < length:
                part = self.read(min(step, length - len(payload)))
                self._check(PART, part)
                payload += part
        return Frame(kind, flags, stream, number, offset, payload)

    def _check(self, kind: int, data: bytes) -> None:
        assert self.read(TAG) == self.opening.tag(kind, data)

    def error(self) -> tuple[int, str]:
        got = self.frame()
        assert got.kind == ERROR, got
        return struct.unpack_from("<I", got.payload)[0], got.payload[4:].decode()


def extensions_of(preface: bytes) -> dict[int, bytes]:
    rest, found = preface[PREFACE.size :], {}
    while rest:
        kind, size = struct.unpack_from("<HH", rest)
        found.setdefault(kind, rest[4 : 4 + size])
        rest = rest[4 + size :]
    return found
