"""``fastnet recv``: receives arrays and writes them as ``.npy`` files."""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

from fastnet.cli import _address, _keygen, _meter, _report
from fastnet.cli._report import Failure
from fastnet.cli._stop import Asked
from fastnet.cli._store import Folder, Refused

THREADS = 8  # senders served at a time; others wait in the listener's queue
TICK = 0.1  # seconds between two looks at what the threads have done
EXPECTED = (Failure, Refused, OSError, EOFError, MemoryError, TypeError)
FAREWELL = 2.0  # seconds that the last streams have to close in
GOODBYE = 0.5  # seconds that a sender with nothing more to say gets to close as well


class Tally:
    """How many arrays are wanted and how many are stored, for all threads.

    ``count``: None for any number. An array is claimed before it is received, so that no more
    than ``count`` are ever stored however many senders there are.
    """

    def __init__(self, count: int | None) -> None:
        self.count = count
        self.stored = 0
        self.refused = 0
        self.failure: Exception | None = None
        self.over = threading.Event()
        self._claimed = 0
        self._unnamed = 0
        self._change = threading.Condition()

    def claim(self) -> bool:
        """Waits for the right to receive one more array; False when there is none to receive."""
        with self._change:
            while self.count is not None and self._claimed >= self.count:
                if self.over.is_set():
                    return False
                self._change.wait()
            if self.over.is_set():
                return False
            self._claimed += 1
            return True

    def number(self) -> int:
        """The next number for an array without a name."""
        with self._change:
            self._unnamed += 1
            return self._unnamed

    def settle(self, stored: bool) -> None:
        """Ends a claim."""
        with self._change:
            if stored:
                self.stored += 1
            else:
                self._claimed -= 1
            if self.stored == self.count:
                self.over.set()
            self._change.notify_all()

    def stop(self, failure: Exception | None = None) -> None:
        """Ends it all: everything was received, or ``failure`` makes going on pointless."""
        with self._change:
            if failure is not None and self.failure is None and not self.over.is_set():
                self.failure = failure
            self.over.set()
            self._change.notify_all()


class Session:
    """One sender, in a thread of its own."""

    def __init__(self, receiver: Receiver, stream: Any) -> None:
        self.receiver = receiver
        self.stream = stream
        self.peer = _address.peer(lambda: stream.peer_address)
        self.leaving = False  # telling the sender how it ended
        self._lock = threading.Lock()
        # Our own handle on the connection: another thread may end it through this at any time,
        # where closing the stream under a thread that reads from it would not be safe.
        self._handle = socket.socket(fileno=os.dup(stream.fileno()))
        self.thread = threading.Thread(target=self._run, name=f"fastnet-recv {self.peer}")
        self.thread.daemon = True  # a last resort; `Receiver` waits for it
        self.thread.start()

    def _run(self) -> None:
        try:
            try:
                self._receive()
                self.leaving = True
                self.stream.close(timeout=GOODBYE)
            except (Failure, _report.OutputClosed) as failure:  # nobody can be served any more
                self.receiver.tally.stop(failure)
                self._refuse(failure)
            except Exception as error:  # whatever this sender has done, others are served on
                self._refuse(error)
            finally:
                self.stream.abort()  # nothing more once it is closed
        finally:
            with self._lock:
                self._handle.close()

    def end(self) -> None:
        """Ends the connection, whatever the thread is doing with it."""
        with self._lock:
            try:
                self._handle.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended

    def _receive(self) -> None:
        tally = self.receiver.tally
        while not tally.over.is_set():
            try:
                info = self.stream.peek(timeout=TICK)
            except TimeoutError:
                continue  # nothing has come; perhaps nothing more is wanted
            except EOFError as end:
                if isinstance(end, _incomplete()):  # gone, not closed
                    raise
                return
            if not tally.claim():
                return
            stored = False
            try:
                self._take(info)
                stored = True
            finally:
                tally.settle(stored)

    def _take(self, info: Any) -> None:
        receiver = self.receiver
        name = info.name or f"array-{receiver.tally.number()}"
        if info.dtype is None:
            raise Refused(f"{name}: it has a dtype that needs the package ml_dtypes here")
        part = receiver.folder.create(name, info) if receiver.folder else None
        began = time.perf_counter()
        try:
            with receiver.meter.track(name, info.nbytes, self._moved()):
                self.stream.recv(out=part.array if part else None)
            if part:
                part.commit()
        finally:
            if part:
                part.discard()
        receiver.report(self.peer, name, info, part, time.perf_counter() - began)

    def _moved(self) -> Any:
        start = self.bytes_received()
        return lambda: self.bytes_received() - start

    def bytes_received(self) -> int:
        return int(self.stream.stats()["bytes_received"])

    def _refuse(self, error: Exception) -> None:
        """Tells the user, and the sender if it can be reached, why this stream ends here."""
        self.leaving = True
        text = _report.clean(_report.reason(error))
        if not isinstance(error, EXPECTED):
            text = f"{type(error).__name__}: {text}"
        if not self.receiver.tally.over.is_set():
            self.receiver.refused(self.peer, text)
        self.stream.abort(text)


def _incomplete() -> type[Exception]:
    import fastnet

    return fastnet.IncompleteTransfer


class Receiver:
    """The listening end: accepts senders, each served by a thread."""

    def __init__(
        self, args: argparse.Namespace, folder: Folder | None, meter: Any, asked: Asked
    ) -> None:
        self.asked = asked
        self.tally = Tally(args.count)
        self.folder = folder
        self.meter = meter
        self.json: bool = args.json
        self.timeout: float | None = args.timeout
        self.sessions: list[Session] = []
        self._moved = 0

    def report(self, peer: str, name: str, info: Any, part: Any, seconds: float) -> None:
        """Prints the line for an array that is stored, or counted where nothing is stored."""
        if self.json:
            _report.record(
                event="array",
                name=name,
                dtype=str(info.dtype),
                shape=[int(n) for n in info.shape],
                order=info.order,
                nbytes=int(info.nbytes),
                seconds=round(seconds, 6),
                file=part.path if part else None,
                peer=peer,
            )
            return
        where = part.path if part else name
        rate = _report.rate(info.nbytes, seconds)
        self.meter.line(f"{where:<24} {_report.described(info)} {rate:>12}")

    def refused(self, peer: str, text: str) -> None:
        """Counts a sender that was sent away or lost, and prints why."""
        self.tally.refused += 1
        if self.json:
            _report.record(event="refused", peer=peer, error=_report.clean(text))
        self.meter.complain(f"{peer}: {text}")

    def serve(self, listener: Any) -> int:
        """Accepts until the count is reached, time is over, a signal comes or something fails."""
        last = time.monotonic()
        try:
            while not self.tally.over.is_set():
                self.asked.obey()
                self.sessions = [s for s in self.sessions if s.thread.is_alive()]
                if self._progress():
                    last = time.monotonic()
                elif self.timeout is not None and time.monotonic() - last > self.timeout:
                    return self._timed_out()
                if len(self.sessions) >= THREADS:
                    self.tally.over.wait(TICK)
                    continue
                try:
                    self.sessions.append(Session(self, listener.accept(timeout=TICK)))
                except TimeoutError:
                    continue
            self._finish()
        finally:
            self._end()
        if self.tally.failure is not None:
            raise self.tally.failure
        return 0

    def _progress(self) -> bool:
        moved = sum(session.bytes_received() for session in self.sessions)
        moved, self._moved = moved != self._moved, moved
        return bool(moved)

    def _timed_out(self) -> int:
        tally = self.tally
        busy = len(self.sessions)
        if tally.count is None and tally.stored and not tally.refused and not busy:
            return 0
        wanted = f" of {tally.count}" if tally.count else ""
        raise Failure(
            f"nothing has arrived for {self.timeout:g} s; arrays received: {tally.stored}{wanted}"
        )

    def _finish(self) -> None:
        """Lets streams end what they have in work and say goodbye."""
        deadline = time.monotonic() + FAREWELL
        left = self.sessions
        while left and time.monotonic() < deadline:
            self.asked.obey()
            for session in left:
                if self.tally.failure and not session.leaving:
                    session.end()
            left[0].thread.join(TICK / 2)
            left = [session for session in left if session.thread.is_alive()]

    def _end(self) -> None:
        self.tally.stop()
        deadline = time.monotonic() + FAREWELL
        for session in self.sessions:
            if session.thread.is_alive():
                session.end()
        for session in self.sessions:
            session.thread.join(max(0.0, deadline - time.monotonic()))


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet recv``."""
    key = _keygen.load(args.key)
    where = _address.to_listen(
        _address.parse(args.bind, any_port=True),
        args.insecure or key is not None,
        _address.KEY_HINT,
    )
    from fastnet import arrays

    with ExitStack() as stack:
        asked = stack.enter_context(Asked())  # unfinished files are removed
        folder = stack.enter_context(Folder(args.out, args.sync)) if args.out else None
        try:
            listener = stack.enter_context(arrays.listen(where, authkey=key))
        except OSError as error:
            why = _report.system(error)
            raise Failure(f"cannot listen on {_address.show(where)}: {why}") from None
        meter = stack.enter_context(_meter.meter(args.json))
        _announce(listener.address, args)
        return Receiver(args, folder, meter, asked).serve(listener)


def _announce(address: Any, args: argparse.Namespace) -> None:
    if args.json:
        _report.record(event="listening", address=_address.plain(address), out=args.out)
        return
    what = f"writing to {args.out}" if args.out else "counting only (--out DIR writes files)"
    _report.note(f"listening on {_address.show(address)}, {what}; Ctrl-C ends")
