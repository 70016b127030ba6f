"""The responses of one HTTP/1.1 connection, without any I/O (csrc/include/fastnet/http1.h)."""

from libc.stdint cimport SIZE_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.unicode cimport PyUnicode_DecodeLatin1

from fastnet import errors
from fastnet._native.status import exception

from fastnet._native.core cimport (
    FN_CLASS_LIMIT,
    FN_CLASS_PROTOCOL,
    FN_E_BUF_CAP,
    FN_E_EOF,
    fn_status_class,
    iovec,
)
from fastnet._native.core_http cimport (
    FN_HTTP_CHUNKED,
    FN_HTTP_CONTENT_ENCODING,
    FN_HTTP_DONE,
    FN_HTTP_LENGTH,
    FN_HTTP_LOCATION,
    FN_HTTP_NO_BODY,
    FN_HTTP_SET_COOKIE,
    FN_HTTP_TO_END,
    fn_http_chunks_next,
    fn_http_chunks_reset,
    fn_http_field,
    fn_http_head_reset,
    fn_http_response,
    fn_http_span,
)


cdef enum:
    FIRST = 16 * 1024  # bytes of a new buffer
    MOST_ASIDES = 16   # 1xx responses before the real one
    KEPT = 64 * 1024   # bytes of a buffer kept between responses
    # Statuses of this file's own, beyond every one of the core's.
    E_ASIDES = -20001
    E_UPGRADE = -20002


cdef class Reply:
    """Parses what a server answers: `next`, then `feed` until `headed`, then `take` until `ended`.

    line, fields, head: the most that a response may have, in bytes, lines and bytes.
    """

    def __cinit__(self):
        self.capacity = FIRST
        self.data = <uint8_t *> malloc(FIRST)
        if self.data == NULL:
            raise MemoryError
        self.ended = True

    def __init__(self, line=8192, fields=100, head=65536):
        self.bound(line, fields, head)

    cdef int bound(self, uint32_t line, uint32_t fields, uint32_t head) except -1:
        self.limits.line = line
        self.limits.field = head
        self.limits.fields = fields
        self.limits.head = head
        self.limits.loose = True
        return 0

    def __dealloc__(self):
        free(self.data)

    # ------------------------------------------------------------------ for the boundary

    cdef int next(self, bint to_head, bint to_connect) except -1:
        if not self.ended:
            raise errors.Error("the response before this request has not been read to its end")
        if self.start != self.end:
            raise errors.ProtocolError("the server sent bytes that no request asked for")
        self.start = self.end = 0
        if self.capacity > KEPT:
            self.shrink()
        self.to_head, self.to_connect = to_head, to_connect
        self.headed = self.ended = self.touched = self.keep = False
        self.asides = 0
        self.count = 0
        fn_http_head_reset(&self.head)
        return 0

    cdef void shrink(self) noexcept:
        cdef void *less = realloc(self.data, FIRST)
        if less != NULL:
            self.data = <uint8_t *> less
            self.capacity = FIRST

    cdef int room(self, iovec *iov) noexcept nogil:
        cdef void *more
        cdef size_t size
        if self.headed and self.start:
            memmove(self.data, self.data + self.start, self.end - self.start)
            self.end -= self.start
            self.start = 0
        if self.end == self.capacity:
            # A head beyond its limit is refused by the parser before this much has come.
            if self.capacity >= <size_t> self.limits.head + 2 * KEPT:
                return FN_E_BUF_CAP
            size = self.capacity * 2
            more = realloc(self.data, size)
            if more == NULL:
                return FN_E_BUF_CAP
            self.data = <uint8_t *> more
            self.capacity = size
        iov.iov_base = self.data + self.end
        iov.iov_len = self.capacity - self.end
        return 0

    cdef void came(self, size_t n) noexcept nogil:
        self.end += n
        self.touched = True

    cdef int parse(self) noexcept nogil:
        cdef int st
        while True:
            st = fn_http_response(&self.head, &self.limits, self.data + self.start,
                                  self.end - self.start, self.to_head, self.to_connect)
            if st != FN_HTTP_DONE:
                return st
            if self.head.status >= 200:
                break
            if self.head.status == 101:
                return E_UPGRADE
            self.asides += 1
            if self.asides > MOST_ASIDES:
                return E_ASIDES
            self.start += self.head.size
            if self.start == self.end:
                self.start = self.end = 0
            fn_http_head_reset(&self.head)
        self.framing = self.head.framing
        self.left = self.head.length if self.framing == FN_HTTP_LENGTH else 0
        self.keep = self.head.keep_alive and self.framing != FN_HTTP_TO_END
        self.inside = False
        if self.framing == FN_HTTP_CHUNKED:
            fn_http_chunks_reset(&self.chunks, UINT64_MAX)
        self.ended = self.framing == FN_HTTP_NO_BODY or (
            self.framing == FN_HTTP_LENGTH and self.left == 0)
        return FN_HTTP_DONE

    cdef int64_t take(self, uint8_t *p, size_t n) noexcept nogil:
        cdef size_t there
        while not self.ended and n and self.start != self.end:
            there = min(self.end - self.start, n)
            if self.framing == FN_HTTP_CHUNKED:
                there = self.unchunk(p, self.data + self.start, there)
                if <int64_t> there < 0:
                    return <int64_t> there
                if there:
                    return there
                continue
            if self.framing == FN_HTTP_LENGTH:
                there = min(there, self.left)
                self.left -= there
                self.ended = self.left == 0
            memcpy(p, self.data + self.start, there)
            self.start += there
            self.count += there
            return there
        return 0

    cdef int64_t unchunk(self, uint8_t *p, const uint8_t *data, size_t n) noexcept nogil:
        cdef size_t used = 0, size = 0
        cdef const uint8_t *body = NULL
        cdef int st = fn_http_chunks_next(&self.chunks, data, n, &used, &body, &size)
        if st < 0:
            return st
        self.start += used
        self.ended = st == FN_HTTP_DONE
        self.inside = size and self.chunks.left
        if size:
            memcpy(p, body, size)
            self.count += size
        return size

    cdef size_t direct(self) noexcept nogil:
        if self.start != self.end or self.ended:
            return 0
        if self.framing == FN_HTTP_LENGTH:
            return self.left
        if self.framing == FN_HTTP_CHUNKED:
            return self.chunks.left if self.inside else 0
        return SIZE_MAX

    cdef int64_t passed(self, uint8_t *p, size_t n) noexcept nogil:
        cdef size_t used = 0, size = 0
        cdef const uint8_t *body = NULL
        cdef int st
        if self.framing == FN_HTTP_LENGTH:
            self.left -= n
            self.ended = self.left == 0
        elif self.framing == FN_HTTP_CHUNKED:
            st = fn_http_chunks_next(&self.chunks, p, n, &used, &body, &size)
            if st < 0:
                return st
            self.inside = self.chunks.left > 0
        self.count += n
        return n

    cdef int finish(self) noexcept nogil:
        self.keep = False
        if self.headed and self.framing == FN_HTTP_TO_END and not self.ended:
            self.ended = True
            return 0
        return 0 if self.ended else FN_E_EOF

    cdef int refuse(self, int64_t status) except -1:
        cdef const char *reason = NULL
        self.keep = False
        if status == FN_E_EOF:
            self.cut_off()
        if status == E_ASIDES:
            raise errors.LimitError(f"more than {MOST_ASIDES} interim (1xx) responses")
        if status == E_UPGRADE:
            raise errors.ProtocolError("the server changed protocols (101) without being asked to")
        cdef int kind = fn_status_class(status)
        if kind == FN_CLASS_LIMIT or kind == FN_CLASS_PROTOCOL:
            reason = self.chunks.reason if self.headed else self.head.reason
        if reason != NULL:
            text = f"bad response: {reason.decode()}"
            if kind == FN_CLASS_LIMIT:
                raise errors.LimitError(text)
            raise errors.ProtocolError(text)
        raise exception(status)

    cdef int cut_off(self) except -1:
        if not self.headed:
            what = "inside the response's head" if self.touched else "without an answer"
            raise errors.IncompleteTransfer(f"the server ended the connection {what}",
                                            self.end - self.start, None)
        if self.framing == FN_HTTP_LENGTH:
            total = self.head.length
            raise errors.IncompleteTransfer(
                f"the server ended the connection after {self.count} of {total} bytes",
                self.count, total)
        what = " inside a chunked body," if self.framing == FN_HTTP_CHUNKED else ""
        raise errors.IncompleteTransfer(
            f"the server ended the connection{what} after {self.count} bytes", self.count, None)

    # ----------------------------------------------------------------------- for Python

    def begin(self, bint to_head=False, bint to_connect=False):
        """Begins the response to the next request."""
        self.next(to_head, to_connect)

    def feed(self, data):
        """Adds what was received; returns whether the head is complete."""
        cdef Py_buffer view
        cdef iovec iov
        cdef size_t at = 0, n
        cdef int st
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            while at < <size_t> view.len:
                st = self.room(&iov)
                if st < 0:
                    self.refuse(st)
                n = min(iov.iov_len, <size_t> view.len - at)
                memcpy(iov.iov_base, <uint8_t *> view.buf + at, n)
                at += n
                self.came(n)
                if not self.headed:
                    self.look()
        finally:
            PyBuffer_Release(&view)
        return self.headed

    cdef int look(self) except -1:
        cdef int st = self.parse()
        if st < 0:
            self.refuse(st)
        if st == FN_HTTP_DONE:
            self.complete()
        return 0

    cdef int complete(self) except -1:
        """The head is there: what follows it is the body's."""
        self.fields = self.pairs()
        self.start += self.head.size
        self.headed = True
        return 0

    cdef object text(self, fn_http_span span):
        return PyUnicode_DecodeLatin1(<char *> self.data + self.start + span.at, span.len, NULL)

    cdef list pairs(self):
        cdef list found = []
        cdef fn_http_field *field
        cdef int i
        self.marks = 0
        for i in range(self.head.count):
            field = &self.head.fields[i]
            found.append((self.text(field.name), self.text(field.value)))
            if field.known == FN_HTTP_SET_COOKIE:
                self.marks |= HAS_COOKIES
            elif field.known == FN_HTTP_LOCATION:
                self.marks |= HAS_LOCATION
            elif field.known == FN_HTTP_CONTENT_ENCODING:
                self.marks |= HAS_ENCODING
        self.reason = self.text(self.head.phrase)
        return found

    @property
    def status(self):
        """The status code."""
        return self.head.status

    @property
    def minor(self):
        """HTTP/1.minor of the response."""
        return self.head.minor

    @property
    def length(self):
        """Bytes of the body in all; None where only its end will tell."""
        if self.framing == FN_HTTP_NO_BODY:
            return 0
        return self.head.length if self.framing == FN_HTTP_LENGTH else None

    @property
    def spare(self):
        """Bytes that have come and that nothing has used."""
        return self.end - self.start

    def take_into(self, buffer):
        """Moves bytes of the body into a buffer; how many, 0 for none at hand."""
        cdef Py_buffer view
        cdef int64_t got
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            got = self.take(<uint8_t *> view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        if got < 0:
            self.refuse(got)
        return got

    def eof(self):
        """The peer has ended the connection; raises where that cuts the response off."""
        cdef int st = self.finish()
        if st < 0:
            self.refuse(st)
