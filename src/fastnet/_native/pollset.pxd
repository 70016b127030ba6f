from libc.stdint cimport uint32_t, uint64_t

from fastnet._native.core cimport fn_time
from fastnet._native.core_reactor cimport fn_poll_event, fn_poller, fn_poller_kind


# What one descriptor number is watched for.
cdef struct Watched:
    uint32_t mask        # FN_POLL_IN and FN_POLL_OUT; 0: not watched
    uint32_t generation  # part of the tag: tells this use of the number from the one before
    bint always          # a plain file, which epoll refuses and select calls ready


cdef struct Ready:
    int fd
    uint32_t mask


cdef class PollSet:
    cdef fn_poller poller
    cdef fn_poller_kind kind
    cdef Watched *watched   # by descriptor number
    cdef int room
    cdef int always         # how many of them are always ready
    cdef fn_poll_event *events
    cdef Ready *ready       # what collect() found
    cdef int read_fd, write_fd
    cdef unsigned long born  # the count of forks when this was opened
    cdef fn_time spin
    cdef bint spin_pays
    cdef bint on_main, guarded
    cdef bint sleeping

    cdef int reserve(self, int fd) except -1
    cdef int want(self, int fd, uint32_t mask, bint verify) except -1
    cdef int register(self, int fd, uint32_t mask, bint verify) noexcept
    cdef int collect(self, fn_time timeout) except -1
    cdef int sleep(self, fn_time timeout) except? -1
    cdef int sift(self, int n) except -1
    cdef int renew(self) except -1
    cdef int reopen(self) except -1
    cdef bint forked(self) noexcept
    cdef int enter(self) except -1
    cdef int leave(self) except -1
    cdef int wake(self) except -1
    cdef int drain(self) except -1
    cdef int close(self) noexcept
