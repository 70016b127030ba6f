"""The blocking client: sessions, and what one request goes through."""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterator
from typing import Any, Self

from fastnet import errors
from fastnet._native.httpconn import Connection
from fastnet.http._answer import HAS_COOKIES, HAS_ENCODING, HAS_LOCATION
from fastnet.http._cookies import cookie_jar, keep_cookies
from fastnet.http._dialing import dial
from fastnet.http._headers import Headers
from fastnet.http._pool import Pool
from fastnet.http._request import LAST_CHUNK, Counted, PreparedRequest, chunk
from fastnet.http._response import Response, Rest
from fastnet.http._settings import DEFAULT, Options, Route, Settings, check_timeout
from fastnet.http.exceptions import translated

__all__ = ["Session"]

_PLANS = 256  # URLs whose requests are kept ready
_BROKEN = (builtins.ConnectionError, errors.IncompleteTransfer)


class _Source(Exception):
    """The program's own iterator or file raised, not the connection."""


class _Plan:
    """A request without anything special, ready to be sent again."""

    __slots__ = ("request", "head", "route", "headers", "changes", "trust")

    def __init__(self, request: PreparedRequest, head: bytes, route: Route,
                 headers: Headers) -> None:  # fmt: skip
        self.request = request
        self.head = head
        self.route = route
        self.headers = headers
        self.changes = headers.changes
        self.trust: Any = None


class Session(Settings):
    """Requests that share connections, cookies and settings.

    May be used by several threads; close it, or use it as a context manager.

    Parameters, which are attributes too and may be changed:
        headers: a mapping, for every request, over User-Agent, Accept and
            Accept-Encoding; one of None is left out.
        auth: (user, password), or a callable that is given each request:
            `BasicAuth`, `DigestAuth`, `BearerAuth` or your own.
        cookies: a mapping or a `http.cookiejar.CookieJar`.
        params: a mapping, added to every query.
        timeout: seconds, or (connect, read): for a connection to be made, TLS
            included; and for the head of an answer, and then without a byte.
            (30, 300); None waits for ever.
        proxies: by scheme, "all" or "scheme://host"; URLs of scheme http.
        verify: True checks certificates by the system's authorities; or a PEM
            file or directory of others, or an `ssl.SSLContext`; False checks
            nothing.
        cert: this end's certificate and key as PEM: one path or two.
        trust_env: whether HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY
            count.  They are looked at once for each host.
        max_redirects: that one request may follow.
        limits: for answers: `request_line`, `header_fields`, `header_bytes`,
            and `body_bytes`, the most that `content`, `text` and `json()` take.

    Parameters for connections:
        keep: idle ones that are kept for one host.
        most: open ones to one host, others wait; None is unlimited.
    """

    def __init__(self, *, keep: int = 10, most: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._pool = Pool(keep, most)
        self._plans: dict[tuple[str, str], _Plan] = {}

    # ------------------------------------------------------------------------ one request

    def request(
        self, method: str, url: Any, params: Any = None, data: Any = None, headers: Any = None,
        cookies: Any = None, files: Any = None, auth: Any = None, timeout: Any = DEFAULT,
        allow_redirects: bool = True, proxies: Any = None, stream: bool = False,
        verify: Any = None, cert: Any = None, json: Any = None,
    ) -> Response:  # fmt: skip
        """Sends a request and returns its `Response`.

        Parameters:
            method, url: what to do with what.
            params: for the query: a mapping, pairs or text.
            data: the body: a mapping or pairs (a form), text, bytes, an array,
                an open binary file, or an iterable of bytes, sent in chunks.
            json: the body as JSON.
            files: the body as a form with files, streamed: by field an open
                file, bytes, or (name, content[, type[, headers]]).
            headers, cookies, auth, timeout, proxies, verify, cert: as in the
                session, for this request; a header of None is left out.
            allow_redirects: whether redirects are followed.
            stream: leave the body to be read piece by piece.

        Raises RequestException and its kinds; statuses do not raise.
        """
        plain = data is json is headers is cookies is files is auth is None
        plain = plain and params is proxies is verify is cert is None
        pair = self._timeout if timeout is DEFAULT else check_timeout(timeout)
        if plain and self.auth is None and not self._proxies and not self._cookies.any:
            response = self._by_plan(method, url, pair, stream, allow_redirects)
            if response is not None:
                return response
        request, auth = self._prepare(
            method, url, params, data, headers, cookies, files, auth, json
        )  # fmt: skip
        options = Options(auth, cookie_jar(cookies), pair, allow_redirects, proxies, verify, cert)
        name = (method, url) if plain and type(url) is str else None
        return self._follow(request, options, stream, name=name)

    def _by_plan(
        self, method: str, url: Any, timeout: Any, stream: bool, redirects: bool
    ) -> Response | None:
        """The quick way for requests like one before; None where that cannot be."""
        plan = self._plans.get((method, url)) if type(url) is str else None
        if plan is None or plan.headers is not self._headers or self.params:
            return None
        if plan.changes != self._headers.changes or plan.trust != self._trust():
            return None
        response = self._send(plan.request, plan.head, plan.route, timeout, stream)
        if response._marks & (HAS_COOKIES | HAS_LOCATION):
            options = Options(None, None, timeout, redirects, None, None, None)
            return self._follow(plan.request, options, stream, response)
        return response

    def _follow(
        self, request: PreparedRequest, options: Options, stream: bool,
        response: Response | None = None, name: Any = None,
    ) -> Response:  # fmt: skip
        """One request and all that it leads to."""
        history: list[Response] = []
        answered = False
        while True:
            final = request
            if response is None:
                final = self._finish(request, options)
                route = self._route(final.where, options.proxies, options.verify, options.cert)
                head = self._head(final, route)
                if name is not None and not history:
                    self._plan(name, request, final, head, route, options)
                response = self._send(final, head, route, options.timeout, stream)
            response.history = history[:]
            try:
                if response._marks & HAS_COOKIES:
                    keep_cookies(self.cookies, final.where, response.headers)
                if not answered and self._answers(options.auth, final, response):
                    answered = True
                    response._discard()
                    history.append(response)
                    response = None
                    continue
                hop = self._next(request, options, response)
            except BaseException:
                if response is not None:
                    response.close()
                raise
            if hop is None:
                return response
            response._discard()
            history.append(response)
            (request, options), response, answered = hop, None, False

    def _plan(self, name: Any, request: PreparedRequest, final: PreparedRequest, head: bytes,
              route: Route, options: Options) -> None:  # fmt: skip
        """Keeps a request ready, if it is what its method and URL alone say."""
        if (
            request.where.userinfo is not None
            or self.params
            or self.proxies
            or self.auth is not None
        ):
            return
        if request.headers != self._fields() or "Cookie" in final.headers:
            return
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        plan = self._plans[name] = _Plan(final, head, route, self.headers)
        plan.trust = self._trust()

    def _trust(self) -> Any:
        return self.verify, self.cert, self.trust_env

    # ----------------------------------------------------------------------- one exchange

    def _send(self, request: PreparedRequest, head: bytes, route: Route, timeout: Any,
              stream: bool) -> Response:  # fmt: skip
        """One request out, its response in."""
        began = time.perf_counter()
        connection = self._exchange(request, head, route, timeout)
        took = time.perf_counter() - began
        pool, limit = self._pool, self._limits.body_bytes
        most = limit if limit is not None else 1 << 62
        if connection.ended or (not stream and not connection.marks & HAS_ENCODING):
            rest = None
            content = b""
            if not connection.ended:
                rest = Rest(connection, pool, route.key, timeout[1], request)
                content = rest.read_all(most)
            elif connection.keep and not connection.spare:
                pool.give(route.key, connection)
            else:
                pool.forget(route.key)
                connection.close()
            return Response(request, connection, took, None, most, content)
        rest = Rest(connection, pool, route.key, timeout[1], request)
        response = Response(request, connection, took, rest, most)
        if not stream:
            try:
                response.content  # noqa: B018
            except BaseException:
                response.close()
                raise
        return response

    def _exchange(self, request: PreparedRequest, head: bytes, route: Route,
                  timeout: Any) -> Connection:  # fmt: skip
        """Sends a request; the connection on which its response's head has come."""
        pool, key = self._pool, route.key
        while True:
            connection = pool.take(key, timeout[0])
            kept = connection is not None
            try:
                if connection is None:
                    connection = dial(request.where, route.proxy, route.context, timeout[0],
                                      self.limits)  # fmt: skip
                _transmit(connection, request, head, timeout[1])
                return connection
            except BaseException as error:
                pool.forget(key)
                if connection is None:
                    raise
                connection.close()
                # A connection that was kept may have been closed under the request.
                gone = kept and not connection.touched and isinstance(error, _BROKEN)
                if gone and (request.may_repeat or not connection.sent):
                    continue
                if isinstance(error, _Source):
                    cause = error.__cause__
                    assert cause is not None
                    raise cause from None
                raise translated(error, request, touched=connection.touched) from error

    # ------------------------------------------------------------------------- the verbs

    def get(self, url: Any, params: Any = None, **options: Any) -> Response:
        """GET; options as for `request`."""
        return self.request("GET", url, params, **options)

    def options(self, url: Any, **options: Any) -> Response:
        """OPTIONS; options as for `request`."""
        return self.request("OPTIONS", url, **options)

    def head(self, url: Any, *, allow_redirects: bool = False, **options: Any) -> Response:
        """HEAD, which by default does not follow redirects; options as for `request`."""
        return self.request("HEAD", url, allow_redirects=allow_redirects, **options)

    def post(self, url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
        """POST; options as for `request`."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: Any, data: Any = None, **options: Any) -> Response:
        """PUT; options as for `request`."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: Any, data: Any = None, **options: Any) -> Response:
        """PATCH; options as for `request`."""
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: Any, **options: Any) -> Response:
        """DELETE; options as for `request`."""
        return self.request("DELETE", url, **options)

    def close(self) -> None:
        """Closes the idle connections; those in use are closed after their response."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _transmit(connection: Connection, request: PreparedRequest, head: bytes,
              timeout: float | None) -> None:  # fmt: skip
    body = request.content
    to_head = request.method == "HEAD"
    if body is None:
        connection.exchange(head, timeout, to_head)
    elif body.whole is not None:
        connection.exchange((head, body.whole), timeout, to_head)
    else:
        connection.start(to_head)
        first: tuple[Any, ...] = (head,)
        for pieces in framed(body):
            connection.send((*first, *pieces), timeout)
            first = ()
            if connection.broken:
                break  # the server has answered already and wants no more
        connection.respond(timeout)


def framed(body: Any) -> Iterator[tuple[Any, ...]]:
    """A streamed body as pieces to be sent together, framed by its length or as chunks."""
    counted = Counted(body.length) if body.length is not None else None
    pieces = iter(body.pieces())
    yield ()  # so that the head goes out even before a slow source's first piece
    while True:
        try:
            piece = next(pieces, None)
            if piece is None:
                break
            framed = (counted.take(piece),) if counted is not None else chunk(piece)
        except Exception as error:
            raise _Source from error
        if framed:
            yield framed
    try:
        if counted is not None:
            counted.end()
    except ValueError as error:
        raise _Source from error
    if counted is None:
        yield (LAST_CHUNK,)
