"""The bytes of a reply while they are put together."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from fastnet._native.core_http cimport (
    CLOCK_REALTIME_COARSE,
    clock_gettime,
    fn_http_name_ok,
    fn_http_value_ok,
    gmtime_r,
    snprintf,
    time_t,
    timespec,
    tm,
)

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void *PyUnicode_DATA(object text)
    int PyUnicode_1BYTE_KIND

cdef const char *DAYS = b"SunMonTueWedThuFriSat"
cdef const char *MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
cdef size_t KEEP = 64 * 1024  # a buffer beyond this is not kept for the next reply

# The line of the present second.  Threads may race for it under the GIL only.
cdef char date_line[40]
cdef time_t dated = -1


cdef int remember(const char *line, int size, time_t when) except -1:
    global dated
    if size == 37:
        memcpy(date_line, line, 37)
        dated = when
    return 0


cdef uint64_t length_of(str value) except? <uint64_t> -1:
    """What a Content-Length says; value is Latin-1."""
    cdef const uint8_t *digits = <const uint8_t *> PyUnicode_DATA(value)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(value)
    cdef uint64_t length = 0
    cdef Py_ssize_t i
    for i in range(size):
        if digits[i] < 48 or digits[i] > 57:
            break
        length = 10 * length + digits[i] - 48
    else:
        if 0 < size <= 18:
            return length
    raise ValueError(f"Content-Length must be a number of bytes, not {value!r}")


cdef class Out:
    """A growing buffer, used again from reply to reply."""

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int room(self, size_t more) except -1:
        cdef size_t wanted = self.size + more
        cdef void *moved
        if wanted <= self.cap:
            return 0
        wanted = max(wanted, 2 * self.cap, <size_t> 1024)
        moved = PyMem_Realloc(self.data, wanted)
        if moved is NULL:
            raise MemoryError
        self.data = <uint8_t *> moved
        self.cap = wanted
        return 0

    cdef int add(self, const void *data, size_t size) except -1:
        self.room(size)
        memcpy(self.data + self.size, data, size)
        self.size += size
        return 0

    cdef int add_number(self, uint64_t number) except -1:
        cdef uint8_t digits[20]
        cdef int n = 20
        while True:
            n -= 1
            digits[n] = <uint8_t> (48 + number % 10)
            number //= 10
            if number == 0:
                break
        return self.add(digits + n, 20 - n)

    cdef int add_chunk_head(self, size_t size) except -1:
        cdef char line[24]
        return self.add(line, snprintf(line, 24, b"%zx\r\n", size))

    cdef int add_date(self) except -1:
        """"Date: Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110 5.6.7."""
        cdef timespec now
        cdef tm t
        cdef char line[48]
        cdef int n
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        if now.tv_sec != dated:
            gmtime_r(&now.tv_sec, &t)
            n = snprintf(line, 48, b"Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
                         DAYS + 3 * t.tm_wday, t.tm_mday, MONTHS + 3 * t.tm_mon, 1900 + t.tm_year,
                         t.tm_hour, t.tm_min, t.tm_sec)
            remember(line, n, now.tv_sec)
            return self.add(line, n)
        return self.add(date_line, 37)

    cdef int add_text(self, object value, bint name) except -1:
        """A field's name or value, checked: TypeError, or ValueError that says what is wrong."""
        cdef str what = "header name" if name else "header value"
        cdef const uint8_t *data
        cdef size_t size
        if type(value) is not str:
            raise TypeError(f"a {what} must be a str, not {type(value).__name__}")
        if PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND:
            raise ValueError(f"a {what} must be Latin-1: {value!r}")
        data = <const uint8_t *> PyUnicode_DATA(value)
        size = PyUnicode_GET_LENGTH(value)
        if not (fn_http_name_ok(data, size) if name else fn_http_value_ok(data, size)):
            raise ValueError(f"a {what} may not hold such characters: {value!r}")
        return self.add(data, size)

    cdef bytes take(self):
        cdef bytes taken = PyBytes_FromStringAndSize(<const char *> self.data, self.size)
        self.clear()
        return taken

    cdef void clear(self) noexcept:
        self.size = 0
        if self.cap > KEEP:
            PyMem_Free(self.data)
            self.data = NULL
            self.cap = 0
