"""Datagram transports: asyncio's, many datagrams a system call (dgram.h)."""

import sys
from asyncio import constants, futures, transports
from asyncio.log import logger
from socket import SOCK_DGRAM, getaddrinfo

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from fastnet._native.core_reactor cimport (
    FN_CODEC_RAW,
    FN_EVENT_DATAGRAM,
    FN_EVENT_DRAINED,
    FN_EVENT_TROUBLE,
    FN_WANTS_DRAINED,
    fn_dgram_add,
    fn_dgram_flush,
    fn_dgram_notify,
    fn_dgram_pause,
    fn_dgram_send,
    fn_event,
    fn_node,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from fastnet._native.endpoint import SocketTransport
from fastnet._native.endpoint cimport Endpoint, error_of
from fastnet._native.gate cimport Gate
from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Reactor
from fastnet._native.sockaddr cimport Book, from_python, short_name
from fastnet._native.status cimport check

cdef extern from "Python.h":
    int PyContext_Enter(PyObject *context)
    int PyContext_Exit(PyObject *context)

cdef int MANY_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
cdef bint sends_empty = sys.version_info >= (3, 13)
cdef object set_result = futures._set_result_unless_cancelled
cdef str WRITE_ERROR = "Fatal write error on datagram transport"


class DatagramFace(SocketTransport, transports.DatagramTransport):
    """Whose instances datagram transports pretend to be."""

    __slots__ = ()


cdef class DatagramTransport(Endpoint):
    """An ``asyncio.DatagramTransport`` over UDP or a Unix datagram socket.

    Parameters:
        loop: a fastnet event loop.
        sock: a non-blocking datagram socket; the transport closes it.
        protocol: told of all that happens, connection_made() first, soon.
        address: the only one that may be sent to, or None.
        waiter: a future that is done when connection_made() was called, or None.
        extra: further answers of get_extra_info(), or None.
    """

    max_size = 256 * 1024

    def __init__(self, LoopCore loop not None, sock, protocol, address=None, waiter=None,
                 extra=None, Gate gate=None):
        cdef Reactor reactor = loop._selector
        cdef int st = 0
        cdef fn_node *n
        if self.reactor is not None:
            raise RuntimeError("__init__ called twice")
        self._address = address
        self.family = sock.family
        self.book = Book.__new__(Book)
        reactor.enter_if_needed()
        n = fn_dgram_add(reactor.r, sock.fileno(), FN_CODEC_RAW,
                         NULL if gate is None else gate.gate, NULL, &st)
        check(st)
        reactor.attach(self, n)
        self.begin(reactor, loop, sock, extra, None)
        self.connected = bool(self.name_of(False))
        self.use(protocol)
        self.register()
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._start_reading)
        if waiter is not None:
            loop.call_soon(set_result, waiter, None)

    @property
    def __class__(self):
        """For isinstance(): an ``asyncio.DatagramTransport``."""
        return DatagramFace

    cdef int use(self, object protocol) except -1:
        self._protocol = protocol
        return 0

    def set_protocol(self, protocol):
        """From now on this one is told of what comes."""
        self.use(protocol)

    # ------------------------------------------------------------------------- events

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        cdef int kind = e.kind
        cdef int status = e.status
        cdef object data = None
        cdef object address = None
        cdef LoopCore loop = self._loop  # which the transport forgets when it ends
        if kind == FN_EVENT_DATAGRAM:
            data = PyBytes_FromStringAndSize(<const char *> e.data, e.len)
            address = self.book.find(<const sockaddr *> &e.from_.addr, e.from_.len)
        if PyContext_Enter(<PyObject *> self.context) < 0:
            return -1
        try:
            if kind == FN_EVENT_DATAGRAM:
                self.deliver(data, address)
            elif kind == FN_EVENT_TROUBLE:
                if not self._conn_lost:
                    self._protocol.error_received(error_of(status))
            elif kind == FN_EVENT_DRAINED:
                self.drained()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.tell(loop, "Exception in a datagram transport's callback", error)
        finally:
            PyContext_Exit(<PyObject *> self.context)
        return 0

    cdef int deliver(self, object data, object address) except -1:
        if self._closing:
            return 0
        if self._paused or self.held is not None:
            if self.held is None:
                self.held = []
            self.held.append((data, address))
            return 0
        self._protocol.datagram_received(data, address)
        return 0

    # ------------------------------------------------------------------------ sending

    def sendto(self, data, addr=None):
        """Sends one datagram, or keeps it until the system takes it.

        Takes bytes, bytearray and memoryview, TypeError for anything else; ValueError for an
        address other than that of the endpoint's remote_addr.  What cannot be sent at all is
        told to error_received().
        """
        if type(data) is not bytes and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, "
                            f"not {type(data).__name__!r}")
        if not sends_empty and not data:
            return
        if self._address:
            if addr is not None and addr != self._address:
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self.node is NULL or self.reactor.busy:
            if self.node is not NULL:
                self.reactor.permit()
            if self._conn_lost and self._address:
                if self._conn_lost >= MANY_LOST_WRITES:
                    logger.warning("socket.send() raised exception.")
                self._conn_lost += 1
            return
        self.send(data, addr)

    cdef int send(self, object data, object address) except -1:
        cdef const short_name *name
        cdef sockaddr_storage sa
        cdef socklen_t size = 0
        if self.connected:
            return self.send_bytes(data, NULL, 0)
        name = self.book.look_up(address)
        if name is not NULL:
            return self.send_bytes(data, <const sockaddr *> name.data, name.size)
        if not from_python(address, self.family, &sa, &size):
            return self.send_elsewhere(data, address)
        self.book.keep(address, &sa, size)
        return self.send_bytes(data, <const sockaddr *> &sa, size)

    cdef int send_bytes(self, object data, const sockaddr *sa, socklen_t size) except -1:
        cdef Py_buffer view
        cdef int st
        if type(data) is bytes:
            st = self.pass_on(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), sa, size)
            return self.sent(st)
        try:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        except BufferError as error:  # its bytes do not lie in one piece
            return self.fatal(error, WRITE_ERROR)
        st = self.pass_on(view.buf, view.len, sa, size)
        PyBuffer_Release(&view)
        return self.sent(st)

    cdef int pass_on(self, const void *data, size_t len, const sockaddr *sa,
                     socklen_t size) noexcept:
        if self.node is NULL:  # a buffer of Python's own (PEP 688) may have run anything
            return 0
        return fn_dgram_send(self.reactor.r, self.node, data, len, sa, size)

    cdef int send_elsewhere(self, object data, object address) except -1:
        """An address that only the socket module understands, a name perhaps, or refuses."""
        cdef sockaddr_storage sa
        cdef socklen_t size = 0
        self.flush()
        try:
            if self.node is not NULL and not self.node.dgram.waiting:
                self.sock.sendto(data, address)
                return 0
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._protocol.error_received(error)
            return 0
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fatal(error, WRITE_ERROR)
        try:
            found = getaddrinfo(*address[:2], self.family, SOCK_DGRAM)
            if from_python(found[0][4], self.family, &sa, &size):
                return self.send_bytes(data, <const sockaddr *> &sa, size)
        except OSError as error:
            self._protocol.error_received(error)
        return 0

    cdef int sent(self, int status) except -1:
        if status < 0:
            error = error_of(status)
            if isinstance(error, OSError):
                self._protocol.error_received(error)
                return 0
            return self.fatal(error, WRITE_ERROR)
        if self.waiting() > self.high and not self._protocol_paused:
            self.flush()
            if self.waiting() > self.high:
                self.pause_protocol()
        return 0

    # ------------------------------------------------------------------- flow control

    cdef size_t waiting(self) noexcept:
        return 0 if self.node is NULL else self.node.dgram.payload

    cdef void notify(self, size_t low_water) noexcept:
        if self.node is not NULL:
            fn_dgram_notify(self.reactor.r, self.node, low_water)

    def get_write_buffer_size(self):
        """Bytes of datagrams that the system has not taken yet."""
        self.flush()
        return self.waiting()

    cdef int flush(self) except -1:
        if self.node is not NULL and self.node.dgram.waiting:
            self.reactor.permit()
            fn_dgram_flush(self.reactor.r, self.node)
        return 0

    cdef int drained(self) except -1:
        if self._protocol_paused and self.waiting() <= self.low:
            self.resume_protocol()  # may send
        if self.node is NULL:
            return 0
        if self.node.dgram.waiting:
            if not self.node.flags & FN_WANTS_DRAINED and (
                    self._protocol_paused or self._closing):
                self.notify(self.low if self._protocol_paused else 0)
            return 0
        if self._closing:
            self._conn_lost += 1
            self.part()
            self._call_connection_lost(None)
        return 0

    # ------------------------------------------------------------- reading, and the end

    cdef int start_reading(self) except -1:
        if self.node is not NULL and not self._closing and not self._paused:
            self.reactor.permit()
            fn_dgram_pause(self.reactor.r, self.node, False)
        return 0

    def _start_reading(self):
        self.start_reading()

    def pause_reading(self):
        """Passes nothing on until resume_reading()."""
        if self._closing or self._paused:
            return
        self._paused = True
        if self.node is not NULL:
            self.reactor.permit()
            fn_dgram_pause(self.reactor.r, self.node, True)

    def resume_reading(self):
        """Passes on again what comes."""
        if self._closing or not self._paused:
            return
        self._paused = False
        if self.held is not None:
            self._loop.call_soon(self._deliver_held, context=self.context)
        else:
            self.start_reading()

    def _deliver_held(self):
        cdef list held
        while self.held and not self._paused and not self._closing:
            held, self.held = self.held, None
            data, address = held.pop(0)
            try:
                self.deliver(data, address)
            finally:
                self.held = held
        if not self._paused and not self._closing:
            self.held = None
            self.start_reading()

    def close(self):
        """Ends the endpoint when what was sent has been taken by the system."""
        if self._closing:
            return
        self._closing = True
        if self.node is not NULL:
            self.reactor.permit()
            fn_dgram_pause(self.reactor.r, self.node, True)
            self.flush()
            if self.node.dgram.waiting:
                if not self._protocol_paused:
                    self.notify(0)
                return
        self._conn_lost += 1
        self.part()
        self._loop.call_soon(self._call_connection_lost, None)

    def _call_connection_lost(self, exc):
        try:
            Endpoint._call_connection_lost(self, exc)
        finally:
            self.held = None
