"""What a session keeps for all its requests, and how a request is made of it.

Shared by `Session` and `AsyncSession`: nothing here does any I/O.
"""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple

from fastnet import __version__
from fastnet.http._auth import BasicAuth
from fastnet.http._body import encode
from fastnet.http._cookies import Cookies, cookie_header, cookie_jar
from fastnet.http._decode import ACCEPTED
from fastnet.http._dialing import make_context
from fastnet.http._headers import Headers, check_method
from fastnet.http._proxy import Proxy, choose
from fastnet.http._request import PreparedRequest, with_content_type
from fastnet.http._url import URL, join, parse
from fastnet.http.exceptions import RequestException, TooManyRedirects
from fastnet.limits import Limits

__all__ = ["DEFAULT", "Options", "Route", "Settings", "check_timeout", "default_headers"]


class _Default:
    def __repr__(self) -> str:
        return "<the session's own>"


DEFAULT: Any = _Default()
CONNECT, READ = 30.0, 300.0  # seconds, where nobody says otherwise


class Route(NamedTuple):
    """How a target is reached: what its connections have in common, and how one is made."""

    key: tuple[Any, ...]
    proxy: Proxy | None
    context: ssl.SSLContext | None

    @property
    def absolute(self) -> bool:
        """Whether requests name the whole URL, and the proxy's credentials."""
        return self.proxy is not None and self.context is None


class Options(NamedTuple):
    """What one call says beyond the request itself."""

    auth: Any
    cookies: Cookies | None
    timeout: tuple[float | None, float | None]
    redirects: bool
    proxies: Any
    verify: Any
    cert: Any
    crossed: bool = False  # a redirect has led to somebody else
    once: tuple[tuple[str, str], ...] = ()  # headers that no redirect takes along


class Settings:
    """The attributes of a session; see `Session`.

    Those that are kept in another form than they may be given in are
    properties, so that setting one is the same as giving it.
    """

    def __init__(
        self, *, headers: Any = None, auth: Any = None, cookies: Any = None, params: Any = None,
        timeout: Any = (CONNECT, READ), proxies: Any = None, verify: Any = True, cert: Any = None,
        trust_env: bool = True, max_redirects: int = 30, limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.headers = headers
        self.auth = auth
        self.cookies = cookies
        self.params = params
        self.timeout = timeout
        self.proxies = proxies
        self.verify = verify
        self.cert = cert
        self.trust_env = trust_env
        self.max_redirects = max_redirects
        self.limits = limits
        self._contexts: dict[Any, ssl.SSLContext] = {}
        self._routes: dict[Any, Route] = {}

    @property
    def headers(self) -> Headers:
        """What every request has; set from a mapping, it goes over the defaults."""
        return self._headers

    @headers.setter
    def headers(self, given: Any) -> None:
        fields = default_headers()
        if given:
            fields.update(given)
        self._headers = fields

    @property
    def cookies(self) -> Cookies:
        """The jar: those that were given, and those that servers have set."""
        return self._cookies

    @cookies.setter
    def cookies(self, given: Any) -> None:
        jar = cookie_jar(given)
        self._cookies = Cookies() if jar is None else jar

    @property
    def timeout(self) -> Any:
        """(connect, read) in seconds."""
        return self._timeout

    @timeout.setter
    def timeout(self, given: Any) -> None:
        self._timeout = check_timeout(given)

    @property
    def proxies(self) -> dict[str, Any]:
        """Proxies by what is reached through them."""
        return self._proxies

    @proxies.setter
    def proxies(self, given: Any) -> None:
        self._proxies: dict[str, Any] = dict(given or {})

    @property
    def limits(self) -> Limits:
        """The bounds of answers; those of heads for connections that are made from then on."""
        return self._limits

    @limits.setter
    def limits(self, given: Limits | None) -> None:
        self._limits = given or Limits()

    # ---------------------------------------------------------------------- the request

    def _prepare(
        self, method: str, url: Any, params: Any, data: Any, headers: Any, cookies: Any,
        files: Any, auth: Any, json: Any,
    ) -> tuple[PreparedRequest, Any]:  # fmt: skip
        """The request of a call's arguments, and the credentials that go with it."""
        where = parse(url, _merged(self.params, params))
        body = encode(data, json, files)
        fields = self._fields()
        if headers:
            _merge_headers(fields, headers)
        with_content_type(fields, body)
        request = PreparedRequest(check_method(method).upper(), where, fields, body)
        auth = self.auth if auth is None else auth
        if auth is None and where.userinfo is not None:
            auth = where.userinfo
        if isinstance(auth, (tuple, list)) and len(auth) == 2:
            auth = BasicAuth(*auth)
        if auth is not None and not callable(auth):
            raise TypeError(f"auth must be (user, password) or callable, not {auth!r}")
        return request, auth

    def _fields(self) -> Headers:
        """The session's headers as they are sent: one of None is left out."""
        return Headers([item for item in self._headers.multi_items() if item[1] is not None])

    def _finish(self, request: PreparedRequest, options: Options) -> PreparedRequest:
        """The request as it is sent in one hop: with credentials, and cookies as they are now."""
        headers = request.headers.copy()
        headers.update(options.once)
        final = PreparedRequest(request.method, request.where, headers, request.content)
        if options.auth is not None:
            final = options.auth(final) or final
        if "Cookie" not in headers:
            value = cookie_header(
                request.where, self.cookies, options.cookies, anywhere=not options.crossed
            )
            if value:
                final.headers["Cookie"] = value
        return final

    def _route(self, where: URL, proxies: Any, verify: Any, cert: Any) -> Route:
        """How to reach a target.  The environment is asked once for each."""
        verify = self.verify if verify is None else verify
        cert = self.cert if cert is None else cert
        plain = not proxies and not self.proxies
        known = (where.scheme, where.host, where.port, str(verify), str(cert), self.trust_env)
        if plain and known in self._routes:
            return self._routes[known]
        url = choose(where, {**self.proxies, **(proxies or {})}, self.trust_env)
        proxy = Proxy(url) if url else None
        context = self._context(verify, cert) if where.scheme == "https" else None
        route = Route((*known[:3], url, context), proxy, context)
        if proxy is not None and context is None:
            peer = proxy.where  # all targets share the connections to the proxy
            route = route._replace(key=("proxy", peer.host, peer.port, url, None))
        if plain:
            if len(self._routes) >= 1024:
                self._routes.clear()
            self._routes[known] = route
        return route

    def _context(self, verify: Any, cert: Any) -> ssl.SSLContext:
        if isinstance(verify, ssl.SSLContext):
            return make_context(verify, cert)
        key = (str(verify), str(cert))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = make_context(verify, cert)
        return context

    def _head(self, request: PreparedRequest, route: Route) -> bytes:
        """The bytes of a request's head, for its route."""
        proxy = route.proxy
        if proxy is not None and route.absolute and proxy.authorization is not None:
            request.headers["Proxy-Authorization"] = proxy.authorization
        return request.head(absolute=route.absolute)

    # ---------------------------------------------------------------------- what follows

    @staticmethod
    def _answers(auth: Any, request: PreparedRequest, response: Any) -> bool:
        """Whether the credentials can answer a challenge."""
        challenged = getattr(auth, "challenged", None)
        if (
            response.status_code != 401
            or challenged is None
            or (request.content and not request.content.replayable)
        ):
            return False
        return bool(challenged(request, response))

    def _next(
        self, request: PreparedRequest, options: Options, response: Any
    ) -> tuple[PreparedRequest, Options] | None:
        """The request that a redirect asks for, or None.

        Raises TooManyRedirects, InvalidURL, or RequestException where the body
        would have to be sent again and cannot be.
        """
        place = response.headers.get_list("Location")[0] if response.is_redirect else ""
        if not options.redirects or not place:
            return None
        if len(response.history) >= self.max_redirects:
            error = TooManyRedirects(f"more than {self.max_redirects} redirects")
            error.response = response
            raise error
        status, method = response.status_code, request.method
        where = join(request.where, place)
        headers, body = request.headers.copy(), request.content
        if (status in (302, 303) and method != "HEAD") or (status == 301 and method == "POST"):
            method, body = "GET", None
            for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                headers.pop(name, None)
        elif body is not None and not body.replayable:
            raise RequestException(f"a redirect ({status}) asks for the body again, "
                                   "and it can be read only once")  # fmt: skip
        options = options._replace(once=())
        if where.origin != request.where.origin:
            # Credentials are for whom they were given.
            for name in ("Authorization", "Cookie", "Proxy-Authorization", "Host"):
                headers.pop(name, None)
            options = options._replace(auth=None, cookies=None, crossed=True)
        return PreparedRequest(method, where, headers, body), options


def default_headers() -> Headers:
    """What every request has, unless the session says otherwise."""
    agent = f"fastnet/{__version__}"
    return Headers([("User-Agent", agent), ("Accept-Encoding", ACCEPTED), ("Accept", "*/*")])


def check_timeout(timeout: Any) -> tuple[float | None, float | None]:
    """(connect, read) in seconds, from a number, a pair or None.

    Raises ValueError or TypeError.
    """
    pair = timeout if isinstance(timeout, (tuple, list)) else (timeout, timeout)
    if len(pair) != 2:
        raise ValueError(f"timeout is a number or (connect, read), not {timeout!r}")
    for seconds in pair:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"a timeout must be None or more than 0 seconds, not {seconds!r}")
    connect, read = (None if seconds is None else float(seconds) for seconds in pair)
    return connect, read


def _merged(ours: Any, given: Any) -> Any:
    if not ours or not given:
        return given or ours
    if isinstance(ours, dict) and isinstance(given, dict):
        return {**ours, **given}
    raise TypeError("a session's params go together with a request's only if both are mappings")


def _merge_headers(fields: Headers, given: Any) -> None:
    """A request's own headers over the session's; None takes one away."""
    pairs = given.multi_items() if isinstance(given, Headers) else list(dict(given).items())
    for name in {name.lower() if isinstance(name, str) else name for name, _ in pairs}:
        fields.pop(name.decode("latin-1") if isinstance(name, bytes) else name, None)
    for name, value in pairs:
        if value is not None:
            fields.add(name.decode("latin-1") if isinstance(name, bytes) else name, value)
