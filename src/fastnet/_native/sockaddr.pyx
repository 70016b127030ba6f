"""Socket addresses in C and in Python, in the forms of the ``socket`` module."""

import os

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.unicode cimport PyUnicode_AsUTF8
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memset

from fastnet._native.core_reactor cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    INET6_ADDRSTRLEN,
    htonl,
    htons,
    inet_ntop,
    inet_pton,
    ntohl,
    ntohs,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    sockaddr_un,
    socklen_t,
)

cdef enum:
    UNIX_PATH = 108  # bytes of sun_path


cdef object to_python(const sockaddr *sa, socklen_t size):
    """A tuple, a path, the bytes of an abstract name; None for an address of no length."""
    cdef char text[INET6_ADDRSTRLEN]
    cdef const sockaddr_in *four = <const sockaddr_in *> sa
    cdef const sockaddr_in6 *six = <const sockaddr_in6 *> sa
    if size == 0:
        return None
    if sa.sa_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, INET6_ADDRSTRLEN)
        return text.decode("ascii"), ntohs(four.sin_port)
    if sa.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &six.sin6_addr, text, INET6_ADDRSTRLEN)
        return (text.decode("ascii"), ntohs(six.sin6_port), ntohl(six.sin6_flowinfo),
                six.sin6_scope_id)
    if sa.sa_family == AF_UNIX:
        return path_of(<const sockaddr_un *> sa, size)
    return sa.sa_family, PyBytes_FromStringAndSize(<const char *> sa + sizeof(short),
                                                   size - sizeof(short))


cdef object path_of(const sockaddr_un *un, socklen_t size):
    cdef Py_ssize_t n = <Py_ssize_t> size - (<const char *> un.sun_path - <const char *> un)
    if n <= 0:
        return ""
    path = PyBytes_FromStringAndSize(un.sun_path, min(n, UNIX_PATH))
    return path if path[0] == 0 else os.fsdecode(path.partition(b"\0")[0])


cdef bint from_python(object address, int family, sockaddr_storage *out,
                      socklen_t *size) except -1:
    """False for what only the socket module can resolve, or refuse."""
    memset(out, 0, sizeof(sockaddr_storage))
    if family == AF_UNIX:
        return from_path(address, <sockaddr_un *> out, size)
    if type(address) is not tuple or not 2 <= len(<tuple> address) <= 4:
        return False
    host, port = address[0], address[1]
    if type(host) is not str or type(port) is not int or not 0 <= port <= 65535:
        return False
    if family == AF_INET and len(<tuple> address) == 2:
        return from_four(host, port, <sockaddr_in *> out, size)
    if family == AF_INET6:
        return from_six(address, <sockaddr_in6 *> out, size)
    return False


cdef bint from_four(str host, int port, sockaddr_in *four, socklen_t *size) except -1:
    if not host.isascii() or "\0" in host:
        return False
    if inet_pton(AF_INET, PyUnicode_AsUTF8(host), &four.sin_addr) != 1:
        return False
    four.sin_family = AF_INET
    four.sin_port = htons(port)
    size[0] = sizeof(sockaddr_in)
    return True


cdef bint from_six(tuple address, sockaddr_in6 *six, socklen_t *size) except -1:
    cdef str host = address[0]
    if not host.isascii() or "\0" in host:
        return False
    if inet_pton(AF_INET6, PyUnicode_AsUTF8(host), &six.sin6_addr) != 1:
        return False
    for number in address[2:]:
        if type(number) is not int or not 0 <= number <= 0xffffffff:
            return False
    if len(address) > 2 and address[2] > 0xfffff:
        return False
    six.sin6_family = AF_INET6
    six.sin6_port = htons(<int> address[1])
    if len(address) > 2:
        six.sin6_flowinfo = htonl(<uint32_t> address[2])
    if len(address) > 3:
        six.sin6_scope_id = <uint32_t> address[3]
    size[0] = sizeof(sockaddr_in6)
    return True


cdef bint from_path(object address, sockaddr_un *un, socklen_t *size) except -1:
    cdef bytes path
    if type(address) is str:
        path = os.fsencode(address)
    elif type(address) is bytes:
        path = address
    else:
        return False
    # An abstract name may fill the field; a path must leave room for its end.
    if not path or len(path) > (UNIX_PATH if path[0] == 0 else UNIX_PATH - 1):
        return False
    un.sun_family = AF_UNIX
    memcpy(un.sun_path, <const char *> path, len(path))
    size[0] = (un.sun_path - <char *> un) + len(path) + (0 if path[0] == 0 else 1)
    return True


# ------------------------------------------------------------------------------ the book


cdef inline unsigned place_of_name(const void *data, socklen_t size) noexcept:
    """By port and the last eight bytes of the address, wherever they lie."""
    cdef uint32_t words[7]
    cdef uint64_t mixed
    memset(words, 0, sizeof(words))
    memcpy(words, data, size)
    mixed = (words[0] * <uint64_t> 0x9E3779B97F4A7C15) ^ (words[1] * <uint64_t> 0xC2B2AE3D27D4EB4F)
    mixed ^= (words[4] * <uint64_t> 0x165667B19E3779F9) ^ (words[5] * <uint64_t> 0x27D4EB2F165667C5)
    return (mixed >> 40) & (BOOK - 1)


cdef inline unsigned place_of_object(void *thing) noexcept:
    return ((<uintptr_t> thing) >> 4 ^ (<uintptr_t> thing) >> 11) & (BOOK - 1)


cdef class Book:
    """What was lately heard from and sent to."""

    def __dealloc__(self):
        cdef int i
        for i in range(BOOK):
            Py_XDECREF(self.heard[i].address)
            Py_XDECREF(self.known[i].address)

    cdef object find(self, const sockaddr *sa, socklen_t size):
        """The object for an address: the same one as long as it is remembered."""
        cdef entry *e
        if size == 0:
            return None
        if size > SHORT_NAME or (sa.sa_family != AF_INET and sa.sa_family != AF_INET6):
            return to_python(sa, size)
        e = &self.heard[place_of_name(sa, size)]
        if e.name.size == size and memcmp(e.name.data, sa, size) == 0:
            return <object> e.address
        address = to_python(sa, size)
        put(e, address, sa, size)
        self.keep(address, sa, size)
        return address

    cdef const short_name *look_up(self, object address) noexcept:
        """The address that an object stands for; NULL when it is not remembered."""
        cdef entry *e = &self.known[place_of_object(<void *> address)]
        return &e.name if e.address is <PyObject *> address else NULL

    cdef void keep(self, object address, const void *sa, socklen_t size) noexcept:
        """Remembers an object that cannot change: a tuple of an internet address."""
        if size <= SHORT_NAME and type(address) is tuple:
            put(&self.known[place_of_object(<void *> address)], address, sa, size)


cdef void put(entry *e, object address, const void *sa, socklen_t size) noexcept:
    cdef PyObject *before = e.address
    Py_INCREF(address)
    e.address = <PyObject *> address
    e.name.size = size
    memcpy(e.name.data, sa, size)
    Py_XDECREF(before)
