from libc.stdint cimport uint64_t

from fastnet._native.endpoint cimport Endpoint


cdef class StreamWriter(Endpoint):
    # The writing half of a stream transport.
    cdef bint eof               # write_eof() was called
    cdef object _empty_waiter   # of loop.sendfile()
    cdef object file_sent       # its future, while a file is being sent
    cdef int file_fd
    cdef long long file_at      # where the next of its bytes lie
    cdef long long file_left    # how many there are, or negative: all
    cdef public long long _file_bytes  # that have gone

    cdef uint64_t confirmed(self) noexcept
    cdef bint unconfirmed(self) noexcept
    cdef int may_write(self) except -1
    cdef int write_from(self, const char *data, Py_ssize_t size, object owner) except -1
    cdef int unpace(self) except -1
    cdef int put(self, const char *data, Py_ssize_t size, object owner) except -1
    cdef int put_alone(self, const char *data, Py_ssize_t size, void *keeper, int *kept) noexcept
    cdef int drop(self) except -1
    cdef int write_failed(self, int status) except -1
    cdef int overfull(self) except -1
    cdef int flush(self) except -1
    cdef int drained(self) except -1
    cdef int pump_file(self) except -1
    cdef int file_ended(self, object error) except -1
    cdef int finish(self) except -1
