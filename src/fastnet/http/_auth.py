"""Credentials: basic (RFC 7617), digest (RFC 7616), bearer, and whatever callables do."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
from typing import Any
from urllib.parse import urlsplit

__all__ = ["BasicAuth", "BearerAuth", "DigestAuth"]

_ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
# One word of a challenge, with its value if it is a parameter.  Nothing is given back once it
# has matched, and reading goes on where it ended: the time is that of one look at each character.
_WORD = re.compile(
    r"([\w!#$%&'*+.^`|~-]++)"
    r'(?:\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]++)))?',
    re.S,
)
_LONGEST = 16 * 1024  # characters of challenges that are looked at; tokens are shorter
_MOST_ROUNDS = 1 << 20  # uses of one nonce


def basic(user: Any, password: Any) -> str:
    """The Authorization header of basic authentication, in UTF-8."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in (user, password)]
    if b":" in parts[0]:
        raise ValueError("a user name for basic authentication may not have a colon in it")
    return "Basic " + base64.b64encode(b":".join(parts)).decode("ascii")


class BasicAuth:
    """Basic authentication: user and password, readable by everyone on the way without TLS."""

    def __init__(self, username: Any, password: Any) -> None:
        self.username = username
        self.password = password
        self._header = basic(username, password)

    def __call__(self, request: Any) -> Any:
        """Puts the credentials on a request."""
        request.headers["Authorization"] = self._header
        return request


class BearerAuth:
    """A token, as OAuth 2 has it (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def __call__(self, request: Any) -> Any:
        """Puts the token on a request."""
        request.headers["Authorization"] = self._header
        return request


class DigestAuth:
    """Digest authentication: the password itself is never sent.

    Speaks MD5, SHA-256 and SHA-512-256, their "-sess" forms, and quality of
    protection "auth"; of several challenges the strongest is answered.
    """

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password
        self._lock = threading.Lock()
        self._challenge: dict[str, str] | None = None
        self._uses = 0

    def __call__(self, request: Any) -> Any:
        """Puts the answer to the last challenge on a request, if there was one."""
        with self._lock:
            if self._challenge is not None:
                request.headers["Authorization"] = self._answer(request)
        return request

    def challenged(self, request: Any, response: Any) -> bool:
        """Takes a 401's challenge; whether the request is worth sending again."""
        best = None
        for value in response.headers.get_list("WWW-Authenticate"):
            for scheme, parameters in challenges(value):
                if scheme.lower() == "digest" and _strength(parameters) > _strength(best):
                    best = parameters
        if best is None:
            return False
        tried = "Authorization" in request.headers
        with self._lock:
            if tried and best.get("stale", "").lower() != "true":
                known = self._challenge
                if known is not None and known.get("nonce") == best.get("nonce"):
                    return False  # the password is wrong
            self._challenge = best
            self._uses = 0
        return True

    def _answer(self, request: Any) -> str:
        challenge = self._challenge
        assert challenge is not None
        name = challenge.get("algorithm", "MD5").upper()
        algorithm = _ALGORITHMS[name.removesuffix("-SESS")]

        def digest(text: str) -> str:
            return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()

        if self._uses >= _MOST_ROUNDS:
            self._uses = 0
        self._uses += 1
        count, once = f"{self._uses:08x}", secrets.token_hex(16)
        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        secret = digest(f"{self.username}:{realm}:{self.password}")
        if name.endswith("-SESS"):
            secret = digest(f"{secret}:{nonce}:{once}")
        asked = digest(f"{request.method}:{target}")
        fields = {"username": self.username, "realm": realm, "nonce": nonce, "uri": target}
        bare = {"algorithm": challenge["algorithm"]} if "algorithm" in challenge else {}
        if "qop" in challenge:
            fields["response"] = digest(f"{secret}:{nonce}:{count}:{once}:auth:{asked}")
            fields["cnonce"] = once
            bare |= {"qop": "auth", "nc": count}
        else:
            fields["response"] = digest(f"{secret}:{nonce}:{asked}")
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        quoted = [f'{key}="{_quoted(value)}"' for key, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{key}={bare[key]}" for key in bare)])


def _strength(parameters: dict[str, str] | None) -> int:
    """0 for a challenge that cannot be answered, else the more the better."""
    if parameters is None or "nonce" not in parameters:
        return 0
    qop = parameters.get("qop")
    if qop is not None and "auth" not in [part.strip().lower() for part in qop.split(",")]:
        return 0
    name = parameters.get("algorithm", "MD5").upper().removesuffix("-SESS")
    return list(_ALGORITHMS).index(name) + 1 if name in _ALGORITHMS else 0


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def challenges(value: str) -> list[tuple[str, dict[str, str]]]:
    """The challenges of one WWW-Authenticate header: schemes and their parameters.

    None for one of unreasonable length.
    """
    found: list[tuple[str, dict[str, str]]] = []
    at, end = 0, len(value) if len(value) <= _LONGEST else 0
    while at < end:
        word = _WORD.match(value, at)
        if word is None:  # what stands between two words, or what is none
            at += 1
            continue
        at = word.end()
        name, quoted, bare = word.groups()
        if quoted is None and bare is None:
            found.append((name, {}))
        elif found:
            given = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1][name.lower()] = given
    return found
