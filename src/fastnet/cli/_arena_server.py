"""The receiving end of a measurement: one client at a time, garbage thrown out."""

from __future__ import annotations

import hashlib
import os
import pickle
import secrets
import selectors
import socket
import time
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from fastnet.cli import _address, _arena, _report
from fastnet.cli._arena import Broken, Control
from fastnet.cli._report import Failure

HELLO = 5.0  # seconds in which a connection has to say what it is for
IDLE = 120.0  # seconds that a client may think between two runs
PENDING = 32  # connections that may be about to say it
KEY = "FASTNET_BENCH_KEY"  # environment: set by the parent of a measurement on one machine


class Door:
    """Accepts plain connections, reads their headers side by side, and gives out the right ones."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._pending: dict[socket.socket, tuple[bytearray, float]] = {}

    def wait(self, role: int, token: bytes, timeout: float | None) -> socket.socket | None:
        """The next connection for ``role`` that knows ``token``; None after ``timeout`` seconds.

        A connection that says anything else, or nothing for a while, is closed.
        """
        wanted = _arena.header(role, token)
        end = None if timeout is None else time.monotonic() + timeout
        while end is None or time.monotonic() < end:
            for key, _ in self._selector.select(self._patience(end)):
                if key.fileobj is self._listener:
                    self._accept()
                elif (found := self._read(key.fileobj, wanted)) is not None:
                    return found
            for late in [s for s, (_, limit) in self._pending.items() if limit < time.monotonic()]:
                self._drop(late)
        return None

    def _patience(self, end: float | None) -> float | None:
        ends = [limit for _, limit in self._pending.values()]
        if end is not None:
            ends.append(end)
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it is gone again, or there is no descriptor left for it
            return
        if len(self._pending) >= PENDING:  # the oldest goes: who means it speaks at once
            self._drop(next(iter(self._pending)))
        sock.setblocking(False)
        self._pending[sock] = (bytearray(), time.monotonic() + HELLO)
        self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, sock: Any, wanted: bytes) -> socket.socket | None:
        if sock not in self._pending:  # dropped since it became readable
            return None
        got = self._pending[sock][0]
        try:
            more = sock.recv(len(wanted) - len(got))
        except BlockingIOError:
            return None
        except OSError:
            more = b""
        got += more
        if not more or not wanted.startswith(got):
            self._drop(sock)
        elif len(got) == len(wanted):
            self._selector.unregister(sock)
            del self._pending[sock]
            sock.setblocking(True)
            return sock  # type: ignore[no-any-return]
        return None

    def _drop(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        del self._pending[sock]
        sock.close()

    def close(self) -> None:
        for sock in list(self._pending):
            self._drop(sock)
        self._selector.close()
        self._listener.close()


class SafePickles:
    """Unpickles arrays from a peer that is not trusted, which unpickling in general must not do.

    A pickle is only read when it equals, byte for byte but for the numbers in the array, what this
    process makes of an array of the same length. So both ends need the same Python and numpy.
    """

    def __init__(self) -> None:
        self._nbytes = 0
        self._head = self._tail = b""

    def __call__(self, data: bytes) -> Any:
        head, tail = self._head, self._tail
        body = len(data) - len(head) - len(tail)
        if body != self._nbytes or not (data.startswith(head) and data.endswith(tail)):
            raise Broken("a pickle that is not the expected array")
        return pickle.loads(data)

    def expect(self, nbytes: int) -> None:
        """Sets how large the arrays to come are, all of them float64 in one dimension."""
        import numpy as np

        if nbytes == self._nbytes:
            return
        array = np.zeros(nbytes // 8)
        array[0] = mark = np.float64(0.123456789)
        data = bytes(ForkingPickler.dumps(array))
        start = data.index(mark.tobytes())
        self._nbytes, self._head, self._tail = nbytes, data[:start], data[start + nbytes :]


class Session:
    """One client's measurement, from its hello to its end."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.peer = _address.peer(sock.getpeername)
        self.control = Control(sock)
        self.token = secrets.token_bytes(_arena.TOKEN)
        self.links: dict[str, Any] = {}
        self.pickles = None if server.key else SafePickles()
        self.block: Any = None
        self.runs = 0

    def serve(self) -> None:
        """Answers the client's lines until it is done. Raises Broken, or what the links raise."""
        self.control.send(
            token=self.token.hex(),
            arrays=self.server.arrays_port,
            versions=None if self.server.key else _arena.versions(),
        )
        while line := self.control.receive(IDLE):
            known = {"open": self._open, "run": self._run, "take": self._take}
            work = known.get(str(line.get("op")))
            if work is None:
                raise Broken("an unknown request")
            work(line)

    def _open(self, line: dict[str, Any]) -> None:
        role = str(line.get("role"))
        if role in _arena.PLAIN and role not in self.links:
            self.links[role] = self._plain(role)
        elif role == _arena.STREAM and role not in self.links:
            stream = self._stream()
            self.links[role] = _arena.Stream(stream)
            self.links[_arena.ITEMS] = _arena.Items(stream)
        else:
            raise Broken("an unknown role")
        self.control.send(ok=True)

    def _plain(self, role: str) -> _arena.Loop:
        sock = self.server.door.wait(_arena.PLAIN[role], self.token, HELLO)
        if sock is None:
            raise Broken(f"no connection for {role}")
        if role == _arena.CONNECTION:
            return _arena.Connection(sock, self.pickles)
        return _arena.Direct(sock) if role == _arena.DIRECT else _arena.Loop(sock)

    def _stream(self) -> Any:
        """The stream whose first array is our token."""
        end = time.monotonic() + HELLO
        while (left := end - time.monotonic()) > 0:
            try:
                stream = self.server.listener.accept(timeout=left)
            except TimeoutError:
                break
            try:
                if stream.peek(timeout=HELLO).nbytes == _arena.TOKEN:
                    found = stream.recv(timeout=HELLO).tobytes()
                    if secrets.compare_digest(found, self.token):
                        return stream
            except Exception:
                pass  # not our client, whatever it is
            stream.abort()
        raise Broken("no stream of arrays")

    def _run(self, line: dict[str, Any]) -> None:
        link = self.links.get(str(line.get("role")))
        nbytes, count, check = line.get("nbytes"), line.get("count"), line.get("check")
        if (
            link is None
            or not isinstance(nbytes, int)
            or not isinstance(count, int)
            or not 8 <= nbytes <= _arena.MAX_BYTES
            or nbytes % 8
            or not 1 <= count <= _arena.MAX_COUNT
        ):
            raise Broken("a run that is not possible")
        views = self._views(nbytes, count)
        if self.pickles:
            self.pickles.expect(nbytes)
        digest = hashlib.sha256()
        self.control.send(ready=True)
        link.receive(views, _see(digest) if check else None)
        self.control.send(done=True, sha256=digest.hexdigest())
        self.runs += 1

    def _views(self, nbytes: int, count: int) -> list[Any]:
        import numpy as np

        wanted = _arena.block_bytes(nbytes, count)
        if self.block is None or self.block.nbytes < wanted:
            self.block = None
            self.block = np.ones(wanted // 8)  # ones: every page is there before the clock runs
        return _arena.split(self.block[: wanted // 8], nbytes, count)

    def _take(self, line: dict[str, Any]) -> None:
        """Receives one array of any kind and tells what came."""
        if _arena.STREAM not in self.links:
            raise Broken("no stream of arrays")
        self.control.send(ready=True)
        item = self.links[_arena.STREAM].stream.recv_item(timeout=_arena.STALL)
        self.control.send(done=True, **_arena.identity(item.array, item.name))

    def close(self) -> None:
        for link in self.links.values():
            link.close()
        self.control.close()


def _see(digest: Any) -> Callable[[Any], object]:
    return lambda array: digest.update(memoryview(array).cast("B"))


class Server:
    """Listens for clients; serves one at a time, the next one after it.

    ``once``: ends after the first.
    """

    def __init__(self, bind: str, insecure: bool, once: bool, json: bool) -> None:
        from fastnet import Limits, arrays

        where = _address.to_listen(_address.parse(bind, any_port=True), insecure)
        if not isinstance(where, tuple):
            raise Failure(f"{bind!r}: measurements need HOST:PORT")
        self.key = bytes.fromhex(os.environ.pop(KEY, ""))
        self.once = once
        self.json = json
        family = socket.AF_INET6 if len(where) == 4 else socket.AF_INET
        limits = Limits(array_bytes=_arena.MAX_BYTES, connections=PENDING)
        port = where[1] + 1 if where[1] else 0
        try:
            plain = socket.create_server(where, family=family)
        except OSError as error:
            raise _cannot_listen(where, error) from None
        self.door = Door(plain)
        self.address = plain.getsockname()
        beside = (where[0], port, *where[2:])
        try:
            self.listener = arrays.listen(beside, limits=limits)
        except OSError as error:
            self.door.close()
            raise _cannot_listen(beside, error) from None
        self.arrays_port = self.listener.address[1]

    def serve(self) -> int:
        if self.json:
            _report.record(event="listening", address=_address.plain(self.address))
        else:
            _report.note(f"measuring at {_address.show(self.address)}; Ctrl-C ends")
        patience = IDLE if self.once else None
        while (sock := self.door.wait(_arena.CONTROL, self.key, patience)) is not None:
            session = Session(self, sock)
            trouble = self._serve(session)
            if self.json:
                _report.record(event="session", peer=session.peer, runs=session.runs, error=trouble)
            elif not trouble:
                _report.line(f"{session.peer}: {session.runs} runs")
            if self.once:
                return 1 if trouble else 0
        raise Failure("nobody has connected")

    def _serve(self, session: Session) -> str | None:
        """Runs one session; whatever its client does, the next one is served."""
        try:
            session.serve()
            return None
        except _report.OutputClosed:
            raise
        except Exception as error:
            text = _report.clean(_report.reason(error))
            if not self.once:
                _report.complain(f"{session.peer}: {text}")
            try:
                session.control.send(error=text)
            except Broken:
                pass
            return text
        finally:
            session.close()

    def close(self) -> None:
        self.listener.close()
        self.door.close()


def _cannot_listen(where: Any, error: OSError) -> Failure:
    return Failure(f"cannot listen on {_address.show(where)}: {_report.system(error)}")
