"""A reactor whose services are all in C, run by one thread (csrc/include/fastnet/turn.h)."""

import signal
import threading

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR

from fastnet._native.core cimport FN_E_CHECK, FN_MS, FN_NEVER, fn_now, fn_time
from fastnet._native.core_reactor cimport (
    FN_ASK_DRAIN,
    FN_ASK_STOP,
    FN_CODEC_DISCARD,
    FN_CODEC_ECHO,
    FN_CODEC_TIME,
    FN_POLL_IN,
    fn_codec,
    fn_dgram_add,
    fn_listener_add,
    fn_node,
    fn_reactor,
    fn_reactor_ask,
    fn_reactor_drop,
    fn_reactor_enter,
    fn_reactor_free,
    fn_reactor_leave,
    fn_reactor_next,
    fn_reactor_remove,
    fn_reactor_run,
    fn_watch_add,
)
from fastnet._native.gate cimport Gate
from fastnet._native.reactorbase cimport counters_of, new_reactor, peers_of
from fastnet._native.status cimport check
from fastnet._native.wait cimport Watch, drain

CODECS = {"echo": FN_CODEC_ECHO, "discard": FN_CODEC_DISCARD, "time": FN_CODEC_TIME}
# How often the main thread looks for signals where it cannot be told of them.
cdef fn_time SLICE = 50 * FN_MS


cdef class Engine:
    """Sockets are its users': it watches them, and closes only what it accepted.

    drained is called in run(), once, when it has taken the last connection and
    no longer watches the listening sockets.
    """

    cdef fn_reactor *reactor
    cdef object running
    cdef object drained
    cdef bint wants_stop, wants_drain  # asked for by anybody
    cdef bint draining, told  # run() has seen to it, and to `drained`

    def __cinit__(self, poller, double spin, drained=None):
        self.running = threading.Lock()
        self.drained = drained
        self.reactor = new_reactor(poller, spin)

    def __dealloc__(self):
        if self.reactor != NULL:
            fn_reactor_free(self.reactor)

    cdef int _enter(self) except -1:
        if self.reactor == NULL:
            raise ValueError("the engine is closed")
        check(fn_reactor_enter(self.reactor))
        return 0

    def listen(self, int fd, codec, Gate gate not None, bint shared):
        """Serves the connections of a listening socket; shared with other engines or not."""
        cdef int status = 0
        self._enter()
        fn_listener_add(self.reactor, fd, <fn_codec> <int> CODECS[codec], gate.gate, shared, NULL,
                        &status)
        fn_reactor_leave(self.reactor)
        check(status)

    def receive(self, int fd, codec, Gate gate not None):
        """Serves the datagrams of a bound socket."""
        cdef int status = 0
        self._enter()
        fn_dgram_add(self.reactor, fd, <fn_codec> <int> CODECS[codec], gate.gate, NULL, &status)
        fn_reactor_leave(self.reactor)
        check(status)

    def run(self):
        """Serves until stop(), or until drain() has come to its end."""
        with self.running:
            self._enter()
            try:
                if threading.current_thread() is threading.main_thread():
                    self._run_main()
                else:
                    self._run(FN_NEVER)
            finally:
                fn_reactor_leave(self.reactor)

    cdef int _run(self, fn_time slice) except -1:
        """Returns when asked to, or, with a slice, as soon as there may be signals."""
        cdef int st
        cdef fn_time until
        while True:
            if self.draining and not self.told:
                until = fn_now()  # returns when the listeners are closed
            else:
                until = FN_NEVER if slice == FN_NEVER else fn_now() + slice
            with nogil:
                st = fn_reactor_run(self.reactor, until)
            if st == 0 and self.wants_drain and not (self.draining or self.wants_stop):
                self.draining = True
                fn_reactor_ask(self.reactor, FN_ASK_DRAIN)
                continue
            if (st == 0 or st == FN_E_CHECK) and self.draining and not self.told:
                self.told = True
                if self.drained is not None:
                    self.drained()
            if st == 0:
                return 0
            if st != FN_E_CHECK and st != -EINTR and st != 1:
                check(st)
            PyErr_CheckSignals()
            if st == 1:
                return 1

    cdef int _run_main(self) except -1:
        """On the main thread signals end the wait: through a pipe, where nobody has it."""
        cdef Watch watch = Watch()
        cdef fn_node *node
        cdef int status = 0
        before = signal.set_wakeup_fd(watch.write_fd, warn_on_full_buffer=False)
        if before != -1:  # an event loop's: leave it to its owner
            signal.set_wakeup_fd(before)
            self._run(SLICE)
            return 0
        try:
            node = fn_watch_add(self.reactor, watch.read_fd, FN_POLL_IN, NULL, &status)
            check(status)
            try:
                PyErr_CheckSignals()  # one that came before the pipe was there
                while self._run(FN_NEVER):
                    self._take_signal(watch)
            finally:
                fn_reactor_remove(self.reactor, node, True)
        finally:
            signal.set_wakeup_fd(-1)
        return 0

    cdef int _take_signal(self, Watch watch) except -1:
        cdef fn_node *node = NULL
        while fn_reactor_next(self.reactor, &node) != NULL:
            pass
        drain(watch.read_fd)
        PyErr_CheckSignals()
        return 0

    def drain(self):
        """Takes no more, serves what has come already, then run() returns; any thread."""
        if self.reactor != NULL and not self.wants_drain:
            self.wants_drain = True
            fn_reactor_ask(self.reactor, FN_ASK_STOP)  # for _run, which then asks to drain

    def stop(self):
        """run() returns; any thread."""
        if self.reactor != NULL:
            self.wants_stop = True
            fn_reactor_ask(self.reactor, FN_ASK_STOP)

    def counts(self):
        """The counters, at this moment; any thread."""
        return {} if self.reactor == NULL else counters_of(self.reactor)

    def peers(self, size_t most=1000):
        """Open connections: address or None, port, bytes in and out; any thread."""
        return [entry[2:] for entry in self._each(most)]

    def descriptors(self):
        """The numbers of all open connections' descriptors."""
        return [] if self.reactor == NULL else [
            entry[1] for entry in self._each(self.reactor.slab.used)]

    cdef list _each(self, size_t most):
        return [] if self.reactor == NULL else peers_of(self.reactor, most)

    def close(self):
        """Ends every connection; waits for a run() that stop() is ending."""
        with self.running:
            if self.reactor != NULL:
                fn_reactor_drop(self.reactor)
                fn_reactor_free(self.reactor)
                self.reactor = NULL
