from libc.stdint cimport int64_t, uint8_t

from fastnet._native.core cimport fn_stream, fn_wait, iovec
from fastnet._native.httpreply cimport Reply


cdef class Wire(Reply):
    # A blocking client connection's socket.
    cdef readonly object sock   # None once it is closed
    cdef readonly bint tls      # its bytes are OpenSSL's: only through the socket's methods
    cdef readonly bint sent     # a byte of the present request has gone out
    cdef public double since    # when it was last put aside (time.monotonic)
    cdef readonly bint broken   # the server stopped reading the request
    cdef fn_stream stream
    cdef bint busy
    cdef bint doomed            # closed by another thread while busy
    cdef bint tuned
    cdef object set_timeout     # what the TLS socket's timeout is

    cdef int enter(self) except -1
    cdef int leave(self) except -1
    cdef int64_t push(self, iovec *iov, int n, fn_wait *wait) noexcept nogil
    cdef int64_t pull_head(self, fn_wait *wait) noexcept nogil
    cdef int64_t pull(self, uint8_t *p, size_t n, fn_wait *wait) noexcept nogil
    cdef int64_t fill_all(self, uint8_t *p, size_t n, size_t *got, fn_wait *wait) noexcept nogil
    cdef int transmit(self, iovec *iov, int n, object timeout) except -1
    cdef int await_head(self, object timeout) except -1
    cdef size_t receive_tls(self, uint8_t *p, size_t n, bint whole, object timeout) except? 0
    cdef size_t tls_recv(self, uint8_t *p, size_t n, object deadline) except? 0
    cdef int failed(self, int64_t status) except -1
    cdef int idle_tls(self) except -1
    cdef object transmit_tls(self, object pieces, object timeout)
    cdef object await_head_tls(self, object timeout)
    cdef object limit(self, object timeout)
