"""What a Socket remembers between its calls: whether to spin, and who is inside (sockio)."""

import _socket
import os

from fastnet._native.core cimport fn_time, fn_tune_spin


cdef enum:
    DRY = 8            # looks in vain after which only one call in as many looks
    MOST_MISSES = 10   # after so many spins in vain, 2 ** 10 waits without one

cdef object own_detach = _socket.socket.detach

# What is the process's rather than a socket's: how many calls wait, and which of several
# forks this is.  Changed under the GIL.
cdef long waiting = 0
cdef long forks = 0


def _cpus():
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # a system that does not say
        return os.cpu_count() or 1


# A spin takes a CPU away from whoever else could use it, the threads of other connections
# first of all: so it is for where no more calls wait than half the CPUs, or for a single one.
# A process confined to one CPU may spin, for its peer mostly has another (tune.h).
cdef long most_waiting = max(1, _cpus() // 2)


def _forked():
    global waiting, forks
    waiting = 0
    forks += 1


os.register_at_fork(after_in_child=_forked)


cdef class State:
    """What a Socket remembers from call to call, and which calls are inside it."""

    def __cinit__(self):
        self.span = fn_tune_spin()
        self.orphan = -1

    @property
    def spin(self):
        """Seconds."""
        return self.span / 1e9

    @spin.setter
    def spin(self, double seconds):
        self.span = <fn_time> (seconds * 1e9)
        self.skip = self.misses = 0

    def adopt(self, sock):
        """Takes the descriptor of a socket that is being closed, if calls wait on it.

        Its number must not become another connection's under them.  Returns
        whether it was taken.
        """
        if not self.inside or self.process != forks:
            return False
        self.orphan = own_detach(sock)
        return True

    cdef void enter(self) noexcept:
        global waiting
        if self.process != forks:
            self.inside = 0  # those were threads of the process that forked
        self.process = forks
        self.inside += 1
        waiting += 1

    cdef int leave(self) except -1:
        global waiting
        waiting -= waiting > 0
        self.inside -= 1
        if self.inside == 0 and self.orphan >= 0:
            fd, self.orphan = self.orphan, -1
            os.close(fd)
        return 0

    cdef bint is_dry(self) noexcept:
        """Whether to do without the first look, which has found nothing for long."""
        return self.dry >= DRY and self.dry % DRY

    cdef fn_time may_spin(self) noexcept:
        if not self.span or waiting > most_waiting:
            return 0
        if self.skip:
            self.skip -= 1
            return 0
        return self.span

    cdef void spun(self, bint missed) noexcept:
        if not missed:
            self.misses = 0
            return
        if self.misses < MOST_MISSES:
            self.misses += 1
        self.skip = (<unsigned int> 1 << self.misses) - 1
