cdef class TlsCore:
    # asyncio's attributes that every message needs, as members instead of
    # entries of a __dict__.
    cdef public object _loop
    cdef public object _transport
    cdef public object _state
    cdef public object _incoming
    cdef public object _outgoing
    cdef public object _write_backlog
    cdef public Py_ssize_t _write_buffer_size
    cdef public object _app_transport
    cdef public bint _app_transport_created
    cdef public bint _app_reading_paused
    cdef public bint _app_writing_paused
    cdef public bint _ssl_reading_paused
    cdef public bint _ssl_writing_paused
    cdef public object _incoming_high_water
    cdef public object _incoming_low_water
    cdef public object _outgoing_high_water
    cdef public object _outgoing_low_water
    cdef object ssl           # the SSLObject,
    cdef object engine        # and what it wraps
    cdef object app           # the user's protocol
    cdef bint app_buffered    # a BufferedProtocol
    cdef bint app_feeds       # streamfeed knows a shorter way to it
    cdef object view          # what get_buffer() returns

    cdef int read(self) except -1
    cdef Py_ssize_t waiting(self) except -1
    cdef int read_bytes(self) except -1
    cdef bytes read_records(self, Py_ssize_t waiting, bint *ended)
    cdef Py_ssize_t read_into(self, char *memory, Py_ssize_t size, bint *ended) except -1
    cdef int read_buffered(self) except -1
    cdef int peer_closed(self) except -1
    cdef int control_reading(self) except -1
    cdef int keep(self, object data, bint first) except -1
    cdef int write_backlog(self) except -1
    cdef bint encrypt(self, object data) except -1
    cdef int pass_on(self) except -1
    cdef int send(self) except -1
