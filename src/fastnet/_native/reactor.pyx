"""One thread's reactor, and whom its events are for (reactor.h, turn.h)."""

import time

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_DECREF, PyObject
from libc.errno cimport EINTR

from fastnet._native.core_reactor cimport (
    FN_POLLER_SELECT,
    fn_event,
    fn_node,
    fn_out_take_spent,
    fn_reactor_drop,
    fn_reactor_enter,
    fn_reactor_free,
    fn_reactor_leave,
    fn_reactor_next,
    fn_reactor_poll,
    fn_reactor_settle,
    fn_reactor_wake,
    fn_time,
)
from fastnet._native.reactorbase cimport counters_of, new_reactor, peers_of
from fastnet._native.status import exception
from fastnet._native.status cimport check

from asyncio.log import logger

cdef class Target:
    """Whom a node's events are for."""

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        return 0

    cdef void orphan(self) noexcept:
        pass


cdef class Reactor:
    """A poller with its connections, listeners, datagram sockets and watches.

    Parameters:
        kind: "epoll", "select", or None for the best that the system has.
        spin: seconds to look again before the thread sleeps; negative for what pays here.

    Raises ValueError for another kind.  The poller is opened at first use, and belongs to the
    process that did so.
    """

    def __cinit__(self, kind=None, double spin=-1, *args, **kwargs):
        self.targets = set()
        self.leaving = []
        self.r = new_reactor(kind, spin)

    def __dealloc__(self):
        if self.r is not NULL:
            # Targets hold their reactor: none is left that could be told.
            fn_reactor_drop(self.r)
            self.release_spent()
            fn_reactor_free(self.r)

    # ------------------------------------------------------------------ who may use it

    cdef int permit(self) except -1:
        """A call that touches connections: not for another thread while a turn is under way."""
        if self.busy:
            raise RuntimeError(
                "Non-thread-safe operation invoked on an event loop other than the current one"
            )
        if self.r is NULL:
            raise RuntimeError("the reactor is closed")
        return 0

    cdef int enter(self) except -1:
        self.permit()
        check(fn_reactor_enter(self.r))
        return 0

    cdef int attach(self, Target target, fn_node *n) except -1:
        self.targets.add(target)
        target.reactor = self
        target.node = n
        n.user = <void *> target
        return 0

    cdef int detach(self, Target target) except -1:
        """The node has gone, or is about to go without another event."""
        target.node = NULL
        self.targets.discard(target)
        return 0

    # ------------------------------------------------------------------------ turns

    cdef int turn(self, fn_time timeout) except -1:
        """One turn without the GIL; the number of events.  Runs signal handlers."""
        cdef int n
        self.thread = PyThread_get_thread_ident()
        self.busy = True
        with nogil:
            n = fn_reactor_poll(self.r, timeout)
        self.busy = False
        if self.r.store.spent_count:
            self.release_spent()
        self.inside += 1
        try:
            PyErr_CheckSignals()
        finally:
            self.inside -= 1
        if n >= 0:
            return n
        if n != -EINTR:
            raise exception(n)
        return 0

    cdef int dispatch(self) except -1:
        """Hands out the events of a turn.  What raises leaves the rest for the next call."""
        cdef const fn_event *e
        cdef fn_node *n = NULL
        cdef Target target
        cdef bint slow = self.watched is not None and self.watched.get_debug()
        self.inside += 1
        try:
            while True:
                e = fn_reactor_next(self.r, &n)
                if e is NULL:
                    break
                target = <Target> n.user
                if slow:
                    self.timed(target, n, e)
                else:
                    target.on_event(n, e)
        finally:
            self.inside -= 1
        if self.leaving:
            self.leaving = []
        return 0

    cdef int timed(self, Target target, fn_node *n, const fn_event *e) except -1:
        began = time.monotonic()
        target.on_event(n, e)
        took = time.monotonic() - began
        if took >= self.watched.slow_callback_duration:
            logger.warning("Executing %r took %.3f seconds", target, took)
        return 0

    cdef int release_spent(self) except -1:
        """Lets go of the bytes objects that have been written."""
        cdef size_t count = 0
        cdef size_t i
        cdef void **spent
        cdef list owners = []
        spent = fn_out_take_spent(&self.r.store, &count)
        # Collected first: what runs when an object goes may write again.
        for i in range(count):
            owners.append(<object> <PyObject *> spent[i])
            Py_DECREF(<object> <PyObject *> spent[i])
        return 0

    # --------------------------------------------------------------------- for anyone

    def wake(self):
        """Ends the wait of the present turn, or of the next.  For any thread."""
        if self.r is not NULL:
            fn_reactor_wake(self.r)

    def flush(self):
        """Sends what transports have written in the present turn: no other may come for long."""
        if self.r is not NULL and not self.busy:
            self.enter()
            fn_reactor_settle(self.r)
            self.r.dispatching = False
            fn_reactor_leave(self.r)

    def fileno(self):
        """The epoll descriptor, by which another loop can wait for this one; -1 for select."""
        self.enter_if_needed()
        return self.r.poller.fd

    cdef int enter_if_needed(self) except -1:
        self.enter()
        fn_reactor_leave(self.r)
        return 0

    @property
    def kind(self):
        """"epoll" or "select"."""
        if self.r is NULL:
            return None
        self.enter_if_needed()
        return "select" if self.r.poller.kind == FN_POLLER_SELECT else "epoll"

    @property
    def closed(self):
        """Whether close() was called."""
        return self.r is NULL

    def stats(self):
        """The counters since the reactor was made, by name; for any thread."""
        return {} if self.r is NULL else counters_of(self.r)

    def peers(self, size_t most=1000):
        """Up to `most` connections: (id, address or None, port, bytes in, bytes out) of each.

        For any thread.  IPv4 addresses come as themselves, not as mapped ones.
        """
        if self.r is NULL:
            return []
        return [(entry[0], *entry[2:]) for entry in peers_of(self.r, most)]

    # ------------------------------------------------------------------------ the end

    def close(self):
        """Closes the poller; connections that are left are their transports' business alone.

        May be called twice.  RuntimeError in a callback of the reactor's, which it returns to.
        """
        cdef Target target
        cdef set left = self.targets
        if self.r is NULL:
            return
        self.permit()
        if self.inside:
            raise RuntimeError("the reactor is at work")
        self.targets = set()
        for target in left:
            if target.node is not NULL:
                target.orphan()
                target.node = NULL
        fn_reactor_drop(self.r)
        self.release_spent()
        fn_reactor_free(self.r)
        self.r = NULL
        self.leaving = []
