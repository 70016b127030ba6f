"""The exceptions of fastnet.

`Error` is their common base.  Each is also the exception that the standard
library raises for the same thing, so ``except OSError``, ``except EOFError``
and ``except TimeoutError`` catch what a reader expects.  The system's own
errors come as `OSError` with their number.
"""

from __future__ import annotations

import multiprocessing

__all__ = [
    "Error",
    "ProtocolError",
    "LimitError",
    "AuthenticationError",
    "IncompleteTransfer",
    "TransferTimeout",
]


class Error(Exception):
    """Base class of everything fastnet raises of its own."""


class ProtocolError(Error, OSError):
    """The peer sent what the protocol does not allow; the connection is of no more use."""


class LimitError(ProtocolError):
    """The peer asked for more than a limit allows; the text names the limit."""


class AuthenticationError(Error, multiprocessing.AuthenticationError):
    """The peer does not have the key, or what came is not what it sent."""


class _Partial(Error):
    """A transfer that stopped: how many bytes it had moved, of how many."""

    def __init__(self, message: str, transferred: int = 0, expected: int | None = None) -> None:
        super().__init__(message)
        self.transferred = transferred
        self.expected = expected

    def __reduce__(self) -> tuple[type[_Partial], tuple[str, int, int | None]]:
        return type(self), (str(self), self.transferred, self.expected)


class IncompleteTransfer(_Partial, EOFError):
    """The peer ended the connection inside a transfer.

    Attributes:
        transferred: bytes moved before the end.
        expected: bytes asked for, or None where that is not known.
    """


class TransferTimeout(_Partial, TimeoutError):
    """The deadline passed inside a transfer.

    Attributes:
        transferred: bytes moved in time.
        expected: bytes asked for, or None where that is not known.
    """
