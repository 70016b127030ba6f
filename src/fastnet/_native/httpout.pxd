"""The bytes of a reply while they are put together (httpout.pyx)."""

from libc.stdint cimport uint8_t, uint64_t


cdef class Out:
    cdef uint8_t *data
    cdef size_t size, cap

    cdef int room(self, size_t more) except -1
    cdef int add(self, const void *data, size_t size) except -1
    cdef int add_number(self, uint64_t number) except -1
    cdef int add_chunk_head(self, size_t size) except -1
    cdef int add_date(self) except -1
    cdef int add_text(self, object value, bint name) except -1
    cdef bytes take(self)
    cdef void clear(self) noexcept


# What a Content-Length says: Latin-1, as add_text() has found. Raises ValueError.
cdef uint64_t length_of(str value) except? <uint64_t> -1
