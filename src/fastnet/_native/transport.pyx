"""Stream transports: asyncio's, with the reactor doing the work (conn.h)."""

from asyncio import base_events, constants, futures, protocols
from asyncio.log import logger

from cpython.buffer cimport (
    PyBUF_WRITABLE,
    Py_buffer,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_DECREF, Py_XDECREF, PyObject
from libc.errno cimport EAGAIN, EINTR, errno

from fastnet._native.core_reactor cimport (
    FN_CODEC_RAW,
    FN_CODEC_READABLE,
    FN_EVENT_DATA,
    FN_EVENT_DRAINED,
    FN_EVENT_EOF,
    FN_EVENT_FAILED,
    FN_EVENT_READABLE,
    MSG_DONTWAIT,
    fn_conn_add,
    fn_conn_pause,
    fn_conn_ready,
    fn_conn_resume,
    fn_count,
    fn_event,
    fn_node,
    recv,
)
from fastnet._native.endpoint cimport error_of
from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Reactor
from fastnet._native.status cimport check
from fastnet._native.streamfeed cimport Taker, feed, feeds

cdef extern from "Python.h":
    int PyContext_Enter(PyObject *context)
    int PyContext_Exit(PyObject *context)
    PyObject *PyObject_CallMethodOneArg(PyObject *self, PyObject *name, PyObject *arg)
    PyObject *new_bytes "PyBytes_FromStringAndSize"(char *data, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **data, Py_ssize_t size) except -1

cdef object BufferedProtocol = protocols.BufferedProtocol
cdef object fill = protocols._feed_data_to_buffered_proto
cdef object set_result = futures._set_result_unless_cancelled
cdef object set_nodelay = base_events._set_nodelay
cdef object TRY_NATIVE = constants._SendfileMode.TRY_NATIVE
cdef object HINT = -1
cdef str DATA_RECEIVED = "data_received"
cdef str BUFFER_UPDATED = "buffer_updated"
cdef Py_ssize_t LARGE = 32 * 1024     # bytes of a read from which the next ones are made apart
cdef Py_ssize_t LARGEST = 256 * 1024
cdef str READ_ERROR = "Fatal read error on socket transport"


cdef int raised() except -1:
    """Raises what a call through the C API has set."""
    return -1


cdef class StreamTransport(StreamWriter):
    """An ``asyncio.Transport`` over TCP or a Unix stream socket.

    Parameters:
        loop: a fastnet event loop.
        sock: a connected, non-blocking socket; the transport closes it.
        protocol: told of all that happens, connection_made() first, soon.
        waiter: a future that is done when connection_made() was called, or None.
        extra: further answers of get_extra_info(), or None.
        server: the ``asyncio.Server`` that it belongs to, or None.
    """

    max_size = 256 * 1024
    _start_tls_compatible = True
    _sendfile_compatible = TRY_NATIVE

    def __init__(self, LoopCore loop not None, sock, protocol, waiter=None, extra=None,
                 server=None):
        cdef Reactor reactor = loop._selector
        cdef int st = 0
        cdef fn_node *n
        if self.reactor is not None:
            raise RuntimeError("__init__ called twice")
        set_nodelay(sock)
        reactor.enter_if_needed()
        n = fn_conn_add(reactor.r, sock.fileno(), FN_CODEC_RAW, NULL, NULL, &st)
        check(st)
        reactor.attach(self, n)
        self.begin(reactor, loop, sock, extra, server)
        self.use(protocol)
        self.register()
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._start_reading)
        if waiter is not None:
            loop.call_soon(set_result, waiter, None)

    # ---------------------------------------------------------------------- protocols

    cdef int use(self, object protocol) except -1:
        self._protocol = protocol
        self.buffered = isinstance(protocol, BufferedProtocol)
        self.feeds = not self.buffered and feeds(protocol)
        self.guess = 0
        if self.node is not NULL:
            self.node.codec = FN_CODEC_READABLE if self.buffered else FN_CODEC_RAW
        return 0

    def set_protocol(self, protocol):
        """From now on this one is told of what comes."""
        self.use(protocol)

    # -------------------------------------------------------------------------- events

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        cdef int kind = e.kind
        cdef int status = e.status
        cdef LoopCore loop = self._loop  # which the transport forgets when it ends
        if (kind == FN_EVENT_DATA and e.len >= LARGE and not self.buffered
                and not isinstance(self._protocol, Taker)):
            self.guess_by(e.len)
        if PyContext_Enter(<PyObject *> self.context) < 0:
            raised()
        try:
            if kind == FN_EVENT_DATA and self.feeds:
                self.feed_stream(e.data, e.len)
            elif kind == FN_EVENT_DATA:
                self.deliver(PyBytes_FromStringAndSize(<const char *> e.data, e.len))
            elif kind == FN_EVENT_READABLE:
                if self.buffered:
                    self.read_into()
                else:
                    self.read_large()
            elif kind == FN_EVENT_EOF:
                self.peer_ended()
            elif kind == FN_EVENT_DRAINED:
                self.drained()
            elif kind == FN_EVENT_FAILED:
                self.peer_failed(status)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.tell(loop, "Exception in a transport's callback", error)
        finally:
            PyContext_Exit(<PyObject *> self.context)
        return 0

    cdef int feed_stream(self, const void *data, Py_ssize_t size) except -1:
        """Bytes for a protocol that feeds() knows."""
        if self._closing:
            return 0
        if self._paused or self.held is not None:
            return self.hand_over(PyBytes_FromStringAndSize(<const char *> data, size))
        try:
            feed(self._protocol, data, size)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal(error, "Fatal error: protocol.data_received() call failed.")
        return 0

    cdef int deliver(self, bytes data) except -1:
        cdef object protocol = self._protocol  # which it may replace meanwhile
        cdef PyObject *result
        if self._closing:
            return 0
        if self._paused or self.held is not None or self.buffered:
            return self.hand_over(data)
        # Looked up each time: protocols do replace their methods as their state changes.
        result = PyObject_CallMethodOneArg(<PyObject *> protocol, <PyObject *> DATA_RECEIVED,
                                           <PyObject *> data)
        if result is NULL:
            return self.failed("Fatal error: protocol.data_received() call failed.")
        Py_DECREF(<object> result)
        return 0

    cdef int hand_over(self, bytes data) except -1:
        """Bytes that came while reading was paused, or for a protocol that reads itself."""
        if self._paused or self.held is not None:
            if self.held is None:
                self.held = []
            self.held.append(data)
            return 0
        try:
            fill(self._protocol, data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal(error, "Fatal error: protocol.buffer_updated() call failed.")
        return 0

    cdef int read_into(self) except -1:
        """Bytes are there for a BufferedProtocol: they go straight where it wants them."""
        cdef Py_buffer view
        cdef PyObject *result
        cdef object protocol = self._protocol
        cdef object number
        cdef ssize_t got
        cdef int error = 0
        if self._closing or self._paused or self.held is not None:
            return 0
        if not self.take_buffer(&view):
            return 0
        if self.node is NULL:  # get_buffer() has closed it
            PyBuffer_Release(&view)
            return 0
        got = recv(self.fd, view.buf, view.len, MSG_DONTWAIT)
        if got < 0:
            error = errno
        PyBuffer_Release(&view)
        if got <= 0:
            return self.read_nothing(got, error)
        self.count(got)
        number = got
        result = PyObject_CallMethodOneArg(<PyObject *> protocol, <PyObject *> BUFFER_UPDATED,
                                           <PyObject *> number)
        if result is NULL:
            return self.failed("Fatal error: protocol.buffer_updated() call failed.")
        Py_DECREF(<object> result)
        return 0

    cdef bint take_buffer(self, Py_buffer *view) except -1:
        """What the protocol gives to be filled; False when that has ended the connection."""
        cdef str what = "Fatal error: protocol.get_buffer() call failed."
        try:
            buf = self._protocol.get_buffer(HINT)
            if PyObject_CheckBuffer(buf):
                what = READ_ERROR
                PyObject_GetBuffer(buf, view, PyBUF_WRITABLE)
                if view.len:
                    return True
                PyBuffer_Release(view)
                what = "Fatal error: protocol.get_buffer() call failed."
                raise RuntimeError("get_buffer() returned an empty buffer")
            len(buf)
            what = READ_ERROR
            raise TypeError(f"get_buffer() returned no buffer, but {type(buf).__name__!r}")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fatal(error, what)
        return False

    cdef int read_large(self) except -1:
        """Much comes at a time: it is read where it stays, instead of copied once more."""
        cdef Py_ssize_t size = self.guess or LARGE
        cdef PyObject *data
        cdef ssize_t got
        cdef int error
        if self._closing or self._paused or self.held is not None:
            return 0
        data = new_bytes(NULL, size)
        got = recv(self.fd, PyBytes_AS_STRING(<object> data), size, MSG_DONTWAIT)
        error = errno
        if got <= 0:
            Py_DECREF(<object> data)
            return self.read_nothing(got, error)
        self.count(got)
        self.guess_by(got)
        try:
            _PyBytes_Resize(&data, got)
            if self.feeds:
                return self.feed_stream(PyBytes_AS_STRING(<object> data), got)
            return self.deliver(<bytes> data)
        finally:
            Py_XDECREF(data)

    cdef void guess_by(self, ssize_t got) noexcept:
        """How much the next read may bring, and whether the reactor reads again by itself."""
        if self.guess == 0:
            self.guess = LARGE
        if got >= self.guess:
            self.guess = min(2 * self.guess, LARGEST)
        elif got < self.guess // 4:
            self.guess //= 2
        if self.guess < LARGE:
            self.guess = 0
        self.node.codec = FN_CODEC_READABLE if self.guess else FN_CODEC_RAW

    cdef int read_nothing(self, ssize_t got, int error) except -1:
        if got == 0:
            return self.peer_ended()
        if error in (EAGAIN, EINTR):
            return 0
        return self.fatal(error_of(-error), READ_ERROR)

    cdef void count(self, ssize_t got) noexcept:
        if self.node is NULL:  # the release of a buffer may run anything
            return
        fn_count(&self.node.bytes_in, got)
        fn_count(&self.reactor.r.counters.bytes_in, got)
        fn_count(&self.reactor.r.counters.reads, 1)
        self.node.active = self.reactor.r.now

    cdef int peer_ended(self) except -1:
        if self._closing:
            return 0
        if self._paused or self.held is not None:
            self.held_eof = True
            return 0
        if self._loop._debug:
            logger.debug("%r received EOF", self)
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fatal(error, "Fatal error: protocol.eof_received() call failed.")
        if not keep_open:
            self.close()
        elif self.node is not NULL:
            fn_conn_pause(self.reactor.r, self.node)
        return 0

    cdef int peer_failed(self, int status) except -1:
        error = error_of(status)
        waiter = self._empty_waiter
        self.fatal(error, READ_ERROR)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        return 0

    # ----------------------------------------------------------------- pausing reading

    cdef int start_reading(self) except -1:
        if self.node is not NULL and not self._closing and not self._paused:
            self.reactor.permit()
            fn_conn_resume(self.reactor.r, self.node)
        return 0

    def handshake_done(self):
        """TLS is established: the deadline that the gate set for it is off."""
        if self.node is not NULL:
            fn_conn_ready(self.node)

    def _start_reading(self):
        self.start_reading()

    def pause_reading(self):
        """Passes nothing on until resume_reading()."""
        if self._closing or self._paused:
            return
        self._paused = True
        if self.node is not NULL:
            self.reactor.permit()
            fn_conn_pause(self.reactor.r, self.node)
        if self._loop._debug:
            logger.debug("%r pauses reading", self)

    def resume_reading(self):
        """Passes on again what comes."""
        if self._closing or not self._paused:
            return
        self._paused = False
        if self.held is not None or self.held_eof:
            if self.held is None:
                self.held = []
            self._loop.call_soon(self._deliver_held)
        else:
            self.start_reading()
        if self._loop._debug:
            logger.debug("%r resumes reading", self)

    def _deliver_held(self):
        cdef list held
        if PyContext_Enter(<PyObject *> self.context) < 0:
            raised()
        try:
            while self.held and not self._paused and not self._closing:
                held, self.held = self.held, None
                data = held.pop(0)
                try:
                    self.deliver(data)
                finally:
                    self.held = held
            if self._paused or self._closing:
                return
            self.held = None
            if self.held_eof:
                self.held_eof = False
                self.peer_ended()
            else:
                self.start_reading()
        finally:
            PyContext_Exit(<PyObject *> self.context)

    # ---------------------------------------------------------------------- the end

    def _call_connection_lost(self, exc):
        try:
            StreamWriter._call_connection_lost(self, exc)
        finally:
            self.held = None
