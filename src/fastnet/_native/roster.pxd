from cpython.list cimport PyList_GET_ITEM
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastnet._native.pollset cimport PollSet


# What is known of one handler.
cdef struct Slot:
    int fd           # that it is watched under, or -1
    uint32_t mask    # what it wanted when it was asked last
    int32_t next     # another handler with the same descriptor, or -1
    int32_t pos      # its place in the list
    int32_t times    # how often it is in the list; 0: free
    uint16_t closely  # turns left in which it is asked by all means
    uint8_t queued   # to be asked before the next wait
    uint64_t asked   # the turn in which it was asked last


cdef class Roster:
    cdef readonly object handlers
    cdef list held        # by slot: the handler, or None
    cdef dict index       # id of a handler: its slot
    cdef list spare       # free slots
    cdef Slot *slots
    cdef int slot_room    # of slots and queue
    cdef int32_t *queue   # slots to ask; twice as long as the slots
    cdef int queued
    cdef int32_t *order   # the list as it was last seen: slots …
    cdef PyObject **seen  # … and handlers, which `held` keeps alive
    cdef int32_t *gone
    cdef int count, list_room
    cdef int32_t *first   # by descriptor: the first slot watched under it, or -1
    cdef int first_room
    cdef PollSet polls
    cdef uint64_t turn_no, asks

    cdef object handler(self, int i)
    cdef int enqueue(self, int i) noexcept
    cdef bint sync(self) except -1
    cdef int differ(self, list items) except -1
    cdef int make_room(self, int count) except -1
    cdef int place(self, PyObject *item) except -1
    cdef int fresh(self, PyObject *item) except -1
    cdef int grow(self, int room) except -1
    cdef bint listed(self, int i) except -1
    cdef int ask_queued(self) except -1
    cdef int ask(self, int i, bint verify) except -1
    cdef int number_of(self, int i, handler) except? -1
    cdef int watch(self, int i, int fd, uint32_t mask, bint verify) except -1
    cdef uint32_t wanted(self, int fd) noexcept
    cdef int unlink(self, int i) noexcept
    cdef int make_first(self, int fd) except -1


cdef void *grown(void *old, size_t count, size_t size) except NULL
