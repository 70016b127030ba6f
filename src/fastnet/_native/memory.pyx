"""Recycled memory for received arrays (pool.h)."""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES, Py_buffer

from fastnet._native.core cimport (
    FN_NEVER,
    fn_now,
    fn_pool_give,
    fn_pool_new,
    fn_pool_release,
    fn_pool_stats,
    fn_pool_stats_t,
    fn_pool_take,
    fn_pool_trim,
    fn_time,
)


cdef class Pool:
    """A capped store of blocks that arrays have let go of.

    Parameters:
        cap: bytes of free memory kept at most.
        idle: seconds after which an unused block goes back to the system.
        huge_pages: whether blocks of 2 MiB and more ask for huge pages.
    """

    def __cinit__(self, size_t cap, double idle, bint huge_pages):
        cdef fn_time span = FN_NEVER if idle > 1e9 else <fn_time> (idle * 1e9)
        self.pool = fn_pool_new(cap, span, huge_pages)
        if self.pool is NULL:
            raise MemoryError

    def __dealloc__(self):
        fn_pool_release(self.pool)

    def trim(self):
        """Gives back the blocks that lay unused for long enough."""
        with nogil:
            fn_pool_trim(self.pool, fn_now())

    def stats(self):
        """free_bytes now, and how many blocks were reused and made fresh."""
        cdef fn_pool_stats_t s = fn_pool_stats(self.pool)
        return {"free_bytes": s.free_bytes, "reused": s.reused, "fresh": s.fresh}


@cython.freelist(64)
cdef class Block:
    """A block of a pool, 64-byte aligned, writable, of undefined content."""

    def __dealloc__(self):
        fn_pool_give(&self.block)

    def __getbuffer__(self, Py_buffer *view, int flags):
        view.obj = self
        view.buf = self.block.data
        view.len = self.block.size
        view.readonly = 0
        view.itemsize = 1
        view.ndim = 1
        view.format = NULL
        if flags & PyBUF_FORMAT:
            view.format = b"B"
        view.shape = self.shape if flags & PyBUF_ND else NULL
        view.strides = self.strides if (flags & PyBUF_STRIDES) == PyBUF_STRIDES else NULL
        view.suboffsets = NULL
        view.internal = NULL

    def __releasebuffer__(self, Py_buffer *view):
        pass

    def __len__(self):
        return self.block.size


cdef Block take(Pool pool, size_t size):
    cdef Block b = Block.__new__(Block)
    cdef int st
    with nogil:
        st = fn_pool_take(pool.pool, size, &b.block)
    if st < 0:
        raise MemoryError(f"no memory for an array of {size} bytes")
    b.shape[0] = size
    b.strides[0] = 1
    return b


def allocate(Pool pool not None, size_t size):
    """A block of `size` bytes."""
    return take(pool, size)
