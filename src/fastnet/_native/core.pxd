# Every declaration of the C core that Cython uses, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "<sys/uio.h>" nogil:
    cdef struct iovec:
        void *iov_base
        size_t iov_len


cdef extern from "fastnet/status.h" nogil:
    enum fn_class:
        FN_CLASS_OK
        FN_CLASS_SYSTEM
        FN_CLASS_FLOW
        FN_CLASS_LIMIT
        FN_CLASS_PROTOCOL
        FN_CLASS_USAGE
        FN_CLASS_AUTH

    enum:
        FN_OK
        FN_E_MORE
        FN_E_EOF
        FN_E_TIMEOUT
        FN_E_CHECK
        FN_E_STALL
        FN_E_BUF_CAP
        FN_E_FN1_MESSAGE
        FN_E_FN1_ENVELOPE
        FN_E_POISONED
        FN_E_FORKED
        FN_E_CLOSED
        FN_E_ARGUMENT
        FN_E_FN1_EARLY
        FN_E_FN1_REFUSED

    fn_class fn_status_class(long long status) noexcept
    const char *fn_status_text(long long status) noexcept


cdef extern from "fastnet/clock.h" nogil:
    ctypedef int64_t fn_time
    const fn_time FN_NEVER
    const fn_time FN_MS
    fn_time fn_now() noexcept
    fn_time fn_after(double seconds) noexcept
    fn_time fn_earlier(fn_time a, fn_time b) noexcept


cdef extern from "fastnet/walk.h" nogil:
    enum:
        FN_MAXDIM

    cdef struct fn_walk:
        uint64_t total
        uint64_t passed

    int fn_walk_init(fn_walk *w, void *base, size_t itemsize, int ndim, const Py_ssize_t *shape,
                     const Py_ssize_t *strides, bint fortran) noexcept
    void fn_walk_init_flat(fn_walk *w, void *base, size_t nbytes) noexcept
    void fn_walk_fini(fn_walk *w) noexcept
    uint64_t fn_walk_left(const fn_walk *w) noexcept
    int fn_walk_out(fn_walk *w, iovec *iov, int max, size_t limit) noexcept
    int fn_walk_in(fn_walk *w, iovec *iov, int max, size_t limit) noexcept
    void fn_walk_sent(fn_walk *w, size_t n) noexcept
    void fn_walk_settle(fn_walk *w) noexcept
    void fn_walk_received(fn_walk *w, size_t n) noexcept


cdef extern from "fastnet/body.h" nogil:
    cdef struct fn_body:
        uint64_t left

    int fn_body_init(fn_body *b, fn_walk *walks, size_t n) noexcept


cdef extern from "fastnet/sock.h" nogil:
    enum:
        FN_CC_NAME

    int64_t fn_sock_rtt(int fd) noexcept
    int fn_sock_unconfirmed(int fd) noexcept


cdef extern from "fastnet/tune.h" nogil:
    enum:
        FN_REFUSED_CONGESTION
        FN_REFUSED_SEND_BUFFER
        FN_REFUSED_RECEIVE_BUFFER
        FN_REFUSED_NODELAY

    cdef struct fn_tuning:
        char *congestion
        int send_buffer
        int receive_buffer
        bint nodelay

    cdef struct fn_tuned:
        char *congestion_default
        char *congestion
        bint is_tcp
        bint nodelay
        int send_buffer
        int receive_buffer
        unsigned refused

    void fn_tune_apply(int fd, const fn_tuning *t, fn_tuned *now) noexcept
    void fn_tune_congestion(int fd, const char *wanted, fn_tuned *now) noexcept
    fn_time fn_tune_spin() noexcept


cdef extern from "fastnet/stream.h" nogil:
    enum:
        FN_IOV

    cdef struct fn_wait:
        fn_time deadline
        fn_time check_at
        fn_time stall
        int wake_fd

    cdef struct fn_stream:
        int fd
        size_t chunk
        fn_time spin
        fn_time send_waits
        fn_time receive_waits
        uint64_t bytes_out
        uint64_t bytes_in

    void fn_stream_init(fn_stream *s, int fd) noexcept
    fn_wait fn_wait_forever() noexcept
    int fn_wait_over(const fn_wait *wait) noexcept
    int fn_stream_send_all(fn_stream *s, fn_walk *w, const fn_wait *wait) noexcept
    int fn_stream_recv_exact(fn_stream *s, fn_walk *w, const fn_wait *wait) noexcept


cdef extern from "fastnet/pool.h" nogil:
    cdef struct fn_pool:
        pass

    cdef struct fn_block:
        void *data
        size_t size
        size_t capacity
        fn_pool *pool

    cdef struct fn_pool_stats_t "fn_pool_stats":
        uint64_t free_bytes
        uint64_t reused
        uint64_t fresh

    fn_pool *fn_pool_new(size_t cap, fn_time idle, bint huge_pages) noexcept
    void fn_pool_release(fn_pool *pool) noexcept
    int fn_pool_take(fn_pool *pool, size_t size, fn_block *block) noexcept
    void fn_pool_give(fn_block *block) noexcept
    void fn_pool_trim(fn_pool *pool, fn_time now) noexcept
    fn_pool_stats_t fn_pool_stats(fn_pool *pool) noexcept


cdef extern from "fastnet/fn1.h" nogil:
    enum:
        FN1_KIND_ARRAY
        FN1_CLIENT
        FN1_SERVER
        FN1_ERR_PROTOCOL
        FN1_ERR_LIMIT
        FN1_ERR_AUTHENTICATION
        FN1_ERR_BUSY
        FN1_ERR_TIMEOUT
        FN1_ERR_APPLICATION
        FN1_ERR_SHUTDOWN
        FN1_FRAGMENT_MIN

    ctypedef int fn1_role

    cdef struct fn1_view:
        const uint8_t *data
        size_t len

    cdef struct fn1_head:
        uint32_t message

    cdef struct fn1_envelope:
        uint16_t kind
        uint16_t segments
        fn1_view meta
        uint64_t body

    cdef struct fn1_limits:
        uint32_t fragment
        uint32_t envelope
        uint32_t segments
        uint64_t message


cdef extern from "fastnet/fn1_rx.h" nogil:
    enum:
        FN1_EV_PREFACE
        FN1_EV_MESSAGE
        FN1_EV_CANCEL
        FN1_EV_PING
        FN1_EV_PONG
        FN1_EV_ERROR
        FN1_EV_CLOSE
        FN1_EV_KEY

    cdef struct fn1_rx:
        fn1_envelope envelope
        uint32_t error_code
        fn1_view error_text


cdef extern from "fastnet/fn1_tx.h" nogil:
    cdef struct fn1_tx:
        pass

    int fn1_tx_error(fn1_tx *tx, uint32_t code, const char *text) noexcept
    size_t fn1_tx_staged(const fn1_tx *tx) noexcept
    bint fn1_tx_pending(fn1_tx *tx) noexcept


cdef extern from "fastnet/fn1_flow.h" nogil:
    cdef struct fn1_assembly:
        bint open
        uint64_t total


cdef extern from "fastnet/mac.h" nogil:
    const char *fn_suite_name(int suite) noexcept
    int fn_suite_find(const char *name) noexcept


cdef extern from "fastnet/fn1_session.h" nogil:
    cdef struct fn1_session:
        bint keyed
        int suite
        uint32_t refusal
        char *application
        uint8_t *key_id
        size_t key_id_len


cdef extern from "fastnet/link.h" nogil:
    enum:
        FN_LINK_BODY
        FN_LINK_REPLY

    cdef struct fn_link_options:
        fn1_role role
        fn1_limits limits
        uint32_t fragment
        size_t ahead_max
        size_t stage_max
        const char *application
        bint keyed
        fn1_view key
        fn1_view key_id
        fn1_view suites

    cdef struct fn_link:
        fn_stream stream
        fn1_rx rx
        fn1_tx tx
        fn1_session session
        fn1_assembly assembly
        fn_body *sink
        fn_body *body
        uint64_t body_total
        bint receive_poisoned
        bint send_poisoned
        bint peer_closed
        bint closed
        uint64_t messages_out
        uint64_t messages_in
        uint32_t peer_fragment
        uint64_t peer_message

    int fn_link_init(fn_link *link, int fd, const fn_link_options *options) noexcept
    void fn_link_fini(fn_link *link) noexcept
    int fn_link_check_owner(const fn_link *link) noexcept
    int fn_link_may_send(const fn_link *link) noexcept
    int fn_link_may_receive(const fn_link *link) noexcept
    int fn_link_message(fn_link *link, uint16_t kind, const uint64_t *sizes, uint16_t segments,
                        const fn1_view *meta, size_t meta_parts, fn_body *body) noexcept
    int fn_link_flush(fn_link *link, const fn_wait *wait) noexcept
    bint fn_link_send_is_partial(const fn_link *link, uint64_t bytes_before) noexcept
    void fn_link_unstage(fn_link *link) noexcept
    int fn_link_close(fn_link *link) noexcept
    int fn_link_error(fn_link *link, uint32_t code, const char *text) noexcept
    int fn_link_key(fn_link *link, fn1_view key) noexcept
    int fn_link_out(fn_link *link, iovec *iov, int max) noexcept
    void fn_link_sent(fn_link *link, size_t n) noexcept
    int fn_link_next(fn_link *link, const fn_wait *wait) noexcept
    int fn_link_step(fn_link *link) noexcept
    int fn_link_want(fn_link *link, iovec *iov, int max) noexcept
    void fn_link_got(fn_link *link, size_t n) noexcept
    bint fn_link_deliver(fn_link *link, fn_body *body) noexcept
    void fn_link_forget(fn_link *link) noexcept
    bint fn_link_at_boundary(const fn_link *link) noexcept


cdef extern from "fastnet/arraymsg.h" nogil:
    enum:
        FN_ARRAY_FIXED
        FN_ARRAY_HAS_NAME
        FN_ARRAY_HAS_META
        FN_DTYPE_MAX

    cdef struct fn_array_limits:
        uint64_t bytes
        uint32_t meta
        uint32_t name
        uint32_t fields
        uint32_t depth

    cdef struct fn_array_head:
        char order
        uint8_t flags
        int ndim
        uint64_t *shape
        uint64_t itemsize
        uint64_t nbytes
        fn1_view dtype
        fn1_view name
        fn1_view meta

    int fn_array_decode(const uint8_t *data, size_t len, const fn_array_limits *limits,
                        fn_array_head *head) noexcept
    size_t fn_array_encode(uint8_t *out, const fn_array_head *head) noexcept
    int fn_dtype_check(const uint8_t *data, size_t len, const fn_array_limits *limits,
                       uint64_t *itemsize) noexcept


# One call at a time, for sockio.
cdef extern from "fastnet/stream.h" nogil:
    int64_t fn_stream_recv(fn_stream *s, iovec *iov, int n, const fn_wait *wait) noexcept


cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_DONTWAIT

    Py_ssize_t fn_system_recv "recv"(int fd, void *data, size_t n, int flags) noexcept
    Py_ssize_t fn_system_send "send"(int fd, const void *data, size_t n, int flags) noexcept
