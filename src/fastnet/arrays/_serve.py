"""One handler call per peer, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnet.arrays._stream import Stream

if TYPE_CHECKING:
    from fastnet.arrays._listener import Listener

__all__ = ["serve"]

_log = logging.getLogger("fastnet.arrays")


def _handle(handler: Callable[[Stream], object], stream: Stream) -> None:
    try:
        with stream:
            handler(stream)
    except Exception:
        _log.exception("the handler of a stream failed")


class _Workers:
    """At most `most` threads, and the stream that each has in work."""

    def __init__(self, handler: Callable[[Stream], object], most: int) -> None:
        self._handler = handler
        self._places = threading.Semaphore(most)
        self._busy: dict[threading.Thread, Stream] = {}

    def wait_for_place(self) -> None:
        self._places.acquire()

    def start(self, stream: Stream) -> None:
        """Handles a stream; there must be a place."""
        thread = threading.Thread(target=self._work, args=(stream,), name="fastnet-arrays")
        self._busy[thread] = stream
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left: this peer pays, not the others
            del self._busy[thread]
            self._places.release()
            _log.exception("no thread for the handler of a stream")
            stream.abort("it has no thread left")

    def _work(self, stream: Stream) -> None:
        try:
            _handle(self._handler, stream)
        finally:
            self._busy.pop(threading.current_thread(), None)
            self._places.release()

    def cut(self) -> None:
        """Ends the connections under the handlers."""
        for stream in list(self._busy.values()):
            stream._cut()

    def join(self) -> None:
        for thread in list(self._busy):
            thread.join()


def serve(listener: Listener, handler: Callable[[Stream], object], threads: int) -> None:
    """See `Listener.serve_forever`."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    workers = _Workers(handler, threads)
    try:
        while True:
            workers.wait_for_place()
            stream = listener._accept_or_closed()
            if stream is None:
                return
            workers.start(stream)
    except BaseException:
        listener.close()
        workers.cut()
        raise
    finally:
        workers.join()
