"""One HTTP/1.1 exchange after the other on a blocking connection."""

from libc.stdint cimport int64_t, uint8_t

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)

from fastnet import errors

from fastnet._native.core cimport FN_E_CHECK, fn_wait, iovec
from fastnet._native.httpwire cimport Wire
from fastnet._native.wait cimport wait_again, wait_init


cdef extern from "Python.h":
    ctypedef struct PyObject
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *v, Py_ssize_t n) except NULL
    char *PyBytes_AS_STRING(PyObject *b)
    int _PyBytes_Resize(PyObject **b, Py_ssize_t n) except -1
    void Py_XDECREF(PyObject *o)


cdef enum:
    PIECES = 4       # of memory that one request is gathered from
    FIRST = 1 << 20  # bytes of memory taken before they are there


cdef class Connection(Wire):
    """A connection that `exchange`s requests for responses, one at a time.

    sock: a connected, blocking socket that the connection owns from now on.
    line, fields, head: as for `Reply`.
    """

    def exchange(self, pieces, timeout=None, bint to_head=False, bint to_connect=False):
        """Sends a request that is one or some pieces of memory; receives the response's head.

        timeout: seconds for the sending, and again for the head; None waits for ever.
        Returns the status code.
        """
        self.start(to_head, to_connect)
        self.send(pieces, timeout)
        self.respond(timeout)
        return self.head.status

    def start(self, bint to_head=False, bint to_connect=False):
        """Begins a request whose pieces are given to `send`, with `respond` after the last."""
        self.enter()
        try:
            self.next(to_head, to_connect)
            self.sent = self.broken = False
        finally:
            self.leave()

    def send(self, pieces, timeout=None):
        """Sends bytes, or a tuple of at most four bytes-like objects, gathered."""
        cdef iovec iov[PIECES]
        cdef Py_buffer views[PIECES]
        cdef int n = 0, i
        if not isinstance(pieces, tuple):
            pieces = (pieces,)
        if len(pieces) > PIECES:
            raise ValueError(f"at most {PIECES} pieces, not {len(pieces)}")
        self.enter()
        try:
            for piece in pieces:
                PyObject_GetBuffer(piece, &views[n], PyBUF_SIMPLE)
                iov[n].iov_base = views[n].buf
                iov[n].iov_len = views[n].len
                n += 1
            if self.tls:
                self.transmit_tls(pieces, timeout)
            else:
                self.transmit(iov, n, timeout)
        finally:
            for i in range(n):
                PyBuffer_Release(&views[i])
            self.leave()

    def respond(self, timeout=None):
        """Receives the head of the response, within timeout seconds as a whole."""
        self.enter()
        try:
            if self.tls:
                self.await_head_tls(timeout)
            else:
                self.await_head(timeout)
        finally:
            self.leave()

    # ------------------------------------------------------------------------------- bodies

    def readinto(self, buffer, timeout=None, bint whole=False):
        """Receives some of the body into a buffer; how many bytes, 0 at the body's end.

        timeout: seconds without a byte; None waits for ever.
        whole: goes on until the buffer is full or the body has ended.
        """
        cdef Py_buffer view
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            return self.receive(<uint8_t *> view.buf, view.len, whole, timeout)
        finally:
            PyBuffer_Release(&view)

    def read(self, most, timeout=None):
        """The rest of the body, of which there may be at most so many bytes."""
        cdef size_t limit = most, size, got = 0
        cdef PyObject *out
        if self.ended:
            return b""
        left = self.left if self.length is not None else 0
        if left > most:
            raise errors.LimitError(f"the body has {left} bytes, more than the limit of {most}")
        # What a server claims is believed only as it comes.
        size = min(left or FIRST // 16, FIRST, limit + 1)
        out = new_bytes(NULL, size)
        try:
            while True:
                got += self.receive(<uint8_t *> PyBytes_AS_STRING(out) + got, size - got, True,
                                    timeout)
                if self.ended:
                    break
                if size > limit:
                    raise errors.LimitError(f"the body has more bytes than the limit of {most}")
                size = min(size * 2, left or limit + 1)
                _PyBytes_Resize(&out, size)
            if got > limit:
                raise errors.LimitError(f"the body has more bytes than the limit of {most}")
            if got != size:
                _PyBytes_Resize(&out, got)
            return <object> out
        except errors.LimitError:
            self.keep = False
            raise
        finally:
            Py_XDECREF(out)

    cdef size_t receive(self, uint8_t *p, size_t n, bint whole, object timeout) except? 0:
        cdef fn_wait wait
        cdef bint signals = False
        cdef size_t got = 0
        cdef int64_t st
        if self.ended:
            return 0
        self.enter()
        try:
            # What is here already needs neither clock nor socket.
            st = self.take(p, n)
            if st < 0:
                self.failed(st)
            got = st
            if self.ended or got == n or (got and not whole):
                return got
            if self.tls:
                return got + self.receive_tls(p + got, n - got, whole, timeout)
            wait_init(&wait, None, timeout, &signals)
            while True:
                with nogil:
                    if whole:
                        st = self.fill_all(p, n, &got, &wait)
                    else:
                        st = self.pull(p, n, &wait)
                if st != FN_E_CHECK:
                    break
                wait_again(&wait, signals)
            if st < 0:
                self.failed(st)
            return got if whole else <size_t> st
        finally:
            self.leave()
