"""A request and its reply (wsgiexchange.pyx)."""

from libc.stdint cimport int64_t, uint64_t

from fastnet._native.httpout cimport Out
from fastnet._native.streamfeed cimport Taker
from fastnet._native.wsgienv cimport Shared


cdef class Sink(Taker):
    """Where a reply goes."""

    # A piece of a body that is not copied.
    cdef int put(self, Exchange x, bytes piece) except -1
    # What is gathered in x.out, and with last the reply's end.
    cdef int put_out(self, Exchange x, bint last) except -1
    # So many bytes are about to be sent.
    cdef int announce(self, uint64_t size) except -1
    # Has what was put on its way before the application makes more.
    cdef int hurry(self) except -1
    cdef bint full(self, Exchange x) except -1


cdef class Exchange:
    cdef readonly Sink sink
    cdef readonly dict environ
    cdef Shared site
    cdef Out out
    cdef bint http11, to_head, keep_alive
    cdef bint started, head_sent, ended, closing
    cdef public bint gone     # nobody is there to reply to
    cdef readonly bint has_length
    cdef bint has_date, has_server
    cdef readonly bint threaded
    cdef bint seen            # the loop has sent some of the reply
    cdef readonly int status
    cdef int framing
    cdef readonly uint64_t length, sent
    cdef object result, iterator
    cdef public object body
    cdef object spooled       # a file that holds the request's body
    cdef readonly str line    # the request's first line, for the access log
    cdef object room          # what a thread waits for while the peer is slow
    cdef Py_ssize_t unacked   # bytes from a thread that the loop has not seen

    cdef int caught_up(self) except -1
    cdef int begin(self, object status, object headers) except -1
    cdef int add_field(self, object name, object value) except -1
    cdef int send_head(self, int64_t known) except -1
    cdef int emit(self, object data) except -1
    cdef int emit_piece(self, const char *data, size_t size, object owner) except -1
    cdef int flush(self, bint last) except -1
    cdef int finish(self) except -1
    cdef int fail(self, object error) except -1
    cdef int step(self) except -1
    cdef int run(self, object app) except -1
    cdef int close_result(self) except -1
