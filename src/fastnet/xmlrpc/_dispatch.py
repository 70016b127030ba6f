"""From a message to a function, and back."""

from __future__ import annotations

import xmlrpc.server as standard
from collections.abc import Callable
from typing import Any

from fastnet.xmlrpc import _codec


class SimpleXMLRPCDispatcher(standard.SimpleXMLRPCDispatcher):
    """Functions and an instance, called by the names in messages.

    Parameters:
        allow_none: whether None may be in answers.
        encoding: of answers; UTF-8 if None.
        use_builtin_types: whether arguments have bytes and datetime, not
            `Binary` and `DateTime`.

    Registered functions come before the instance's methods; `register_instance`
    with ``allow_dotted_names=True`` opens what its attributes lead to, so leave it off.
    """

    def _marshaled_dispatch(  # type: ignore[override]  # bytes, whatever typeshed says
        self,
        data: Any,
        dispatch_method: Callable[[str, tuple[Any, ...]], Any] | None = None,
        path: Any = None,
    ) -> bytes:
        call: Any = dispatch_method if dispatch_method is not None else self._dispatch
        return _codec.answer(
            call, data, self.encoding, self.allow_none, self.use_builtin_types
        )  # fmt: skip


class MultiPath:
    """Dispatchers by path: what `MultiPathXMLRPCServer` and `XMLRPCApp` ask."""

    def __init__(self) -> None:
        self.dispatchers: dict[str, Any] = {}

    def add_dispatcher(self, path: str, dispatcher: Any) -> Any:
        """Has a dispatcher answer what is sent to a path; returns the dispatcher."""
        self.dispatchers[path] = dispatcher
        return dispatcher

    def get_dispatcher(self, path: str) -> Any:
        """The dispatcher of a path; KeyError if there is none."""
        return self.dispatchers[path]
