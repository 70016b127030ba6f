# Every declaration of the core's reactor that Cython uses, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastnet._native.core cimport fn_time


cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET
        AF_INET6
        AF_UNIX
        MSG_DONTWAIT

    ctypedef unsigned int socklen_t

    cdef struct sockaddr:
        unsigned short sa_family

    cdef struct sockaddr_storage:
        unsigned short ss_family

    ssize_t recv(int fd, void *data, size_t len, int flags) noexcept
    int getsockname(int fd, sockaddr *sa, socklen_t *len) noexcept
    int getpeername(int fd, sockaddr *sa, socklen_t *len) noexcept


cdef extern from "<netinet/in.h>" nogil:
    cdef struct in_addr:
        uint32_t s_addr

    cdef struct in6_addr:
        uint8_t s6_addr[16]

    cdef struct sockaddr_in:
        unsigned short sin_family
        uint16_t sin_port
        in_addr sin_addr

    cdef struct sockaddr_in6:
        unsigned short sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id


cdef extern from "<arpa/inet.h>" nogil:
    enum:
        INET6_ADDRSTRLEN

    uint16_t htons(uint16_t n) noexcept
    uint16_t ntohs(uint16_t n) noexcept
    uint32_t htonl(uint32_t n) noexcept
    uint32_t ntohl(uint32_t n) noexcept
    const char *inet_ntop(int family, const void *src, char *text, socklen_t size) noexcept
    int inet_pton(int family, const char *text, void *dst) noexcept


cdef extern from "<sys/un.h>" nogil:
    cdef struct sockaddr_un:
        unsigned short sun_family
        char sun_path[108]


cdef extern from "<unistd.h>" nogil:
    int close(int fd) noexcept


cdef extern from "fastnet/status.h" nogil:
    enum:
        FN_E_CONN_LIMIT
        FN_E_CONN_IDLE
        FN_E_CONN_HANDSHAKE
        FN_E_CONN_RATE
        FN_E_WRITE_BUFFER
        FN_E_NOT_OWNER
        FN_E_SELECT_RANGE


cdef extern from "fastnet/poller.h" nogil:
    enum:
        FN_POLL_IN
        FN_POLL_OUT
        FN_POLL_ERR
        FN_POLL_HUP

    ctypedef int fn_poller_kind "enum fn_poller_kind"
    enum:
        FN_POLLER_DEFAULT
        FN_POLLER_EPOLL
        FN_POLLER_SELECT

    cdef struct fn_poller:
        fn_poller_kind kind
        int fd

    cdef struct fn_poll_event:
        uint64_t tag
        uint32_t mask

    int fn_poller_open(fn_poller *p, fn_poller_kind kind) noexcept
    void fn_poller_close(fn_poller *p) noexcept
    int fn_poller_add(fn_poller *p, int fd, uint32_t mask, uint64_t tag) noexcept
    int fn_poller_mod(fn_poller *p, int fd, uint32_t mask, uint64_t tag) noexcept
    int fn_poller_del(fn_poller *p, int fd) noexcept
    int fn_poller_wait(fn_poller *p, fn_poll_event *events, int max, fn_time timeout) noexcept


cdef extern from "fastnet/timers.h" nogil:
    cdef struct fn_timer:
        fn_time when
        size_t place

    cdef struct fn_timers:
        size_t count

    void fn_timers_init(fn_timers *ts) noexcept
    void fn_timers_fini(fn_timers *ts) noexcept
    int fn_timers_set(fn_timers *ts, fn_timer *t, fn_time when) noexcept
    void fn_timers_cancel(fn_timers *ts, fn_timer *t) noexcept
    fn_time fn_timers_next(const fn_timers *ts) noexcept
    fn_timer *fn_timers_due(fn_timers *ts, fn_time now) noexcept


cdef extern from "fastnet/outq.h" nogil:
    enum:
        FN_OUT_BLOCK

    cdef struct fn_out_store:
        size_t spent_count
        size_t owned

    cdef struct fn_outq:
        size_t bytes

    void **fn_out_take_spent(fn_out_store *store, size_t *count) noexcept


cdef extern from "fastnet/peers.h" nogil:
    cdef struct fn_peer:
        uint8_t addr[16]

    cdef struct fn_networks:
        const uint8_t *ranges
        size_t count

    bint fn_peer_of(const sockaddr *sa, fn_peer *peer) noexcept
    bint fn_networks_contain(const fn_networks *set, const fn_peer *peer) noexcept
    bint fn_networks_valid(const fn_networks *set) noexcept


cdef extern from "fastnet/gate.h" nogil:
    enum:
        FN_WRITE_BUFFER

    cdef struct fn_gate_limits:
        uint32_t connections
        uint32_t per_address
        fn_time idle
        fn_time handshake
        uint64_t min_rate
        fn_time rate_window
        uint64_t write_buffer
        bint nodelay

    cdef struct fn_gate:
        fn_gate_limits limits
        uint32_t open
        uint64_t accepted
        uint64_t denied
        uint64_t refused

    fn_gate *fn_gate_new(const fn_gate_limits *limits, const uint8_t *allow, size_t allows,
                         const uint8_t *deny, size_t denies) noexcept
    void fn_gate_retain(fn_gate *g) noexcept
    void fn_gate_release(fn_gate *g) noexcept


cdef extern from "fastnet/slab.h" nogil:
    enum:
        FN_NODE_FREE
        FN_NODE_LISTENER
        FN_NODE_STREAM
        FN_NODE_DATAGRAM
        FN_NODE_WATCH
        FN_NODE_WAKE

    ctypedef int fn_codec "enum fn_codec"
    enum:
        FN_CODEC_RAW
        FN_CODEC_READABLE
        FN_CODEC_ECHO
        FN_CODEC_DISCARD
        FN_CODEC_TIME

    enum:
        FN_READING
        FN_SAW_EOF
        FN_WANTS_DRAINED
        FN_SHUT_AFTER
        FN_SHUT_DONE
        FN_FINISHING
        FN_FAILED

    cdef struct fn_dgram:
        size_t payload
        size_t waiting

    # bytes_in and bytes_out are atomic: read them, never assign.
    cdef struct fn_node:
        uint32_t index
        uint32_t generation
        int fd
        uint32_t flags
        uint8_t kind
        uint8_t codec
        uint8_t armed
        uint8_t watch
        void *user
        fn_outq out
        int32_t reason
        size_t low_water
        fn_gate *gate
        fn_time active
        fn_dgram *dgram
        fn_peer peer
        uint16_t port
        bint has_peer
        uint64_t bytes_in
        uint64_t bytes_out

    cdef struct fn_slab:
        size_t used

    cdef struct fn_peer_info:
        uint64_t id
        uint64_t bytes_in
        uint64_t bytes_out
        fn_peer peer
        uint16_t port
        bint has_peer
        int fd

    uint64_t fn_node_id(const fn_node *n) noexcept
    fn_node *fn_slab_find(const fn_slab *s, uint64_t id) noexcept
    size_t fn_slab_each(fn_slab *s, fn_peer_info *infos, size_t max) noexcept


cdef extern from "fastnet/reactor.h" nogil:
    enum:
        FN_TURN
        FN_READ

    enum:
        FN_EVENT_OPENED
        FN_EVENT_DATA
        FN_EVENT_READABLE
        FN_EVENT_EOF
        FN_EVENT_DRAINED
        FN_EVENT_FINISHED
        FN_EVENT_FAILED
        FN_EVENT_DATAGRAM
        FN_EVENT_TROUBLE
        FN_EVENT_READY

    cdef struct fn_from "fn_from":
        socklen_t len
        sockaddr_storage addr

    cdef struct fn_event:
        uint64_t id
        uint8_t kind
        int32_t status
        uint32_t len
        const uint8_t *data
        const fn_from *from_ "from"

    enum:
        FN_ASK_STOP
        FN_ASK_DRAIN

    # Atomic all of them: read them, never assign.
    cdef struct fn_counters:
        uint64_t turns
        uint64_t events
        uint64_t reads
        uint64_t writes
        uint64_t bytes_in
        uint64_t bytes_out
        uint64_t accepted
        uint64_t closed
        uint64_t shed
        uint64_t failed
        uint64_t datagrams_in
        uint64_t datagrams_out
        uint64_t datagrams_lost
        uint64_t open
        uint64_t spins_paid
        uint64_t spins_idle

    cdef struct fn_reactor:
        fn_poller poller
        fn_slab slab
        fn_out_store store
        fn_time now
        fn_time spin
        bint dispatching
        fn_event *events
        size_t event_head
        size_t event_count
        fn_counters counters

    fn_reactor *fn_reactor_new(fn_poller_kind kind, fn_time spin, int *status) noexcept
    void fn_reactor_free(fn_reactor *r) noexcept
    void fn_reactor_drop(fn_reactor *r) noexcept
    int fn_reactor_enter(fn_reactor *r) noexcept
    void fn_reactor_leave(fn_reactor *r) noexcept
    const fn_event *fn_reactor_next(fn_reactor *r, fn_node **node) noexcept
    void fn_reactor_wake(fn_reactor *r) noexcept
    void fn_reactor_ask(fn_reactor *r, unsigned requests) noexcept
    void fn_reactor_remove(fn_reactor *r, fn_node *n, bint keep) noexcept
    void fn_reactor_touch(fn_reactor *r, fn_node *n) noexcept
    void fn_count(uint64_t *counter, uint64_t n) noexcept


cdef extern from "fastnet/turn.h" nogil:
    int fn_reactor_poll(fn_reactor *r, fn_time timeout) noexcept
    void fn_reactor_settle(fn_reactor *r) noexcept
    int fn_reactor_run(fn_reactor *r, fn_time check_at) noexcept
    fn_node *fn_watch_add(fn_reactor *r, int fd, uint32_t mask, void *user, int *status) noexcept
    int fn_watch_set(fn_reactor *r, fn_node *n, uint32_t mask) noexcept


cdef extern from "fastnet/conn.h" nogil:
    fn_node *fn_conn_add(fn_reactor *r, int fd, fn_codec codec, fn_gate *gate, void *user,
                         int *status) noexcept
    int fn_conn_write(fn_reactor *r, fn_node *n, const void *data, size_t len, void *owner,
                      int *kept) noexcept
    int fn_conn_flush(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_pause(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_resume(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_notify(fn_reactor *r, fn_node *n, size_t low_water) noexcept
    void fn_conn_want_room(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_shut(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_finish(fn_reactor *r, fn_node *n) noexcept
    void fn_conn_close(fn_reactor *r, fn_node *n, bint keep) noexcept
    void fn_conn_ready(fn_node *n) noexcept


cdef extern from "fastnet/accept.h" nogil:
    fn_node *fn_listener_add(fn_reactor *r, int fd, fn_codec codec, fn_gate *gate, bint shared,
                             void *user, int *status) noexcept
    void fn_listener_close(fn_reactor *r, fn_node *n) noexcept


cdef extern from "fastnet/dgram.h" nogil:
    fn_node *fn_dgram_add(fn_reactor *r, int fd, fn_codec codec, fn_gate *gate, void *user,
                          int *status) noexcept
    int fn_dgram_send(fn_reactor *r, fn_node *n, const void *data, size_t len, const sockaddr *to,
                      socklen_t tolen) noexcept
    int fn_dgram_flush(fn_reactor *r, fn_node *n) noexcept
    void fn_dgram_pause(fn_reactor *r, fn_node *n, bint paused) noexcept
    void fn_dgram_notify(fn_reactor *r, fn_node *n, size_t low_water) noexcept
    void fn_dgram_finish(fn_reactor *r, fn_node *n) noexcept
    void fn_dgram_close(fn_reactor *r, fn_node *n, bint keep) noexcept
