"""Objects by name: ``MODULE:OBJECT``."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

__all__ = ["find"]


def find(text: str, default: str = "") -> Any:
    """The object that ``"module:attribute"`` names, from the working directory too.

    Parameters:
        text: the name; the attribute may have dots.
        default: the attribute that ``"module"`` alone means, if it means any.

    Raises:
        ValueError: the text is not of that form.
        ImportError, AttributeError: what it names is not there.
    """
    module, colon, path = text.partition(":")
    path = path if colon else default
    if not module or not path:
        raise ValueError(f"{text!r} is not MODULE:OBJECT")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
