cdef class Handle:
    # A callback that waits for its turn in the loop, with the context that it
    # will run in.  The attributes are those of asyncio's class: its own code
    # reads them.
    cdef object __weakref__
    cdef readonly LoopCore _loop
    cdef readonly object _callback
    cdef readonly object _args
    cdef readonly object _context
    cdef readonly object _repr
    cdef readonly bint _cancelled

    cdef void forget(self)


cdef class TimerHandle(Handle):
    cdef readonly object _when
    cdef double key  # _when, to compare by
    cdef public bint _scheduled


cdef class LoopCore:
    # What asyncio's loops keep in their __dict__, as members: set by the
    # initialisers of asyncio's classes, read here without a look-up.
    cdef public list _scheduled
    cdef public Py_ssize_t _timer_cancelled_count
    cdef public object _selector
    cdef public object _clock_resolution
    cdef public bint _debug
    cdef public bint _stopping
    cdef public bint _closed
    cdef public object _scratch  # get_buffer() of all TLS connections of this loop
    cdef object ready, put, take  # the deque, and two of its methods

    # Whether a callback waits or stop() was called, so that the loop must not
    # sleep; the time of the first timer (a cancelled one counts), or infinity.
    cdef bint restless(self)
    cdef double next_timer(self)

    cdef Handle soon(self, object callback, object args, object context)
    cdef int tidy(self) except -1
    cdef object patience(self)
    cdef int ripen(self) except -1
    cdef int run_ready(self) except -1
