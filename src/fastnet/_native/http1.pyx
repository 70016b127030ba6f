"""Heads and chunked bodies of HTTP/1.x messages (csrc/include/fastnet/http1.h)."""

from libc.stdint cimport UINT64_MAX, uint8_t, uint16_t
from libc.stdlib cimport free, malloc

from fastnet import errors

from fastnet._native.core_http cimport (
    FN_HTTP_CHUNKED,
    FN_HTTP_DONE,
    FN_HTTP_FIELDS_MAX,
    FN_HTTP_LENGTH,
    FN_HTTP_NO_BODY,
    FN_HTTP_TO_END,
    fn_http_chunks,
    fn_http_chunks_next,
    fn_http_chunks_reset,
    fn_http_head,
    fn_http_head_reset,
    fn_http_limits,
    fn_http_name_ok,
    fn_http_request,
    fn_http_response,
    fn_http_span,
    fn_http_value_ok,
)
from fastnet._native.pin cimport Pin, pin_flat

cdef tuple FRAMINGS = ("none", "length", "chunked", "end")
assert (FN_HTTP_NO_BODY, FN_HTTP_LENGTH, FN_HTTP_CHUNKED, FN_HTTP_TO_END) == (0, 1, 2, 3)


class Refused(errors.ProtocolError):
    """A message that is not HTTP/1.x, or could be read in two ways; `status` is the answer."""

    status = 400


class TooLarge(Refused, errors.LimitError):
    """A message beyond a limit; `status` is 413, 414 or 431."""


cdef object refused(uint16_t status, const char *reason):
    kind = TooLarge if status in (413, 414, 431) else Refused
    error = kind(reason.decode())
    error.status = status
    return error


cdef class Head:
    """What a message's head says; texts are Latin-1, None where they do not apply.

    `framing` is "none", "length", "chunked" or "end" (of the connection); `length` is
    Content-Length's number or None; `fields` are pairs of name and value as they came.
    """

    cdef readonly:
        Py_ssize_t size
        int minor
        str framing
        object length
        bint keep_alive, expect_continue, upgrade
        str method, target, path, query, authority
        bint is_connect, is_asterisk, absolute
        int status
        str phrase
        list fields


cdef str text(const uint8_t *data, fn_http_span span):
    return (<const char *> data)[span.at:span.at + span.len].decode("latin-1")


cdef Head describe(const fn_http_head *h, const uint8_t *data, bint response):
    cdef Head head = Head.__new__(Head)
    head.size = h.size
    head.minor = h.minor
    head.framing = FRAMINGS[h.framing]
    head.length = h.length if h.has_length else None
    head.keep_alive = h.keep_alive
    head.expect_continue = h.expect_continue
    head.upgrade = h.upgrade
    if response:
        head.status = h.status
        head.phrase = text(data, h.phrase)
    else:
        head.method = text(data, h.method)
        head.target = text(data, h.target)
        head.path = text(data, h.path)
        head.query = text(data, h.query) if h.has_query else None
        head.authority = text(data, h.authority)
        head.is_connect = h.is_connect
        head.is_asterisk = h.is_asterisk
        head.absolute = h.absolute
    head.fields = [(text(data, h.fields[i].name), text(data, h.fields[i].value))
                   for i in range(h.count)]
    return head


cdef class Parser:
    """One message's head, from bytes as they come.

    Parameters:
        response: a response's, not a request's; to_head and to_connect say what it answers.
        line, field, head: bytes of the first line, of a field line and of the whole head.
        fields: how many, up to 256.
        loose: of responses, take what the world's servers send (http1.h).
    """

    cdef fn_http_head *h
    cdef fn_http_limits limits
    cdef bint response, to_head, to_connect
    cdef bytearray data

    def __cinit__(self, *, bint response=False, bint to_head=False, bint to_connect=False,
                  line=8192, field=16384, fields=100, head=65536, bint loose=False):
        if not 0 <= fields <= FN_HTTP_FIELDS_MAX:
            raise ValueError(f"fields must be 0 to {FN_HTTP_FIELDS_MAX}, not {fields}")
        self.limits.line = line
        self.limits.field = field
        self.limits.fields = fields
        self.limits.head = head
        self.limits.loose = loose
        self.response = response
        self.to_head = to_head
        self.to_connect = to_connect
        self.data = bytearray()
        self.h = <fn_http_head *> malloc(sizeof(fn_http_head))
        if self.h is NULL:
            raise MemoryError
        fn_http_head_reset(self.h)

    def __dealloc__(self):
        free(self.h)

    def feed(self, data):
        """The Head once it has come, until then None; Refused or TooLarge, now and from then on."""
        cdef const uint8_t *p
        cdef int st
        self.data += data
        p = <const uint8_t *> <const char *> self.data
        if self.response:
            st = fn_http_response(self.h, &self.limits, p, len(self.data), self.to_head,
                                  self.to_connect)
        else:
            st = fn_http_request(self.h, &self.limits, p, len(self.data))
        if st < 0:
            raise refused(self.h.refusal, self.h.reason)
        return describe(self.h, p, self.response) if st == FN_HTTP_DONE else None


def parse_request(data, **limits):
    """A request's Head, or None when data ends before it does; limits and errors as of Parser."""
    return Parser(**limits).feed(data)


def parse_response(data, **options):
    """A response's Head, or None when data ends before it does; options as of Parser."""
    return Parser(response=True, **options).feed(data)


cdef class Chunks:
    """A chunked body's data, from bytes as they come.

    Parameters:
        most: bytes of data that are accepted; None for any number.
    """

    cdef fn_http_chunks c
    cdef readonly bint done
    cdef readonly bytes rest

    def __cinit__(self, most=None):
        fn_http_chunks_reset(&self.c, UINT64_MAX if most is None else most)
        self.rest = b""

    @property
    def total(self):
        """Bytes of data so far."""
        return self.c.total

    def feed(self, data):
        """The data found in these bytes; once done, what follows the body is in `rest`.

        Raises:
            Refused, TooLarge: now and from then on.
        """
        cdef Pin pin = pin_flat(data, False)
        cdef const uint8_t *p = <const uint8_t *> pin.view.buf
        cdef const uint8_t *body = NULL
        cdef size_t n = pin.view.len, at = 0, used = 0, body_len = 0
        cdef int st = 0
        cdef bytearray found = bytearray()
        while not self.done:
            st = fn_http_chunks_next(&self.c, p + at, n - at, &used, &body, &body_len)
            at += used
            if st < 0:
                raise refused(self.c.refusal, self.c.reason)
            if body_len:
                found += (<const char *> body)[:body_len]
            if st == FN_HTTP_DONE:
                self.done = True
            elif at == n:
                break
        if self.done:
            self.rest += (<const char *> p)[at:n]
        return bytes(found)


def name_ok(bytes name not None):
    """Whether this may be a field's name."""
    return fn_http_name_ok(name, len(name))


def value_ok(bytes value not None):
    """Whether this may be a field's value: no control bytes but tabs."""
    return fn_http_value_ok(value, len(value))
