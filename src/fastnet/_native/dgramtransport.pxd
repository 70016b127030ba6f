from fastnet._native.core_reactor cimport sockaddr, socklen_t
from fastnet._native.endpoint cimport Endpoint
from fastnet._native.sockaddr cimport Book


cdef class DatagramTransport(Endpoint):
    cdef readonly object _address  # of remote_addr, or None
    cdef Book book
    cdef list held                 # what came while reading was paused
    cdef int family
    cdef bint connected

    cdef int use(self, object protocol) except -1
    cdef int deliver(self, object data, object address) except -1
    cdef int send(self, object data, object address) except -1
    cdef int send_bytes(self, object data, const sockaddr *sa, socklen_t size) except -1
    cdef int pass_on(self, const void *data, size_t len, const sockaddr *sa,
                     socklen_t size) noexcept
    cdef int send_elsewhere(self, object data, object address) except -1
    cdef int sent(self, int status) except -1
    cdef int flush(self) except -1
    cdef int drained(self) except -1
    cdef int start_reading(self) except -1
