# Whether a protocol is asyncio's own for its streams, all methods as they came.
# To be asked when a transport gets its protocol.
cdef bint feeds(object protocol) except -1

# What protocol.data_received(bytes) would do, without the bytes and without a
# Python frame.  Only for a protocol that feeds() has seen.
cdef int feed(object protocol, const void *data, Py_ssize_t size) except -1
