"""Descriptors that a loop of Python handlers waits for, by number (poller.h).

The handlers close their sockets without a word, so nothing here believes
that a registration still stands: it can be verified, an event of a former
use of a number is known by its generation, and where the kernel goes on
reporting a descriptor that is closed here (a child has it too), the poller
is made anew.
"""

import os
import signal
import threading

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EEXIST, EINTR, ENOENT, EPERM
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from fastnet._native.core cimport FN_MS, FN_NEVER, fn_earlier, fn_now, fn_time, fn_tune_spin
from fastnet._native.core_reactor cimport (
    FN_E_SELECT_RANGE,
    FN_POLL_ERR,
    FN_POLL_HUP,
    FN_POLL_IN,
    FN_POLL_OUT,
    FN_POLLER_DEFAULT,
    FN_POLLER_EPOLL,
    FN_POLLER_SELECT,
    close as close_fd,
    fn_poll_event,
    fn_poller_add,
    fn_poller_close,
    fn_poller_del,
    fn_poller_mod,
    fn_poller_open,
    fn_poller_wait,
)
from fastnet._native.status cimport check

cdef enum:
    MOST = 1024  # events of one wait

cdef uint64_t WAKE = <uint64_t> -1
# How long the main thread may wait when signals cannot wake it; and when they should, but a
# callback may have taken their descriptor away.
cdef fn_time SLICE = 50 * FN_MS
cdef fn_time LONG_SLICE = 1000 * FN_MS

cdef unsigned long forks = 0


def _count_fork():
    global forks
    forks += 1


os.register_at_fork(after_in_child=_count_fork)


cdef class PollSet:
    """The descriptors of one loop; belongs to the thread that waits.

    kind: "epoll", "select", or "" for the best there is.  spin: seconds to
    go on looking before each sleep, where the last ones were short; None
    for what this machine's processors allow.
    """

    def __cinit__(self, kind, spin=None):
        self.poller.kind = FN_POLLER_DEFAULT
        self.poller.fd = self.read_fd = self.write_fd = -1
        if kind not in ("", "epoll", "select"):
            raise ValueError(f'poller must be "epoll" or "select", not {kind!r}')
        self.kind = {"": FN_POLLER_DEFAULT, "epoll": FN_POLLER_EPOLL}.get(kind, FN_POLLER_SELECT)
        if spin is not None and not 0 <= <double> spin <= 1:
            raise ValueError(f"spin must be between 0 and 1 second, not {spin!r}")
        self.spin = fn_tune_spin() if spin is None else <fn_time> (<double> spin * 1e9)
        self.events = <fn_poll_event *> calloc(MOST, sizeof(fn_poll_event))
        self.ready = <Ready *> calloc(MOST, sizeof(Ready))
        if self.events == NULL or self.ready == NULL:
            raise MemoryError
        check(fn_poller_open(&self.poller, self.kind))
        self.renew()

    def __dealloc__(self):
        self.close()
        free(self.watched)
        free(self.events)
        free(self.ready)

    # The interpreter's modules may be gone by now.
    cdef int close(self) noexcept:
        fn_poller_close(&self.poller)
        if self.read_fd >= 0:
            close_fd(self.read_fd)
            close_fd(self.write_fd)
        self.read_fd = self.write_fd = -1
        return 0

    cdef bint forked(self) noexcept:
        return self.born != forks

    # A poller and a pipe of this process's own: at first, and in a child.
    cdef int renew(self) except -1:
        cdef int read_fd = self.read_fd, write_fd = self.write_fd
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.born = forks
        if read_fd >= 0:
            if self.guarded:
                signal.set_wakeup_fd(self.write_fd, warn_on_full_buffer=False)
            close_fd(read_fd)
            close_fd(write_fd)
        return self.reopen()

    cdef int reopen(self) except -1:
        cdef int fd
        cdef uint32_t mask
        fn_poller_close(&self.poller)
        check(fn_poller_open(&self.poller, self.kind))
        check(fn_poller_add(&self.poller, self.read_fd, FN_POLL_IN, WAKE))
        self.always = 0
        for fd in range(self.room):
            mask = self.watched[fd].mask
            self.watched[fd].mask = 0
            self.watched[fd].always = False
            if mask:  # one that is refused now is heard of when it is asked for again
                self.register(fd, mask, False)
        return 0

    # ------------------------------------------------------------ what is wanted

    cdef int reserve(self, int fd) except -1:
        cdef int room = 64
        if fd < self.room:
            return 0
        while room <= fd:
            room *= 2
        cdef Watched *more = <Watched *> realloc(self.watched, room * sizeof(Watched))
        if more == NULL:
            raise MemoryError
        memset(more + self.room, 0, (room - self.room) * sizeof(Watched))
        self.watched = more
        self.room = room
        return 0

    # Watches a descriptor for `mask`; 0 forgets it.  `verify`: it may have been closed and
    # its number used again, so the system is told again even where nothing changes.
    cdef int want(self, int fd, uint32_t mask, bint verify) except -1:
        if fd < self.room and self.watched[fd].mask == mask and not verify:
            return 0
        self.reserve(fd)
        cdef int st = self.register(fd, mask, verify)
        if st == FN_E_SELECT_RANGE:
            raise ValueError(f"descriptor {fd} is out of select's range: use the epoll poller")
        if st < 0:
            check(st)
        return 0

    cdef int register(self, int fd, uint32_t mask, bint verify) noexcept:
        cdef Watched *w = &self.watched[fd]
        cdef int st = -ENOENT
        if w.always:
            w.always = False
            self.always -= 1
        elif w.mask and mask and not (verify and self.poller.kind == FN_POLLER_SELECT):
            st = fn_poller_mod(&self.poller, fd, mask, tag_of(fd, w.generation))
        elif w.mask:  # select looks at what a number stands for only when it is added
            fn_poller_del(&self.poller, fd)
        w.mask = 0
        if mask == 0:
            return 0
        if st == -ENOENT:
            w.generation += 1
            st = fn_poller_add(&self.poller, fd, mask, tag_of(fd, w.generation))
        if st == -EEXIST:
            st = fn_poller_mod(&self.poller, fd, mask, tag_of(fd, w.generation))
        if st == -EPERM:
            w.always = True
            self.always += 1
            st = 0
        if st == 0:
            w.mask = mask
        return st

    # -------------------------------------------------------------------- waiting

    # Fills `ready`; returns how many.  0 also when woken, or for a signal.
    cdef int collect(self, fn_time timeout) except -1:
        cdef int n
        if timeout == 0 or self.always:
            n = fn_poller_wait(&self.poller, self.events, MOST, 0)
        else:
            n = self.sleep(timeout)
        if n == -EINTR:
            n = 0
        PyErr_CheckSignals()
        check(n)
        if n == 0 and self.always == 0:
            return 0
        return self.sift(n)

    cdef int sleep(self, fn_time timeout) except? -1:
        cdef int n = 0
        cdef fn_time begun, spun = 0
        if self.on_main:
            timeout = fn_earlier(timeout, LONG_SLICE if self.guarded else SLICE)
        self.sleeping = True
        with nogil:
            begun = fn_now()
            if self.spin_pays:
                while n == 0 and spun < self.spin and spun < timeout:
                    n = fn_poller_wait(&self.poller, self.events, MOST, 0)
                    spun = fn_now() - begun
            if n == 0:
                timeout = timeout if timeout == FN_NEVER else timeout - spun
                n = fn_poller_wait(&self.poller, self.events, MOST, timeout)
                self.spin_pays = n > 0 and fn_now() - begun < self.spin
        self.sleeping = False
        return n

    # Events into descriptors.  An error or a hang-up makes both directions ready: what the
    # handler then calls tells it what happened, as after select().
    cdef int sift(self, int n) except -1:
        cdef int i, fd, found = 0
        cdef uint32_t mask
        cdef bint stale = False
        for i in range(n):
            if self.events[i].tag == WAKE:
                self.drain()
                continue
            fd = <int> (self.events[i].tag & 0xffffffff)
            mask = self.events[i].mask
            if mask & (FN_POLL_ERR | FN_POLL_HUP):
                mask |= FN_POLL_IN | FN_POLL_OUT
            mask &= self.watched[fd].mask
            if self.watched[fd].generation != <uint32_t> (self.events[i].tag >> 32) or not mask:
                stale = True
                continue
            self.ready[found].fd = fd
            self.ready[found].mask = mask
            found += 1
        if stale:
            self.reopen()
        if self.always:
            for fd in range(self.room):
                if self.watched[fd].always and found < MOST:
                    self.ready[found].fd = fd
                    self.ready[found].mask = self.watched[fd].mask
                    found += 1
        return found

    cdef int drain(self) except -1:
        try:
            while os.read(self.read_fd, 512):
                pass
        except BlockingIOError:
            pass
        return 0

    # From any thread.
    cdef int wake(self) except -1:
        if self.write_fd < 0:
            return 0
        try:
            os.write(self.write_fd, b"\0")
        except BlockingIOError:
            pass  # full of wakes already
        return 0

    # The calling thread waits from here on.  On the main thread a signal writes to the pipe,
    # so that one which comes just before the wait is not slept through.
    cdef int enter(self) except -1:
        if self.poller.kind == FN_POLLER_DEFAULT:
            raise ValueError("the event loop is closed")
        self.on_main = threading.current_thread() is threading.main_thread()
        self.guarded = False
        if not self.on_main:
            return 0
        try:
            before = signal.set_wakeup_fd(self.write_fd, warn_on_full_buffer=False)
        except ValueError:
            return 0  # a subinterpreter, which has no signals
        if before == -1:
            self.guarded = True
        else:  # another loop's: leave it to its owner
            signal.set_wakeup_fd(before)
        PyErr_CheckSignals()  # one that came before
        return 0

    cdef int leave(self) except -1:
        if not self.guarded:
            return 0
        self.guarded = False
        current = signal.set_wakeup_fd(-1)
        if current != self.write_fd:  # a callback has put another there
            signal.set_wakeup_fd(current)
        return 0


cdef inline uint64_t tag_of(int fd, uint32_t generation) noexcept:
    return <uint64_t> generation << 32 | <uint32_t> fd
