"""The process that accepts connections and hands them to workers; it has no threads."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from typing import Any

from fastnet.fdpass._board import Board
from fastnet.fdpass._hands import Hand, Hands
from fastnet.fdpass._worker import Handler

__all__ = ["DRAIN", "STOP", "Dispatching"]

DRAIN, STOP = b"d", b"s"

_ACCEPTS_PER_TURN = 64
_PAUSE_WITHOUT_DESCRIPTORS = 0.05  # seconds
_GONE = (ConnectionAbortedError, InterruptedError)

_log = logging.getLogger("fastnet.fdpass")


class Dispatching:
    """Runs until it is told to end, or its parent has gone.

    It accepts only what a worker has room for: the others wait in the
    system's queue, where no process can lose them.  Told to drain, it takes
    that queue over, closes the listening socket, hands out all it has, and
    ends when the workers are done.

    Parameters:
        listening: the socket.
        orders: the end of a pipe, from which DRAIN and STOP come.
        end: the end of a pipe that tells the parent of this process's end.
        close_timeout: seconds for draining when the parent has gone, or None.
    """

    def __init__(
        self,
        listening: socket.socket,
        orders: int,
        end: int,
        board: Board,
        handler: Handler,
        *,
        workers: int,
        threads: int,
        in_turn: bool,
        close_timeout: float | None,
    ) -> None:
        self._listening = listening
        self._orders = orders
        self._end = end
        self._board = board
        self._close_timeout = close_timeout
        self._hands = Hands(handler, threads, workers, in_turn, self._private, listening)
        self._waiting: collections.deque[socket.socket] = collections.deque()
        self._counts: collections.Counter[str] = collections.Counter()
        self._selector = selectors.DefaultSelector()
        self._accepts = False  # whether the listening socket is watched
        self._accepts_after = 0.0
        self._draining = self._emptied = self._terminated = self._dismissed = False
        self._cut_at: float | None = None

    def _private(self) -> list[int]:
        """Descriptors that are none of a worker's business."""
        selector: Any = self._selector
        own = [self._orders, self._end, *self._wake]
        if hasattr(selector, "fileno"):
            own.append(selector.fileno())
        kept = [sock.fileno() for hand in self._hands for sock in hand.untaken]
        return [fd for fd in [*own, *kept, *(s.fileno() for s in self._waiting)] if fd >= 0]

    def run(self) -> None:
        """See the class."""
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to decide
        signal.signal(signal.SIGTERM, self._note_sigterm)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # which makes it write to the wake-up pipe
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        self._listening.setblocking(False)
        self._selector.register(self._wake[0], selectors.EVENT_READ, self._wake_up)
        self._selector.register(self._orders, selectors.EVENT_READ, self._hear_orders)
        try:
            while not self._finished() or len(self._hands):
                self._turn()
        finally:
            self._cut()

    def _note_sigterm(self, *_: object) -> None:
        self._terminated = True

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake[0], 512)
        for hand in self._hands.dead():
            # A child of the worker may still hold its end open: this is all that it said.
            while self._listen_to(hand) and hand.heard:
                pass
            self._bury(hand)

    def _finished(self) -> bool:
        return self._emptied and not self._waiting and not self._hands.load

    def _turn(self) -> None:
        if self._finished() and not self._dismissed:
            self._dismissed = True
            self._hands.dismiss()
        if self._waiting or not self._draining:
            while (hand := self._hands.hire()) is not None:
                self._watch(hand)
        self._hand_out()
        self._watch_listening()
        if self._draining:
            self._empty()
        self._board.write(
            {**self._counts, "open": self._hands.load, "waiting": len(self._waiting)},
            self._hands.pids(),
        )
        for key, _ in self._selector.select(self._patience()):
            key.data()
        if self._terminated:
            self._terminated = False
            self._drain_alone()
        if self._cut_at is not None and time.monotonic() >= self._cut_at:
            raise SystemExit

    def _patience(self) -> float | None:
        now = time.monotonic()
        waits = [self._hands.wait()] if self._waiting or not self._draining else []
        if self._cut_at is not None:
            waits.append(self._cut_at - now)
        if self._accepts_after > now:
            waits.append(self._accepts_after - now)
        bounded = [max(0.0, wait) for wait in waits if wait is not None]
        return min(bounded) if bounded else None

    # ------------------------------------------------------------------ workers

    def _watch(self, hand: Hand) -> None:
        self._selector.register(hand.channel, selectors.EVENT_READ, lambda: self._hear(hand))

    def _hear(self, hand: Hand) -> None:
        if hand.channel.fileno() < 0:  # buried earlier in this turn
            return
        if not self._listen_to(hand):
            self._bury(hand)

    def _listen_to(self, hand: Hand) -> bool:
        """Reads what a worker says; False when it has ended."""
        done = hand.hear(self._waiting)
        self._counts["done"] += done or 0
        return done is not None

    def _bury(self, hand: Hand) -> None:
        self._selector.unregister(hand.channel)
        lost = hand.load - len(hand.untaken)
        if lost:
            _log.error("worker %d died with %d connections in work", hand.pid, lost)
        again = self._hands.bury(hand, self._draining)
        self._waiting.extendleft(reversed(again))
        self._counts["handed_again"] += len(again)
        self._counts["replaced"] += not self._dismissed

    def _hand_out(self) -> None:
        while self._waiting and self._hands.give(self._waiting[0]):
            self._waiting.popleft()

    # ---------------------------------------------------------------- accepting

    def _watch_listening(self) -> None:
        """Watches for connections while there is room for one."""
        wanted = (
            not self._draining
            and not self._waiting
            and self._hands.room()
            and time.monotonic() >= self._accepts_after
        )
        if wanted and not self._accepts:
            self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        elif self._accepts and not wanted:
            self._selector.unregister(self._listening)
        self._accepts = wanted

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            if self._draining or self._waiting or not self._hands.room() or not self._accept_one():
                return
            self._hand_out()

    def _accept_one(self) -> bool:
        """Takes a connection out of the system's queue; False when there is none to take."""
        try:
            sock, _ = self._listening.accept()
        except BlockingIOError:
            return False
        except _GONE:
            return True
        except OSError:  # no descriptor is left: peers wait in the queue until some are done
            self._counts["shed"] += 1
            self._accepts_after = time.monotonic() + _PAUSE_WITHOUT_DESCRIPTORS
            return False
        self._counts["accepted"] += 1
        self._waiting.append(sock)
        return True

    # ------------------------------------------------------------------- ending

    def _hear_orders(self) -> None:
        order = os.read(self._orders, 1)
        if order == STOP:
            raise SystemExit
        if order == DRAIN:
            self._drain()
        else:
            self._selector.unregister(self._orders)
            self._drain_alone()

    def _drain(self) -> None:
        """Takes what has connected, and no more."""
        self._draining = True
        self._watch_listening()
        self._empty()

    def _empty(self) -> None:
        """Takes all that is in the system's queue, as far as there are descriptors."""
        if self._emptied or time.monotonic() < self._accepts_after:
            return
        while self._accept_one():
            pass
        if time.monotonic() >= self._accepts_after:
            self._listening.close()
            self._emptied = True

    def _drain_alone(self) -> None:
        """The same when nobody above will say when it is enough."""
        self._drain()
        if self._close_timeout is not None and self._cut_at is None:
            self._cut_at = time.monotonic() + self._close_timeout

    def _cut(self) -> None:
        """Ends the workers that have not ended."""
        for hand in self._hands:
            hand.channel.close()
            hand.kill()
        self._board.write({**self._counts}, [])
