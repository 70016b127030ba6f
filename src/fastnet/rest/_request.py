"""A request as handlers of the richer form see it."""

from __future__ import annotations

from typing import Any

from fastnet.rest._accept import best, quality
from fastnet.rest._body import (
    BodyLimits,
    Environ,
    is_form,
    parse_json,
    query_pairs,
    read_body,
    require_json,
)
from fastnet.rest._errors import UnprocessableContent
from fastnet.rest._form import Form, Upload, read_form

__all__ = ["Request"]

_UNREAD: Any = object()
_WITHOUT_FORM = ("GET", "HEAD", "OPTIONS", "TRACE")


class Request:
    """A view of a WSGI environment.  What it gives is read when it is asked for.

    Parameters:
        environ: the environment.
        path_params: the values of the path's parameters.
        limits: bounds on the body and the query.

    Attributes: the same.

    Reading what the client sent raises `HTTPError` for what is beyond a limit
    or makes no sense; left alone, it becomes the reply.
    """

    __slots__ = ("_body", "_form", "_query", "environ", "limits", "path_params")

    def __init__(
        self,
        environ: Environ,
        path_params: dict[str, Any] | None = None,
        limits: BodyLimits | None = None,
    ) -> None:
        self.environ = environ
        self.path_params = {} if path_params is None else path_params
        self.limits = limits or BodyLimits()
        self._query: list[tuple[str, str]] | None = None
        self._form: Form | None = None
        self._body: Any = _UNREAD

    @property
    def method(self) -> str:
        """The method, such as ``GET``."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The path within the application, decoded; undecodable bytes are replaced."""
        path: str = self.environ.get("PATH_INFO", "")
        return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")

    def header(self, name: str, default: str | None = None) -> str | None:
        """A header's value; what it is when there is none."""
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        found: str | None = self.environ.get(key, default)
        return found

    # ------------------------------------------------------------------ parameters

    @property
    def query(self) -> list[tuple[str, str]]:
        """Names and values of the query, in its order."""
        if self._query is None:
            self._query = query_pairs(self.environ, self.limits.fields)
        return self._query

    def _read_form(self) -> Form:
        if self._form is None:
            if self.method in _WITHOUT_FORM or self._body is not _UNREAD:
                self._form = Form()
            else:
                self._form = read_form(self.environ, self.limits)
        return self._form

    @property
    def form(self) -> list[tuple[str, str]]:
        """Names and values of the form's text fields; none if the body is no form."""
        return self._read_form().pairs

    @property
    def files(self) -> dict[str, Upload]:
        """The files of a multipart form by their field's name, the first of each."""
        found: dict[str, Upload] = {}
        for upload in self._read_form().uploads:
            found.setdefault(upload.name, upload)
        return found

    @property
    def uploads(self) -> list[Upload]:
        """All files of a multipart form."""
        return self._read_form().uploads

    @property
    def params(self) -> dict[str, str]:
        """Form and query together: of each name the first value, the form's before the query's."""
        found: dict[str, str] = {}
        for name, value in self.form:
            found.setdefault(name, value)
        for name, value in self.query:
            found.setdefault(name, value)
        return found

    def values(self, name: str) -> list[str]:
        """All values of a name, the form's before the query's."""
        return [value for key, value in [*self.form, *self.query] if key == name]

    # ------------------------------------------------------------------------ body

    def body(self) -> bytes:
        """The body's bytes, at most ``limits.body_bytes``.  Not for a form that has been read."""
        if self._body is _UNREAD:
            if (
                self._form is not None
                and self.method not in _WITHOUT_FORM
                and is_form(self.environ)
            ):
                raise ValueError("the body has been read as a form")
            self._body = read_body(self.environ, self.limits.body_bytes)
        body: bytes = self._body
        return body

    def json(self, kind: type | tuple[type, ...] | None = None) -> Any:
        """What the JSON body says.

        Parameters:
            kind: the class that it must be of, such as ``dict`` or ``list``;
                422 otherwise.  True and false are no numbers.
        """
        require_json(self.environ)
        value = parse_json(self.body(), self.limits)
        kinds = kind if kind is None or isinstance(kind, tuple) else (kind,)
        if kinds is not None and not _is_one_of(value, kinds):
            raise UnprocessableContent(f"the body must be {_wanted(kinds)}, not {_found(value)}")
        return value

    # ---------------------------------------------------------------------- Accept

    def best(self, *types: str) -> str | None:
        """Which of some media types the client wants most, or None."""
        return best(self.environ.get("HTTP_ACCEPT"), types)

    def accepts(self, kind: str) -> bool:
        """Whether the client takes a media type."""
        return quality(self.environ.get("HTTP_ACCEPT"), kind) > 0

    def close(self) -> None:
        """Closes the files that came."""
        if self._form is not None:
            self._form.close()


def _is_one_of(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):  # which are numbers in Python, and none in JSON
        kinds = tuple(kind for kind in kinds if kind not in (int, float))
    return isinstance(value, kinds)


def _wanted(kinds: tuple[type, ...]) -> str:
    """Classes in words."""
    kinds = tuple(kind for kind in kinds if kind is not int or float not in kinds)
    return " or ".join(_JSON_NAMES.get(kind, kind.__name__) for kind in kinds)


def _found(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, float):
        return "a number with a fraction or an exponent"
    return "a number" if type(value) is int else _JSON_NAMES[type(value)]


_JSON_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
