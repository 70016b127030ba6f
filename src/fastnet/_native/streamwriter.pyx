"""The writing half of a stream transport (conn.h)."""

from asyncio import constants
from asyncio.exceptions import SendfileNotAvailableError
from asyncio.log import logger
from os import sendfile

from cpython.buffer cimport PyBUF_SIMPLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint64_t
from libc.string cimport memset

from fastnet._native.core cimport fn_sock_unconfirmed, fn_tune_congestion, fn_tuned
from fastnet._native.core_reactor cimport (
    FN_WANTS_DRAINED,
    fn_conn_flush,
    fn_conn_notify,
    fn_conn_pause,
    fn_conn_shut,
    fn_conn_want_room,
    fn_conn_write,
    fn_count,
)
from fastnet._native.endpoint cimport error_of

cdef int MANY_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
cdef str WRITE_ERROR = "Fatal write error on socket transport"

cdef enum:
    KEEP = 64 * 1024    # bytes from which an object is kept instead of copied
    ALONE = 256 * 1024  # bytes from which a write lets other threads run
    FILE_PIECE = 1024 * 1024  # bytes of a file before other connections have their turn


cdef class StreamWriter(Endpoint):
    """What a stream transport does with bytes that are to be sent."""

    cdef size_t waiting(self) noexcept:
        return 0 if self.node is NULL else self.node.out.bytes

    cdef void notify(self, size_t low_water) noexcept:
        if self.node is not NULL:
            fn_conn_notify(self.reactor.r, self.node, low_water)

    def get_write_buffer_size(self):
        """Bytes that the system has not taken yet."""
        self.flush()
        return self.waiting()

    def can_write_eof(self):
        """True: a stream's directions end one by one."""
        return True

    # ------------------------------------------------------------------------ writing

    def write(self, data):
        """Sends bytes, or keeps them until they can be sent.

        Takes bytes, bytearray and memoryview.  TypeError for anything else, RuntimeError after
        write_eof().
        """
        cdef Py_buffer view
        if type(data) is not bytes and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, "
                            f"not {type(data).__name__!r}")
        if type(data) is bytes:
            self.write_from(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), data)
            return
        self.may_write()
        if not data:
            return
        try:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        except BufferError as error:  # its bytes do not lie in one piece
            if not self.drop():
                self.fatal(error, WRITE_ERROR)
            return
        try:
            self.put(<const char *> view.buf, view.len, None)
        finally:
            PyBuffer_Release(&view)

    cdef int may_write(self) except -1:
        if self.eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._empty_waiter is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        return 0

    cdef int write_from(self, const char *data, Py_ssize_t size, object owner) except -1:
        """write() of memory that owner, bytes, keeps; without one it is copied."""
        self.may_write()
        return self.put(data, size, owner) if size else 0

    cdef int unpace(self) except -1:
        """Replaces bbr where it caps the path: see fn_tune_congestion()."""
        cdef fn_tuned now
        if self.node is not NULL:
            memset(&now, 0, sizeof(now))
            fn_tune_congestion(self.fd, b"auto", &now)
        return 0

    cdef uint64_t confirmed(self) noexcept:
        """Bytes that have reached the peer's system: a peer that lives has it grow."""
        cdef int left
        if self.node is NULL:
            return 0
        left = fn_sock_unconfirmed(self.fd)
        return self.node.bytes_out - max(left, 0)

    cdef bint unconfirmed(self) noexcept:
        """Whether some of what was written has not reached the peer's system."""
        return self.node is not NULL and (self.node.out.bytes > 0
                                          or fn_sock_unconfirmed(self.fd) > 0)

    def _confirmed(self):
        """Bytes that have reached the peer's system."""
        return self.confirmed()

    def writelines(self, list_of_data):
        """Sends several pieces, in one system call where that is possible.  As write()."""
        cdef bint before
        if self.eof:
            raise RuntimeError("Cannot call writelines() after write_eof()")
        if self._empty_waiter is not None:
            raise RuntimeError("unable to writelines; sendfile is in progress")
        pieces = [data if type(data) is bytes else memoryview(data) for data in list_of_data]
        if not pieces or self.drop():
            return
        before = self.reactor.r.dispatching
        self.reactor.r.dispatching = True  # the pieces gather
        try:
            for data in pieces:
                self.write(data)
        finally:
            if self.reactor.r is not NULL:
                self.reactor.r.dispatching = before
        if not before:
            self.flush()

    cdef int drop(self) except -1:
        """Whether there is nobody to write to; says so when that happens often."""
        if self.node is not NULL and not self._conn_lost:
            self.reactor.permit()
            return 0
        if self._conn_lost:
            if self._conn_lost >= MANY_LOST_WRITES:
                logger.warning("socket.send() raised exception.")
            self._conn_lost += 1
        return 1

    cdef int put(self, const char *data, Py_ssize_t size, object owner) except -1:
        cdef int kept = 0
        cdef int st
        cdef void *keeper = NULL
        if (self.node is NULL or self.reactor.busy) and self.drop():
            return 0
        if size >= KEEP and owner is not None:
            keeper = <void *> owner
        # Another thread, which should not be here, keeps the GIL: it is all that it has in
        # common with the loop's.
        if size >= ALONE and self.reactor.thread == PyThread_get_thread_ident():
            st = self.put_alone(data, size, keeper, &kept)
        else:
            st = fn_conn_write(self.reactor.r, self.node, data, size, keeper, &kept)
        if kept:
            Py_INCREF(owner)
        if st < 0:
            return self.write_failed(st)
        if self.node.out.bytes > self.high:
            return self.overfull()
        return 0

    cdef int put_alone(self, const char *data, Py_ssize_t size, void *keeper,
                       int *kept) noexcept:
        """Without the GIL: nobody else may touch the reactor meanwhile."""
        cdef int st
        self.reactor.busy = True
        with nogil:
            st = fn_conn_write(self.reactor.r, self.node, data, size, keeper, kept)
        self.reactor.busy = False
        return st

    cdef int write_failed(self, int status) except -1:
        error = error_of(status)
        waiter = self._empty_waiter
        self.fatal(error, WRITE_ERROR)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        return 0

    cdef int flush(self) except -1:
        """Sends what waits, as far as the system takes it now."""
        cdef int st
        if self.node is NULL or not self.node.out.bytes:
            return 0
        self.reactor.permit()
        st = fn_conn_flush(self.reactor.r, self.node)
        if st < 0:
            self.write_failed(st)
        return 0

    cdef int overfull(self) except -1:
        """More waits than should: asks the system first, then the protocol to stop."""
        if self._protocol_paused:
            return 0
        self.flush()
        if self.waiting() > self.high:
            self.pause_protocol()
        return 0

    cdef int drained(self) except -1:
        """What was asked for by notify(): little or nothing waits any more."""
        if self._protocol_paused and self.waiting() <= self.low:
            self.resume_protocol()  # may write
        if self.file_sent is not None:
            return self.pump_file()
        if self.node is NULL:
            return 0
        if self.waiting():
            if not self.node.flags & FN_WANTS_DRAINED and (
                    self._protocol_paused or self._closing or self._empty_waiter is not None):
                self.notify(self.low if self._protocol_paused else 0)
            return 0
        if self._empty_waiter is not None and not self._empty_waiter.done():
            self._empty_waiter.set_result(None)
        if self._closing:
            self._conn_lost += 1
            self.part()
            self._call_connection_lost(None)
        return 0

    # ------------------------------------------------------------------------- ending

    def write_eof(self):
        """The peer sees the end after what was written; reading goes on."""
        if self._closing or self.eof:
            return
        self.eof = True
        if self.node is not NULL:
            self.reactor.permit()
            fn_conn_shut(self.reactor.r, self.node)

    def close(self):
        """Ends the connection when what was written has been sent."""
        if self._closing:
            return
        self._closing = True
        if self.node is NULL:
            self.finish()
            return
        self.reactor.permit()
        fn_conn_pause(self.reactor.r, self.node)
        self.flush()
        if self._conn_lost:
            return
        if self.waiting():
            if not self._protocol_paused:
                self.notify(0)
            return
        self.finish()

    cdef int finish(self) except -1:
        """Nothing is left to be sent."""
        if self._conn_lost:
            return 0
        self._conn_lost += 1
        self.part()
        self._loop.call_soon(self._call_connection_lost, None)
        return 0

    # ------------------------------------------------------------------- loop.sendfile()

    def _make_empty_waiter(self):
        if self._empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self._file_bytes = 0
        self.flush()
        self._empty_waiter = self._loop.create_future()
        if not self.waiting():
            self._empty_waiter.set_result(None)
        else:
            self.notify(self.low if self._protocol_paused else 0)
        return self._empty_waiter

    def _reset_empty_waiter(self):
        self._empty_waiter = None
        if self.file_sent is not None:  # cancelled
            self.file_ended(None)

    def _send_file(self, int fd, long long offset, long long count):
        """Sends bytes of a file when nothing else waits; a future that is done when they went.

        A count of 0 stands for all that follow; `_file_bytes` tells how many have gone.
        """
        self.file_sent = self._loop.create_future()
        self.file_fd = fd
        self.file_at = offset
        self.file_left = count or -1
        sent = self.file_sent
        self.pump_file()
        return sent

    cdef int pump_file(self) except -1:
        """Sends as much as there is room for, and comes back when there is more."""
        cdef long long size = FILE_PIECE if self.file_left < 0 else min(self.file_left, FILE_PIECE)
        cdef long long got
        if self.file_sent.done():  # cancelled
            return self.file_ended(None)
        if self.node is NULL:
            return self.file_ended(ConnectionError("Connection is closed by peer"))
        self.reactor.permit()
        try:
            got = sendfile(self.fd, self.file_fd, self.file_at, size)
        except (BlockingIOError, InterruptedError):
            got = -1
        except OSError as error:
            if self._file_bytes == 0:
                error = SendfileNotAvailableError("os.sendfile call failed")
            return self.file_ended(error)
        if self.node is NULL:  # closed by another thread, meanwhile: _call_connection_lost() tells
            return 0
        if got > 0:
            fn_count(&self.node.bytes_out, got)
            fn_count(&self.reactor.r.counters.bytes_out, got)
            fn_count(&self.reactor.r.counters.writes, 1)
            self.node.active = self.reactor.r.now
            self._file_bytes += got
            self.file_at += got
            if self.file_left > 0:
                self.file_left -= got
        if got == 0 or self.file_left == 0:
            return self.file_ended(None)
        fn_conn_want_room(self.reactor.r, self.node)
        return 0

    cdef int file_ended(self, object error) except -1:
        cdef object sent = self.file_sent
        self.file_sent = None
        if sent.done():
            return 0
        if error is None:
            sent.set_result(None)
        else:
            sent.set_exception(error)
        return 0

    def _call_connection_lost(self, exc):
        try:
            Endpoint._call_connection_lost(self, exc)
        finally:
            waiter = self._empty_waiter
            if waiter is not None and not waiter.done():
                waiter.set_exception(ConnectionError("Connection is closed by peer"))
            if self.file_sent is not None:
                self.file_ended(ConnectionError("Connection is closed by peer"))
