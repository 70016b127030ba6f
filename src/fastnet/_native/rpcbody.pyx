"""The bodies of calls and answers: memory that is sent from, and received into (body.h)."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from fastnet._native.core cimport (
    fn_body_init,
    fn_walk,
    fn_walk_fini,
    fn_walk_init_flat,
)
from fastnet._native.core_rpc cimport FN1_SEGMENTS_MAX
from fastnet._native.memory cimport Block, Pool, take
from fastnet._native.pin cimport Pin, pin
from fastnet._native.status cimport check


cdef class Outgoing:
    """A message that is too large to be copied."""

    def __cinit__(self):
        self.walks = NULL
        self.sizes = NULL

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            fn_walk_fini(&self.walks[i])
        free(self.walks)
        free(self.sizes)

    cdef int gather(self, list segments) except -1:
        """Pins what is sent: (object with a buffer, whether in F order) of each segment."""
        cdef Py_ssize_t n = len(segments)
        cdef Pin p
        if n > FN1_SEGMENTS_MAX:
            raise ValueError(f"{n} arrays in one message; at most {FN1_SEGMENTS_MAX}")
        self.pins = []
        self.walks = <fn_walk *> calloc(n, sizeof(fn_walk))
        self.sizes = <uint64_t *> calloc(n, sizeof(uint64_t))
        if self.walks is NULL or self.sizes is NULL:
            raise MemoryError
        for obj, fortran in segments:
            p = pin(obj, False)
            p.walk(&self.walks[self.count], fortran)
            self.sizes[self.count] = self.walks[self.count].total
            self.pins.append(p)
            self.count += 1
        check(fn_body_init(&self.body, self.walks, n))
        return 0


cdef class Incoming:
    """A message whose body has still to come."""

    def __cinit__(self):
        self.walks = NULL

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.walks is not NULL:
            for i in range(len(self.sizes)):
                fn_walk_fini(&self.walks[i])
            free(self.walks)

    cdef int place(self, Pool pool) except -1:
        """Memory for each segment."""
        cdef Py_ssize_t i, n = len(self.sizes)
        cdef Block block
        self.walks = <fn_walk *> calloc(n, sizeof(fn_walk))
        if self.walks is NULL:
            raise MemoryError
        self.blocks = []
        for i in range(n):
            block = take(pool, self.sizes[i])
            self.blocks.append(block)
            fn_walk_init_flat(&self.walks[i], block.block.data, block.block.size)
        check(fn_body_init(&self.body, self.walks, n))
        return 0
