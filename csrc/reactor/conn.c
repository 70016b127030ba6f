/* Theory in conn.h. */
#include "fastnet/conn.h"

#include <errno.h>
#include <sys/socket.h>

#include "fastnet/service.h"
#include "fastnet/sock.h"
#include "fastnet/status.h"
#include "fastnet/watchdog.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

void fn_conn_ready(struct fn_node *n)
{
    n->flags &= ~(uint32_t)FN_HANDSHAKING;
}

/* -------------------------------------------------------------- the poller's mask */

static uint32_t wanted(const struct fn_node *n)
{
    uint32_t mask = 0;
    if (n->flags & FN_FAILED)
        return 0;
    if (n->flags & FN_READING && !(n->flags & (FN_SAW_EOF | FN_HELD | FN_FINISHING)))
        mask |= FN_POLL_IN;
    if (n->out.bytes || n->flags & FN_WANTS_ROOM)
        mask |= FN_POLL_OUT;
    return mask;
}

static void arm(struct fn_reactor *r, struct fn_node *n)
{
    uint32_t mask = wanted(n);
    int st = 0;
    if (!(n->flags & FN_KNOWN)) {
        if (!mask)
            return;
        st = fn_poller_add(&r->poller, n->fd, mask, fn_node_id(n));
        if (st == 0)
            n->flags |= FN_KNOWN;
    } else if (mask != n->armed) {
        st = fn_poller_mod(&r->poller, n->fd, mask, fn_node_id(n));
    }
    n->armed = (uint8_t)mask;
    if (st < 0)
        fn_conn_fail(r, n, st);
}

/* A hang-up is reported for ever: who has nothing to ask for leaves the poller. */
static void forget(struct fn_reactor *r, struct fn_node *n)
{
    if (n->flags & FN_KNOWN)
        fn_poller_del(&r->poller, n->fd);
    n->flags &= ~(uint32_t)FN_KNOWN;
    n->armed = 0;
}

/* ------------------------------------------------------------------------- ends */

void fn_conn_fail(struct fn_reactor *r, struct fn_node *n, int reason)
{
    if (n->flags & FN_FAILED)
        return;
    fn_count(&r->counters.failed, 1);
    if (fn_is_service(n)) {
        fn_conn_close(r, n, false);
        return;
    }
    n->flags |= FN_FAILED;
    n->reason = reason;
    fn_outq_drop(&n->out, &r->store);
    forget(r, n);
    struct fn_event *e = fn_reactor_emit(r, n, FN_EVENT_FAILED);
    if (e)
        e->status = reason;
}

void fn_conn_close(struct fn_reactor *r, struct fn_node *n, bool keep)
{
    fn_reactor_remove(r, n, keep);
}

static void shut(struct fn_node *n)
{
    n->flags |= FN_SHUT_DONE;
    shutdown(n->fd, SHUT_WR); /* a peer that has gone is noticed elsewhere */
}

/* -------------------------------------------------------------------- writing */

static int64_t sent_by(struct fn_reactor *r, struct fn_node *n, ssize_t sent)
{
    if (sent < 0)
        return -errno;
    fn_count(&r->counters.writes, 1);
    fn_count(&r->counters.bytes_out, (uint64_t)sent);
    fn_count(&n->bytes_out, (uint64_t)sent);
    n->active = r->now;
    return sent;
}

int64_t fn_conn_send(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len)
{
    return sent_by(r, n, send(n->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* What waits, and len bytes of data behind it, in as few system calls as they
 * need.  The number of data's bytes that went, or -errno. */
static int64_t flush(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len)
{
    while (n->out.bytes) {
        struct iovec iov[FN_OUT_IOV];
        struct msghdr msg = {.msg_iov = iov};
        size_t asked = 0;
        int count = fn_outq_iov(&n->out, iov, FN_OUT_IOV - 1);
        for (int i = 0; i < count; i++)
            asked += iov[i].iov_len;
        bool whole = asked == n->out.bytes;
        if (whole && len)
            iov[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
        msg.msg_iovlen = (size_t)count;
        /* One piece, as nearly always, goes out more cheaply by send(). */
        int64_t sent = count == 1
                           ? fn_conn_send(r, n, iov->iov_base, iov->iov_len)
                           : sent_by(r, n, sendmsg(n->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT));
        if (sent < 0)
            return fn_sock_again(sent) ? 0 : sent;
        size_t ours = (size_t)sent < asked ? (size_t)sent : asked;
        fn_outq_consume(&n->out, &r->store, ours);
        if (whole || ours < asked)
            return sent - (int64_t)ours;
    }
    return 0;
}

int fn_conn_flush(struct fn_reactor *r, struct fn_node *n)
{
    return (int)flush(r, n, NULL, 0);
}

static bool over_limit(const struct fn_node *n, size_t more)
{
    uint64_t limit = n->gate ? n->gate->limits.write_buffer : 0;
    return limit && n->out.bytes + more > limit;
}

/* What the system did not take, or what waits for the turn's end. */
static int keep(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len, void *owner,
                int *kept)
{
    int st = owner ? fn_outq_append_ref(&n->out, &r->store, data, len, owner)
                   : fn_outq_append(&n->out, &r->store, data, len);
    *kept = owner && st == 0;
    fn_reactor_touch(r, n);
    return st;
}

int fn_conn_write(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len,
                  void *owner, int *kept)
{
    *kept = 0;
    if (n->flags & (FN_SHUT_AFTER | FN_FINISHING | FN_FAILED))
        return -EPIPE;
    /* What a block does not hold would have memory of its own, for a moment only:
     * giving that back and getting it again costs more than the copy. */
    if (r->dispatching && len <= FN_OUT_SMALL && n->out.bytes + len <= FN_DEFER)
        return over_limit(n, len) ? FN_E_WRITE_BUFFER : keep(r, n, data, len, NULL, kept);
    bool full = n->out.bytes && n->armed & FN_POLL_OUT; /* the poller will say when not */
    if (len && !full) {
        int64_t sent = n->out.bytes ? flush(r, n, data, len) : fn_conn_send(r, n, data, len);
        if (sent < 0 && !fn_sock_again(sent))
            return (int)sent;
        if (sent > 0) {
            data = (const char *)data + sent;
            len -= (size_t)sent;
        }
    }
    if (!len)
        return 0;
    return over_limit(n, len) ? FN_E_WRITE_BUFFER : keep(r, n, data, len, owner, kept);
}

void fn_conn_notify(struct fn_reactor *r, struct fn_node *n, size_t low_water)
{
    n->low_water = low_water;
    n->flags |= FN_WANTS_DRAINED;
    fn_reactor_touch(r, n);
}

void fn_conn_want_room(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_WANTS_ROOM;
    fn_reactor_touch(r, n);
}

void fn_conn_shut(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_SHUT_AFTER;
    fn_reactor_touch(r, n);
}

void fn_conn_finish(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_FINISHING;
    fn_reactor_touch(r, n);
}

/* All is written. */
static void emptied(struct fn_reactor *r, struct fn_node *n)
{
    if (n->flags & FN_SHUT_AFTER && !(n->flags & FN_SHUT_DONE))
        shut(n);
    if (!(n->flags & FN_FINISHING) || n->flags & FN_FINISHED)
        return;
    if (fn_is_service(n)) {
        fn_service_written(r, n);
        return;
    }
    n->flags |= FN_FINISHED;
    fn_reactor_emit(r, n, FN_EVENT_FINISHED);
}

void fn_conn_settle(struct fn_reactor *r, struct fn_node *n)
{
    uint64_t id = fn_node_id(n);
    if (n->flags & FN_FAILED)
        return;
    int st = fn_conn_flush(r, n);
    if (st < 0) {
        fn_conn_fail(r, n, st);
        return;
    }
    if (n->flags & FN_WANTS_DRAINED && n->out.bytes <= n->low_water) {
        n->flags &= ~(uint32_t)FN_WANTS_DRAINED;
        fn_reactor_emit(r, n, FN_EVENT_DRAINED);
    }
    if (!n->out.bytes)
        emptied(r, n);
    if (fn_slab_find(&r->slab, id) != n)
        return;
    fn_service_unhold(n);
    fn_watchdog_rate(r, n);
    arm(r, n);
}

/* -------------------------------------------------------------------- reading */

static void pass_on(struct fn_reactor *r, struct fn_node *n)
{
    size_t room = FN_ARENA - r->arena_used;
    if (room < FN_READ_LEAST || r->event_count == r->event_capacity)
        return; /* the next turn */
    uint8_t *data = r->arena + r->arena_used;
    ssize_t got = recv(n->fd, data, room < FN_READ ? room : FN_READ, MSG_DONTWAIT);
    if (got < 0) {
        if (!fn_sock_again(-errno))
            fn_conn_fail(r, n, -errno);
        return;
    }
    n->active = r->now;
    if (got == 0) {
        n->flags |= FN_SAW_EOF;
        fn_reactor_touch(r, n);
        fn_reactor_emit(r, n, FN_EVENT_EOF);
        return;
    }
    /* Small messages lie on cache lines of their own. */
    r->arena_used += ((size_t)got + 63) & ~(size_t)63;
    fn_count(&r->counters.reads, 1);
    fn_count(&r->counters.bytes_in, (uint64_t)got);
    fn_count(&n->bytes_in, (uint64_t)got);
    struct fn_event *e = fn_reactor_emit(r, n, FN_EVENT_DATA); /* there is room: see above */
    e->data = data;
    e->len = (uint32_t)got;
}

/* The boundary reads, which counts as bytes that move. */
static void tell_readable(struct fn_reactor *r, struct fn_node *n)
{
    if (r->event_count == r->event_capacity)
        return; /* the next turn */
    n->active = r->now;
    fn_reactor_emit(r, n, FN_EVENT_READABLE);
}

void fn_conn_event(struct fn_reactor *r, struct fn_node *n, uint32_t mask)
{
    uint64_t id = fn_node_id(n);
    uint32_t trouble = mask & (FN_POLL_ERR | FN_POLL_HUP);
    bool reads = wanted(n) & FN_POLL_IN;
    if (reads && mask & (FN_POLL_IN | trouble)) {
        if (fn_is_service(n))
            fn_service_read(r, n);
        else if (n->codec == FN_CODEC_RAW)
            pass_on(r, n);
        else
            tell_readable(r, n);
        if (fn_slab_find(&r->slab, id) != n)
            return;
    }
    if (n->flags & FN_WANTS_ROOM && mask & (FN_POLL_OUT | trouble)) {
        if (!fn_reactor_emit(r, n, FN_EVENT_DRAINED))
            return; /* the next turn */
        n->flags &= ~(uint32_t)FN_WANTS_ROOM;
        fn_reactor_touch(r, n);
    } else if (mask & FN_POLL_OUT || (trouble && n->out.bytes))
        fn_conn_settle(r, n);
    else if (trouble && !reads)
        forget(r, n);
}

void fn_conn_pause(struct fn_reactor *r, struct fn_node *n)
{
    n->flags &= ~(uint32_t)FN_READING;
    fn_reactor_touch(r, n);
}

void fn_conn_resume(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_READING;
    fn_reactor_touch(r, n);
}

/* ------------------------------------------------------------------- beginning */

struct fn_node *fn_conn_add(struct fn_reactor *r, int fd, enum fn_codec codec, struct fn_gate *gate,
                            void *user, int *status)
{
    struct fn_node *n = fn_reactor_add(r, FN_NODE_STREAM, fd, status);
    if (!n)
        return NULL;
    n->codec = (uint8_t)codec;
    n->user = user;
    n->gate = gate;
    n->active = fn_now(); /* between turns r->now may be old */
    if (gate) {
        fn_gate_retain(gate);
        if (gate->limits.handshake && !fn_is_service(n)) {
            n->flags |= FN_HANDSHAKING;
            n->deadline = n->active + gate->limits.handshake;
        }
        fn_watchdog_schedule(r, n);
    }
    fn_count(&r->counters.open, 1);
    if (fn_is_service(n))
        fn_service_begin(r, n);
    return n;
}
