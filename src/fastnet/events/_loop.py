"""The loop, and the recipe's function that runs one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Self

from fastnet._native.events import HandlerLoop

SWEEP = 0.02


class EventLoop(HandlerLoop):
    """A loop over a list of handlers that can be stopped, and run again.

    Args:
        handlers: the handlers. A list is used as it is, and may be changed by anybody at any
            time; any other iterable is gone through anew every turn.
        poller: "epoll" or "select"; None for the environment's FASTNET_POLLER, else the best
            there is. select raises `ValueError` for a descriptor beyond its range (1023).
        sweep: seconds within which a handler is asked again that only others' doings can have
            changed, while the loop is busy.
        spin: seconds to go on looking before going to sleep, where the last sleeps were short;
            None for this machine's default, which is 0 where only one processor may be used.

    Raises:
        ValueError: an option is outside its range.

    Attributes:
        handlers: the list.
        poller: "epoll" or "select".
        running: whether `run` is at work.
        closed: whether `close` was called.

    A context manager, closed at its end. Belongs to one thread at a time; `stop`, `add`,
    `remove`, `wake` and `changed` may be called from any. After a fork the child's loop watches
    with a poller of its own.
    """

    def __init__(
        self,
        handlers: Iterable[Any] = (),
        *,
        poller: str | None = None,
        sweep: float = SWEEP,
        spin: float | None = None,
    ) -> None:
        if isinstance(handlers, tuple):
            handlers = list(handlers)
        if poller is None:
            poller = os.environ.get("FASTNET_POLLER", "")
        super().__init__(handlers, poller, sweep, spin)

    def add(self, handler: Any) -> None:
        """Appends a handler to the list; from another thread, it is seen at once."""
        self.handlers.append(handler)
        self.wake()

    def remove(self, handler: Any) -> None:
        """Takes a handler out of the list; it is not called again.

        Raises:
            ValueError: it is not in the list.
        """
        self.handlers.remove(handler)
        self.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def event_loop(
    handlers: Iterable[Any],
    *,
    poller: str | None = None,
    sweep: float = SWEEP,
    spin: float | None = None,
) -> None:
    """Calls handlers as they become ready, for ever: the recipe's loop.

    Ends only by an exception: a handler's, or KeyboardInterrupt. May then be called again with
    the same handlers. The arguments are `EventLoop`'s.

    Source: Python Cookbook, 3rd edition, recipe 11.12.
    """
    loop = EventLoop(handlers, poller=poller, sweep=sweep, spin=spin)
    try:
        loop.run()
    finally:
        loop.close()
