from libc.stdint cimport int64_t, uint8_t, uint64_t

from fastnet._native.core_mp cimport fn_mp_in
from fastnet._native.mpend cimport End
from fastnet._native.wait cimport Patience


# One message on its way in.
cdef struct Incoming:
    fn_mp_in message
    Patience patience
    bint over  # the stream has ended, or broke


cdef void incoming_init(Incoming *inn, uint64_t most) noexcept


cdef class Channel(End):
    # Begins a message: its header, and its body into room if that is enough for it.
    cdef int begin(self, Incoming *inn, uint8_t *room, size_t size, object timeout) except -1
    # The next n bytes of its body.
    cdef int fill(self, Incoming *inn, uint8_t *at, uint64_t n) except -1
    # They as an object of their own, a bytearray or bytes of `size` bytes, the first of which
    # have come already.
    cdef object land(self, Incoming *inn, uint64_t size, bint writable, const uint8_t *ahead,
                     size_t ahead_size)
    cdef int fail(self, Incoming *inn, int64_t st) except -1
    # A call ends with an exception: what came of the message is lost.
    cdef int lose(self, Incoming *inn) except -1
    # A length was not accepted.
    cdef int refuse(self) except -1
    cdef object take(self, uint64_t most, object timeout)
