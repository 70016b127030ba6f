"""The inner part of asyncio's loop: handles, timers, and one turn of it, in C.

``LoopCore`` goes in front of an asyncio selector loop (``class Loop(LoopCore,
asyncio.SelectorEventLoop)``) and takes the place of what runs for every callback: ``call_soon``,
``call_later``, ``call_at`` and ``_run_once``. All else stays asyncio's, and in debug mode these
do as well. The ready queue and the heap of timers stay a deque and a list under asyncio's names,
and a handle has the attributes of asyncio's, because its code, and other people's, looks there.
"""

from asyncio import base_events, events, format_helpers, futures
from heapq import heapify, heappop, heappush

cimport cython
from cpython.object cimport PyObject

cdef extern from "Python.h":
    PyObject *PyObject_Call(PyObject *callable, PyObject *args, PyObject *kwargs)
    int PyContext_Enter(PyObject *context)
    int PyContext_Exit(PyObject *context)
    object PyContext_CopyCurrent()
    void Py_DECREF(PyObject *thing)

cdef object Future = futures.Future
cdef object foreign_timer = events.TimerHandle
cdef object describe = events.Handle._repr_info
cdef object format_source = format_helpers._format_callback_source
# Later versions are told whether to show the arguments; earlier ones always do.
cdef bint takes_debug = "debug" in format_source.__code__.co_varnames
# When so many timers wait, and this part of them is cancelled, all cancelled ones are dropped.
cdef Py_ssize_t MANY = base_events._MIN_SCHEDULED_TIMER_HANDLES
cdef double FRACTION = base_events._MIN_CANCELLED_TIMER_HANDLES_FRACTION
cdef object LONGEST = base_events.MAXIMUM_SELECT_TIMEOUT
cdef int READ = 1  # selectors.EVENT_READ
cdef int WRITE = 2


cdef int pending() except? -1:
    """Raises what C code left set."""
    return -1


@cython.freelist(256)
cdef class Handle:
    """What ``call_soon`` returns: an ``asyncio.Handle`` to everybody who asks.

    Made by the loop only.
    """

    def __init__(self, *args, **kwargs):
        raise TypeError("handles are made by a loop's call_soon() and its like")

    @property
    def __class__(self):
        """``asyncio.Handle``: isinstance() looks here, and asyncio's class cannot be a base."""
        return events.Handle

    @property
    def _source_traceback(self):
        return None  # debug mode, which keeps one, uses asyncio's handles

    cdef void forget(self):
        self._callback = None
        self._args = None

    def _repr_info(self):
        return describe(self)

    def __repr__(self):
        if self._repr is not None:
            return self._repr
        return f"<{' '.join(self._repr_info())}>"

    def get_context(self):
        """The ``contextvars.Context`` that the callback runs in."""
        return self._context

    def cancel(self):
        """The callback will not be called; without effect when it was already."""
        if not self._cancelled:
            self._cancelled = True
            if self._loop is not None and self._loop._debug:
                self._repr = repr(self)  # while it still knows the callback
            self.forget()

    def cancelled(self):
        """Whether cancel() was called."""
        return self._cancelled

    def _run(self):
        run(self)


cdef class TimerHandle(Handle):
    """What ``call_later`` and ``call_at`` return: an ``asyncio.TimerHandle`` likewise."""

    @property
    def __class__(self):
        """``asyncio.TimerHandle``, as with Handle."""
        return foreign_timer

    def _repr_info(self):
        info = describe(self)
        info.insert(2 if self._cancelled else 1, f"when={self._when}")
        return info

    def __hash__(self):
        return hash(self._when)

    def __lt__(self, other):
        if isinstance(other, TimerHandle):
            return self.key < (<TimerHandle>other).key
        if isinstance(other, foreign_timer):
            return self._when < other._when
        return NotImplemented

    def __gt__(self, other):
        if isinstance(other, foreign_timer):
            return self._when > other._when
        return NotImplemented

    def __le__(self, other):
        if isinstance(other, foreign_timer):
            return self._when < other._when or self == other
        return NotImplemented

    def __ge__(self, other):
        if isinstance(other, foreign_timer):
            return self._when > other._when or self == other
        return NotImplemented

    def __eq__(self, other):
        if isinstance(other, foreign_timer):
            return (self._when == other._when and self._callback == other._callback
                    and self._args == other._args and self._cancelled == other._cancelled)
        return NotImplemented

    def cancel(self):
        """The callback will not be called; the loop is told, and drops such timers in time."""
        if not self._cancelled and self._loop is not None:
            self._loop._timer_handle_cancelled(self)
        Handle.cancel(self)

    def when(self):
        """The time at which the callback is due, in seconds of the loop's time()."""
        return self._when


cdef int run(Handle handle) except -1:
    """Calls the callback in its context; an exception goes to the loop's handler."""
    cdef object callback = handle._callback
    cdef object args = handle._args
    cdef object context = handle._context
    cdef PyObject *result
    if context is None or args is None:
        return 0
    if PyContext_Enter(<PyObject *>context) < 0:
        return failed(handle)
    result = PyObject_Call(<PyObject *>callback, <PyObject *>args, NULL)
    if PyContext_Exit(<PyObject *>context) < 0:
        if result != NULL:
            Py_DECREF(result)
        return failed(handle)
    if result == NULL:
        return failed(handle)
    Py_DECREF(result)
    return 0


cdef int failed(Handle handle) except -1:
    """Reports the exception that is set, as asyncio does; two kinds go through."""
    try:
        pending()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        if takes_debug:
            source = format_source(handle._callback, handle._args, debug=handle._loop._debug)
        else:
            source = format_source(handle._callback, handle._args)
        handle._loop.call_exception_handler({
            "message": f"Exception in callback {source}",
            "exception": error,
            "handle": handle,
        })
    return 0


cdef bint is_cancelled(object handle) except -1:
    if isinstance(handle, Handle):
        return (<Handle>handle)._cancelled
    return handle._cancelled


cdef class LoopCore:
    """The first base of a loop; the next one is an ``asyncio.SelectorEventLoop``."""

    def __cinit__(self, *args, **kwargs):
        # Until asyncio's __init__ has run there is nothing to close.
        self._closed = True

    @property
    def _ready(self):
        return self.ready

    @_ready.setter
    def _ready(self, queue):
        self.ready = queue
        self.put = queue.append
        self.take = queue.popleft

    def get_debug(self):
        """Whether the loop is in debug mode."""
        return self._debug

    def is_closed(self):
        """Whether close() was called."""
        return self._closed

    def create_future(self):
        """An ``asyncio.Future`` of this loop."""
        return Future(loop=self)

    # ------------------------------------------------------------------ scheduling

    cdef Handle soon(self, object callback, object args, object context):
        cdef Handle handle = Handle.__new__(Handle)
        handle._loop = self
        handle._callback = callback
        handle._args = args
        handle._context = PyContext_CopyCurrent() if context is None else context
        self.put(handle)
        return handle

    def call_soon(self, callback, *args, context=None):
        """Calls ``callback(*args)`` in the next turn, in the order of the calls of this.

        ``context`` is the ``contextvars.Context`` to run it in, by default a copy of the
        present one. Returns a handle; RuntimeError when the loop is closed.
        """
        if self._debug:
            return super().call_soon(callback, *args, context=context)
        if self._closed:
            self._check_closed()
        return self.soon(callback, args, context)

    def _call_soon(self, callback, args, context):
        # call_soon_threadsafe() comes here: a deque takes from any thread.
        if self._debug:
            return super()._call_soon(callback, args, context)
        return self.soon(callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Calls ``callback(*args)`` when the loop's time() is ``when`` seconds.

        Otherwise as call_soon(). TypeError when ``when`` is None or no number.
        """
        if self._debug or when is None:
            return super().call_at(when, callback, *args, context=context)
        if self._closed:
            self._check_closed()
        cdef TimerHandle timer = TimerHandle.__new__(TimerHandle)
        timer._loop = self
        timer._callback = callback
        timer._args = args
        timer._context = PyContext_CopyCurrent() if context is None else context
        timer._when = when
        timer.key = when
        heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def call_later(self, delay, callback, *args, context=None):
        """Calls ``callback(*args)`` after ``delay`` seconds; otherwise as call_at()."""
        if self._debug or delay is None:
            return super().call_later(delay, callback, *args, context=context)
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def _add_callback(self, handle):
        if not is_cancelled(handle):
            self.put(handle)

    def _timer_handle_cancelled(self, handle):
        if handle._scheduled:
            self._timer_cancelled_count += 1

    # -------------------------------------------------------------------- one turn

    cdef bint restless(self):
        return self._stopping or len(self.ready) > 0

    cdef double next_timer(self):
        if not self._scheduled:
            return float("inf")
        first = self._scheduled[0]
        return (<TimerHandle>first).key if isinstance(first, TimerHandle) else first._when

    cdef int tidy(self) except -1:
        """Drops cancelled timers: those at the head, or all when they are many."""
        cdef Py_ssize_t count = len(self._scheduled)
        if count > MANY and self._timer_cancelled_count / <double>count > FRACTION:
            kept = []
            for handle in self._scheduled:
                if is_cancelled(handle):
                    handle._scheduled = False
                else:
                    kept.append(handle)
            heapify(kept)
            self._scheduled = kept
            self._timer_cancelled_count = 0
            return 0
        while self._scheduled and is_cancelled(self._scheduled[0]):
            self._timer_cancelled_count -= 1
            handle = heappop(self._scheduled)
            handle._scheduled = False
        return 0

    cdef object patience(self):
        """How long select() may sleep, in seconds; None for as long as it likes."""
        if self.restless():
            return 0
        if not self._scheduled:
            return None
        timeout = self._scheduled[0]._when - self.time()
        if timeout > LONGEST:
            return LONGEST
        return 0 if timeout < 0 else timeout

    cdef int ripen(self) except -1:
        """Puts the timers that are due into the ready queue."""
        end = self.time() + self._clock_resolution
        while self._scheduled:
            handle = self._scheduled[0]
            if handle._when >= end:
                break
            handle = heappop(self._scheduled)
            handle._scheduled = False
            self.put(handle)
        return 0

    cdef int run_ready(self) except -1:
        """Calls what is ready now; what these calls add waits for the next turn."""
        cdef Py_ssize_t left = len(self.ready)
        cdef object handle
        while left > 0:
            left -= 1
            handle = self.take()
            if type(handle) is Handle or type(handle) is TimerHandle:
                if not (<Handle>handle)._cancelled:
                    run(<Handle>handle)
            elif not handle._cancelled:
                handle._run()
        return 0

    def _process_events(self, event_list):
        for key, mask in event_list:
            fileobj = key.fileobj
            reader, writer = key.data
            if mask & READ and reader is not None:
                if is_cancelled(reader):
                    self._remove_reader(fileobj)
                else:
                    self.put(reader)
            if mask & WRITE and writer is not None:
                if is_cancelled(writer):
                    self._remove_writer(fileobj)
                else:
                    self.put(writer)

    def _run_once(self):
        if self._debug:
            return super()._run_once()
        if self._scheduled:
            self.tidy()
        self._process_events(self._selector.select(self.patience()))
        if self._scheduled:
            self.ripen()
        self.run_ready()
