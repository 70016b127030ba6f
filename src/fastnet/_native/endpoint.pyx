"""What all transports have in common: their ends, flow control, and what they tell of themselves.

The behaviour is that of asyncio's own transports (``asyncio.selector_events``), down to the
order of calls; the attributes are those that asyncio's code looks at.
"""

import socket
import sys
import warnings
from asyncio import base_events, transports, trsock
from asyncio.log import logger

from cpython.contextvars cimport PyContext_CopyCurrent

from fastnet._native.core_reactor cimport (
    FN_POLL_IN,
    FN_POLL_OUT,
    close,
    fn_reactor_remove,
    getpeername,
    getsockname,
    sockaddr,
    socklen_t,
)
from fastnet._native.sockaddr cimport SHORT_NAME, to_python
from fastnet._native.status import exception

cdef size_t HIGH = 64 * 1024  # bytes that may wait, by default
# 3.13 keeps the transports of a server, earlier ones count them.
cdef bint server_keeps_clients = base_events.Server._attach.__code__.co_argcount > 1
cdef object warn = warnings.warn
cdef object INTERNET = (socket.AF_INET, socket.AF_INET6)


class SocketTransport(transports._FlowControlMixin, transports.Transport):
    """Whose instances our transports pretend to be: a class in C cannot have such a base."""

    __slots__ = ()


cdef object error_of(int status):
    """The exception for a negative status, outside of any traceback."""
    return exception(status)


cdef int raised() except -1:
    """Raises the exception that a call through the C API has set."""
    return -1


cdef size_t clipped(object number) except? 0:
    return sys.maxsize if number > sys.maxsize else <size_t> number


cdef class Endpoint(Target):
    """A transport of asyncio's on a node of the reactor."""

    def __cinit__(self):
        self.fd = -1
        self.high = HIGH
        self.low = HIGH // 4

    @property
    def __class__(self):
        """For isinstance(): an ``asyncio.Transport``."""
        return SocketTransport

    cdef int begin(self, Reactor reactor, LoopCore loop, object sock, object extra,
                   object server) except -1:
        """Everything but the node; sock is None where fd is set already."""
        self.reactor = reactor
        self._loop = loop
        self.context = PyContext_CopyCurrent()
        self.extra = extra
        self._server = server
        if sock is None:
            self.is_open = True
            return 0
        self.sock = sock
        self.fd = sock.fileno()
        self.is_open = True
        if extra is not None and "peername" in extra:
            self.peer_name = extra["peername"]
        return self.learn_names()

    cdef int register(self) except -1:
        """Tells server and loop."""
        if self._server is not None:
            if server_keeps_clients:
                self._server._attach(self)
            else:
                self._server._attach()
        self._loop._transports[self.fd] = self
        return 0

    # ---------------------------------------------------------------- what it tells

    cdef int learn_names(self) except -1:
        """Both ends' addresses, which must be known even when the connection has gone."""
        cdef socklen_t size = SHORT_NAME
        if self.sock.family in INTERNET:
            if getsockname(self.fd, <sockaddr *> self.own.data, &size) == 0:
                self.own.size = size
            size = SHORT_NAME
            if self.peer_name is None and getpeername(self.fd, <sockaddr *> self.peer.data,
                                                      &size) == 0:
                self.peer.size = size
            return 0
        try:
            self.own_name = self.sock.getsockname()
        except OSError:
            pass
        try:
            if self.peer_name is None:
                self.peer_name = self.sock.getpeername()
        except OSError:
            pass
        return 0

    cdef object name_of(self, bint own):
        if own:
            if self.own_name is None and self.own.size:
                self.own_name = to_python(<const sockaddr *> self.own.data, self.own.size)
            return self.own_name
        if self.peer_name is None and self.peer.size:
            self.peer_name = to_python(<const sockaddr *> self.peer.data, self.peer.size)
        return self.peer_name

    @property
    def _sock(self):
        """The socket; a connection that was accepted gets its object now.  None when closed."""
        if self.sock is None and self.is_open:
            self.sock = socket.socket(fileno=self.fd)
            self.sock.setblocking(False)
        return self.sock

    @property
    def _sock_fd(self):
        return self.fd

    @property
    def _extra(self):
        known = {"socket": self.get_extra_info("socket"), "sockname": self.name_of(True),
                 "peername": self.name_of(False)}
        return {**known, **(self.extra or {})}

    def get_extra_info(self, name, default=None):
        """What is known under a name: "socket", "peername", "sockname" …, or the default."""
        if name == "peername":
            return self.name_of(False)
        if name == "sockname":
            return self.name_of(True)
        if name == "socket":
            if self.face is None:
                sock = self._sock
                if sock is None:
                    return default
                self.face = trsock.TransportSocket(sock)
            return self.face
        if self.extra is None:
            return default
        return self.extra.get(name, default)

    def __repr__(self):
        cdef int armed
        info = [type(self).__name__]
        if not self.is_open:
            info.append("closed")
        elif self._closing:
            info.append("closing")
        info.append(f"fd={self.fd}")
        if self._loop is not None and not self._loop._closed:
            armed = 0 if self.node is NULL else self.node.armed
            info.append(f"read={'polling' if armed & FN_POLL_IN else 'idle'}")
            state = "polling" if armed & FN_POLL_OUT else "idle"
            info.append(f"write=<{state}, bufsize={self.waiting()}>")
        return f"<{' '.join(info)}>"

    def get_protocol(self):
        """The protocol; None after connection_lost()."""
        return self._protocol

    def is_closing(self):
        """Whether close() or abort() was called, or the connection has ended."""
        return self._closing

    def is_reading(self):
        """Whether data is passed on: neither paused nor closing."""
        return not self._closing and not self._paused

    # ----------------------------------------------------------------- flow control

    cdef size_t waiting(self) noexcept:
        return 0

    cdef void notify(self, size_t low_water) noexcept:
        pass

    def get_write_buffer_limits(self):
        """(low, high) in bytes."""
        return self.low, self.high

    def set_write_buffer_limits(self, high=None, low=None):
        """When pause_writing() and resume_writing() are called, in bytes that wait.

        By default high is 64 KiB or four times low, low a quarter of high.  ValueError unless
        high >= low >= 0.
        """
        if high is None:
            high = HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = clipped(high)
        self.low = clipped(low)
        if self._protocol_paused:
            self.notify(self.low)
        elif self.get_write_buffer_size() > self.high:
            self.pause_protocol()

    cdef int pause_protocol(self) except -1:
        """Too much waits: says so once."""
        if self._protocol_paused:
            return 0
        self._protocol_paused = True
        self.notify(self.low)
        try:
            self._protocol.pause_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.tell(self._loop, "protocol.pause_writing() failed", error)
        return 0

    cdef int resume_protocol(self) except -1:
        if not self._protocol_paused:
            return 0
        self._protocol_paused = False
        try:
            self._protocol.resume_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.tell(self._loop, "protocol.resume_writing() failed", error)
        return 0

    # ----------------------------------------------------------------------- the end

    cdef int tell(self, LoopCore loop, object message, object error) except -1:
        loop.call_exception_handler({
            "message": message,
            "exception": error,
            "transport": self,
            "protocol": self._protocol,
        })
        return 0

    cdef int failed(self, object message) except -1:
        """A callback has raised: the connection ends.  Two exceptions go through."""
        try:
            raised()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal(error, message)
        return 0

    cdef int fatal(self, object error, object message) except -1:
        if isinstance(error, OSError):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=error)
        else:
            self.tell(self._loop, message, error)
        return self.lose(error)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        self.fatal(exc, message)

    def _force_close(self, exc):
        self.lose(exc)

    def abort(self):
        """Closes at once; what was not sent is lost."""
        self.lose(None)

    cdef int lose(self, object error) except -1:
        """No event any more; connection_lost() comes soon."""
        if self._conn_lost:
            return 0
        self._closing = True
        self._conn_lost += 1
        self.part()
        self._loop.call_soon(self._call_connection_lost, error)
        return 0

    cdef int part(self) except -1:
        """The reactor forgets the descriptor, which stays open."""
        if self.node is not NULL:
            self.reactor.permit()
            fn_reactor_remove(self.reactor.r, self.node, True)
            self.reactor.detach(self)
        return 0

    cdef void orphan(self) noexcept:
        fn_reactor_remove(self.reactor.r, self.node, True)

    def _call_connection_lost(self, exc):
        try:
            self._protocol.connection_lost(exc)
        finally:
            self.close_descriptor()
            self._protocol = None
            self._loop = None
            server, self._server = self._server, None
            if server is not None:
                self.leave(server)

    cdef int leave(self, object server) except -1:
        if server_keeps_clients:
            server._detach(self)
        else:
            server._detach()
        return 0

    cdef int close_descriptor(self) except -1:
        cdef object sock = self.sock
        if not self.is_open:
            return 0
        self.is_open = False
        self.sock = None
        if sock is None:
            close(self.fd)
        else:
            sock.close()
        return 0

    def __del__(self):
        if not self.is_open:
            return
        try:
            warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        finally:
            self.part()
            self.close_descriptor()
            if self._server is not None:
                self.leave(self._server)
