"""Cookies: `http.cookiejar`'s rules, with the access by name that users of `requests` know."""

from __future__ import annotations

import email.message
import http.cookiejar
from collections.abc import Iterator, Mapping
from http.cookiejar import Cookie, CookieJar, CookiePolicy
from typing import Any

from fastnet.http._headers import Headers
from fastnet.http._url import URL

__all__ = ["Cookies", "cookie_jar"]


class Cookies(CookieJar):
    """A `http.cookiejar.CookieJar` that can be used like a dictionary of names and values.

    A name that several domains or paths have gives the value that was set last.
    """

    _cookies_lock: Any  # CookieJar's own, which may be taken again by who has it

    def __init__(self, policy: CookiePolicy | None = None) -> None:
        super().__init__(policy)

    @property
    def any(self) -> bool:
        """Whether there is any cookie: quicker than counting."""
        with self._cookies_lock:
            return next(super().__iter__(), None) is not None

    def __iter__(self) -> Iterator[Cookie]:
        # Of a copy: other threads may set cookies meanwhile.
        with self._cookies_lock:
            return iter(list(super().__iter__()))

    def get(self, name: str, default: Any = None, domain: str | None = None,
            path: str | None = None) -> Any:  # fmt: skip
        """A cookie's value, or default."""
        found = default
        for cookie in self:
            where = domain in (None, cookie.domain) and path in (None, cookie.path)
            if cookie.name == name and where:
                found = cookie.value
        return found

    def set(self, name: str, value: str | None, domain: str = "", path: str = "/",
            secure: bool = False) -> None:  # fmt: skip
        """Sets a cookie, for every host where domain is empty; None as value removes it."""
        if value is None:
            self._remove(name)
            return
        self.set_cookie(make_cookie(name, value, domain, path, secure))

    def _remove(self, name: str) -> None:
        for cookie in [cookie for cookie in self if cookie.name == name]:
            self.clear(cookie.domain, cookie.path, cookie.name)

    def __getitem__(self, name: str) -> str:
        for cookie in self:
            if cookie.name == name:
                return str(self.get(name))
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._remove(name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self)

    def keys(self) -> list[str]:
        """The names."""
        return [cookie.name for cookie in self]

    def values(self) -> list[Any]:
        """The values."""
        return [cookie.value for cookie in self]

    def items(self) -> list[tuple[str, Any]]:
        """Names and values."""
        return [(cookie.name, cookie.value) for cookie in self]

    def get_dict(self) -> dict[str, Any]:
        """Names and values as a dictionary."""
        return dict(self.items())

    def update(self, other: Any) -> None:
        """Adds the cookies of a jar, or those of a mapping of names and values."""
        if isinstance(other, CookieJar):
            with other._cookies_lock:  # type: ignore[attr-defined]
                cookies = list(other)
            for cookie in cookies:
                self.set_cookie(cookie)
            return
        for name, value in dict(other).items():
            self.set(name, value)


def make_cookie(name: str, value: str, domain: str = "", path: str = "/",
                secure: bool = False) -> Cookie:  # fmt: skip
    """A cookie for the session, of every host where domain is empty."""
    return Cookie(
        version=0, name=name, value=value, port=None, port_specified=False, domain=domain,
        domain_specified=bool(domain), domain_initial_dot=domain.startswith("."), path=path,
        path_specified=True, secure=secure, expires=None, discard=True, comment=None,
        comment_url=None, rest={},
    )  # fmt: skip


def cookie_jar(cookies: Any) -> Cookies | None:
    """Cookies from what users give: a jar or a mapping; None for none."""
    if cookies is None or isinstance(cookies, Cookies):
        return cookies
    jar = Cookies()
    if not isinstance(cookies, (CookieJar, Mapping)):
        raise TypeError(f"cookies must be a mapping or a jar, not {type(cookies).__name__}")
    jar.update(cookies)
    return jar


class _Asked:
    """A request as `http.cookiejar` looks at one."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.added: dict[str, str] = {}
        self.unverifiable = False
        self.type = url.scheme
        self.host = url.authority
        self.origin_req_host = url.host

    def get_full_url(self) -> str:
        return self._url.text

    def get_header(self, name: str, default: Any = None) -> Any:
        return self.added.get(name, default)

    def has_header(self, name: str) -> bool:
        return name in self.added

    def add_unredirected_header(self, name: str, value: str) -> None:
        self.added[name] = value


class _Answered:
    def __init__(self, headers: Headers) -> None:
        self._message = email.message.Message()
        for name, value in headers.multi_items():
            if name.lower() in ("set-cookie", "set-cookie2"):
                self._message[name] = value

    def info(self) -> email.message.Message:
        return self._message


def _domain(url: URL) -> str:
    """A host's name as cookies have it, which is not always its own."""
    asked: Any = _Asked(url)
    name: str = http.cookiejar.eff_request_host(asked)[1]  # type: ignore[attr-defined]
    return name


def cookie_header(url: URL, *jars: Cookies | None, anywhere: bool = True) -> str | None:
    """What to send to a URL of these jars, or None; `anywhere`: also those without a domain."""
    merged: Cookies | None = None
    for jar in jars:
        if jar is not None and jar.any:
            if merged is None:
                merged = Cookies(jar._policy)  # type: ignore[attr-defined]
            for cookie in jar:
                if not cookie.domain:  # "for every host": this one
                    if not anywhere:
                        continue
                    domain = _domain(url)
                    cookie = make_cookie(cookie.name, cookie.value or "", domain, cookie.path,
                                         cookie.secure)  # fmt: skip
                merged.set_cookie(cookie)
    if merged is None:
        return None
    asked: Any = _Asked(url)
    merged.add_cookie_header(asked)
    found: str | None = asked.added.get("Cookie")
    return found


def keep_cookies(jar: CookieJar, url: URL, headers: Headers) -> None:
    """Takes a response's cookies into a jar, as far as its policy allows."""
    answered: Any = _Answered(headers)
    asked: Any = _Asked(url)
    jar.extract_cookies(answered, asked)
