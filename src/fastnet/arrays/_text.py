"""Names and meta: text beside an array, on its way out and in."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from fastnet.errors import ProtocolError
from fastnet.limits import Limits

__all__ = ["check_meta", "check_name", "dump_meta", "dump_name", "load_meta"]


def dump_name(name: str | None, limits: Limits) -> bytes | None:
    """A name as bytes; ValueError when it is too long, TypeError when it is no text."""
    if name is None:
        return None
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    encoded = name.encode("utf-8")
    if len(encoded) > limits.name_bytes:
        raise ValueError(f"a name of {len(encoded)} bytes; the limit is {limits.name_bytes}")
    return encoded


def dump_meta(meta: Any, limits: Limits) -> bytes | None:
    """Meta as JSON text; ValueError when it is too long, TypeError when JSON has no form for it."""
    if meta is None:
        return None
    try:
        text = json.dumps(meta, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise TypeError(f"meta must be what JSON can hold: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"meta must be what JSON can hold: {error}") from None
    encoded = text.encode("utf-8")
    if len(encoded) > limits.meta_bytes:
        raise ValueError(f"meta of {len(encoded)} bytes; the limit is {limits.meta_bytes}")
    return encoded


def check_name(encoded: bytes | None) -> str | None:
    """A name from the wire."""
    try:
        return None if encoded is None else encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("an array's name is not UTF-8") from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def load_meta(encoded: bytes | None) -> Any:
    """Meta from the wire."""
    if encoded is None:
        return None
    try:
        return json.loads(encoded.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"an array's meta is not JSON: {error}") from None


def check_meta(encoded: bytes | None) -> None:
    """Raises ProtocolError for meta that load_meta could not read."""
    load_meta(encoded)
