"""Iterating over the arrays of a link."""

from cpython.pythread cimport PyThread_get_thread_ident

from fastnet import errors

from fastnet._native.arrayhead cimport Head
from fastnet._native.arraymsg cimport ArrayLink
from fastnet._native.wait cimport Patience


cdef class Arrays:
    """Iterates over a link's arrays until the peer closes.

    make(head, array) gives what is yielded, None the array itself; a peer that
    breaks the protocol is reported to on_error(exception) before it is raised.
    """

    cdef ArrayLink link
    cdef object timeout
    cdef object make
    cdef object on_error
    cdef unsigned long thread  # where it iterates, or 0

    def __init__(self, ArrayLink link not None, timeout, make, on_error):
        self.link = link
        self.timeout = timeout
        self.make = make
        self.on_error = on_error

    def __iter__(self):
        return self

    def __dealloc__(self):
        if self.link is not None:
            self.finish()

    cdef void finish(self) noexcept:
        """It reads no more, and is not to be waited for."""
        if self.thread and self.link.reader == self.thread:
            self.link.reader = 0
        self.thread = 0

    cdef object receive(self):
        cdef Patience patience
        cdef Head head
        patience.ready = False
        self.link.begin_receive()
        try:
            head = self.link.wait_head(self.timeout, &patience)
            array = self.link.new_array(head, self.timeout, &patience)
        finally:
            self.link.end_receive()
        return array if self.make is None else self.make(head, array)

    def __next__(self):
        if self.link.pending is None and self.link.link.peer_closed:
            self.finish()
            raise StopIteration
        self.thread = <unsigned long> PyThread_get_thread_ident()
        self.link.reader = self.thread
        try:
            return self.receive()
        except (errors.ProtocolError, errors.AuthenticationError) as error:
            self.finish()
            self.on_error(error)
            raise
        except EOFError as error:
            self.finish()
            if isinstance(error, errors.Error):
                raise
            raise StopIteration from None
