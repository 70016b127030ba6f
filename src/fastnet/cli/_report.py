"""What the command prints: lines for people, lines of JSON, and one line for each failure."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

_lock = threading.Lock()  # several senders may be received at a time; a line stays a line

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class Failure(Exception):
    """An expected failure; its text is the one line that is printed, ``status`` the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class OutputClosed(Exception):
    """Nobody reads stdout any more."""


def clean(text: object) -> str:
    """Text as one harmless line: names come from a peer and could hold terminal commands."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def _encodable(text: str, stream: Any) -> str:
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def line(text: str) -> None:
    """Prints one line on stdout, at once. Raises OutputClosed, or Failure when it cannot."""
    if sys.stdout is None:  # closed from the start, as by ``>&-``
        return
    with _lock:
        try:
            sys.stdout.write(_encodable(clean(text), sys.stdout) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            silence()
            raise OutputClosed from None
        except OSError as error:
            silence()
            raise Failure(f"cannot write the output: {error.strerror}") from None


def note(text: str) -> None:
    """Prints one line on stderr."""
    if sys.stderr is None:
        return
    with _lock:
        try:
            sys.stderr.write(_encodable(clean(text), sys.stderr) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody to tell
            pass


def complain(text: object) -> None:
    """Prints the one line that a failure is worth."""
    note(f"fastnet: {text}")


def record(**fields: Any) -> None:
    """Prints one JSON object as a line on stdout."""
    line(json.dumps(fields))  # ASCII only, so `clean` changes nothing


def silence() -> None:
    """Points stdout at nothing, so that the interpreter's last flush cannot fail either."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass


def size(nbytes: int) -> str:
    """Bytes in decimal units, like the rates: ``921.6 kB``."""
    value = float(nbytes)
    for unit in UNITS:
        if value < 999.95 or unit == UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def rate(nbytes: int, seconds: float) -> str:
    """Bytes per second, readable: ``6.41 GB/s``."""
    if not nbytes:
        return "-"
    per_second = nbytes / max(seconds, 1e-9)
    if per_second >= 1e8:
        return f"{per_second / 1e9:.2f} GB/s"
    return f"{size(int(per_second))}/s"


def described(array: Any) -> str:
    """Dtype, shape and size of an array or of its description, in columns."""
    dtype = str(array.dtype)
    if len(dtype) > 40:
        dtype = f"{dtype[:37]}..."
    shape = str(tuple(int(n) for n in array.shape)).replace(" ", "")
    return f"{dtype:<10} {shape:<16} {size(array.nbytes):>10}"


def reason(error: BaseException) -> str:
    """What an exception says, without its class, number or line breaks."""
    if isinstance(error, MemoryError):
        return "not enough memory" + (f": {error}" if str(error) else "")
    if isinstance(error, OSError) and error.strerror and type(error).__str__ is OSError.__str__:
        where = error.filename
        return f"{os.fsdecode(where)}: {error.strerror}" if where else error.strerror
    return str(error) or type(error).__name__


def system(error: Exception) -> str:
    """What the system says about an error, without an address that the line has already."""
    if isinstance(error, OSError) and error.errno and error.errno > 0:  # below 0: name look-ups
        return os.strerror(error.errno)
    return reason(error)


def explain(error: Exception) -> int | None:
    """Prints the line for an expected failure and returns the exit status, else returns None.

    Expected are our own errors, the system's and want of memory. A ValueError or TypeError that
    comes this far is a mistake in this program and deserves its traceback.
    """
    if isinstance(error, Failure):
        complain(error)
        return error.status
    import fastnet

    if isinstance(error, fastnet.Error | OSError | MemoryError | ImportError):
        complain(reason(error))
        return 1
    return None
