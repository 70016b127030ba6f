"""What the connections of one process have in common: an application, its threads, its log."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import IO, Any

from fastnet._native.wsgiconn import Connection
from fastnet._native.wsgiexchange import Exchange
from fastnet._native.wsgirequests import SiteCore
from fastnet.limits import Limits
from fastnet.wsgi._body import Nothing, Stream, spool
from fastnet.wsgi._files import FileWrapper, plain_file, send
from fastnet.wsgi._threads import Threads

__all__ = ["Site"]

SOFTWARE = "fastnet"
_RETIRING = 60.0  # seconds, where an idle connection may stay for ever


class Site(SiteCore):
    """Belongs to the loop of the thread that makes it.

    Parameters:
        app: the application.
        limits: what clients may ask for.
        threads: that run it; 0 for the loop itself.
        workers: processes that do so.
        log: called with the text of each line of the access log, or None.
    """

    def __init__(
        self,
        app: Any,
        limits: Limits,
        threads: int,
        workers: int,
        log: Callable[[str], None] | None,
    ) -> None:
        super().__init__(
            app,
            limits.request_line,
            limits.header_fields,
            limits.header_bytes,
            limits.body_bytes,
            limits.request_timeout,
            limits.keep_alive_timeout,
            limits.send_timeout,
        )
        self._loop = asyncio.get_running_loop()
        self.log = log
        self.threaded = threads > 0
        self._pool = Threads(threads, self.complain) if threads else None
        self._made: deque[tuple[Connection, Exchange, bytes | None, bool]] = deque()
        self._told = False
        self._patience = limits.send_timeout
        span = limits.keep_alive_timeout
        self._retiring = _RETIRING if span is None else max(span, 1.0)
        self._tasks: set[asyncio.Task[None]] = set()
        self.base = {
            "REQUEST_METHOD": "GET",  # these four as most requests have them
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_SOFTWARE": SOFTWARE,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": Nothing(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": workers > 1,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
        }
        self._sweeping = self._loop.call_later(1, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = self._loop.call_later(1, self._sweep)
        self.sweep()

    # ------------------------------------------------------------------- connections

    def base_of(self, transport: Any) -> dict[str, Any]:
        """The environ that a connection's requests have in common."""
        base = self.base.copy()
        name = transport.get_extra_info("sockname")
        peer = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            base["SERVER_NAME"], base["SERVER_PORT"] = name[0], str(name[1])
        else:  # a Unix socket's; PEP 3333 wants both, and neither empty
            base["SERVER_NAME"], base["SERVER_PORT"] = "localhost", "80"
        if isinstance(peer, tuple):
            base["REMOTE_ADDR"], base["REMOTE_PORT"] = peer[0], str(peer[1])
        else:
            base["REMOTE_ADDR"] = ""
        if transport.get_extra_info("ssl_object") is not None:
            base["wsgi.url_scheme"], base["HTTPS"] = "https", "on"
        return base

    # ----------------------------------------------------------------------- threads

    def stream(self, connection: Connection) -> Stream:
        """For a body that a thread will read while it comes."""
        return Stream(lambda: self._call(connection.resume_body))

    def submit(self, exchange: Exchange) -> None:
        """Has a thread run the application."""
        assert self._pool is not None
        self._pool.submit(exchange, self.app)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            pass  # the loop has ended meanwhile

    def hand_over(
        self, connection: Connection, exchange: Exchange, data: bytes | None, last: bool
    ) -> None:
        """What a thread has made of a reply, for the loop to send; wakes it once for many."""
        self._made.append((connection, exchange, data, last))
        if not self._told:
            self._told = True
            self._call(self._take)

    def _take(self) -> None:
        self._told = False
        for _ in range(len(self._made)):  # a thread may go on and on
            connection, exchange, data, last = self._made.popleft()
            try:
                connection.take_from_thread(exchange, data, last)
            except Exception as error:  # the others' replies are here, too
                connection.transport.abort()
                what = "Exception while a reply was sent"
                self._loop.call_exception_handler({"message": what, "exception": error})

    def later(self, exchange: Exchange) -> int:
        """Goes on with a reply when others have had their turn."""
        self._loop.call_soon(exchange.go_on)
        return 0

    # ------------------------------------------------------------------------ bodies

    def spool(self, *pieces: bytes | bytearray | None) -> IO[bytes]:
        """A place for a body that has become large."""
        return spool(pieces)

    def is_file(self, exchange: Exchange, result: Any) -> bool:
        """Whether the reply's body is a file that is sent from here on by the system."""
        if type(result) is not FileWrapper:
            return False
        if exchange.has_length:
            result.most = exchange.length
        transport = exchange.sink.transport
        if transport.get_extra_info("ssl_object") is not None:
            return False
        part = plain_file(result.filelike)
        if part is None:
            return False
        count = exchange.begin_file(part[1])
        if count is None:
            return False
        if exchange.threaded:  # which is free for the next request meanwhile
            self._call(lambda: self._send(exchange, result.filelike, part[0], count))
        else:
            self._send(exchange, result.filelike, part[0], count)
        return True

    def _send(self, exchange: Exchange, file: Any, offset: int, count: int) -> None:
        transport = exchange.sink.transport
        task = self._loop.create_task(
            send(transport, exchange, file, offset, count, self._patience)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --------------------------------------------------------------------------- logs

    def complain(self, exchange: Exchange, error: BaseException | None, what: str) -> None:
        """Writes to ``wsgi.errors`` what has gone wrong with a reply."""
        environ = exchange.environ
        errors = environ.get("wsgi.errors") or sys.stderr
        where = f"{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')!r}"
        text = f"fastnet: {what} ({where})\n"
        if error is not None:
            text += "".join(traceback.format_exception(error))
        try:
            errors.write(text)
            errors.flush()
        except Exception:
            pass  # nothing is left to tell it to

    def refused(self, connection: Connection, status: int, reason: str) -> None:
        """A request that no application saw."""
        if self.log is not None:
            peer = connection.transport.get_extra_info("peername")
            host = peer[0] if isinstance(peer, tuple) and peer else "-"
            self._write(f'{host} - - [{_now()}] "-" {status} -')

    def note(self, exchange: Exchange, base: dict[str, Any]) -> None:
        """A line of the access log, in the common format."""
        line = (exchange.line or "-").replace("\\", "\\\\").replace('"', '\\"')
        self._write(
            f'{base["REMOTE_ADDR"] or "-"} - - [{_now()}] "{line}" '
            f"{exchange.status} {exchange.sent or '-'}"
        )

    def _write(self, line: str) -> None:
        assert self.log is not None
        try:
            self.log(line)
        except Exception:  # a full disk, say: serving goes on
            traceback.print_exc()

    # ------------------------------------------------------------------------ the end

    async def finish(self, patient: Callable[[], bool] = lambda: False) -> None:
        """Answers what has come, and takes no more; for ever where an application does not end.

        Parameters:
            patient: whether idle connections may ask once more.
        """
        until = self._loop.time() + self._retiring
        self.draining = True
        while self.connections:
            self.patient = patient() and self._loop.time() < until
            if not self.patient:
                for connection in list(self.connections):
                    connection.close_if_idle()
            await asyncio.sleep(0.01)
        await self.close()

    async def close(self) -> None:
        """Lets go of threads and timers."""
        self._sweeping.cancel()
        if self._pool is not None:
            self._pool.close()


def _now() -> str:
    now = time.time()
    local = time.localtime(now)
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    zone = time.strftime("%z", local)
    return time.strftime(f"%d/{month[local.tm_mon - 1]}/%Y:%H:%M:%S {zone}", local)
