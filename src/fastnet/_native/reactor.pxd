from fastnet._native.core_reactor cimport fn_event, fn_node, fn_reactor, fn_time


cdef class Target:
    # Whom a node's events are for: the node's `user`.  The reactor keeps it in
    # `targets` for as long as the node lives.
    cdef object __weakref__
    cdef Reactor reactor
    cdef fn_node *node  # NULL while there is none

    # The event is only good until anything else is called: a callback that
    # makes a connection may move it.
    cdef int on_event(self, fn_node *n, const fn_event *e) except -1
    # The reactor is closing: the node must go, but not its descriptor.
    cdef void orphan(self) noexcept


cdef class Reactor:
    cdef object __weakref__
    cdef fn_reactor *r    # NULL when closed
    cdef bint busy        # a turn is under way, without the GIL
    cdef int inside       # calls that go on with it after a callback
    cdef long thread      # whose the last turn was
    cdef set targets      # in sight of the garbage collector, as a node's user is not
    cdef list leaving     # listeners that have gone, but whom events of this turn may name
    cdef object watched   # told of slow callbacks: a loop in debug mode, or None

    cdef int permit(self) except -1
    cdef int enter(self) except -1
    cdef int enter_if_needed(self) except -1
    cdef int attach(self, Target target, fn_node *n) except -1
    cdef int detach(self, Target target) except -1
    cdef int turn(self, fn_time timeout) except -1
    cdef int dispatch(self) except -1
    cdef int timed(self, Target target, fn_node *n, const fn_event *e) except -1
    cdef int release_spent(self) except -1
