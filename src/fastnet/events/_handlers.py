"""What a handler is."""

from __future__ import annotations

from typing import Protocol

from fastnet._native import events as _events


class Handler(Protocol):
    """What the loop calls; for type checkers."""

    def fileno(self) -> int:
        """The descriptor, asked for whenever one of the two below said yes."""
        ...

    def wants_to_receive(self) -> object:
        """True to have `handle_receive` called when something can be received."""
        ...

    def handle_receive(self) -> object:
        """Called when something, an end of stream or an error can be received."""
        ...

    def wants_to_send(self) -> object:
        """True to have `handle_send` called when something can be sent."""
        ...

    def handle_send(self) -> object:
        """Called when something can be sent, or sending would fail."""
        ...


class EventHandler:
    """Base class of handlers: wants nothing, does nothing."""

    def fileno(self) -> int:
        """The descriptor to wait for. A class that wants anything must define this.

        Raises:
            TypeError: it does not.
        """
        raise TypeError(f"{type(self).__name__} must define fileno()")

    def wants_to_receive(self) -> bool:
        """Whether to call `handle_receive` when something can be received; here False."""
        return False

    def handle_receive(self) -> None:
        """Receives what there is, without waiting for more."""

    def wants_to_send(self) -> bool:
        """Whether to call `handle_send` when something can be sent; here False."""
        return False

    def handle_send(self) -> None:
        """Sends what can be sent without waiting."""

    def handle_error(self, error: Exception) -> None:
        """Deals with what `handle_receive` or `handle_send` raised; here by raising it again.

        What this raises ends the loop. Handlers without this method end it at once.
        """
        raise error

    def changed(self) -> None:
        """Says that this handler may want something else than when it was asked last.

        Needed by nobody, since handlers are asked again after their own calls and swept
        otherwise: it saves the sweep's delay. May be called from any thread, and then wakes the
        loop. Without effect while no loop that knows this handler runs.
        """
        _events.changed(self)
