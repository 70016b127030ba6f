"""REST interfaces on WSGI: functions, registered for a method and a path.

As small as the recipe it comes from::

    def hello(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        yield f"Hello {environ['params'].get('name')}".encode()

    dispatcher = PathDispatcher()
    dispatcher.register("GET", "/hello", hello)

and with what one wants next::

    api = PathDispatcher(openapi="/openapi.json", title="Shop")

    @api.get("/items/<int:number>")
    def item(request, number: int, details: bool = False) -> dict:
        "One item."
        if number not in STOCK:
            raise NotFound(f"there is no item {number}")
        return STOCK[number]

A dispatcher is a WSGI application: any WSGI server runs it.  The parts know
their limits (`BodyLimits`), and what goes wrong is told as problem details
(RFC 9457).  Multipart forms need the package ``multipart`` (the extra ``rest``).
"""

from __future__ import annotations

from fastnet.rest._accept import best, quality
from fastnet.rest._body import BodyLimits
from fastnet.rest._dispatch import PathDispatcher, Route, notfound_404
from fastnet.rest._errors import (
    BadRequest,
    Conflict,
    ContentTooLarge,
    Forbidden,
    HTTPError,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from fastnet.rest._form import Upload
from fastnet.rest._reply import (
    Response,
    csv_reply,
    html_reply,
    json_reply,
    negotiated,
    redirect,
    text_reply,
    xml_reply,
)
from fastnet.rest._request import Request
from fastnet.rest._routes import Converter

__all__ = [
    "PathDispatcher",
    "notfound_404",
    "Request",
    "Response",
    "Upload",
    "Route",
    "Converter",
    "BodyLimits",
    "json_reply",
    "xml_reply",
    "csv_reply",
    "html_reply",
    "text_reply",
    "negotiated",
    "redirect",
    "best",
    "quality",
    "HTTPError",
    "BadRequest",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "MethodNotAllowed",
    "NotAcceptable",
    "Conflict",
    "ContentTooLarge",
    "UnsupportedMediaType",
    "UnprocessableContent",
]
