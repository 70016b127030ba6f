from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Reactor, Target


cdef class Watch(Target):
    # A descriptor of somebody else's, as selectors know it.
    cdef object key


cdef class Selector(Reactor):
    cdef dict __dict__    # a test may put another select() in front
    cdef dict watches     # by descriptor
    cdef list found       # (key, mask), what select() returns
    cdef object map
    cdef LoopCore loop    # for whose sake select() goes on instead of returning

    cdef Watch watch_of(self, object fileobj)
    cdef Py_ssize_t count(self)
    cdef list look(self)
    cdef size_t split(self) except? 0
    cdef list take_found(self)
    cdef bint finished(self, double timer) except -1
