/* rig.h: a reactor under test, and what its events said. */
#ifndef FASTNET_TESTS_RIG_H
#define FASTNET_TESTS_RIG_H

#include <errno.h>
#include <fcntl.h>

#include "fastnet/accept.h"
#include "fastnet/conn.h"
#include "fastnet/dgram.h"
#include "fastnet/status.h"
#include "fastnet/turn.h"
#include "pair.h"

#define RIG_PATIENCE (20 * FN_SECOND) /* for what comes at once unless something is wrong */

/* What one node said; its user pointer. */
struct seen {
    int count[FN_EVENT_READY + 1]; /* events by kind */
    int32_t status;                /* of the last FAILED, TROUBLE or READY */
    uint64_t id;                   /* of the last event */
    uint8_t *data;                 /* bytes that came, up to room of them; NULL: only counted */
    size_t len, room;
};

static inline void note(struct seen *s, const struct fn_event *e)
{
    s->count[e->kind]++;
    s->id = e->id;
    if (e->kind == FN_EVENT_FAILED || e->kind == FN_EVENT_TROUBLE || e->kind == FN_EVENT_READY)
        s->status = e->status;
    if (s->data && e->len) {
        assert(s->len + e->len <= s->room);
        memcpy(s->data + s->len, e->data, e->len);
    }
    s->len += e->len;
}

static inline struct fn_reactor *open_reactor_spin(enum fn_poller_kind kind, fn_time spin)
{
    int st;
    struct fn_reactor *r = fn_reactor_new(kind, spin, &st);
    assert(r && st == 0);
    assert(fn_reactor_enter(r) == 0);
    return r;
}

static inline struct fn_reactor *open_reactor(enum fn_poller_kind kind)
{
    return open_reactor_spin(kind, 0);
}

static inline void close_reactor(struct fn_reactor *r)
{
    size_t owners;
    fn_reactor_drop(r);
    assert(atomic_load(&r->counters.open) == 0);
    assert(r->nodes == 1); /* the wake-up descriptor's */
    fn_out_take_spent(&r->store, &owners);
    assert(r->store.owned == 0);
    fn_reactor_leave(r);
    fn_reactor_free(r);
}

/* One turn, and all its events noted; their number, or the poll's error. */
static inline int turn(struct fn_reactor *r, fn_time timeout)
{
    struct fn_node *n;
    const struct fn_event *e;
    int st = fn_reactor_poll(r, timeout);
    int events = 0;
    while ((e = fn_reactor_next(r, &n)) != NULL) {
        assert(e->id == fn_node_id(n));
        if (n->user)
            note(n->user, e);
        events++;
    }
    return st < 0 ? st : events;
}

/* Turns until the condition holds. */
#define UNTIL(r, condition)                                                                        \
    for (fn_time rig_end = fn_now() + RIG_PATIENCE; !(condition);) {                               \
        assert(fn_now() < rig_end);                                                                \
        turn(r, 10 * FN_MS);                                                                       \
    }

/* Turns that find nothing: what should not happen has had its chance. */
static inline void idle_turns(struct fn_reactor *r, int n)
{
    while (n-- > 0)
        turn(r, 0);
}

static inline void no_wait(int fd)
{
    assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

/* A connection that reads, whose events go to `seen`. */
static inline struct fn_node *add_conn(struct fn_reactor *r, int fd, enum fn_codec codec,
                                       struct fn_gate *gate, struct seen *seen)
{
    int st;
    no_wait(fd);
    struct fn_node *n = fn_conn_add(r, fd, codec, gate, seen, &st);
    assert(n && st == 0);
    if (codec == FN_CODEC_RAW || codec == FN_CODEC_READABLE)
        fn_conn_resume(r, n);
    return n;
}

/* Writes copies. */
static inline int put(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len)
{
    int kept;
    int st = fn_conn_write(r, n, data, len, NULL, &kept);
    assert(!kept);
    return st;
}

static inline struct fn_gate *new_gate(const struct fn_gate_limits *limits)
{
    struct fn_gate *g = fn_gate_new(limits, NULL, 0, NULL, 0);
    assert(g);
    return g;
}

static inline struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return in;
}

/* Non-blocking, on a port of its own. */
static inline int listen_tcp(uint16_t *port)
{
    struct sockaddr_in in = loopback(0);
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert(fd >= 0 && bind(fd, (struct sockaddr *)&in, len) == 0 && listen(fd, 512) == 0);
    assert(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    *port = ntohs(in.sin_port);
    no_wait(fd);
    return fd;
}

/* A blocking client. */
static inline int dial(uint16_t port)
{
    struct sockaddr_in in = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert(fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof in) == 0);
    return fd;
}

/* Closes with a reset instead of an end. */
static inline void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close(fd);
}

static inline bool has_epoll(void)
{
    struct fn_poller p;
    int st = fn_poller_open(&p, FN_POLLER_EPOLL);
    fn_poller_close(&p);
    return st == 0;
}

static inline void on_both(void (*test)(enum fn_poller_kind kind))
{
    test(FN_POLLER_SELECT);
    if (has_epoll())
        test(FN_POLLER_EPOLL);
}

#endif
