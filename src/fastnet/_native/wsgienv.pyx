"""What an application is told of a request: PEP 3333's environ."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Copy, PyDict_GetItem, PyDict_SetItem
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeLatin1
from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

from fastnet._native.core_http cimport (
    FN_HTTP_CHUNKED,
    FN_HTTP_CONTENT_LENGTH,
    FN_HTTP_CONTENT_TYPE,
    FN_HTTP_COOKIE,
    FN_HTTP_HOST,
    FN_HTTP_TRANSFER_ENCODING,
    fn_http_field,
    fn_http_head,
    fn_http_span,
)

# Field names that are remembered: peers must not fill memory with theirs.
cdef Py_ssize_t NAMES = 512
cdef Py_ssize_t NAME_BYTES = 64

# Header lines that are compared with those of the connection's next request.
cdef size_t KEPT = 2048

cdef str REQUEST_METHOD = "REQUEST_METHOD"
cdef str PATH_INFO = "PATH_INFO"
cdef str QUERY_STRING = "QUERY_STRING"
cdef str SERVER_PROTOCOL = "SERVER_PROTOCOL"
cdef str CONTENT_LENGTH = "CONTENT_LENGTH"
cdef str CONTENT_TYPE = "CONTENT_TYPE"
cdef str HTTP_HOST = "HTTP_HOST"
cdef str HTTP_1_0 = "HTTP/1.0"


cdef inline str text(const uint8_t *data, fn_http_span s):
    return PyUnicode_DecodeLatin1(<const char *> data + s.at, s.len, NULL)


cdef inline int hex_of(uint8_t c) noexcept nogil:
    if c >= 48 and c <= 57:
        return c - 48
    c |= 32
    if c >= 97 and c <= 102:
        return c - 87
    return -1


cdef str decoded(const uint8_t *data, size_t size):
    """A path with %XX as the bytes they stand for; what is no %XX stays as it came."""
    cdef bytearray out = bytearray(size)
    cdef uint8_t *to = out
    cdef size_t i = 0
    cdef size_t n = 0
    cdef int high, low
    while i < size:
        if data[i] == 37 and i + 2 < size:
            high = hex_of(data[i + 1])
            low = hex_of(data[i + 2])
            if high >= 0 and low >= 0:
                to[n] = <uint8_t> (high << 4 | low)
                n += 1
                i += 3
                continue
        to[n] = data[i]
        n += 1
        i += 1
    return PyUnicode_DecodeLatin1(<const char *> to, n, NULL)


cdef class Shared:
    pass


cdef class Known:
    cdef bint holds(self, const uint8_t *lines, size_t size, bint http11) noexcept:
        return (self.environ is not None and size == <size_t> PyBytes_GET_SIZE(self.lines)
                and http11 == self.http11
                and memcmp(lines, PyBytes_AS_STRING(self.lines), size) == 0)


cdef class Environs:
    """Makes environs; remembers the names and methods that it has seen."""

    def __cinit__(self):
        self.names = {}
        self.methods = {}

    cdef str name_of(self, bytes raw):
        """None for a name that an application must not see."""
        cdef str key
        cdef str name = raw.decode("latin-1").upper()
        if "_" in name or name == "PROXY":  # CVE-2016-5385: HTTP_PROXY is the environment's
            key = None
        else:
            key = "HTTP_" + name.replace("-", "_")
        if len(self.names) < NAMES and len(raw) <= NAME_BYTES:
            self.names[raw] = key
        return key

    cdef str method_of(self, const uint8_t *data, fn_http_span s):
        cdef bytes raw = PyBytes_FromStringAndSize(<const char *> data + s.at, s.len)
        cdef PyObject *known = PyDict_GetItem(self.methods, raw)
        if known is not NULL:
            return <str> <object> known
        cdef str name = raw.decode("latin-1")
        if len(self.methods) < 32 and len(raw) <= 16:
            self.methods[raw] = name
        return name

    cdef dict make(self, Known known, dict base, const fn_http_head *h, const uint8_t *data):
        """The environ of the request in `h`; base is what all of its connection have in common.

        It says GET, "/", no query and HTTP/1.1, which most requests need not change.
        """
        cdef const uint8_t *lines = data
        cdef size_t size = 0
        cdef dict env
        if h.count and not h.absolute:
            lines = data + h.fields[0].name.at
            size = h.size - h.fields[0].name.at
        if size and known.holds(lines, size, h.minor):
            env = PyDict_Copy(known.environ)
        else:
            env = self.with_fields(base, h, data)
            if 0 < size <= KEPT:
                known.lines = PyBytes_FromStringAndSize(<const char *> lines, size)
                known.http11 = h.minor
                known.environ = PyDict_Copy(env)
        if h.method.len != 3 or memcmp(data + h.method.at, b"GET", 3) != 0:
            PyDict_SetItem(env, REQUEST_METHOD, self.method_of(data, h.method))
        if memchr(data + h.path.at, 37, h.path.len) is not NULL:
            PyDict_SetItem(env, PATH_INFO, decoded(data + h.path.at, h.path.len))
        elif h.path.len > 1 or (h.path.len and data[h.path.at] != 47):
            PyDict_SetItem(env, PATH_INFO, text(data, h.path))
        if h.query.len:
            PyDict_SetItem(env, QUERY_STRING, text(data, h.query))
        if not h.minor:
            PyDict_SetItem(env, SERVER_PROTOCOL, HTTP_1_0)
        return env

    cdef dict with_fields(self, dict base, const fn_http_head *h, const uint8_t *data):
        """The same as far as the header fields say it."""
        cdef dict env = PyDict_Copy(base)
        cdef fn_http_field f
        cdef unsigned int i
        cdef bytes raw
        cdef PyObject *key
        cdef object name
        cdef str value
        if h.absolute:  # RFC 9112 3.2.2: the target's, whatever a Host says
            PyDict_SetItem(env, HTTP_HOST, text(data, h.authority))
        for i in range(h.count):
            f = h.fields[i]
            if f.known == FN_HTTP_HOST:
                if not h.absolute:
                    PyDict_SetItem(env, HTTP_HOST, text(data, f.value))
                continue
            if f.known == FN_HTTP_CONTENT_TYPE:
                PyDict_SetItem(env, CONTENT_TYPE, text(data, f.value))
                continue
            if f.known == FN_HTTP_CONTENT_LENGTH:
                PyDict_SetItem(env, CONTENT_LENGTH, text(data, f.value))
                continue
            if f.known == FN_HTTP_TRANSFER_ENCODING and h.framing == FN_HTTP_CHUNKED:
                continue  # undone: the application reads to the end of its input
            raw = PyBytes_FromStringAndSize(<const char *> data + f.name.at, f.name.len)
            key = PyDict_GetItem(self.names, raw)
            name = <object> key if key is not NULL else self.name_of(raw)
            if name is None:
                continue
            value = text(data, f.value)
            key = PyDict_GetItem(env, name)
            if key is not NULL:
                value = <str> <object> key + ("; " if f.known == FN_HTTP_COOKIE else ", ") + value
            PyDict_SetItem(env, name, value)
        return env
