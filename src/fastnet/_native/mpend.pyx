"""One end of a connection of multiprocessing: its descriptor, sending, polling (mpio.h)."""

import os

from libc.string cimport memset

from fastnet._native.core cimport (
    FN_E_CHECK,
    FN_E_TIMEOUT,
    fn_stream_init,
    fn_tune_congestion,
    fn_tune_spin,
    fn_tuned,
    fn_wait_forever,
    iovec,
)
from fastnet._native.core_mp cimport (
    fn_close,
    fn_mp_out,
    fn_mp_out_init,
    fn_mp_poll,
    fn_mp_send,
    fn_pid,
)
from fastnet._native.pin cimport Pin, pin_flat
from fastnet._native.status import exception
from fastnet._native.wait cimport Patience, be_patient, wait_again

cdef enum:
    TUNE_FROM = 256 * 1024  # bytes; below, looking at the path costs more than it gains


cdef void patience_init(Patience *p) noexcept:
    # The first try does not wait, so it needs no clock.
    p.wait = fn_wait_forever()
    p.wait.check_at = 0
    p.ready = False


cdef class End:
    """One descriptor that speaks the frames of multiprocessing.connection.

    Parameters:
        handle: the descriptor of a stream socket, pipe or FIFO; it is owned from here on.
        readable, writable: which directions are in use.

    Raises:
        ValueError: the handle is negative, or neither direction is in use.
    """

    def __cinit__(self, *args, **kwargs):
        self.fd = self.doomed = -1

    def __init__(self, handle, readable=True, writable=True):
        cdef int fd = handle.__index__()
        if fd < 0:
            raise ValueError("invalid handle")
        if not readable and not writable:
            raise ValueError("at least one of `readable` and `writable` must be True")
        self.may_read = bool(readable)
        self.may_write = bool(writable)
        fn_stream_init(&self.stream, fd)
        self.stream.spin = fn_tune_spin()
        self.fd = fd

    def __dealloc__(self):
        if self.fd >= 0:
            fn_close(self.fd)
        if self.doomed >= 0:
            fn_close(self.doomed)

    # ------------------------------------------------------------ the descriptor

    @property
    def _handle(self):
        return self.fd if self.fd >= 0 else None

    @_handle.setter
    def _handle(self, value):
        self.fd = self.stream.fd = -1 if value is None else value.__index__()

    @property
    def _readable(self):
        return self.may_read

    @property
    def _writable(self):
        return self.may_write

    @property
    def closed(self):
        """True if the connection is closed."""
        return self.fd < 0

    @property
    def readable(self):
        """True if the connection is readable."""
        return self.may_read

    @property
    def writable(self):
        """True if the connection is writable."""
        return self.may_write

    def fileno(self):
        """The descriptor; OSError when the connection is closed."""
        self._check_closed()
        return self.fd

    def close(self):
        """Closes the connection; a call in another thread ends, the descriptor with it."""
        cdef int fd = self.fd
        if fd < 0:
            return
        self.fd = -1
        if self.calls and self.process == fn_pid():
            self.doomed = fd  # its number must stay taken until they are out
        else:
            os.close(fd)

    cdef int enter(self) except -1:
        # Since the caller looked, Python may have run: a pickle's __reduce__, or
        # another thread that closed this.  The number may be somebody else's now.
        self._check_closed()
        # What was under way in the parent when this process was forked is not
        # under way here.
        cdef int process = fn_pid()
        if self.process != process:
            self.process = process
            self.calls = 0
        self.calls += 1
        return 0

    cdef int leave(self) except -1:
        self.calls -= 1
        if self.calls == 0 and self.doomed >= 0:
            fn_close(self.doomed)
            self.doomed = -1
        return 0

    def _check_closed(self):
        if self.fd < 0:
            raise OSError("handle is closed")

    def _check_readable(self):
        if not self.may_read:
            raise OSError("connection is write-only")
        if self.received_part:
            raise OSError("an earlier receive stopped inside a message")

    def _check_writable(self):
        if not self.may_write:
            raise OSError("connection is read-only")
        if self.sent_part:
            raise OSError("an earlier send stopped inside a message")

    cdef int pause(self, Patience *p, object timeout) except -1:
        if p.ready:
            wait_again(&p.wait, p.signals)
        else:
            be_patient(p, timeout, None)
        if self.fd < 0:
            raise OSError("handle is closed")
        return 0

    # ------------------------------------------------------------------- sending

    cdef int transmit(self, const iovec *pieces, size_t count) except -1:
        cdef fn_mp_out out
        cdef Patience p
        cdef int st = fn_mp_out_init(&out, pieces, count)
        if st < 0:
            raise exception(st)
        patience_init(&p)
        self.enter()
        try:
            if out.total >= TUNE_FROM and not self.tuned:
                self.tune()
            while True:
                with nogil:
                    st = fn_mp_send(&self.stream, &out, &p.wait)
                if st != FN_E_CHECK:
                    break
                self.pause(&p, None)
        except BaseException:
            self.sent_part = out.sent > 0
            raise
        finally:
            self.leave()
        if st < 0:
            raise exception(st)
        return 0

    cdef int tune(self) except -1:
        cdef fn_tuned now
        cdef const char *name = b"auto"
        memset(&now, 0, sizeof(now))
        fn_tune_congestion(self.stream.fd, name, &now)
        self.tuned = True
        return 0

    def send_bytes(self, buf, offset=0, size=None):
        """Sends the memory of a bytes-like object, or `size` bytes of it from `offset` on.

        Raises:
            ValueError: offset and size reach beyond the object.
            OSError: the connection is closed, read-only, or broke.
        """
        cdef iovec piece
        self._check_closed()
        self._check_writable()
        cdef Pin p = flat(buf)
        cdef Py_ssize_t n = p.view.len, start = offset, length
        if start < 0:
            raise ValueError("offset is negative")
        if n < start:
            raise ValueError("buffer length < offset")
        length = n - start if size is None else size
        if length < 0:
            raise ValueError("size is negative")
        if length > n - start:
            raise ValueError("buffer length < offset + size")
        piece.iov_base = <char *> p.view.buf + start
        piece.iov_len = length
        self.transmit(&piece, 1)

    # -------------------------------------------------------------------- waiting

    def poll(self, timeout=0.0):
        """Whether recv would find something: a message's beginning, or the end.

        Parameters:
            timeout: seconds to wait for it; None waits for ever.
        """
        cdef Patience p
        cdef int st = 0
        self._check_closed()
        self._check_readable()
        patience_init(&p)
        if timeout is not None and timeout <= 0:
            p.wait.deadline = 0
        self.enter()
        try:
            while True:
                with nogil:
                    st = fn_mp_poll(&self.stream, &p.wait)
                if st != FN_E_CHECK:
                    break
                self.pause(&p, timeout)
        finally:
            self.leave()
        if st == FN_E_TIMEOUT:
            return False
        if st < 0:
            raise exception(st)
        return True


cdef Pin flat(object buf):
    """buf's memory in one piece; the standard library's own errors for what has none."""
    try:
        return pin_flat(buf, False)
    except (BufferError, ValueError):
        m = memoryview(buf)
        return pin_flat(m.cast("B") if m.itemsize > 1 else m, False)
