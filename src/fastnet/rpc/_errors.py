"""Exceptions that cross the wire, and those of the calls themselves.

An exception travels as its type's name, its arguments, its text and its traceback.  The receiver
makes one of the same type only where that type is on its list: the built-in ones, fastnet's, and
those that were registered.  No module is ever imported because a peer has named it.
"""

from __future__ import annotations

import builtins
import traceback
from collections.abc import Iterable
from typing import Any

from fastnet import errors

__all__ = ["CallTimeout", "ConnectionLost", "RemoteError", "Reviver", "describe"]

_TRACE_MOST = 16 * 1024  # characters of a traceback that are sent


class RemoteError(errors.Error):
    """A handler raised what has no type here, or a type that is not on the client's list.

    Attributes:
        type_name: the type's module and name, where it was raised.
        remote_traceback: the traceback there, as text.
    """

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(f"{type_name}: {text}" if text else type_name)
        self.type_name = type_name
        self.text = text

    def __reduce__(self) -> tuple[type[RemoteError], tuple[str, str]]:
        return type(self), (self.type_name, self.text)


class CallTimeout(errors.Error, TimeoutError):
    """No answer came in time; the server has been told that nobody waits any more."""


class ConnectionLost(errors.Error, ConnectionError):
    """The connection ended while the call was open: whether it ran is not known."""


def _known() -> dict[str, type[BaseException]]:
    found: dict[str, type[BaseException]] = {}
    for name, kind in vars(builtins).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            found[f"builtins.{name}"] = kind
    for name in errors.__all__:
        found[f"fastnet.errors.{name}"] = getattr(errors, name)
    for kind in (RemoteError, CallTimeout, ConnectionLost):
        found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return found


_BUILT_IN = _known()
_PLAIN = (str, int, float, bool, bytes, type(None))


def describe(error: BaseException, codec: Any, traces: bool = True) -> list[Any]:
    """An exception as what a codec can hold: type, arguments, text, traceback, notes."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    text = _text(error)
    args: list[Any] = list(error.args)
    if isinstance(error, OSError) and error.filename is not None:
        args = [error.errno, error.strerror, _clean(str(error.filename))]
    try:
        payload, segments = codec.pack(args)
        plain = all(type(one) in _PLAIN for one in args)
        if not plain and (segments or len(payload) > _TRACE_MOST):
            args = [text]
    except Exception:  # even of plain ones: an integer too large, half of a surrogate pair
        args = [text]
    lines = ""
    if traces:
        try:
            lines = "".join(traceback.format_exception(error))[-_TRACE_MOST:]
        except Exception:  # one whose own __str__ raises
            lines = ""
    try:
        notes = [_clean(str(note))[:_TRACE_MOST] for note in getattr(error, "__notes__", ())]
    except Exception:
        notes = []
    return [_clean(name), args, text, _clean(lines), notes]


def _clean(text: str) -> str:
    """As UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _text(error: BaseException) -> str:
    try:
        return _clean(str(error)[:_TRACE_MOST])
    except Exception:
        return "<no text>"


class Reviver:
    """Makes exceptions of what `describe` gave; `kinds` are allowed beyond the built-in ones."""

    def __init__(self, kinds: Iterable[type[BaseException]] = ()) -> None:
        self._known = dict(_BUILT_IN)
        for kind in kinds:
            self.allow(kind)

    def allow(self, kind: type[BaseException]) -> None:
        """Exceptions of this type arrive as themselves."""
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise TypeError(f"{kind!r} is no type of exception")
        self._known[f"{kind.__module__}.{kind.__qualname__}"] = kind

    def __call__(self, value: Any) -> BaseException:
        """The exception; one of this end's own where value is malformed."""
        try:
            name, args, text, lines, notes = value
            if not (isinstance(name, str) and isinstance(text, str) and isinstance(lines, str)):
                raise TypeError
            args, notes = list(args), [str(note) for note in notes]
        except (TypeError, ValueError):
            return errors.ProtocolError("the server sent a malformed error")
        error = self._make(name, args, text)
        for note in notes:
            error.add_note(note)
        if lines:
            error.add_note(f"\nOn the server:\n{lines.rstrip()}")
        error.remote_traceback = lines  # type: ignore[attr-defined]
        return error

    def _make(self, name: str, args: list[Any], text: str) -> BaseException:
        kind = self._known.get(name)
        if kind is RemoteError:
            return RemoteError(*args) if len(args) == 2 else RemoteError(name, text)
        if kind is not None:
            try:
                error = kind(*args)
            except Exception:
                error = None
            if type(error) is kind or (kind is OSError and isinstance(error, OSError)):
                return error
        return RemoteError(name, text)
