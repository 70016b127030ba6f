"""Handlers that yield one block and end, as the cookbook's do."""

from __future__ import annotations

import dis
import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["answers_once", "once"]

_SILENT = frozenset(("CACHE", "EXTENDED_ARG", "NOP"))
_ENDS = (("RESUME", "POP_TOP", "LOAD_CONST", "RETURN_VALUE"), ("RESUME", "POP_TOP", "RETURN_CONST"))


def answers_once(function: Callable[..., Any]) -> bool:
    """Whether a generator function does nothing any more after a yield.

    Looks at its instructions; says False of what it does not know.
    """
    if not isinstance(function, types.FunctionType) or inspect.isasyncgenfunction(function):
        return False
    names = [one.opname for one in dis.get_instructions(function) if one.opname not in _SILENT]
    yields = [at for at, name in enumerate(names) if name == "YIELD_VALUE"]
    if "PUSH_EXC_INFO" in names:  # a handler would see the end of one that is not asked again
        return False
    return bool(yields) and all(
        any(tuple(names[at + 1 : at + 1 + len(end)]) == end for end in _ENDS) for at in yields
    )


def once(function: Callable[..., Iterable[bytes]]) -> Callable[..., list[bytes]]:
    """Such a handler as one that returns its block.

    A server may not hold a block back while it asks for the next one; of a
    list it knows that no other comes, and so the reply's length.
    """

    @functools.wraps(function)
    def handler(*args: Any) -> list[bytes]:
        for block in function(*args):
            return [block]
        return []

    return handler
