# The declarations of the C core for multiprocessing's connections: mpframe.h,
# mpio.h and picklescan.h, and what those need that core.pxd does not have.

from libc.stdint cimport uint8_t, uint64_t

from fastnet._native.core cimport fn_stream, fn_wait, iovec


cdef extern from "fastnet/pid.h" nogil:
    int fn_pid() noexcept


cdef extern from "<unistd.h>" nogil:
    int fn_close "close"(int fd) noexcept


cdef extern from "fastnet/buf.h" nogil:
    cdef struct fn_buf:
        uint8_t *data
        size_t read
        size_t write

    void fn_buf_init(fn_buf *b, size_t cap) noexcept
    void fn_buf_fini(fn_buf *b) noexcept
    int fn_buf_append(fn_buf *b, const void *bytes, size_t n) noexcept
    int fn_buf_reserve(fn_buf *b, size_t more) noexcept
    uint8_t *fn_buf_tail(const fn_buf *b) noexcept
    void fn_buf_commit(fn_buf *b, size_t n) noexcept


cdef extern from "fastnet/pool.h" nogil:
    void fn_pool_advise(void *data, size_t size) noexcept


cdef extern from "fastnet/status.h" nogil:
    enum:
        FN_E_MP_SIZE
        FN_E_MP_LENGTH


cdef extern from "fastnet/mpframe.h" nogil:
    const uint64_t FN_MPFRAME_MAX

    enum:
        FN_MPFRAME_LONG

    cdef struct fn_mpframe:
        uint64_t max
        uint64_t length

    size_t fn_mpframe_encode(uint8_t *head, uint64_t length) noexcept


cdef extern from "fastnet/mpio.h" nogil:
    cdef struct fn_mp_out:
        uint64_t total
        uint64_t sent

    cdef struct fn_mp_in:
        bint complete
        fn_mpframe frame
        uint64_t got

    int fn_mp_out_init(fn_mp_out *out, const iovec *pieces, size_t count) noexcept
    int fn_mp_send(fn_stream *s, fn_mp_out *out, const fn_wait *wait) noexcept
    void fn_mp_in_init(fn_mp_in *inn, uint64_t max) noexcept
    int fn_mp_recv(fn_stream *s, fn_mp_in *inn, uint8_t *room, size_t size,
                   const fn_wait *wait) noexcept
    int fn_mp_recv_body(fn_stream *s, fn_mp_in *inn, uint8_t *at, uint64_t until,
                        const fn_wait *wait) noexcept
    bint fn_mp_at_unit(const fn_mp_in *inn) noexcept
    bint fn_mp_whole(const fn_mp_in *inn) noexcept
    int fn_mp_poll(fn_stream *s, const fn_wait *wait) noexcept


cdef extern from "fastnet/picklescan.h" nogil:
    enum:
        FN_PICKLE_LARGE

    cdef struct fn_picklescan_t "fn_picklescan":
        bint blind
        uint64_t skip
        size_t at
        size_t opcode
        uint64_t size
        bint writable

    void fn_picklescan_init(fn_picklescan_t *p, bint strict) noexcept
    int fn_picklescan(fn_picklescan_t *p, uint8_t *data, size_t n) noexcept
    size_t fn_picklescan_cut(fn_picklescan_t *p, uint8_t *data) noexcept
