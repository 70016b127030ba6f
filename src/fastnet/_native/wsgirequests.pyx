"""Requests of one HTTP connection.

They are taken from what has come, one after the other, and answered in their order.  One that
is answered at once costs a single write; what comes behind one that is not waits in `kept`, and
reading stops when that is much.
"""

from io import BytesIO

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport UINT64_MAX, uint8_t, uint64_t
from libc.string cimport memcpy

from fastnet._native.core cimport FN_MS, fn_now, fn_time
from fastnet._native.core_http cimport (
    FN_HTTP_CHUNKED,
    FN_HTTP_DONE,
    FN_HTTP_LENGTH,
    FN_HTTP_MORE,
    fn_http_chunks_next,
    fn_http_chunks_reset,
    fn_http_head,
    fn_http_head_reset,
    fn_http_request,
)

cdef size_t PROGRESS = 1024           # bytes of a body that move its deadline

# Bytes of a body that are held in memory before a thread begins with it: one that comes slowly
# shall not keep a thread.
cdef uint64_t HELD = 256 * 1024

cdef uint64_t SPOOL = 1024 * 1024     # bytes of a body beyond which it goes to a file


cdef fn_time span_of(object seconds) except? -1:
    return -1 if seconds is None else <fn_time> (<double> seconds * 1000) * FN_MS


cdef class SiteCore(Shared):
    """What the connections of one process have in common."""

    def __cinit__(self, *args, **kwargs):
        self.scratch = <fn_http_head *> PyMem_Malloc(sizeof(fn_http_head))
        if self.scratch is NULL:
            raise MemoryError

    def __init__(self, app, request_line, header_fields, header_bytes, body_bytes,
                 request_timeout, keep_alive_timeout, send_timeout):
        self.app = app
        self.limits.line = request_line
        self.limits.field = header_bytes
        self.limits.fields = header_fields
        self.limits.head = header_bytes
        self.limits.loose = False
        self.body_bytes = UINT64_MAX if body_bytes is None else body_bytes
        self.request_timeout = span_of(request_timeout)
        self.keep_alive_timeout = span_of(keep_alive_timeout)
        self.send_timeout = span_of(send_timeout)
        self.environs = Environs()
        self.connections = set()
        self.base = {}

    def __dealloc__(self):
        PyMem_Free(self.scratch)

    def sweep(self):
        """Ends what has run out of time; to be called about once a second."""
        cdef fn_time now = fn_now()
        cdef Requests c
        for c in list(self.connections):
            if 0 < c.deadline <= now:
                try:
                    c.expire()
                except Exception:  # the others' time passes all the same
                    c.transport.abort()
                    raise


cdef class Requests(Sink):
    """Parameters:
        site: whose it is: application, limits, and the rest in common.
    """

    def __init__(self, SiteCore site not None):
        self.site = site
        self.out = Out()
        self.known = Known()

    def __dealloc__(self):
        PyMem_Free(self.own)

    # ------------------------------------------------------------------------ requests

    cdef size_t consume(self, const uint8_t *data, size_t size) except? <size_t> -1:
        """Takes requests from data; how many bytes are done with."""
        cdef size_t at = 0
        cdef fn_http_head *h
        cdef int st
        while at < size:
            if self.state == BODY:
                at += self.take_body(data + at, size - at)
            elif self.state <= HEAD:
                if self.paused:  # who does not take replies may not ask for more
                    break
                h = self.site.scratch if self.own is NULL else self.own
                if self.state == IDLE:
                    fn_http_head_reset(h)
                st = fn_http_request(h, &self.site.limits, data + at, size - at)
                if st == FN_HTTP_MORE:
                    self.keep_head(h)
                    break
                if st != FN_HTTP_DONE:
                    self.refuse(h.refusal, h.reason.decode() if h.reason is not NULL else "")
                    return size
                at += h.size
                self.begin(h, data + at - h.size)
            elif self.state == BUSY:
                break
            else:
                return size
        return at

    cdef int keep_head(self, const fn_http_head *h) except -1:
        if self.state == IDLE:
            self.await_until(self.site.request_timeout)
            self.state = HEAD
        if self.own is NULL:
            self.own = <fn_http_head *> PyMem_Malloc(sizeof(fn_http_head))
            if self.own is NULL:
                raise MemoryError
            memcpy(self.own, h, sizeof(fn_http_head))
        return 0

    cdef int begin(self, const fn_http_head *h, const uint8_t *data) except -1:
        """A request's head has come: what it asks for, and whether there is a body."""
        cdef Exchange x = Exchange.__new__(Exchange)
        self.site.requests += 1
        self.answered = False
        x.sink = self
        x.site = self.site
        x.out = self.out
        x.http11 = h.minor == 1
        x.to_head = h.is_head
        x.keep_alive = h.keep_alive
        self.chunked = h.framing == FN_HTTP_CHUNKED
        self.left = h.length if h.framing == FN_HTTP_LENGTH else 0
        self.state = BODY
        if h.is_connect:
            return self.refuse(501, "CONNECT is for proxies")
        if self.left > self.site.body_bytes:
            return self.refuse(413, f"a body may be {self.site.body_bytes} bytes long")
        x.environ = self.site.environs.make(self.known, self.base, h, data)
        if self.site.log is not None:
            end = h.target.at + h.target.len - h.method.at
            x.line = (data + h.method.at)[:end].decode("latin-1")
            x.line += " HTTP/1.1" if h.minor else " HTTP/1.0"
        self.exchange = x
        x.threaded = self.site.threaded
        self.expected = h.expect_continue
        if self.own is not NULL:
            PyMem_Free(self.own)
            self.own = NULL
        if not self.chunked and self.left == 0:  # base has an input for it
            return self.dispatch()
        return self.begin_body()

    cdef int begin_body(self) except -1:
        if self.chunked:
            fn_http_chunks_reset(&self.chunks, self.site.body_bytes)
        if self.expected:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.body_size = 0
        self.heard = 0
        self.await_until(self.site.request_timeout)
        if not self.chunked and self.left <= HELD:
            self.whole = PyBytes_FromStringAndSize(NULL, self.left)
        return 0

    cdef size_t take_body(self, const uint8_t *data, size_t size) except? <size_t> -1:
        """Takes some of the body; how many bytes of data are done with."""
        cdef size_t used = 0
        cdef const uint8_t *piece = NULL
        cdef size_t length = 0
        cdef int st
        if not self.chunked:
            used = min(<uint64_t> size, self.left)
            self.left -= used
            self.keep_piece(data, used)
            if self.left == 0 and self.state == BODY:
                self.body_ended()
            return used
        st = fn_http_chunks_next(&self.chunks, data, size, &used, &piece, &length)
        if st < 0:
            self.refuse(self.chunks.refusal, self.chunks.reason.decode()
                        if self.chunks.reason is not NULL else "")
            return size
        if length:
            self.keep_piece(piece, length)
        if self.state != BODY:  # it could not be kept
            return size
        if st == FN_HTTP_DONE:
            self.body_ended()
        elif used == 0:
            return size
        return used

    cdef int keep_piece(self, const uint8_t *data, size_t size) except -1:
        cdef Exchange x = self.exchange
        self.body_size += size
        self.heard += size
        if self.heard >= PROGRESS:
            self.heard = 0
            if not self.paused:
                self.await_until(self.site.request_timeout)
        if x is None:  # answered already
            return 0
        if self.whole is not None:
            memcpy(PyBytes_AS_STRING(self.whole) + self.body_size - size, data, size)
            return 0
        cdef bytes piece = PyBytes_FromStringAndSize(<const char *> data, size)
        if x.body is not None:
            x.body.feed(piece)
            return self.hold_back()
        if x.threaded and self.body_size > HELD:
            return self.begin_stream(piece)
        if self.body_size > SPOOL:
            return self.keep_in_file(piece)
        if self.first is None:
            self.first = piece
        elif self.more is None:
            self.more = bytearray(piece)
        else:
            self.more += piece
        return 0

    cdef int keep_in_file(self, bytes piece) except -1:
        try:
            if self.spool is None:
                self.spool = self.site.spool(self.first, self.more, piece)
                self.first = self.more = None
            else:
                self.spool.write(piece)
        except OSError as error:
            self.disk_is_full(error)
        return 0

    cdef bint rewind(self) except -1:
        """Has the file ready to be read; False when its last bytes could not be kept."""
        try:
            self.spool.seek(0)
        except OSError as error:
            self.disk_is_full(error)
            return False
        return True

    cdef int disk_is_full(self, object error) except -1:
        self.site.complain(self.exchange, error, "a body could not be kept")
        return self.refuse(500, "")

    cdef int begin_stream(self, bytes piece) except -1:
        """Much of a body has come: a thread may begin with it."""
        cdef Exchange x = self.exchange
        x.body = self.site.stream(self)
        for part in (self.first, self.more, piece):
            if part is not None:
                x.body.feed(part)
        self.first = self.more = None
        x.environ["wsgi.input"] = x.body.reader()
        self.site.submit(x)
        return self.hold_back()

    cdef int forget_body(self) except -1:
        """What has come of a body is not wanted any more."""
        self.whole = self.first = self.more = None
        spool, self.spool = self.spool, None
        if spool is not None:
            try:
                spool.close()
            except OSError:  # which had more to write
                pass
        return 0

    cdef int body_ended(self) except -1:
        cdef Exchange x = self.exchange
        self.deadline = 0
        if x is None:  # answered already: now the next may come
            return self.next_one()
        if x.body is not None:
            self.state = BUSY
            x.body.end()
            return 0
        if self.spool is not None:
            if not self.rewind():
                return 0
            x.spooled, self.spool = self.spool, None
            x.environ["wsgi.input"] = x.spooled
        else:
            whole = self.whole or self.first or b""
            x.environ["wsgi.input"] = BytesIO(whole if self.more is None else whole + self.more)
            self.whole = self.first = self.more = None
        return self.dispatch()

    cdef int dispatch(self) except -1:
        cdef Exchange x = self.exchange
        self.state = BUSY
        self.deadline = 0
        if x.threaded:
            self.site.submit(x)
        else:
            x.run(self.site.app)
        return 0

    # ------------------------------------------------- what follows from them: wsgiconn.pyx

    cdef int hold_back(self) except -1:
        return 0

    cdef int next_one(self) except -1:
        return 0

    cdef int refuse(self, int status, str reason) except -1:
        return 0

    cdef int expire(self) except -1:
        return 0

    def close_if_idle(self):
        """For a server that ends: nothing more is answered here than what has come."""

    cdef void await_until(self, fn_time span) noexcept:
        """By then something must have happened; a negative span is without end."""
        self.deadline = 0 if span < 0 else fn_now() + max(span, 1)
