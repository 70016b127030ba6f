"""Python's standard servers and connections at C speed, and NumPy arrays at the speed of the wire.

The names below load on first use, so importing fastnet costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnet import address as address
    from fastnet import arrays as arrays
    from fastnet import errors as errors
    from fastnet import limits as limits
    from fastnet import tuning as tuning
    from fastnet.errors import (
        AuthenticationError as AuthenticationError,
    )
    from fastnet.errors import (
        Error as Error,
    )
    from fastnet.errors import (
        IncompleteTransfer as IncompleteTransfer,
    )
    from fastnet.errors import (
        LimitError as LimitError,
    )
    from fastnet.errors import (
        ProtocolError as ProtocolError,
    )
    from fastnet.errors import (
        TransferTimeout as TransferTimeout,
    )
    from fastnet.limits import Limits as Limits
    from fastnet.transfer import recv_into as recv_into
    from fastnet.transfer import send_from as send_from
    from fastnet.tuning import Tuning as Tuning

__version__ = "0.1.0"

_HOME = {
    "Error": "errors",
    "ProtocolError": "errors",
    "LimitError": "errors",
    "AuthenticationError": "errors",
    "IncompleteTransfer": "errors",
    "TransferTimeout": "errors",
    "Limits": "limits",
    "Tuning": "tuning",
    "send_from": "transfer",
    "recv_into": "transfer",
}
_MODULES = ("address", "arrays", "errors", "limits", "transfer", "tuning")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
