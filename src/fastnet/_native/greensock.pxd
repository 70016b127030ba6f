from fastnet._native.core_reactor cimport fn_event, fn_node, fn_time
from fastnet._native.greenhub cimport Alarm, Waiter


cdef class GreenStream(Waiter):
    cdef bytes stash        # received, not asked for yet, from `at` on
    cdef Py_ssize_t at
    cdef object reader      # the greenlet that waits for bytes, or None
    cdef object writer
    cdef Py_ssize_t wanted  # bytes that the reader asked for
    cdef char *into         # where it wants them, or NULL for an object
    cdef Alarm reading
    cdef Alarm writing
    cdef bint eof
    cdef bint paused
    cdef bint closed
    cdef int failed
    cdef fn_time patience   # a span; FN_NEVER waits for ever, 0 not at all

    cdef int took(self, const fn_event *e) except -1
    cdef int wake_reader(self, object value) except -1
    cdef int wake_writer(self, object value) except -1
    cdef int answer_soon(self, object reads, object writes) except -1
    cdef int release(self) except -1
    cdef int usable(self) except -1
    cdef int prepare(self, int flags) except -1
    cdef object from_stash(self, Py_ssize_t n, bint peek)
    cdef object await_bytes(self, Py_ssize_t n, char *into)
    cdef int await_room(self, size_t low) except -1
    cdef Py_ssize_t put(self, const char *data, Py_ssize_t n) except -1
