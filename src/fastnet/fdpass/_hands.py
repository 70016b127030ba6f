"""The dispatching process's view of its workers: who has what, and who is next."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

from fastnet._fork import fork
from fastnet.fdpass._objects import send_socket
from fastnet.fdpass._worker import BACK, DONE, READY, TAKEN, Handler, work

__all__ = ["Hand", "Hands"]

_BAD_LIFE = 1.0  # seconds; a worker that dies sooner is replaced only after a pause
_FIRST_PAUSE, _MOST_PAUSE = 0.05, 5.0


class Hand:
    """One worker.

    A connection that was sent to it is kept here until it says that it has
    taken it: if it dies before, the connection goes to another.
    """

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.channel = channel
        self.load = 0  # connections that it has and are not done
        self.untaken: collections.deque[socket.socket] = collections.deque()
        self.born = time.monotonic()
        self.heard = False  # whether the last look found anything
        self.full = False  # has no descriptor left, until it says that it is ready
        self._gone = False

    def ended(self) -> bool:
        """Whether the process has; it is collected then."""
        if not self._gone:
            try:
                self._gone = os.waitpid(self.pid, os.WNOHANG)[0] != 0
            except ChildProcessError:
                self._gone = True
        return self._gone

    def kill(self) -> None:
        """Ends the process, whatever it does, and collects it."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._gone = True

    def hear(self, back: collections.deque[socket.socket]) -> int | None:
        """Reads what the worker says; how many are done, or None when it has ended.

        back: gets the connections that it could not take.
        """
        self.heard = False
        try:
            said = self.channel.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except ConnectionError:
            return None
        if not said:
            return None
        self.heard = True
        done = 0
        for word in said:
            if word == DONE[0]:
                done += 1
                self.load -= 1
            elif word == READY[0]:
                self.full = False
            elif self.untaken:
                sock = self.untaken.popleft()
                if word == TAKEN[0]:
                    sock.close()
                elif word == BACK[0]:
                    back.append(sock)
                    self.load -= 1
                    self.full = True
        return done

    def room(self, threads: int) -> bool:
        """Whether it can take another connection."""
        return self.load < threads and not self.full


class Hands:
    """All workers: as many as there should be, now or as soon as may be.

    Parameters:
        handler, threads: what each worker does, and with how many at once.
        count: how many workers there should be.
        in_turn: give connections out in turn instead of to the least loaded.
        closes: gives the descriptors that a worker is not to have.
        listening: the socket, which it is not to have either.
    """

    def __init__(
        self,
        handler: Handler,
        threads: int,
        count: int,
        in_turn: bool,
        closes: Callable[[], list[int]],
        listening: socket.socket,
    ) -> None:
        self._handler = handler
        self._threads = threads
        self._count = count
        self._in_turn = in_turn
        self._closes = closes
        self._listening = listening
        self._spare = -1  # kept for a worker, when accepting has taken all others
        self._hands: collections.deque[Hand] = collections.deque()
        self._pause = 0.0
        self._not_before = 0.0

    def __iter__(self) -> collections.abc.Iterator[Hand]:
        return iter(list(self._hands))

    def __len__(self) -> int:
        return len(self._hands)

    @property
    def load(self) -> int:
        """Connections that workers have."""
        return sum(hand.load for hand in self._hands)

    def pids(self) -> list[int]:
        """The workers' process numbers."""
        return [hand.pid for hand in self._hands]

    def wait(self) -> float | None:
        """Seconds until a missing worker may be made, or None if none is missing."""
        if len(self._hands) >= self._count:
            return None
        return max(0.0, self._not_before - time.monotonic())

    def hire(self) -> Hand | None:
        """Makes one missing worker, if it is time."""
        if self.wait() != 0.0:
            return None
        self._keep_spare(False)
        try:
            hand = self._fork()
        except OSError:  # no process or descriptor is left: those who are there go on
            self._not_before = time.monotonic() + _MOST_PAUSE / 5
            return None
        finally:
            self._keep_spare(True)
        self._hands.append(hand)
        return hand

    def _fork(self) -> Hand:
        ours, theirs = socket.socketpair()
        closes = (ours.fileno(), *(hand.channel.fileno() for hand in self._hands), *self._closes())
        try:
            return Hand(fork(lambda: self._work(theirs), closes), ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _work(self, channel: socket.socket) -> None:
        # The object, not its number: the program has it too, and might close it.
        self._listening.close()
        work(channel, self._handler, self._threads)

    def _keep_spare(self, keep: bool) -> None:
        """Holds one descriptor more than is needed, or lets it go."""
        if keep:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        elif self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    def dead(self) -> list[Hand]:
        """The workers that have ended since the last time."""
        return [hand for hand in self._hands if hand.ended()]

    def dismiss(self) -> None:
        """Tells all that nothing more comes, so that they end."""
        for hand in self._hands:
            with contextlib.suppress(OSError):
                hand.channel.shutdown(socket.SHUT_WR)

    def room(self) -> bool:
        """Whether some worker can take another connection."""
        return any(hand.room(self._threads) for hand in self._hands)

    def give(self, sock: socket.socket) -> bool:
        """Hands a connection to the worker whose turn it is; False where none can take it."""
        ready = [hand for hand in self._hands if hand.room(self._threads)]
        ready.sort(key=lambda hand: 0 if self._in_turn else hand.load)
        for hand in ready:
            try:
                send_socket(hand.channel, sock, timeout=0)
            except OSError:  # it has died, which is heard of next
                continue
            hand.load += 1
            hand.untaken.append(sock)
            self._hands.remove(hand)  # equals take turns
            self._hands.append(hand)
            return True
        return False

    def bury(self, hand: Hand, ending: bool) -> list[socket.socket]:
        """Takes leave of a worker that has ended; the connections that it had not taken.

        One that only has no channel any more, which its handler has closed, is
        of no use and would be waited for: it is killed.
        """
        self._hands.remove(hand)
        hand.channel.close()
        hand.kill()
        short = time.monotonic() - hand.born < _BAD_LIFE and not ending
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _MOST_PAUSE) if short else 0.0
        self._not_before = time.monotonic() + self._pause
        return list(hand.untaken)
