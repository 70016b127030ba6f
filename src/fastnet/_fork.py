"""A child process that does one thing and ends."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable

__all__ = ["fork"]


def fork(work: Callable[[], None], closes: tuple[int, ...] = ()) -> int:
    """Runs work in a child, which ends with it and never comes back from here; its pid.

    Parameters:
        work: what the child does.
        closes: descriptors that the child is not to have.

    Raises OSError when the system has no process left.
    """
    _flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for fd in closes:
            with contextlib.suppress(OSError):  # another thread's, which has closed it meanwhile
                os.close(fd)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            _flush()
        os._exit(status)


def _flush() -> None:
    """What is in the buffers must not be written by two; there may be none, or nobody to read."""
    for file in (sys.stdout, sys.stderr):
        if file is not None:
            with contextlib.suppress(OSError, ValueError):
                file.flush()
