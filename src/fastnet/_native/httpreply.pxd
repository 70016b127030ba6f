from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from fastnet._native.core cimport iovec
from fastnet._native.core_http cimport (
    fn_http_chunks,
    fn_http_head,
    fn_http_limits,
    fn_http_span,
)


cdef enum:
    HAS_COOKIES = 1
    HAS_LOCATION = 2
    HAS_ENCODING = 4


cdef class Reply:
    # The responses of one connection, one after the other: bytes in, head and body out.
    cdef uint8_t *data
    cdef size_t start     # data[start:end] has come and is not used yet
    cdef size_t end
    cdef size_t capacity
    cdef fn_http_head head
    cdef fn_http_limits limits
    cdef fn_http_chunks chunks
    cdef uint64_t left    # of a body framed by length
    cdef int framing
    cdef bint inside      # the next byte is a chunk's data
    cdef int asides       # 1xx responses so far
    cdef bint to_head
    cdef bint to_connect
    cdef readonly bint headed    # the head is complete
    cdef readonly bint ended     # and the body
    cdef readonly bint touched   # a byte of the present response has come
    cdef readonly bint keep      # the connection can be used again afterwards
    cdef readonly uint64_t count  # bytes of the body so far
    cdef readonly list fields     # (name, value) of the head
    cdef readonly str reason
    cdef readonly int marks       # which fields are there that need work: the bits below

    cdef int next(self, bint to_head, bint to_connect) except -1
    # Where to receive the next bytes; 0, or a status.
    cdef int room(self, iovec *iov) noexcept nogil
    cdef void came(self, size_t n) noexcept nogil
    # FN_HTTP_DONE, FN_HTTP_MORE or a status.
    cdef int parse(self) noexcept nogil
    # Bytes of the body taken from the buffer into p[:n]; 0 when more must be received or the
    # body has ended.
    cdef int64_t take(self, uint8_t *p, size_t n) noexcept nogil
    # How many bytes could go straight into the caller's memory (the buffer being empty), and
    # that n of them did.
    cdef size_t direct(self) noexcept nogil
    cdef int64_t passed(self, uint8_t *p, size_t n) noexcept nogil
    # The peer has ended the connection.
    cdef int finish(self) noexcept nogil
    # Parses what has come of the head, with the GIL; complete() is what follows FN_HTTP_DONE.
    cdef int look(self) except -1
    cdef int complete(self) except -1
    # Raises what a status of the above means.
    cdef int refuse(self, int64_t status) except -1
    cdef int cut_off(self) except -1

    cdef int bound(self, uint32_t line, uint32_t fields, uint32_t head) except -1
    cdef void shrink(self) noexcept
    cdef int64_t unchunk(self, uint8_t *p, const uint8_t *data, size_t n) noexcept nogil
    cdef object text(self, fn_http_span span)
    cdef list pairs(self)
