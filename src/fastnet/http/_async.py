"""The client on asyncio, on any loop."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import Any, Self

from fastnet.http._answer import HAS_COOKIES
from fastnet.http._asyncresponse import AsyncResponse, AsyncRest
from fastnet.http._asyncwire import AsyncWire, open_wire
from fastnet.http._cookies import cookie_jar, keep_cookies
from fastnet.http._pool import Pool
from fastnet.http._request import PreparedRequest
from fastnet.http._session import _BROKEN, _Source
from fastnet.http._settings import DEFAULT, Options, Route, Settings, check_timeout
from fastnet.http._turns import Turns
from fastnet.http.exceptions import translated

__all__ = ["AsyncSession"]


class AsyncSession(Settings):
    """A `Session` whose requests are awaited; the same parameters, attributes and options.

    Belongs to the loop that runs when it is used.  Close it with `aclose`, or
    use it as an asynchronous context manager.
    """

    def __init__(self, *, keep: int = 10, most: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._pool: Any = Pool(keep)
        self._most = most
        self._turns: Turns | None = None

    async def request(
        self, method: str, url: Any, params: Any = None, data: Any = None, headers: Any = None,
        cookies: Any = None, files: Any = None, auth: Any = None, timeout: Any = DEFAULT,
        allow_redirects: bool = True, proxies: Any = None, stream: bool = False,
        verify: Any = None, cert: Any = None, json: Any = None,
    ) -> AsyncResponse:  # fmt: skip
        """Sends a request and returns its `AsyncResponse`.

        Parameters as for `Session.request`; `data` may be an asynchronous
        iterable, too.

        Raises RequestException and its kinds; statuses do not raise.
        """
        pair = self._timeout if timeout is DEFAULT else check_timeout(timeout)
        request, auth = self._prepare(
            method, url, params, data, headers, cookies, files, auth, json
        )  # fmt: skip
        options = Options(auth, cookie_jar(cookies), pair, allow_redirects, proxies, verify, cert)
        response = await self._follow(request, options)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                response.close()
                raise
        return response

    async def _follow(self, request: PreparedRequest, options: Options) -> AsyncResponse:
        history: list[AsyncResponse] = []
        answered = False
        while True:
            final = self._finish(request, options)
            route = self._route(final.where, options.proxies, options.verify, options.cert)
            head = self._head(final, route)
            response = await self._send(final, head, route, options.timeout)
            response.history = history[:]
            try:
                if response._marks & HAS_COOKIES:
                    keep_cookies(self.cookies, final.where, response.headers)
                if not answered and self._answers(options.auth, final, response):
                    answered = True
                    await response._discard()
                    history.append(response)
                    continue
                hop = self._next(request, options, response)
            except BaseException:
                response.close()
                raise
            if hop is None:
                return response
            await response._discard()
            history.append(response)
            (request, options), answered = hop, False

    async def _send(self, request: PreparedRequest, head: bytes, route: Route,
                    timeout: Any) -> AsyncResponse:  # fmt: skip
        began = time.perf_counter()
        wire, give = await self._exchange(request, head, route, timeout)
        took = time.perf_counter() - began
        rest = AsyncRest(wire, give, timeout[1], request)
        limit = self.limits.body_bytes
        return AsyncResponse(request, wire, took, rest, limit if limit is not None else 1 << 62)

    async def _exchange(self, request: PreparedRequest, head: bytes, route: Route,
                        timeout: Any) -> Any:  # fmt: skip
        pool, key = self._pool, route.key
        turns = await self._turn(key, timeout[0], request)
        while True:
            wire: AsyncWire | None = pool.take(key, None)
            kept = wire is not None
            try:
                if wire is None:
                    wire = await open_wire(request.where, route.proxy, route.context, timeout[0],
                                           self.limits)  # fmt: skip
                await wire.exchange(request, head, timeout[1])
                return wire, functools.partial(self._back, key, turns, wire)
            except BaseException as error:
                gone = kept and isinstance(error, _BROKEN) and request.may_repeat
                if gone and wire is not None and not wire.touched:
                    self._back(key, None, wire, False)
                    continue
                self._back(key, turns, wire, False)
                if isinstance(error, _Source):
                    cause = error.__cause__
                    assert cause is not None
                    raise cause from None
                if wire is None:
                    raise
                raise translated(error, request, touched=wire.touched) from error

    def _back(self, key: Any, turns: Turns | None, wire: AsyncWire | None,
              keep: bool) -> None:  # fmt: skip
        """A connection comes back from use, to be kept or closed."""
        if keep and wire is not None:
            self._pool.give(key, wire)
        else:
            self._pool.forget(key)
            if wire is not None:
                wire.close()
        if turns is not None:
            turns.leave(key)

    async def _turn(self, key: Any, timeout: float | None, request: PreparedRequest) -> Any:
        """Waits until one more connection may be used; what it is to be given back to."""
        if self._most is None:
            return None
        turns = self._turns
        if turns is None or turns.loop is not asyncio.get_running_loop():
            turns = self._turns = Turns(self._most)
        try:
            async with asyncio.timeout(timeout):
                await turns.enter(key)
        except TimeoutError as error:
            what = f"all {self._most} connections to {key[1]} were in use"
            raise translated(TimeoutError(what), request, connecting=True) from error
        return turns

    # ------------------------------------------------------------------------- the verbs

    async def get(self, url: Any, params: Any = None, **options: Any) -> AsyncResponse:
        """GET; options as for `request`."""
        return await self.request("GET", url, params, **options)

    async def options(self, url: Any, **options: Any) -> AsyncResponse:
        """OPTIONS; options as for `request`."""
        return await self.request("OPTIONS", url, **options)

    async def head(self, url: Any, *, allow_redirects: bool = False,
                   **options: Any) -> AsyncResponse:  # fmt: skip
        """HEAD, which by default does not follow redirects; options as for `request`."""
        return await self.request("HEAD", url, allow_redirects=allow_redirects, **options)

    async def post(self, url: Any, data: Any = None, json: Any = None,
                   **options: Any) -> AsyncResponse:  # fmt: skip
        """POST; options as for `request`."""
        return await self.request("POST", url, data=data, json=json, **options)

    async def put(self, url: Any, data: Any = None, **options: Any) -> AsyncResponse:
        """PUT; options as for `request`."""
        return await self.request("PUT", url, data=data, **options)

    async def patch(self, url: Any, data: Any = None, **options: Any) -> AsyncResponse:
        """PATCH; options as for `request`."""
        return await self.request("PATCH", url, data=data, **options)

    async def delete(self, url: Any, **options: Any) -> AsyncResponse:
        """DELETE; options as for `request`."""
        return await self.request("DELETE", url, **options)

    async def aclose(self) -> None:
        """Closes the idle connections."""
        self._pool.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
