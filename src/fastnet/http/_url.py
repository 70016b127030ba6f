"""URLs: what is asked of whom (RFC 3986, RFC 9110 4.2)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote, urljoin, urlsplit

from fastnet.http.exceptions import InvalidURL

__all__ = ["URL", "encode_params", "join", "parse"]

_CONTROLS = re.compile(r"[\x00-\x20\x7f]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# What may stand in a path or query as it is; "%" because escapes are normal by then.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class URL(NamedTuple):
    """A URL in its parts.

    Attributes:
        text: the whole, normalised, without user and password.
        scheme: "http" or "https".
        host: in ASCII, without brackets.
        port: number.
        authority: as the Host header has it.
        target: path and query, as the request line has them.
        fragment: without "#"; never sent.
        userinfo: (user, password), or None.
    """

    text: str
    scheme: str
    host: str
    port: int
    authority: str
    target: str
    fragment: str
    userinfo: tuple[str, str] | None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who is asked."""
        return self.scheme, self.host, self.port


def parse(url: Any, params: Any = None) -> URL:
    """Takes a URL apart.

    Parameters:
        url: text or ASCII bytes, of http or https.
        params: what to add to the query, as `encode_params` takes it.

    Raises InvalidURL.
    """
    text = url.decode("ascii", "replace") if isinstance(url, bytes) else str(url)
    bad = _CONTROLS.search(text)
    if bad is not None:
        raise InvalidURL(f"{text!r}: a URL may not have {bad[0]!r} in it; escape it as "
                         f"%{ord(bad[0]):02X}")  # fmt: skip
    match = _SCHEME.match(text)
    if match is None:
        raise InvalidURL(f"{text!r} has no scheme; is http://{text} meant?")
    if match[1].lower() not in _PORTS:
        raise InvalidURL(f"{text!r}: only http and https can be asked for, not {match[1]}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidURL(f"{text!r}: {error}") from None
    if text[match.end() : match.end() + 2] != "//" or not parts.hostname:
        raise InvalidURL(f"{text!r} names no host")
    if "\\" in parts.netloc:
        raise InvalidURL(f"{text!r}: a host may not have a backslash in it")
    if port == 0:
        raise InvalidURL(f"{text!r}: there is no port 0")
    scheme = parts.scheme
    host = _host(parts.netloc, parts.hostname, text)
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    authority = shown if port in (None, _PORTS[scheme]) else f"{shown}:{port}"
    query = parts.query
    if params:
        more = encode_params(params)
        query = f"{query}&{more}" if query and more else query or more
    target = _without_dots(_normal(parts.path)) or "/"
    if query:
        target += "?" + _normal(query)
    fragment = _normal(parts.fragment)
    whole = f"{scheme}://{authority}{target}{'#' + fragment if fragment else ''}"
    return URL(whole, scheme, host, port or _PORTS[scheme], authority, target, fragment,
               _userinfo(parts))  # fmt: skip


def _normal(text: str) -> str:
    """With everything escaped that must be, and no letter, digit or "-._~" (RFC 3986 6.2.2).

    Where a "%" escapes nothing, the text was not escaped at all.
    """
    if "%" in text:
        if "" in _ESCAPE.findall(text):
            text = text.replace("%", "%25")
        else:
            text = _ESCAPE.sub(_plainer, text)
    return quote(text, _SAFE)


def _plainer(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    return char if char in _UNRESERVED else escape[0].upper()


def _without_dots(path: str) -> str:
    """A path without "." and ".." (RFC 3986 5.2.4)."""
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _userinfo(parts: Any) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _host(netloc: str, host: str, text: str) -> str:
    """The host as the system's look-up and the Host header take it."""
    if "[" in netloc:
        address, _, zone = host.partition("%")
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            raise InvalidURL(f"{text!r}: [{host}] is no IPv6 address") from None
        zone = zone.removeprefix("25")  # RFC 6874
        if zone and not re.fullmatch(r"[A-Za-z0-9_.-]+", zone):
            raise InvalidURL(f"{text!r}: {zone!r} is no zone")
        return f"{address}%{zone}" if zone else address
    if not host.isascii():
        host = _to_ascii(host, text)
    if not _HOST.fullmatch(host) or ".." in host or len(host) > 254:
        raise InvalidURL(f"{text!r}: {host!r} is no host name")
    if any(len(label) > 63 for label in host.split(".")):
        raise InvalidURL(f"{text!r}: a part of the host name is longer than 63 characters")
    return host


def _to_ascii(host: str, text: str) -> str:
    """An internationalised name as its A-labels: IDNA 2008 where idna is installed."""
    try:
        try:
            import idna
        except ImportError:  # the standard library's, which is IDNA 2003
            return host.encode("idna").decode("ascii").lower()
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise InvalidURL(f"{text!r}: {host!r} is no host name ({error})") from None


def join(base: URL, location: str) -> URL:
    """Where a redirect leads; a fragment is kept where the new place has none of its own.

    Raises InvalidURL for a place that is none.
    """
    try:
        place = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        place = location
    place = place.replace(" ", "%20")  # which many servers forget to do
    try:
        # urljoin would drop what parse refuses.
        absolute = _SCHEME.match(place) or _CONTROLS.search(place)
        url = parse(place if absolute else urljoin(base.text, place))
    except ValueError as error:
        raise InvalidURL(f"a redirect leads nowhere: {error}") from None
    if base.fragment and "#" not in place:
        url = url._replace(text=f"{url.text}#{base.fragment}", fragment=base.fragment)
    return url


def encode_params(params: Any) -> str:
    """A query: text as it is; mappings and pairs url-encoded, None left out, lists repeated."""
    if isinstance(params, bytes):
        return params.decode("ascii")
    if isinstance(params, str):
        return params
    pairs = params.items() if isinstance(params, Mapping) else params
    if not isinstance(pairs, Iterable):
        raise TypeError(f"parameters must be text, a mapping or pairs, not {type(params).__name__}")
    parts: list[str] = []
    for name, values in pairs:
        if values is None:
            continue
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            values = (values,)
        key = _escaped(name)
        parts.extend(f"{key}={_escaped(value)}" for value in values if value is not None)
    return "&".join(parts)


def _escaped(value: Any) -> str:
    return quote_plus(value if isinstance(value, (str, bytes)) else str(value))
