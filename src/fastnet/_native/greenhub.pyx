"""One reactor, driven by a greenlet, and the greenlets that wait for it (turn.h).

The hub runs in the greenlet that serves; each handler has a greenlet of its
own.  What a handler waits for is an event of the reactor, which switches to it
with the answer.
"""

from fastnet._native.core cimport FN_NEVER, fn_earlier, fn_now
from fastnet._native.core_reactor cimport (
    FN_CODEC_RAW,
    fn_conn_close,
    fn_conn_resume,
    fn_listener_add,
    fn_listener_close,
    fn_reactor_leave,
    fn_timers_due,
    fn_timers_cancel,
    fn_timers_fini,
    fn_timers_init,
    fn_timers_next,
    fn_timers_set,
)
from fastnet._native.gate cimport Gate
from fastnet._native.status cimport check


cdef fn_time span_of(object seconds) except -1:
    if seconds is None or <double> seconds > 1e9:
        return FN_NEVER
    return <fn_time> (<double> seconds * 1e9)


cdef class Waiter(Target):
    """Who can be waited for, and told when time is up."""

    cdef int ring(self, Alarm *alarm) except -1:
        return 0


cdef class Sleeper(Waiter):
    """One greenlet that waits for a time alone."""

    cdef int ring(self, Alarm *alarm) except -1:
        self.task.switch()
        return 0


cdef class Hub:
    """The reactor of one server; poller and spin as for Reactor, getcurrent greenlet's."""

    def __cinit__(self, poller, double spin, getcurrent):
        fn_timers_init(&self.timers)
        self.reactor = Reactor(poller, spin)
        self.getcurrent = getcurrent
        self.later = []

    def __dealloc__(self):
        fn_timers_fini(&self.timers)

    def listen(self, int fd, Gate gate, make, opened):
        """opened(make()) is called for each connection; ends with Acceptor.close()."""
        cdef Acceptor acceptor = Acceptor()
        cdef int st = 0
        cdef fn_node *n
        self.reactor.enter()
        n = fn_listener_add(self.reactor.r, fd, FN_CODEC_RAW,
                            gate.gate if gate is not None else NULL, False, <void *> acceptor, &st)
        fn_reactor_leave(self.reactor.r)
        check(st)
        self.reactor.attach(acceptor, n)
        acceptor.hub = self
        acceptor.make = make
        acceptor.opened = opened
        return acceptor

    def run(self, interval, turned):
        """Serves until stop(); turned() is called after every turn, at least each interval.

        Must run in the greenlet that is the parent of all handlers'.
        """
        cdef fn_time most = span_of(interval)
        cdef fn_time now
        cdef fn_time until
        cdef int n
        self.reactor.enter()
        self.home = self.getcurrent()
        self.switch = self.home.switch
        try:
            while not self.stopping:
                self.fire()
                self.run_later()
                now = fn_now()
                until = fn_timers_next(&self.timers)
                until = FN_NEVER if until == FN_NEVER else until - now if until > now else 0
                n = self.reactor.turn(0 if self.later or self.stopping
                                      else fn_earlier(until, most))
                # Handlers' writes go out at once: nobody knows when they come back.
                self.reactor.r.dispatching = False
                if n:
                    self.reactor.dispatch()
                turned()
        finally:
            self.stopping = False
            self.switch = self.home = None
            fn_reactor_leave(self.reactor.r)

    def stop(self):
        """run() returns after the turn under way; for any thread."""
        self.stopping = True
        self.reactor.wake()

    def sleep(self, seconds):
        """The current greenlet waits; the others go on."""
        cdef Sleeper sleeper = Sleeper()
        sleeper.task = self.getcurrent()
        try:
            self.set_alarm(&sleeper.alarm, sleeper, fn_now() + span_of(max(seconds, 0)))
            self.wait()
        finally:
            fn_timers_cancel(&self.timers, &sleeper.alarm.timer)

    def stats(self):
        """The reactor's counters."""
        return self.reactor.stats()

    def unsent(self):
        """Whether a connection's bytes wait to be written."""
        cdef Target target
        for target in self.reactor.targets:
            if target.node != NULL and target.node.out.bytes:
                return True
        return False

    def close(self):
        """Closes what connections are left."""
        self.reactor.close()

    cdef object wait(self):
        """Lets the others run until somebody switches back; what they switch with."""
        if self.switch is None:
            raise RuntimeError("the server's loop is not running")
        if self.getcurrent() is self.home:
            raise RuntimeError("the greenlet that serves must not wait itself")
        return self.switch()

    cdef int set_alarm(self, Alarm *alarm, Waiter owner, fn_time when) except -1:
        alarm.owner = <void *> owner
        check(fn_timers_set(&self.timers, &alarm.timer, when))
        return 0

    cdef int fire(self) except -1:
        cdef Alarm *alarm
        cdef fn_time now
        if fn_timers_next(&self.timers) == FN_NEVER:
            return 0
        now = fn_now()
        while True:
            alarm = <Alarm *> fn_timers_due(&self.timers, now)
            if alarm == NULL:
                return 0
            (<Waiter> alarm.owner).ring(alarm)

    cdef int run_later(self) except -1:
        while self.later:
            due, self.later = self.later, []
            for task, value in due:
                if not task.dead:
                    task.switch(value)
        return 0


cdef class Acceptor(Target):
    """A listening socket that a hub watches."""

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        cdef Waiter stream
        if self.node == NULL:  # closed while this event waited
            fn_conn_close(self.hub.reactor.r, n, False)
            return 0
        stream = self.make()
        stream.hub = self.hub
        self.hub.reactor.attach(stream, n)
        fn_conn_resume(self.hub.reactor.r, n)
        self.opened(stream)
        return 0

    def close(self):
        """Accepts no more; the descriptor is its owner's."""
        if self.node != NULL:
            fn_listener_close(self.hub.reactor.r, self.node)
            self.hub.reactor.leaving.append(self)
            self.hub.reactor.detach(self)
