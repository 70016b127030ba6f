"""The dispatcher: which handler a request is for."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastnet.rest._body import BodyLimits, Environ, query_pairs
from fastnet.rest._endpoint import Endpoint, Start, closing, guarded, headless
from fastnet.rest._errors import HTTPError, MethodNotAllowed, NotFound
from fastnet.rest._form import Form, read_form
from fastnet.rest._once import answers_once, once
from fastnet.rest._openapi import document
from fastnet.rest._reply import json_bytes
from fastnet.rest._routes import CONVERTERS, Converter, Found, Node, Segment, segments, wsgi_path

__all__ = ["PathDispatcher", "Route", "notfound_404"]

F = TypeVar("F", bound=Callable[..., Any])
_NO_FORM = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_ORDER = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def notfound_404(environ: Environ, start_response: Start) -> list[bytes]:
    """What answers when no path fits: a 404 in plain text."""
    start_response("404 Not Found", [("Content-type", "text/plain")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"Not Found"]


@dataclass(frozen=True)
class Route:
    """One registered handler.

    Attributes:
        method, path, function: as registered.
        segments: what the path consists of.
        run: called with the environment, start_response and the path's values.
        endpoint: of the richer form's handlers; None for a WSGI application.
        hidden: whether it is left out of the OpenAPI document.
        options: what else was said about it, for that document.
    """

    method: str
    path: str
    function: Callable[..., Any]
    segments: tuple[Segment, ...]
    run: Callable[[Environ, Start, dict[str, Any]], Iterable[bytes]]
    endpoint: Endpoint | None
    hidden: bool
    options: dict[str, Any]


class PathDispatcher:
    """A WSGI application that calls the handler registered for a method and path.

    Parameters:
        notfound: the WSGI application that answers where no path fits.
        limits: bounds on what a request may bring.
        openapi: the path at which the OpenAPI document is served, such as
            ``"/openapi.json"``; None for nowhere.
        title, version, description: of the API, for that document.
        converters: more types of path parameters by their name.

    Attributes:
        pathmap: the functions registered by `register`, by (method in small
            letters, path).  What is put there by hand is found too, if later.

    Handlers of `register` are WSGI applications that find the query's and
    form's fields in ``environ['params']``, a dict of strings; the files of a
    multipart form in ``environ['fastnet.files']``; and the values of the
    path's parameters in ``environ['fastnet.path_params']``.  Those of `route`,
    `get`, `post` … take a `Request` and return what is to be sent.
    """

    def __init__(
        self,
        notfound: Callable[..., Iterable[bytes]] = notfound_404,
        *,
        limits: BodyLimits | None = None,
        openapi: str | None = None,
        title: str = "API",
        version: str = "1.0.0",
        description: str = "",
        converters: dict[str, Converter] | None = None,
    ) -> None:
        self.notfound = notfound
        self.limits = limits or BodyLimits()
        self.converters = {**CONVERTERS, **(converters or {})}
        self.pathmap: dict[tuple[str, str], Callable[..., Any]] = {}
        self.info = {"title": title, "version": version}
        if description:
            self.info["description"] = description
        self._routes: dict[tuple[str, str], Route] = {}
        self._direct: dict[str, dict[str, Callable[..., Any]]] = {}  # the paths without parameters
        self._fixed: dict[tuple[str, str], Route] = {}  # likewise, of both forms
        self._root = Node()
        if openapi is not None:
            self._add("GET", openapi, self._openapi, False, {"hidden": True})

    # ----------------------------------------------------------------- registering

    def register(self, method: str, path: str, function: F) -> F:
        """Registers a WSGI application for a method and path; returns it.

        The path may have parameters: ``/users/<int:id>``, of the types
        ``str`` (the default), ``int``, ``float``, ``uuid``, and ``path``, which goes
        over slashes.  Registering again replaces.  Raises ValueError for a
        path or method that makes no sense.
        """
        self._add(method, path, function, True, {})
        self.pathmap[method.lower(), path] = function
        return function

    def route(
        self, path: str, methods: Iterable[str] = ("GET",), **options: Any
    ) -> Callable[[F], F]:
        """Decorates a function that takes a `Request` and returns what is to be sent.

        The path's parameters are passed by name.  Further parameters come
        from the query or a form, made into the types of their annotations;
        one called ``body`` is what the JSON body says.  What may be returned:
        `Response` or any WSGI application, text (plain), bytes, None (204), an
        iterator of bytes, (one of these, status), and data that goes as JSON.

        Parameters:
            methods: for which methods.
            options: for the OpenAPI document: ``hidden=True`` leaves the route
                out; others, such as ``tags`` or ``summary``, go there as they are.
        """
        wanted = [methods] if isinstance(methods, str) else list(methods)

        def decorate(function: F) -> F:
            for method in wanted:
                self._add(method, path, function, False, dict(options))
            return function

        return decorate

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for GET, and so for HEAD."""
        return self.route(path, ("GET",), **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for POST."""
        return self.route(path, ("POST",), **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for PUT."""
        return self.route(path, ("PUT",), **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for PATCH."""
        return self.route(path, ("PATCH",), **options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """`route` for DELETE."""
        return self.route(path, ("DELETE",), **options)

    def _add(
        self,
        method: str,
        path: str,
        function: Callable[..., Any],
        wsgi: bool,
        options: dict[str, Any],
    ) -> None:
        method = method.upper()
        if not method.isascii() or not method.replace("-", "").isalpha():
            raise ValueError(f"{method!r} is not a method")
        parts = segments(path, self.converters)
        names = [name for part in parts for name, _ in part.parameters]
        hidden = bool(options.pop("hidden", False))
        endpoint = None if wsgi else Endpoint(function, names, self.limits)
        application: Callable[..., Any] = function
        if answers_once(function):
            application = once(function)
        elif inspect.isgeneratorfunction(function):
            application = guarded(function)
        run = endpoint or _run_wsgi(application, self)
        route = Route(method, path, function, tuple(parts), run, endpoint, hidden, options)
        self._routes[method, path] = route
        self._root.add(parts).methods[method] = route
        direct = self._direct.setdefault(wsgi_path(path), {})
        if not names:
            self._fixed[wsgi_path(path), method] = route
        if wsgi and not names:
            direct[method] = application
        else:
            direct.pop(method, None)
            self.pathmap.pop((method.lower(), path), None)

    @property
    def routes(self) -> list[Route]:
        """What is registered, in its order."""
        return list(self._routes.values())

    # ----------------------------------------------------------------- dispatching

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        """Answers a request."""
        method = environ["REQUEST_METHOD"]
        try:
            handler = self._direct[environ["PATH_INFO"]][method]
        except KeyError:
            return self._search(method, environ, start_response)
        # A request like most has neither query nor form; then this is all there is to it.
        if environ.get("QUERY_STRING") or method not in _NO_FORM:
            return self._fixed[environ["PATH_INFO"], method].run(environ, start_response, {})
        environ["params"] = {}
        try:
            return handler(environ, start_response)  # type: ignore[no-any-return]
        except HTTPError as error:
            return error(environ, start_response, sys.exc_info())

    def _search(self, method: str, environ: Environ, start_response: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        fixed = self._fixed.get((path, method))
        if fixed is not None:
            return fixed.run(environ, start_response, {})
        allowed: set[str] = set()
        for methods, values in self._found(path):
            route = methods.get(method) or methods.get(method.upper())
            if route is not None:
                return self._answer(route, values, environ, start_response)
            allowed |= methods.keys()
        added = self.pathmap.get((method.lower(), path))
        if added is not None:
            return _run_wsgi(added, self)(environ, start_response, {})
        if path == "*":
            allowed = {route.method for route in self._routes.values()}
        if not allowed:
            return self._missing(environ, start_response)
        if method == "HEAD" and "GET" in allowed:
            return self._head(path, environ, start_response)
        names = _sorted(allowed)
        if method == "OPTIONS":
            start_response("204 No Content", [("Allow", ", ".join(names))])
            return []
        error = MethodNotAllowed(names, f"{method[:40]} is not for this path")
        return error(environ, start_response)

    def _found(self, path: str) -> Iterator[Found]:
        return self._root.find(path[1:].split("/")) if path.startswith("/") else iter(())

    def _head(self, path: str, environ: Environ, start_response: Start) -> Iterable[bytes]:
        for methods, values in self._found(path):
            if "GET" in methods:
                answer = functools.partial(self._answer, methods["GET"], values)
                return headless(answer, environ, start_response)
        return self._missing(environ, start_response)

    def _answer(
        self, route: Route, values: dict[str, Any], environ: Environ, start_response: Start
    ) -> Iterable[bytes]:
        if values:
            try:
                values = {name: _text(value) for name, value in values.items()}
            except UnicodeDecodeError:
                return self._missing(environ, start_response)
            environ["wsgiorg.routing_args"] = ((), values)
        return route.run(environ, start_response, values)

    def _missing(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        if "json" in environ.get("HTTP_ACCEPT", ""):
            return NotFound("there is nothing at this path")(environ, start_response)
        return self.notfound(environ, start_response)

    # -------------------------------------------------------------------- OpenAPI

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of what is registered, as JSON's objects."""
        return document(self.info, self.routes)

    def _openapi(self, request: Any) -> Callable[..., Iterable[bytes]]:
        body = json_bytes(self.openapi())

        def reply(environ: Environ, start_response: Start) -> list[bytes]:
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            start_response("200 OK", headers)
            return [body]

        return reply


def _run_wsgi(
    application: Callable[..., Iterable[bytes]], dispatcher: PathDispatcher
) -> Callable[[Environ, Start, dict[str, Any]], Iterable[bytes]]:
    """How a WSGI application is called that may find fields and files in its environment."""

    def run(environ: Environ, start_response: Start, values: dict[str, Any]) -> Iterable[bytes]:
        form: Form | None = None
        limits = dispatcher.limits
        try:
            params: dict[str, str] = {}
            if environ["REQUEST_METHOD"] not in _NO_FORM:
                form = read_form(environ, limits)
                for name, value in form.pairs:
                    params.setdefault(name, value)
            if environ.get("QUERY_STRING"):
                for name, value in query_pairs(environ, limits.fields):
                    params.setdefault(name, value)
            environ["params"] = params
            environ["fastnet.path_params"] = values
            if form is not None and form.uploads:
                uploads = reversed(form.uploads)
                environ["fastnet.files"] = {upload.name: upload for upload in uploads}
            blocks = application(environ, start_response)
        except HTTPError as error:
            blocks = error(environ, start_response, sys.exc_info())
        except BaseException:
            if form is not None:
                form.close()
            raise
        return closing(blocks, form) if form is not None and form.uploads else blocks

    return run


def _text(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1").decode("utf-8")
    return value


def _sorted(methods: set[str]) -> list[str]:
    found = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    known = [method for method in _ORDER if method in found]
    return known + sorted(found - set(known))
