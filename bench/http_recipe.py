"""Recipe 11.5: a dispatcher by method and path in a few lines, and two resources."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

try:
    import cgi  # as the recipe has it; gone from Python 3.13
except ImportError:
    cgi = None  # type: ignore[assignment]

Environ = dict[str, Any]
HELLO = """\
<html>
  <head>
     <title>Hello {name}</title>
   </head>
   <body>
     <h1>Hello {name}!</h1>
   </body>
</html>"""
TIME = """\
<?xml version="1.0"?>
<time>
  <year>{t.tm_year}</year>
  <month>{t.tm_mon}</month>
  <day>{t.tm_mday}</day>
  <hour>{t.tm_hour}</hour>
  <minute>{t.tm_min}</minute>
  <second>{t.tm_sec}</second>
</time>"""


def not_found(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-type", "text/plain")])
    return [b"Not Found"]


def parameters(environ: Environ) -> dict[str, Any]:
    """The parameters of the query, or of a form."""
    if cgi is None:
        from urllib.parse import parse_qsl

        return dict(parse_qsl(environ.get("QUERY_STRING", "")))
    fields = cgi.FieldStorage(environ["wsgi.input"], environ=environ)
    return {key: fields.getvalue(key) for key in fields}


class Dispatcher:
    """Finds the function for a method and a path."""

    def __init__(self) -> None:
        self.pathmap: dict[tuple[str, str], Any] = {}

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["params"] = parameters(environ)
        key = environ["REQUEST_METHOD"].lower(), environ["PATH_INFO"]
        found: Iterable[bytes] = self.pathmap.get(key, not_found)(environ, start_response)
        return found

    def register(self, method: str, path: str, function: Any) -> Any:
        self.pathmap[method.lower(), path] = function
        return function


def hello(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-type", "text/html")])
    yield HELLO.format(name=environ["params"].get("name")).encode()


def localtime(environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-type", "application/xml")])
    yield TIME.format(t=time.localtime()).encode()
