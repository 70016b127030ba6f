# What the HTTP client's boundary uses beyond core.pxd and core_http.pxd, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport int64_t

from fastnet._native.core cimport fn_stream, fn_wait, iovec


cdef extern from "fastnet/stream.h" nogil:
    int64_t fn_stream_send(fn_stream *s, iovec *iov, int n, const fn_wait *wait) noexcept


cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_PEEK
