from cpython.ref cimport PyObject

from fastnet._native.core_reactor cimport sockaddr, sockaddr_storage, socklen_t

cdef enum:
    SHORT_NAME = 28  # bytes of a sockaddr_in6
    BOOK = 128       # addresses that a book remembers; a power of two


# An address of the two internet families, as the system gives it.
cdef struct short_name:
    socklen_t size  # 0 for none
    unsigned char data[SHORT_NAME]


cdef object to_python(const sockaddr *sa, socklen_t size)
cdef bint from_python(object address, int family, sockaddr_storage *out,
                      socklen_t *size) except -1


cdef struct entry:
    short_name name
    PyObject *address  # owned


cdef class Book:
    # The addresses lately heard from and sent to, with the objects that name
    # them: who answers with the object that it was given has nothing parsed.
    cdef entry heard[BOOK]  # by address
    cdef entry known[BOOK]  # by object

    cdef object find(self, const sockaddr *sa, socklen_t size)
    cdef const short_name *look_up(self, object address) noexcept
    cdef void keep(self, object address, const void *sa, socklen_t size) noexcept
