"""What an end of a connection proves itself with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from fastnet._native.fn1_send import suite_codes
from fastnet.auth._keys import check_key

__all__ = ["AuthKey", "Credentials", "KeyFinder"]

_log = logging.getLogger("fastnet.auth")
_LONGEST_ID = 64  # bytes

KeyFinder = Callable[[bytes], "bytes | None"]
AuthKey = bytes | bytearray | memoryview | KeyFinder


class Credentials:
    """A key, or how to find it, and what goes with it; checked, and never shown.

    Attributes:
        key: bytes, or None where `keyring` finds it.
        keyring: key id to key or None, without raising; or None.
        key_id: of a client.
        suites: one byte each, as fn1 numbers them; empty for the default.
    """

    __slots__ = ("key", "key_id", "keyring", "suites")

    def __init__(
        self,
        key: bytes | None,
        keyring: KeyFinder | None = None,
        key_id: bytes = b"",
        suites: Sequence[str] | None = None,
    ) -> None:
        self.key = key
        self.keyring = keyring
        self.key_id = key_id
        self.suites = b"" if suites is None else suite_codes(suites)

    @classmethod
    def of_client(
        cls, authkey: AuthKey | None, key_id: bytes | str = b"", suites: Sequence[str] | None = None
    ) -> Credentials | None:
        """Those of an end that connects; None without a key.

        Raises:
            TypeError, ValueError: not a key, an id or suites.
        """
        identity = key_id.encode() if isinstance(key_id, str) else bytes(key_id)
        if len(identity) > _LONGEST_ID:
            raise ValueError(f"a key id has at most {_LONGEST_ID} bytes, not {len(identity)}")
        if authkey is None:
            if identity or suites is not None:
                raise ValueError("key_id and suites are of no use without authkey")
            return None
        if callable(authkey):
            raise TypeError("a client's key is bytes: only a listener can look keys up by id")
        return cls(check_key(authkey), None, identity, suites)

    @classmethod
    def of_server(
        cls, authkey: AuthKey | None, suites: Sequence[str] | None = None
    ) -> Credentials | None:
        """Those of an end that listens; None without a key.

        Raises:
            TypeError, ValueError: not a key, or not suites.
        """
        if authkey is None:
            if suites is not None:
                raise ValueError("suites are of no use without authkey")
            return None
        if callable(authkey):
            return cls(None, _Finder(authkey), suites=suites)
        return cls(check_key(authkey), suites=suites)

    def options(self) -> dict[str, Any]:
        """As a link takes them (`fastnet._native.fn1.Link`)."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return "<fastnet.auth.Credentials>"


class _Finder:
    """A program's look-up of keys, of which a peer must not see the troubles."""

    __slots__ = ("_find",)

    def __init__(self, find: KeyFinder) -> None:
        self._find = find

    def __call__(self, key_id: bytes) -> bytes | None:
        try:
            key = self._find(key_id)
            return None if key is None else check_key(key)
        except Exception:
            _log.exception("looking up the key of a peer failed; the peer is refused")
            return None
