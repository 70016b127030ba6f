"""One request without a session of one's own."""

from __future__ import annotations

from typing import Any

from fastnet.http._response import Response
from fastnet.http._session import Session

__all__ = ["delete", "get", "head", "options", "patch", "post", "put", "request"]


def request(method: str, url: Any, **options: Any) -> Response:
    """One request on a connection of its own; options as for `Session.request`.

    Several requests are quicker, and keep cookies, with a `Session`.
    """
    with Session() as session:
        response = session.request(method, url, **options)
    return response


def get(url: Any, params: Any = None, **options: Any) -> Response:
    """GET; options as for `request`."""
    return request("GET", url, params=params, **options)


def options(url: Any, **options: Any) -> Response:
    """OPTIONS; options as for `request`."""
    return request("OPTIONS", url, **options)


def head(url: Any, *, allow_redirects: bool = False, **options: Any) -> Response:
    """HEAD, which by default does not follow redirects; options as for `request`."""
    return request("HEAD", url, allow_redirects=allow_redirects, **options)


def post(url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
    """POST; options as for `request`."""
    return request("POST", url, data=data, json=json, **options)


def put(url: Any, data: Any = None, **options: Any) -> Response:
    """PUT; options as for `request`."""
    return request("PUT", url, data=data, **options)


def patch(url: Any, data: Any = None, **options: Any) -> Response:
    """PATCH; options as for `request`."""
    return request("PATCH", url, data=data, **options)


def delete(url: Any, **options: Any) -> Response:
    """DELETE; options as for `request`."""
    return request("DELETE", url, **options)
