"""The loop behind fastnet.events: objects that say what they wait for, and are called for it.

A turn: compare the list of handlers with the last one; ask those that are
new, that were called in the last turn or that said `changed()`; wait; ask
those that are ready and were not asked in this turn; call.  So nobody is
called who, asked before the turn's first call, did not want it, as with a
loop that asks everybody every turn.

What such a loop finds and this one would miss is a handler that *begins* to
want something because of another's doing.  So the rest is swept: a few at a
time while nothing is ready, and, however busy the loop is, all of them once
in every `interval`.  A handler that a sweep finds changed is watched closely,
that is asked every turn, for as long as that goes on.  Before the loop goes
to sleep, everybody has been asked since the last call.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort

from fastnet._native.core cimport FN_MS, FN_NEVER, fn_earlier, fn_now, fn_time
from fastnet._native.core_reactor cimport FN_POLL_IN, FN_POLL_OUT, FN_POLLER_DEFAULT
from fastnet._native.core_reactor cimport FN_POLLER_SELECT
from fastnet._native.roster cimport Roster, grown

cdef enum:
    STEP = 4  # handlers asked between two looks while nothing is ready
    CLOSELY = 256  # turns for which one that a sweep found changed is asked by all means

# Where handlers are called now and then, sweeping takes this part of the time, saved up for
# at most SAVED; while it has none left, the loop sleeps for NAP.
cdef fn_time PART = 16
cdef fn_time SAVED = 2 * FN_MS
cdef fn_time NAP = FN_MS

# The loops that run now, for changed().
cdef list running = []


# A handler that is to be called.
cdef struct Call:
    int32_t pos
    int32_t slot
    int fd
    uint32_t can


cdef int by_place(const void *a, const void *b) noexcept nogil:
    return (<const Call *> a).pos - (<const Call *> b).pos


def changed(handler):
    """Has every loop that runs and knows this handler ask it before its next wait."""
    for loop in list(running):
        loop.changed(handler)


cdef class HandlerLoop(Roster):
    """A loop over a list of handlers; the list is the caller's and may change at any time.

    poller and spin: as pollset.PollSet has them.  sweep: seconds.
    """

    cdef fn_time interval
    cdef int32_t *close_by  # slots that are watched closely
    cdef int close_count
    cdef Call *calls
    cdef int cursor        # the sweep's place in the list
    cdef int unswept       # how many may have changed since they were asked
    cdef fn_time last, saved
    cdef double due
    cdef uint64_t called
    cdef bint busy, stopping
    cdef bint woken  # since the list was looked at last

    def __init__(self, handlers, poller, sweep, spin):
        if not 0 < <double> sweep <= 3600:
            raise ValueError(f"sweep must be above 0 and at most 3600 seconds, not {sweep!r}")
        self.interval = <fn_time> (<double> sweep * 1e9)
        Roster.__init__(self, handlers, poller, spin)

    def __dealloc__(self):
        free(self.close_by)
        free(self.calls)

    cdef int grow(self, int room) except -1:
        self.close_by = <int32_t *> grown(self.close_by, room, sizeof(int32_t))
        self.calls = <Call *> grown(self.calls, room, sizeof(Call))
        return Roster.grow(self, room)

    # ------------------------------------------------------------- from outside

    def run(self):
        """Runs until stop() or an exception of a handler's, after which it may run again."""
        self.begin()
        try:
            while not self.stopping:
                self.turn(FN_NEVER)
        finally:
            self.end()

    def run_once(self, timeout=None):
        """Asks everybody, waits, and calls; the number of calls, 0 after `timeout` seconds."""
        cdef fn_time until = FN_NEVER
        cdef int calls = 0
        if timeout is not None:
            if not <double> timeout >= 0:
                raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
            if <double> timeout < 1e9:
                until = fn_now() + <fn_time> (<double> timeout * 1e9)
        self.begin()
        try:
            while not calls and not self.stopping:
                left = until if until == FN_NEVER else max(0, until - fn_now())
                calls = self.turn(left)
                if left == 0:
                    break
        finally:
            self.end()
        return calls

    def stop(self):
        """run() returns once the calls it is in have ended; from any thread or signal handler."""
        self.stopping = True
        if self.polls is not None:
            self.polls.wake()

    def wake(self):
        """The list is looked at now; from any thread."""
        self.woken = True
        if self.busy and self.polls.sleeping:
            self.polls.wake()

    def changed(self, handler):
        """Has a handler asked before the next wait; from any thread."""
        Roster.changed(self, handler)
        self.wake()

    def close(self):
        """Closes the loop's own descriptors, not the handlers; may be called twice."""
        if self.busy:
            raise RuntimeError("the event loop is running")
        if self.polls is not None:
            self.polls.close()

    def stats(self):
        """A dict of counts: turns, calls, how often handlers were asked, handlers."""
        return {
            "turns": self.turn_no,
            "calls": self.called,
            "asked": self.asks,
            "handlers": self.count,
        }

    @property
    def poller(self):
        """"epoll" or "select"."""
        if self.polls is None or self.polls.kind != FN_POLLER_SELECT:
            return "epoll"
        return "select"

    @property
    def closed(self):
        """Whether close() was called."""
        return self.polls is None or self.polls.poller.kind == FN_POLLER_DEFAULT

    @property
    def running(self):
        """Whether run() or run_once() is at work."""
        return self.busy

    # Whatever happened since the last run is seen: everybody is asked.
    cdef int begin(self) except -1:
        if self.busy:
            raise RuntimeError("the event loop is running already")
        if self.polls is None:
            raise RuntimeError("__init__ was not called")
        self.polls.enter()
        self.busy = True
        running.append(self)
        try:
            self.last = fn_now()
            self.turn_no += 1
            self.sync()
            self.ask_queued()
            self.unswept = self.count
            self.sweep(self.count)
        except BaseException:
            self.end()
            raise
        return 0

    cdef int end(self) except -1:
        self.busy = self.stopping = False
        running.remove(self)
        return self.polls.leave()

    # --------------------------------------------------------------- a turn

    cdef int turn(self, fn_time timeout) except -1:
        cdef int n
        cdef fn_time begun
        cdef bint resting
        self.turn_no += 1
        if self.polls.forked():
            self.polls.renew()
        self.woken = False
        if self.sync():
            self.unswept = self.count
        if self.queued:
            self.ask_queued()
        if self.close_count:
            self.ask_closely()
        if self.unswept:
            self.keep_pace()
            timeout = 0 if self.saved > 0 else fn_earlier(timeout, NAP)
        resting = self.unswept == 0
        n = self.polls.collect(0 if self.queued or self.woken else timeout)
        if resting:  # what passed since then calls for no sweep
            self.note_time()
            self.due = 0
        if n:
            return self.deliver(n)
        if self.unswept and self.saved > 0:
            begun = fn_now()
            self.sweep(STEP)
            self.saved -= fn_now() - begun
        return 0

    cdef int ask_closely(self) except -1:
        cdef int k, i
        cdef uint32_t before
        for k in range(self.close_count - 1, -1, -1):
            i = self.close_by[k]
            before = self.slots[i].mask
            if self.slots[i].times and self.slots[i].asked != self.turn_no:
                self.ask(i, False)
            if self.slots[i].times and self.slots[i].mask != before:
                self.slots[i].closely = CLOSELY
            elif self.slots[i].times and self.slots[i].closely > 1:
                self.slots[i].closely -= 1
            else:
                self.slots[i].closely = 0
                self.close_count -= 1
                self.close_by[k] = self.close_by[self.close_count]
        return 0

    cdef fn_time note_time(self) noexcept:
        cdef fn_time now = fn_now(), past = now - self.last
        self.last = now
        self.saved = fn_earlier(self.saved + past // PART, SAVED)
        return past

    # What the interval and the part of the time allow.
    cdef int keep_pace(self) except -1:
        cdef fn_time past = self.note_time()
        cdef int share
        self.due += <double> self.count * past / self.interval
        if self.due >= 1:
            share = self.count if self.due > self.count else <int> self.due
            self.due = 0 if self.due > self.count else self.due - share
            self.sweep(share)
        return 0

    # Those asked in this turn too: only here is it verified that they are still watched.
    cdef int sweep(self, int share) except -1:
        cdef int i
        cdef uint32_t before
        while share > 0 and self.unswept > 0:
            share -= 1
            self.unswept -= 1
            self.cursor = self.cursor + 1 if self.cursor + 1 < self.count else 0
            i = self.order[self.cursor]
            before = self.slots[i].mask
            self.ask(i, True)
            if self.slots[i].mask != before and not self.slots[i].closely:
                self.slots[i].closely = CLOSELY
                self.close_by[self.close_count] = i
                self.close_count += 1
        return 0

    # ---------------------------------------------------------------- the calls

    # All are asked before the first is called.
    cdef int deliver(self, int n) except -1:
        cdef int k, i, count = 0, kept = 0
        cdef Call *call
        for k in range(n):
            i = self.first[self.polls.ready[k].fd]
            while i >= 0:
                call = &self.calls[count]
                call.slot, call.fd, call.can = i, self.polls.ready[k].fd, self.polls.ready[k].mask
                call.pos = self.slots[i].pos
                count += 1
                i = self.slots[i].next
        for k in range(count):
            call = &self.calls[k]
            if self.slots[call.slot].asked != self.turn_no:
                self.ask(call.slot, False)
            call.can &= self.slots[call.slot].mask
            if call.can and self.slots[call.slot].fd == call.fd:
                self.calls[kept] = call[0]
                kept += 1
        if kept == 0:
            return 0
        if kept > 1:
            if kept:
                qsort(self.calls, kept, sizeof(Call), by_place)
        self.unswept = self.count
        return self.call(kept, FN_POLL_IN) + self.call(kept, FN_POLL_OUT)

    cdef int call(self, int count, uint32_t way) except -1:
        cdef int k, i, made = 0
        for k in range(count):
            i = self.calls[k].slot
            if not self.calls[k].can & way or not self.listed(i):
                continue
            handler = self.handler(i)
            self.enqueue(i)
            self.called += 1
            made += 1
            try:
                if way == FN_POLL_IN:
                    handler.handle_receive()
                else:
                    handler.handle_send()
            except Exception as error:
                self.trouble(handler, error)
        return made

    # A handler may deal with what its own calls raise; what it raises then goes on.
    cdef int trouble(self, handler, error) except -1:
        deal = getattr(handler, "handle_error", None)
        if deal is None:
            raise error
        deal(error)
        return 0
