"""A list of handlers that anybody may change at any time, and what each of them wants.

Every turn the list's items are compared with those of the turn before, as
one block of memory.  Where they differ, the common beginning and the common
end are put aside: what is left is one entry for one that came or went, so
that a server with a thousand connections pays nothing for its thousand.
"""

from cpython.list cimport PyList_CheckExact, PyList_GET_SIZE
from libc.limits cimport INT_MAX
from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memmove, memset

from fastnet._native.core_reactor cimport FN_POLL_IN, FN_POLL_OUT
from fastnet._native.pollset cimport PollSet

cdef extern from "Python.h":
    ctypedef struct PyListObject:
        PyObject **ob_item


cdef void *grown(void *old, size_t count, size_t size) except NULL:
    cdef void *new = realloc(old, count * size)
    if new == NULL:
        raise MemoryError
    return new


cdef class Roster:
    """Handlers by slot; a slot keeps its handler alive and its number until it is dropped.

    handlers: a list, which is read in place; or any other iterable.  poller and spin: as
    pollset.PollSet has them.
    """

    def __cinit__(self, *args, **kwargs):
        self.held, self.index, self.spare = [], {}, []

    def __init__(self, handlers, poller, spin):
        if self.polls is not None:
            raise RuntimeError("__init__ called twice")
        self.polls = PollSet(poller, spin)
        self.handlers = handlers

    def __dealloc__(self):
        free(self.slots)
        free(self.first)
        free(self.queue)
        free(self.order)
        free(self.seen)
        free(self.gone)

    cdef object handler(self, int i):
        return <object> PyList_GET_ITEM(self.held, i)

    def changed(self, handler):
        """Has a handler asked before the next wait; nothing for one that is not known."""
        i = self.index.get(id(handler))
        if i is not None:
            self.enqueue(i)

    # Brings the slots up to the list; whether there was anything to do.
    cdef bint sync(self) except -1:
        cdef list items
        cdef Py_ssize_t n
        if PyList_CheckExact(self.handlers):
            items = <list> self.handlers
        else:
            items = list(self.handlers)
        n = PyList_GET_SIZE(items)
        if n == self.count and (n == 0 or memcmp((<PyListObject *> items).ob_item, self.seen,
                                                 n * sizeof(PyObject *)) == 0):
            return False
        self.differ(items)
        return True

    # Nobody's code runs in here until the books are right again: `dead` goes last.
    cdef int differ(self, list items) except -1:
        cdef list dead = []  # before the pointers: making a list may collect garbage
        cdef PyObject **item = (<PyListObject *> items).ob_item
        cdef int n = <int> PyList_GET_SIZE(items), old = self.count
        cdef int least = n if n < old else old
        cdef int head = 0, tail = 0, i, j, went
        self.make_room(n)
        while head < least and self.seen[head] == item[head]:
            head += 1
        while tail < least - head and self.seen[old - 1 - tail] == item[n - 1 - tail]:
            tail += 1
        went = old - tail - head
        for j in range(went):
            self.gone[j] = self.order[head + j]
            self.slots[self.gone[j]].times -= 1
        if tail:
            memmove(&self.order[n - tail], &self.order[old - tail], tail * sizeof(int32_t))
            memmove(&self.seen[n - tail], &self.seen[old - tail], tail * sizeof(PyObject *))
        self.count = n
        for j in range(head, n - tail):
            self.order[j] = self.place(item[j])
            self.seen[j] = item[j]
        for j in range(n - 1, -1, -1):
            self.slots[self.order[j]].pos = j
        for j in range(went):
            i = self.gone[j]
            if self.slots[i].times == 0 and self.held[i] is not None:
                self.unlink(i)
                del self.index[<size_t> PyList_GET_ITEM(self.held, i)]
                dead.append(self.held[i])
                self.held[i] = None
                self.spare.append(i)
        return 0

    cdef int make_room(self, int count) except -1:
        cdef int room = self.list_room
        if count <= room:
            return 0
        room = count + count // 2 + 16
        self.order = <int32_t *> grown(self.order, room, sizeof(int32_t))
        self.gone = <int32_t *> grown(self.gone, room, sizeof(int32_t))
        self.seen = <PyObject **> grown(self.seen, room, sizeof(PyObject *))
        self.list_room = room
        return 0

    cdef int place(self, PyObject *item) except -1:
        found = self.index.get(<size_t> item)
        cdef int i = self.fresh(item) if found is None else found
        self.slots[i].times += 1
        return i

    cdef int fresh(self, PyObject *item) except -1:
        cdef int i
        if self.spare:
            i = self.spare.pop()
            self.held[i] = <object> item
        else:
            i = <int> PyList_GET_SIZE(self.held)
            if i == self.slot_room:
                self.grow(2 * i + 16)
            self.held.append(<object> item)
            memset(&self.slots[i], 0, sizeof(Slot))
        # A used slot may still be in the queue or watched closely: then its new owner is.
        self.slots[i].mask = self.slots[i].times = 0
        self.slots[i].asked = 0
        self.slots[i].fd = self.slots[i].next = -1
        self.index[<size_t> item] = i
        self.enqueue(i)
        return i

    cdef int grow(self, int room) except -1:
        self.slots = <Slot *> grown(self.slots, room, sizeof(Slot))
        self.queue = <int32_t *> grown(self.queue, 2 * room, sizeof(int32_t))
        self.slot_room = room
        return 0

    # Whether a handler is in the list now, which its own or others' calls may have changed.
    cdef bint listed(self, int i) except -1:
        cdef PyObject *wanted = <PyObject *> PyList_GET_ITEM(self.held, i)
        cdef PyObject **item
        cdef Py_ssize_t n, j = self.slots[i].pos
        if not PyList_CheckExact(self.handlers):
            for one in list(self.handlers):
                if <PyObject *> one == wanted:
                    return True
            return False
        n = PyList_GET_SIZE(<list> self.handlers)
        item = (<PyListObject *> self.handlers).ob_item
        if j < n and item[j] == wanted:
            return True
        for j in range(n):
            if item[j] == wanted:
                return True
        return False

    # ----------------------------------------------------------- who is to be asked

    # Each slot is queued at most once, and once more while the queue is being worked off.
    cdef int enqueue(self, int i) noexcept:
        if not self.slots[i].queued:
            self.slots[i].queued = True
            self.queue[self.queued] = i
            self.queued += 1
        return 0

    # Those that are queued while this goes on wait for the next turn.
    cdef int ask_queued(self) except -1:
        cdef int k = 0, i, n = self.queued
        try:
            while k < n:
                i = self.queue[k]
                k += 1
                self.slots[i].queued = False
                if self.slots[i].times:
                    self.ask(i, False)
        finally:
            self.queued -= k
            if self.queued:
                memmove(self.queue, &self.queue[k], self.queued * sizeof(int32_t))
        return 0

    # ---------------------------------------------------------- what they want

    # `verify`: it may have closed its descriptor and have another of the same number.
    cdef int ask(self, int i, bint verify) except -1:
        cdef uint32_t mask = 0
        cdef int fd = -1
        handler = self.handler(i)
        self.slots[i].asked = self.turn_no
        self.asks += 1
        if handler.wants_to_receive():
            mask |= FN_POLL_IN
        if handler.wants_to_send():
            mask |= FN_POLL_OUT
        if mask:
            fd = self.number_of(i, handler)
            if fd < 0:
                mask = 0
        if fd == self.slots[i].fd and mask == self.slots[i].mask and not verify:
            return 0
        return self.watch(i, fd, mask, verify)

    cdef int number_of(self, int i, handler) except? -1:
        number = handler.fileno()
        if not isinstance(number, int):
            raise TypeError(f"fileno() of {handler!r} is not an integer: {number!r}")
        if 0 <= number < INT_MAX:
            return number
        if not self.listed(i):
            return -1  # it went while it was being asked
        raise ValueError(f"{handler!r} is closed but still in the list: fileno() is {number}")

    cdef int watch(self, int i, int fd, uint32_t mask, bint verify) except -1:
        cdef Slot *s = &self.slots[i]
        if s.fd != fd:
            self.unlink(i)
        s.mask = mask
        if fd < 0:
            return 0
        if s.fd != fd:
            self.make_first(fd)
            s.fd, s.next = fd, self.first[fd]
            self.first[fd] = i
        try:
            self.polls.want(fd, self.wanted(fd), verify)
        except BaseException as error:
            self.unlink(i)
            error.add_note(f"descriptor {fd} of {self.handler(i)!r}")
            raise
        return 0

    # What all the handlers of one descriptor want together.
    cdef uint32_t wanted(self, int fd) noexcept:
        cdef uint32_t mask = 0
        cdef int i = self.first[fd]
        while i >= 0:
            mask |= self.slots[i].mask
            i = self.slots[i].next
        return mask

    cdef int unlink(self, int i) noexcept:
        cdef int fd = self.slots[i].fd
        cdef int32_t *link
        if fd < 0:
            return 0
        link = &self.first[fd]
        while link[0] != i:
            link = &self.slots[link[0]].next
        link[0] = self.slots[i].next
        self.slots[i].fd = self.slots[i].next = -1
        self.slots[i].mask = 0
        # What is refused here, of another handler with this number, is heard of at the sweep.
        self.polls.register(fd, self.wanted(fd), False)
        return 0

    cdef int make_first(self, int fd) except -1:
        cdef int room, k
        if fd < self.first_room:
            return 0
        room = 2 * fd + 64
        self.first = <int32_t *> grown(self.first, room, sizeof(int32_t))
        for k in range(self.first_room, room):
            self.first[k] = -1
        self.first_room = room
        return 0
