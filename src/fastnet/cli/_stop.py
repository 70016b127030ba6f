"""Ctrl-C and SIGTERM for a command that looks for them itself."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Asked"]


class Asked:
    """Notes the first SIGINT or SIGTERM instead of raising it; the next one raises.

    An exception out of a signal handler is lost where Python has nobody to pass it on to, as in
    the callback of a weak reference, and the program would go on as if nothing had been said.
    """

    def __init__(self) -> None:
        self.number = 0  # of the signal that came
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            self.obey()
        self.number = number

    def obey(self) -> None:
        """Raises KeyboardInterrupt or SystemExit if a signal has come."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number:
            sys.exit(128 + self.number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
