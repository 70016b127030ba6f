"""A connection that blocks one greenlet, not the thread (conn.h).

Bytes go from the reactor's arena into the object that recv() returns, with no
system call in between; what came ahead of the handler is kept, up to a bound.
"""

import socket

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EBADF, EOPNOTSUPP
from libc.string cimport memcpy

from fastnet._native.core cimport FN_NEVER, fn_now
from fastnet._native.core_reactor cimport (
    FN_EVENT_DATA,
    FN_EVENT_DRAINED,
    FN_EVENT_EOF,
    FN_EVENT_FAILED,
    FN_EVENT_FINISHED,
    fn_conn_close,
    fn_conn_finish,
    fn_conn_notify,
    fn_conn_pause,
    fn_conn_resume,
    fn_conn_shut,
    fn_conn_write,
    fn_timers_cancel,
)
from fastnet._native.status import exception

cdef enum:
    STASH = 64 * 1024     # bytes received ahead of the handler before reading pauses
    HIGH = 256 * 1024     # bytes that may wait to be written before the handler does
    LOW = 64 * 1024
    PIECE = 1024 * 1024   # bytes of a large send that are taken in one go

# What a greenlet is woken with, besides bytes.
cdef object TIMED_OUT = object()
cdef object CLOSED = object()
cdef object FAILED = object()


cdef object would_block():
    return BlockingIOError(EAGAIN, "Resource temporarily unavailable")


cdef object bad_descriptor():
    return OSError(EBADF, "Bad file descriptor")


cdef class GreenStream(Waiter):
    """A connection, as far as a handler's socket needs one."""

    def __cinit__(self):
        self.patience = FN_NEVER
        self.stash = b""

    # ----------------------------------------------------------------- from the hub

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        cdef int kind = e.kind
        if kind == FN_EVENT_DATA:
            return self.took(e)
        if kind == FN_EVENT_EOF:
            self.eof = True
            self.wake_reader(b"")
        elif kind == FN_EVENT_DRAINED:
            self.wake_writer(None)
        elif kind == FN_EVENT_FINISHED:
            self.release()
        elif kind == FN_EVENT_FAILED:
            self.failed = e.status
            if self.closed:
                self.release()
            self.wake_writer(FAILED)
            self.wake_reader(FAILED)
        return 0

    cdef void orphan(self) noexcept:
        self.closed = True

    cdef int took(self, const fn_event *e) except -1:
        cdef Py_ssize_t n = e.len
        cdef Py_ssize_t now = n if n < self.wanted else self.wanted
        cdef const char *data = <const char *> e.data
        value = None
        if self.closed:
            return 0
        if self.reader is None:
            self.stash = self.stash[self.at:] + data[:n]
            self.at = 0
        else:
            if now < n:
                self.stash = data[now:n]
                self.at = 0
            if self.into != NULL:
                memcpy(self.into, data, now)
                value = now
            else:
                value = PyBytes_FromStringAndSize(data, now)
        if PyBytes_GET_SIZE(self.stash) - self.at >= STASH and not self.paused:
            self.paused = True
            fn_conn_pause(self.hub.reactor.r, self.node)
        if self.reader is not None:
            self.wake_reader(value)
        return 0

    cdef int wake_reader(self, object value) except -1:
        task = self.reader
        if task is not None:
            self.reader = None
            fn_timers_cancel(&self.hub.timers, &self.reading.timer)
            task.switch(value)
        return 0

    cdef int wake_writer(self, object value) except -1:
        task = self.writer
        if task is not None:
            self.writer = None
            fn_timers_cancel(&self.hub.timers, &self.writing.timer)
            task.switch(value)
        return 0

    cdef int answer_soon(self, object reads, object writes) except -1:
        """Whoever waits is switched to later; no event or alarm may answer in between."""
        if reads is not None and self.reader is not None:
            self.hub.later.append((self.reader, reads))
            self.reader = None
            fn_timers_cancel(&self.hub.timers, &self.reading.timer)
        if writes is not None and self.writer is not None:
            self.hub.later.append((self.writer, writes))
            self.writer = None
            fn_timers_cancel(&self.hub.timers, &self.writing.timer)
        return 0

    cdef int ring(self, Alarm *alarm) except -1:
        if alarm == &self.reading:
            return self.wake_reader(TIMED_OUT)
        return self.wake_writer(TIMED_OUT)

    cdef int release(self) except -1:
        if self.node != NULL:
            fn_conn_close(self.hub.reactor.r, self.node, False)
            self.hub.reactor.detach(self)
        return 0

    # -------------------------------------------------------------------- receiving

    cdef int usable(self) except -1:
        if self.closed or self.node == NULL:
            raise bad_descriptor()
        return 0

    cdef object from_stash(self, Py_ssize_t n, bint peek):
        cdef Py_ssize_t left = PyBytes_GET_SIZE(self.stash) - self.at
        cdef Py_ssize_t now = n if n < left else left
        value = self.stash[self.at:self.at + now]
        if peek:
            return value
        self.at += now
        if self.at == PyBytes_GET_SIZE(self.stash):
            self.stash = b""
            self.at = 0
        if self.paused and PyBytes_GET_SIZE(self.stash) - self.at < STASH // 2:
            self.paused = False
            fn_conn_resume(self.hub.reactor.r, self.node)
        return value

    cdef object await_bytes(self, Py_ssize_t n, char *into):
        """Waits for the next bytes: an object or, with into, how many there are."""
        if self.eof:
            return b""
        if self.failed:
            raise exception(self.failed)
        if self.patience == 0:
            raise would_block()
        if self.reader is not None:
            raise RuntimeError("another greenlet is receiving on this socket")
        self.wanted = n
        self.into = into
        self.reader = self.hub.getcurrent()
        try:
            if self.patience != FN_NEVER:
                self.hub.set_alarm(&self.reading, self, fn_now() + self.patience)
            value = self.hub.wait()
        finally:
            # An exception thrown in from outside leaves nobody waiting.
            self.reader = None
            fn_timers_cancel(&self.hub.timers, &self.reading.timer)
        if value is TIMED_OUT:
            raise TimeoutError("timed out")
        if value is CLOSED:
            raise bad_descriptor()
        if value is FAILED:
            raise exception(self.failed)
        return value

    def recv(self, Py_ssize_t bufsize, int flags=0):
        """Up to bufsize bytes as soon as there are some; b"" at the end (recv(2)).

        flags: MSG_PEEK and MSG_DONTWAIT; others are refused with OSError.
        """
        cdef bint peek = flags & socket.MSG_PEEK if flags else False
        self.usable()
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        if flags:
            self.prepare(flags)
        if self.at == PyBytes_GET_SIZE(self.stash):
            if bufsize == 0:
                return b""
            if not peek:
                return self.await_bytes(bufsize, NULL)
            self.stash = self.await_bytes(STASH, NULL)
            self.at = 0
        return self.from_stash(bufsize, peek)

    cdef int prepare(self, int flags) except -1:
        if flags & ~(socket.MSG_PEEK | socket.MSG_DONTWAIT):
            raise OSError(EOPNOTSUPP, "flags other than MSG_PEEK and MSG_DONTWAIT")
        if (flags & socket.MSG_DONTWAIT and self.at == PyBytes_GET_SIZE(self.stash)
                and not self.eof):
            raise would_block()
        return 0

    def recv_into(self, buffer, Py_ssize_t nbytes=0, int flags=0):
        """Up to nbytes (0: the whole buffer) as soon as there are some; their number."""
        cdef Py_buffer view
        cdef char *into
        self.usable()
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        if flags:
            data = self.recv(nbytes or memoryview(buffer).nbytes, flags)
            memoryview(buffer).cast("B")[:len(data)] = data
            return len(data)
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if view.len < nbytes:
                raise ValueError("nbytes is greater than the length of the buffer")
            nbytes = nbytes or view.len
            into = <char *> view.buf
            if nbytes == 0:
                return 0
            if self.at == PyBytes_GET_SIZE(self.stash):
                value = self.await_bytes(nbytes, into)
                return 0 if value == b"" else value
            data = self.from_stash(nbytes, False)
            memcpy(into, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            return PyBytes_GET_SIZE(data)
        finally:
            PyBuffer_Release(&view)

    # ---------------------------------------------------------------------- sending

    cdef Py_ssize_t put(self, const char *data, Py_ssize_t n) except -1:
        cdef int kept = 0
        cdef int st = fn_conn_write(self.hub.reactor.r, self.node, data, n, NULL, &kept)
        if st < 0:
            raise exception(self.failed or st)
        return n

    cdef int await_room(self, size_t low) except -1:
        """Waits until no more than low bytes are left to be written."""
        if self.patience == 0:
            return 0  # what was taken is queued; the next send finds it full
        if self.writer is not None:
            raise RuntimeError("another greenlet is sending on this socket")
        fn_conn_notify(self.hub.reactor.r, self.node, low)
        self.writer = self.hub.getcurrent()
        try:
            if self.patience != FN_NEVER:
                self.hub.set_alarm(&self.writing, self, fn_now() + self.patience)
            value = self.hub.wait()
        finally:
            self.writer = None
            fn_timers_cancel(&self.hub.timers, &self.writing.timer)
        if value is TIMED_OUT:
            raise TimeoutError("timed out")
        if value is CLOSED:
            raise bad_descriptor()
        if value is FAILED:
            raise exception(self.failed)
        return 0

    def send(self, data, int flags=0):
        """Sends, or queues, up to a mebibyte of data; how many bytes it took."""
        cdef Py_buffer view
        self.usable()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.usable()  # a buffer of Python's own (PEP 688) may have run anything
            if self.node.out.bytes > HIGH:
                if self.patience == 0 or flags & socket.MSG_DONTWAIT:
                    raise would_block()
                self.await_room(LOW)
                self.usable()
            return self.put(<const char *> view.buf, min(view.len, PIECE))
        finally:
            PyBuffer_Release(&view)

    def sendall(self, data, int flags=0):
        """Sends all of data; returns None once no more than 256 KiB of it wait."""
        cdef Py_buffer view
        cdef Py_ssize_t done = 0
        self.usable()
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.usable()
            while True:
                done += self.put(<const char *> view.buf + done,
                                 min(view.len - done, PIECE))
                if self.node.out.bytes > HIGH:
                    self.await_room(LOW)
                    self.usable()
                if done == view.len:
                    return None
        finally:
            PyBuffer_Release(&view)

    # --------------------------------------------------------------------- the rest

    def shut(self, bint reading, bint writing):
        """shutdown(2): what waits to be written goes out first."""
        self.usable()
        if writing:
            fn_conn_shut(self.hub.reactor.r, self.node)
        if reading:
            self.eof = True
            fn_conn_pause(self.hub.reactor.r, self.node)
            self.answer_soon(b"", None)

    def end_of_stream(self):
        """The handler, if it waits for bytes, sees the end of them; whether it did wait."""
        if self.reader is None or self.closed:
            return False
        self.eof = True
        self.wake_reader(b"")
        return True

    def finish(self):
        """Closes once all is written; whoever waits on the socket is told."""
        if self.closed:
            return
        self.closed = True
        self.answer_soon(CLOSED, CLOSED)
        if self.node == NULL:
            return
        if self.failed:
            self.release()
        else:
            fn_conn_finish(self.hub.reactor.r, self.node)

    def detach_fd(self):
        """Gives the descriptor away; what waited to be written is lost."""
        cdef int fd
        self.usable()
        fd = self.node.fd
        self.closed = True
        self.answer_soon(CLOSED, CLOSED)
        fn_conn_close(self.hub.reactor.r, self.node, True)
        self.hub.reactor.detach(self)
        return fd

    def fileno(self):
        """The descriptor; -1 when closed."""
        return -1 if self.closed or self.node == NULL else self.node.fd

    def set_patience(self, seconds):
        """How long to wait: seconds or None."""
        self.patience = FN_NEVER
        if seconds is not None and <double> seconds < 1e9:
            self.patience = <fn_time> (<double> seconds * 1e9)

    def address(self):
        """The peer's IPv4 (host, port); None for other families."""
        cdef const unsigned char *a
        if self.node == NULL or not self.node.has_peer:
            return None
        a = self.node.peer.addr
        if a[10] != 0xff or a[11] != 0xff or a[0] or a[9]:
            return None
        return f"{a[12]}.{a[13]}.{a[14]}.{a[15]}", self.node.port
