"""The reactor as what an asyncio selector loop waits with (``selectors``, ``select()``).

Foreign descriptors are returned as the standard library's selectors return them. The events of
our own transports never get that far: they are dispatched inside ``select()``, which goes on
waiting for as long as nobody else needs the loop.
"""

import collections.abc
import selectors
from abc import ABCMeta

from fastnet._native.core cimport FN_NEVER, fn_after, fn_now, fn_time
from fastnet._native.core_reactor cimport (
    FN_EVENT_READY,
    fn_event,
    fn_node,
    fn_reactor_leave,
    fn_reactor_remove,
    fn_slab_find,
    fn_watch_add,
    fn_watch_set,
)
from fastnet._native.status cimport check

cdef object SelectorKey = selectors.SelectorKey
cdef int BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


cdef class Watch(Target):
    """A watched descriptor, for a selector."""

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        # The masks of poller.h are those of selectors.
        cdef int mask = e.status & <int> self.key.events
        if mask:
            (<Selector> self.reactor).found.append((self.key, mask))
        return 0

    cdef void orphan(self) noexcept:
        fn_reactor_remove(self.reactor.r, self.node, True)


class KeyMap(collections.abc.Mapping):
    """What get_map() returns: file objects and descriptors to their keys, as it is now."""

    __slots__ = ("_selector",)

    def __init__(self, selector):
        self._selector = selector

    def __len__(self):
        return (<Selector> self._selector).count()

    def __getitem__(self, fileobj):
        return self._selector.get_key(fileobj)

    def get(self, fileobj, default=None):
        """The key, or the default."""
        watch = (<Selector> self._selector).watch_of(fileobj)
        return default if watch is None else (<Watch> watch).key

    def __iter__(self):
        return iter(list((<Selector> self._selector).watches))


cdef int descriptor(object fileobj) except -1:
    """As selectors do it: ValueError for what is none."""
    if isinstance(fileobj, int):
        fd = fileobj
    else:
        try:
            fd = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd


cdef int checked(object events) except -1:
    if not events or events & ~BOTH:
        raise ValueError(f"Invalid events: {events!r}")
    return events


cdef class Selector(Reactor):
    """A ``selectors.BaseSelector`` whose connections are served on the way.

    Parameters as for Reactor.
    """

    def __cinit__(self, *args, **kwargs):
        self.watches = {}
        self.found = []

    def attach_loop(self, LoopCore loop):
        """From now on select() serves this loop, and returns only where that is needed."""
        self.loop = self.watched = loop

    # ----------------------------------------------------------------- registration

    cdef Watch watch_of(self, object fileobj):
        """The watch of a file object, even of one that was closed meanwhile; or None."""
        cdef Watch watch
        try:
            return self.watches.get(descriptor(fileobj))
        except ValueError:
            for watch in self.watches.values():
                if watch.key.fileobj is fileobj:
                    return watch
            raise

    cdef Py_ssize_t count(self):
        return len(self.watches)

    def register(self, fileobj, events, data=None):
        """Watches a file object for EVENT_READ and EVENT_WRITE; returns its SelectorKey.

        Raises ValueError, KeyError when it is watched already, or OSError.
        """
        cdef int st = 0
        cdef int mask = checked(events)
        cdef int fd = descriptor(fileobj)
        cdef Watch watch = Watch.__new__(Watch)
        cdef fn_node *n
        watch.key = SelectorKey(fileobj, fd, events, data)
        if fd in self.watches:
            raise KeyError(f"{fileobj!r} (FD {fd}) is already registered")
        self.enter_if_needed()
        n = fn_watch_add(self.r, fd, mask, NULL, &st)
        check(st)
        self.attach(watch, n)
        self.watches[fd] = watch
        return watch.key

    def unregister(self, fileobj):
        """Watches it no longer; returns its key.  KeyError when it was not watched."""
        cdef Watch watch = self.watch_of(fileobj)
        if watch is None:
            raise KeyError(f"{fileobj!r} is not registered")
        self.permit()
        fn_reactor_remove(self.r, watch.node, True)
        self.detach(watch)
        del self.watches[watch.key.fd]
        return watch.key

    def modify(self, fileobj, events, data=None):
        """Changes what is watched for, and the data; returns the new key."""
        cdef int mask = checked(events)
        cdef Watch watch = self.watch_of(fileobj)
        cdef int st
        if watch is None:
            raise KeyError(f"{fileobj!r} is not registered")
        self.permit()
        st = fn_watch_set(self.r, watch.node, mask)
        if st < 0:
            self.unregister(fileobj)
            check(st)
        watch.key = watch.key._replace(events=events, data=data)
        return watch.key

    def get_key(self, fileobj):
        """The SelectorKey of a file object; KeyError when it is not watched."""
        cdef Watch watch = None
        if self.r is NULL:
            raise RuntimeError("Selector is closed")
        watch = self.watch_of(fileobj)
        if watch is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return watch.key

    def get_map(self):
        """A mapping of file objects to keys; None when closed."""
        if self.r is NULL:
            return None
        if self.map is None:
            self.map = KeyMap(self)
        return self.map

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        """As Reactor.close()."""
        Reactor.close(self)
        self.watches = {}
        self.found = []
        self.map = None
        self.loop = self.watched = None

    # ---------------------------------------------------------------------- waiting

    def select(self, timeout=None):
        """Serves our transports and returns (key, events) of the foreign descriptors.

        Waits for at most `timeout` seconds, for ever when it is None; returns as soon as a
        foreign descriptor, a callback or a timer of the loop needs attention.
        """
        cdef fn_time until = FN_NEVER
        cdef fn_time left = FN_NEVER
        cdef double timer = 0
        cdef double seconds
        if self.loop is not None and self.loop.restless():
            return self.look()
        if timeout is not None:
            seconds = timeout
            left = 0 if seconds <= 0 else -1
            until = 0 if seconds <= 0 else fn_after(seconds)
        self.enter()
        try:
            if self.loop is not None:
                timer = self.loop.next_timer()
            while True:
                if until != FN_NEVER and left:
                    left = until - fn_now()
                    if left < 0:
                        left = 0
                if self.turn(left):
                    self.dispatch()
                if left == 0 or self.finished(timer):
                    return self.take_found()
        finally:
            fn_reactor_leave(self.r)

    cdef list look(self):
        """Callbacks wait already: they come first, and then what this look has found."""
        self.enter()
        try:
            if self.turn(0):
                if self.split():
                    self.loop.soon(self._dispatch_later, (), None)
                else:
                    self.dispatch()  # nothing is left
        finally:
            fn_reactor_leave(self.r)
        return self.take_found()

    cdef size_t split(self) except? 0:
        """Takes out the events of watches; the number of the others."""
        cdef size_t i
        cdef size_t others = 0
        cdef fn_event *e
        cdef fn_node *n
        for i in range(self.r.event_head, self.r.event_count):
            e = &self.r.events[i]
            if e.kind != FN_EVENT_READY:
                others += 1
                continue
            n = fn_slab_find(&self.r.slab, e.id)
            e.id = 0  # of nobody
            if n is not NULL:
                (<Target> n.user).on_event(n, e)
        return others

    def _dispatch_later(self):
        if self.r is NULL:
            return
        self.enter()
        try:
            self.dispatch()
        finally:
            fn_reactor_leave(self.r)

    cdef list take_found(self):
        cdef list found = self.found
        self.found = []
        return found

    cdef bint finished(self, double timer) except -1:
        """Whether somebody else needs the loop: a timer changed, a callback waits."""
        return (self.loop is None or len(self.found) > 0 or self.loop.restless()
                or self.loop.next_timer() != timer)


ABCMeta.register(selectors.BaseSelector, Selector)  # whose own register() is another thing
