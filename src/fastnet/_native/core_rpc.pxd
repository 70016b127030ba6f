# Every declaration of the core's calls that Cython uses, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastnet._native.core cimport (
    fn1_envelope,
    fn1_head,
    fn1_limits,
    fn1_role,
    fn1_view,
    fn_body,
    fn_time,
    iovec,
)
from fastnet._native.core_reactor cimport fn_reactor


cdef extern from "fastnet/fn1.h" nogil:
    enum:
        FN1_KIND_RPC
        FN1_SEGMENTS_MAX

    uint64_t fn1_envelope_segment(const fn1_envelope *e, size_t i) noexcept


cdef extern from "fastnet/fn1.h" nogil:
    cdef struct fn1_head_at "fn1_head":
        uint64_t offset


cdef extern from "fastnet/fn1_rx.h" nogil:
    cdef struct mux_rx "fn1_rx":
        fn1_envelope envelope
        fn1_head_at head
        uint32_t error_code
        fn1_view error_text


cdef extern from "fastnet/mux.h" nogil:
    enum:
        FN_MUX_STREAMS
        FN_MUX_MESSAGE
        FN_MUX_OPEN
        FN_MUX_BODY
        FN_MUX_GONE

    cdef struct fn_mux_options:
        fn1_role role
        fn1_limits limits
        uint32_t fragment
        uint64_t window
        size_t ahead_max
        size_t stage_max
        size_t waiting_max
        const char *application
        bint keyed
        fn1_view key
        fn1_view key_id
        fn1_view suites

    cdef struct mux_session "fn1_session":
        bint keyed
        int suite
        uint32_t refusal
        uint8_t *key_id
        size_t key_id_len

    # The counters are atomic: read them, never assign.
    cdef struct fn_mux:
        mux_rx rx
        mux_session session
        uint32_t at
        void *token
        bint peer_known
        bint peer_closed
        bint closed
        int failed
        uint64_t messages_in
        uint64_t messages_out
        uint64_t bytes_in
        uint64_t bytes_out

    int fn_mux_init(fn_mux *m, const fn_mux_options *options) noexcept
    void fn_mux_fini(fn_mux *m) noexcept
    int fn_mux_check_owner(const fn_mux *m) noexcept
    int fn_mux_next(fn_mux *m) noexcept
    int fn_mux_key(fn_mux *m, fn1_view key) noexcept
    int fn_mux_want(fn_mux *m, iovec *iov, int max) noexcept
    void fn_mux_got(fn_mux *m, size_t n) noexcept
    int fn_mux_place(fn_mux *m, uint32_t at, fn_body *body, void *token) noexcept
    int fn_mux_refuse(fn_mux *m, uint32_t at) noexcept
    bint fn_mux_at_boundary(const fn_mux *m) noexcept


cdef extern from "fastnet/muxout.h" nogil:
    enum:
        FN_MUX_SMALL

    cdef struct fn_mux_out:
        fn_mux_out *next
        uint16_t kind
        uint16_t segments
        const uint64_t *sizes
        fn1_view meta
        fn_body *body
        int result
        void *token

    int fn_mux_message(fn_mux *m, uint16_t kind, const fn1_view *meta, size_t meta_parts,
                       const uint64_t *sizes, uint16_t segments, fn_body *body) noexcept
    int fn_mux_send(fn_mux *m, fn_mux_out *out) noexcept
    void fn_mux_cancel(fn_mux *m, fn_mux_out *out) noexcept
    fn_mux_out *fn_mux_take_spent(fn_mux *m) noexcept
    int fn_mux_ping(fn_mux *m, uint64_t token) noexcept
    int fn_mux_close(fn_mux *m) noexcept
    int fn_mux_error(fn_mux *m, uint32_t code, const char *text) noexcept
    void fn_mux_fail(fn_mux *m, int result) noexcept
    bint fn_mux_pending(fn_mux *m) noexcept
    size_t fn_mux_backlog(fn_mux *m) noexcept
    void fn_mux_lock(fn_mux *m) noexcept
    void fn_mux_unlock(fn_mux *m) noexcept
    int fn_mux_out_pieces "fn_mux_out"(fn_mux *m, iovec *iov, int max) noexcept
    void fn_mux_sent(fn_mux *m, size_t n) noexcept


cdef extern from "fastnet/muxio.h" nogil:
    int fn_mux_read(fn_mux *m, int fd, size_t budget) noexcept
    int fn_mux_write(fn_mux *m, int fd, size_t budget) noexcept

    cdef struct fn_mux_wait:
        fn_time deadline
        fn_time check_at
        fn_time spin
        unsigned spin_skip
        unsigned spin_wait
        int wake_fd

    int fn_mux_await(fn_mux *m, int fd, fn_mux_wait *w) noexcept


cdef extern from "fastnet/muxturn.h" nogil:
    cdef struct fn_mux_node:
        fn_mux *mux
        uint64_t id
        int fd
        int status
        bint external
        bint queued
        bint stuck

    cdef struct fn_mux_queue:
        fn_mux_node *first

    void fn_mux_queue_add(fn_mux_queue *q, fn_mux_node *n) noexcept
    void fn_mux_queue_remove(fn_mux_queue *q, fn_mux_node *n) noexcept
    int fn_mux_turn(fn_reactor *r, fn_mux_queue *q, fn_time timeout) noexcept


cdef extern from "fastnet/rpchead.h" nogil:
    enum:
        FN_RPC_HEAD
        FN_RPC_CALL
        FN_RPC_NOTIFY
        FN_RPC_CANCEL
        FN_RPC_MORE
        FN_RPC_RESULT
        FN_RPC_ERROR
        FN_RPC_ITEM
        FN_RPC_END
        FN_RPC_OUTSIDE
        FN_RPC_KWARGS

    cdef struct fn_rpc_head:
        uint8_t kind
        uint8_t codec
        uint16_t flags
        uint32_t call
        uint32_t value
        fn1_view name
        fn1_view payload

    void fn_rpc_encode(uint8_t *out, const fn_rpc_head *h) noexcept
    int fn_rpc_decode(const uint8_t *data, size_t len, fn_rpc_head *h) noexcept


cdef extern from "fastnet/lead.h" nogil:
    # `at` is atomic: read it, never assign.
    cdef struct fn_lead:
        uint32_t at

    int fn_lead_init(fn_lead *lead) noexcept
    void fn_lead_fini(fn_lead *lead) noexcept
    void fn_lead_begin(fn_lead *lead) noexcept
    void fn_lead_end(fn_lead *lead) noexcept
    uint32_t fn_lead_watch(fn_lead *lead) noexcept
    void fn_lead_call(fn_lead *lead) noexcept
    void fn_lead_finish(fn_lead *lead) noexcept
    unsigned fn_lead_waiting(fn_lead *lead) noexcept


cdef extern from "fastnet/tend.h" nogil:
    # Set and read through the functions that C11 has for its atomics.
    cdef struct fn_tend:
        bint driven
        unsigned open
        unsigned turns

    int fn_tend_init(fn_tend *t) noexcept
    void fn_tend_fini(fn_tend *t) noexcept
    void fn_tend_notice(fn_tend *t) noexcept
    int fn_tend_wait(fn_tend *t, fn_mux *m, int fd) noexcept
    void fn_tend_end(fn_tend *t) noexcept
