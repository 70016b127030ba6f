"""The methods of a server: by name, with their signatures and docs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastnet._native.rpchub import Method

__all__ = ["Methods"]

_NAME_MOST = 1024


def _kind(function: Any) -> str:
    # what a decorator has wrapped says nothing: it may run a coroutine to its end
    if inspect.isroutine(function):
        call = function
    else:  # an object with a method that makes it callable
        call = getattr(type(function), "__call__", function)  # noqa: B004
    if inspect.isasyncgenfunction(call):
        return "async generator"
    if inspect.iscoroutinefunction(call):
        return "coroutine"
    if inspect.isgeneratorfunction(call):
        return "generator"
    return "plain"


class Methods:
    """A table that connections look names up in; may change while a server runs."""

    def __init__(self) -> None:
        self.table: dict[bytes, Method] = {}
        self._own: set[str] = set()
        for function in (self.list_methods, self.method_signature, self.method_help):
            name = f"system.{function.__name__}"
            self.add(function, name)
            self._own.add(name)

    def add(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Registers one function."""
        if not callable(function):
            raise TypeError(f"{function!r} is not callable")
        name = name or getattr(function, "__name__", None)
        if not name:
            raise ValueError(f"{function!r} has no name of its own: give name=")
        key = name.encode()
        if len(key) > _NAME_MOST:
            raise ValueError(f"a method's name takes at most {_NAME_MOST} bytes")
        self.table[key] = Method(name, function, _kind(function))

    def add_instance(self, instance: Any, prefix: str = "") -> None:
        """Registers every public method of an object, under its name."""
        found = 0
        for name in dir(instance):
            if name.startswith("_"):
                continue
            if isinstance(inspect.getattr_static(instance, name, None), property):
                continue
            function = getattr(instance, name)
            if callable(function) and not isinstance(function, type):
                self.add(function, prefix + name)
                found += 1
        if not found:
            raise ValueError(f"{instance!r} has no public methods")

    def remove(self, name: str) -> None:
        """Forgets a method; KeyError where there is none."""
        del self.table[name.encode()]

    def _find(self, name: str) -> Method:
        method = self.table.get(name.encode())
        if method is None:
            raise AttributeError(f"there is no method {name!r}")
        return method

    # What clients see, as system.*

    def list_methods(self) -> list[str]:
        """The names of all methods."""
        return sorted(key.decode() for key in self.table)

    def method_signature(self, name: str) -> str:
        """A method's parameters and result, as Python writes them."""
        try:
            return str(inspect.signature(self._find(name).function))
        except (TypeError, ValueError):
            return "(...)"

    def method_help(self, name: str) -> str:
        """A method's docstring; empty where it has none."""
        return inspect.getdoc(self._find(name).function) or ""
