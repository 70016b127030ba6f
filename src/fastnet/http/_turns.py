"""Who may use a connection, where a session on a loop has only so many to a host."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Turns"]


class Turns:
    """As many turns for each key as are allowed, on the loop that runs now.

    A key that nobody uses or waits for is forgotten.

    Parameters:
        most: turns that may be taken at a time.
    """

    def __init__(self, most: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._most = most
        self._gates: dict[Any, asyncio.Semaphore] = {}
        self._users: dict[Any, int] = {}

    async def enter(self, key: Any) -> None:
        """Waits for a turn."""
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = asyncio.Semaphore(self._most)
        self._users[key] = self._users.get(key, 0) + 1
        try:
            await gate.acquire()
        except BaseException:
            self._left(key)
            raise

    def leave(self, key: Any) -> None:
        """Gives a turn back."""
        self._gates[key].release()
        self._left(key)

    def _left(self, key: Any) -> None:
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key], self._gates[key]

    def __len__(self) -> int:
        return len(self._gates)
