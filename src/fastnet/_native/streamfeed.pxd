"""What is behind a transport, reached without a Python frame (streamfeed.pyx)."""

cdef class Taker:
    """A protocol in Cython, which takes bytes where the reactor has read them."""

    # What protocol.data_received(bytes) would do; data holds until it returns.
    cdef int take(self, const void *data, size_t size) except -1


# Whether a protocol is a Taker, or asyncio's own for its streams, all methods
# as they came.  To be asked when a transport gets its protocol.
cdef bint feeds(object protocol) except -1

# What protocol.data_received(bytes) would do, without the bytes and without a
# Python frame.  Only for a protocol that feeds() has seen.
cdef int feed(object protocol, const void *data, Py_ssize_t size) except -1
