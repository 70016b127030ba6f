"""What is served, where the command line names it: MODULE:OBJECT."""

from __future__ import annotations

from typing import Any

from fastnet.cli._report import Failure

__all__ = ["load", "named"]


def named(text: str | None, service: str) -> str:
    """The text. Raises Failure if it is missing, or not MODULE:OBJECT."""
    if text is None:
        raise Failure(f"{service} needs MODULE:OBJECT, for example {service} shop:app", 2)
    name, colon, path = text.partition(":")
    if not (name and colon and path):
        raise Failure(f"{text!r} is not MODULE:OBJECT", 2)
    return text


def load(text: str | None, service: str) -> Any:
    """The object; a class is called. Raises Failure when it is not there."""
    from fastnet._named import find

    try:
        found = find(named(text, service))
    except (ImportError, AttributeError) as error:
        raise Failure(f"cannot serve {text}: {error}") from None
    return found() if isinstance(found, type) else found
