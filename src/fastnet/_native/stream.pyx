"""Blocking transfers of one object's bytes on one descriptor (stream.h)."""

import os

from fastnet._native.core cimport (
    FN_E_CHECK,
    fn_stream,
    fn_stream_init,
    fn_stream_recv_exact,
    fn_stream_send_all,
    fn_time,
    fn_tune_congestion,
    fn_tune_spin,
    fn_tuned,
    fn_wait,
    fn_wait_forever,
    fn_walk,
    fn_walk_fini,
    fn_walk_settle,
)
from fastnet._native.pin cimport Pin, pin
from fastnet._native.status import exception
from fastnet._native.wait cimport (
    WATCH_FROM,
    Watch,
    check_timeout,
    unwatch,
    wait_again,
    wait_init,
    watch_signals,
)

from libc.string cimport memset

# Below this, the system calls that look at the path cost more than a better
# congestion control could save.
cdef enum:
    TUNE_FROM = 256 * 1024  # bytes


cdef void prepare(fn_stream *s, int fd, Py_ssize_t nbytes, const char *congestion, size_t chunk,
                  double spin) noexcept nogil:
    cdef fn_tuned now
    fn_stream_init(s, fd)
    s.chunk = chunk
    s.spin = fn_tune_spin() if spin < 0 else <fn_time> (spin * 1e9)
    if nbytes >= TUNE_FROM:
        memset(&now, 0, sizeof(now))
        fn_tune_congestion(fd, congestion, &now)


cdef object move(int fd, object obj, bint sending, object timeout, bytes congestion, size_t chunk,
                 double spin):
    cdef fn_stream s
    cdef fn_walk w
    cdef fn_wait wait
    cdef bint signals = False
    cdef int st = 0
    cdef Pin p = pin(obj, not sending)
    cdef const char *name = congestion
    cdef Watch watch = None
    cdef int own = -1
    check_timeout(timeout)
    # The first try does not wait; the clock and the thread are looked at when
    # it comes back to be told how long it may.
    wait = fn_wait_forever()
    wait.check_at = 0
    p.walk(&w, False)
    try:
        prepare(&s, fd, w.total, name, chunk, spin)
        while True:
            with nogil:
                if sending:
                    st = fn_stream_send_all(&s, &w, &wait)
                else:
                    st = fn_stream_recv_exact(&s, &w, &wait)
            if st != FN_E_CHECK:
                break
            if wait.check_at:
                wait_again(&wait, signals)
                continue
            # Another thread may close the socket meanwhile, and its number may
            # then be another connection's: wait on a number of our own.
            own = os.dup(fd)
            s.fd = own
            wait_init(&wait, timeout, None, &signals)
            if w.total >= WATCH_FROM:
                watch = watch_signals(&wait, signals)
        if st < 0:
            raise exception(st, transferred=w.passed, expected=w.total)
        return w.total
    finally:
        if not sending:
            fn_walk_settle(&w)
        unwatch(watch, &wait)
        if own >= 0:
            os.close(own)
        fn_walk_fini(&w)
        p.release()


def send(int fd, obj, timeout, bytes congestion, size_t chunk, double spin):
    """Sends obj's bytes in C order; returns how many there were.

    timeout in seconds or None; congestion b"auto", b"" or a name; chunk in
    bytes; spin in seconds, negative for the default.
    """
    return move(fd, obj, True, timeout, congestion, chunk, spin)


def receive(int fd, obj, timeout, bytes congestion, size_t chunk, double spin):
    """Fills obj's memory in C order; returns its bytes.  Arguments as for send."""
    return move(fd, obj, False, timeout, congestion, chunk, spin)
