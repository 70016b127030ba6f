"""Proxies: which one, and how it is asked (RFC 9110 7.6.2, 9.3.6)."""

from __future__ import annotations

import contextlib
import ipaddress
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from fastnet.http._auth import basic
from fastnet.http._url import URL, parse
from fastnet.http.exceptions import InvalidURL, ProxyError

__all__ = ["Proxy", "choose", "of_environment"]


class Proxy:
    """A proxy of scheme http.

    Attributes:
        where: its URL.
        authorization: what to show it, or None.
    """

    __slots__ = ("where", "authorization")

    def __init__(self, url: str) -> None:
        try:
            self.where = parse(url if "://" in url else f"http://{url}")
        except InvalidURL as error:
            raise InvalidURL(f"a proxy's URL is wrong: {error}") from None
        if self.where.scheme != "http":
            raise InvalidURL(f"{url!r}: only proxies of scheme http can be used")
        user = self.where.userinfo
        self.authorization = basic(*user) if user is not None else None

    def connect_head(self, target: URL) -> bytes:
        """The request for a tunnel to a target."""
        host = f"[{target.host}]" if ":" in target.host else target.host
        lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}"]
        if self.authorization is not None:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def choose(target: URL, given: Mapping[str, str | None] | None, environment: bool) -> str | None:
    """The URL of the proxy for a target, or None to ask it directly.

    Parameters:
        given: proxies by "scheme://host", scheme or "all", as `requests` has
            them; also "no" or "no_proxy" with hosts, and networks of addresses,
            to ask directly.
        environment: whether the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY
            and NO_PROXY count where nothing was given.
    """
    given = given or {}
    bypassed = given.get("no") or given.get("no_proxy")
    if bypassed and _bypasses(target, bypassed):
        return None
    keys = (f"{target.scheme}://{target.host}", target.scheme, f"all://{target.host}", "all")
    for key in keys:
        if key in given:
            return given[key] or None
    return of_environment(target) if environment else None


def of_environment(target: URL) -> str | None:
    """The proxy that the environment names for a target, or None."""
    proxies = urllib.request.getproxies()
    found = proxies.get(target.scheme) or proxies.get("all")
    if not found or _bypasses(target, proxies.get("no", "")):
        return None
    # Some systems have settings besides the variables.
    return None if urllib.request.proxy_bypass(f"{target.host}:{target.port}") else found


def _bypasses(target: URL, hosts: str) -> bool:
    """Whether a target is one of these: names, with what is beneath them, addresses, networks."""
    bypass: Any = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined]
    return bool(bypass(f"{target.host}:{target.port}", {"no": hosts})) or _is_in(target, hosts)


def _is_in(target: URL, hosts: str) -> bool:
    """Whether a target is an address in one of the networks, such as 10.0.0.0/8."""
    try:
        address = ipaddress.ip_address(target.host.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in _networks(hosts))


def _networks(hosts: str) -> Iterator[Any]:
    for part in hosts.split(","):
        if "/" in part:
            with contextlib.suppress(ValueError):
                yield ipaddress.ip_network(part.strip(), strict=False)


def refused(proxy: Proxy, status: int, reason: str) -> ProxyError:
    """The error for a tunnel that was not made."""
    hint = "; its URL needs user and password" if status == 407 else ""
    return ProxyError(f"the proxy {proxy.where.authority} answered {status} {reason}{hint}")
