/* Theory in dgram.h. */
#include "fastnet/dgram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fastnet/service.h"
#include "fastnet/status.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct record { /* in the queue, followed by address and bytes, each padded to 8 */
    uint32_t len;
    uint32_t tolen;
};

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

enum { DRAIN_ROUNDS = 64 }; /* more than a receive buffer of the usual size holds */

static bool would_block(int status)
{
    return status == -EAGAIN || status == -EWOULDBLOCK || status == -ENOBUFS;
}

/* ------------------------------------------------------------------ the services */

/* Sends all n; what cannot be sent is lost, as datagrams may be. */
static void send_all(struct fn_reactor *r, struct fn_node *n, struct mmsghdr *msgs, int count)
{
    int done = 0;
    while (done < count) {
        int sent = fn_mmsg_send(n->fd, msgs + done, count - done);
        if (sent > 0) {
            fn_reactor_sent(r, n, sent, fn_mmsg_bytes(msgs + done, sent));
            done += sent;
            continue;
        }
        int lost = would_block(sent) ? count - done : 1;
        fn_count(&r->counters.datagrams_lost, (uint64_t)lost);
        done += lost;
    }
}

static bool welcome(const struct fn_node *n, const struct fn_from *from)
{
    struct fn_peer peer;
    if (!n->gate || !from->len || !fn_peer_of((const struct sockaddr *)&from->addr, &peer))
        return true;
    return fn_gate_welcomes(n->gate, &peer);
}

static bool is_cut(struct fn_reactor *r, const struct mmsghdr *msg)
{
    if (!(msg->msg_hdr.msg_flags & MSG_TRUNC))
        return false;
    fn_count(&r->counters.datagrams_lost, 1);
    return true;
}

/* The messages become their own replies. */
static void answer(struct fn_reactor *r, struct fn_node *n, struct fn_mmsg *m, int got)
{
    size_t clock_len = 0;
    char *clock = NULL;
    int replies = 0;
    uint64_t bytes = 0;
    if (n->codec == FN_CODEC_TIME)
        clock = (char *)(uintptr_t)fn_service_ctime(r, &clock_len);
    for (int i = 0; i < got; i++) {
        int slot = m->used + i;
        struct msghdr *msg = &m->msgs[slot].msg_hdr;
        bytes += m->msgs[slot].msg_len;
        m->from[slot].len = msg->msg_namelen;
        if (n->codec == FN_CODEC_DISCARD || msg->msg_namelen == 0 || !welcome(n, &m->from[slot]))
            continue;
        if (is_cut(r, &m->msgs[slot]))
            continue;
        m->iov[slot].iov_len = m->msgs[slot].msg_len;
        if (clock) /* recipe 11.3's reply has no newline */
            m->iov[slot] = (struct iovec){clock, clock_len ? clock_len - 1 : 0};
        struct mmsghdr reply = m->msgs[slot];
        m->msgs[m->used + replies++] = reply;
    }
    fn_count(&r->counters.bytes_in, bytes);
    fn_count(&n->bytes_in, bytes);
    send_all(r, n, m->msgs + m->used, replies);
}

/* --------------------------------------------------------------------- receiving */

static void trouble(struct fn_reactor *r, struct fn_node *n, int status)
{
    if (fn_is_service(n) || r->event_count == r->event_capacity)
        return;
    struct fn_event *e = fn_reactor_emit(r, n, FN_EVENT_TROUBLE);
    if (e)
        e->status = status;
}

static void hand_out(struct fn_reactor *r, struct fn_node *n, struct fn_mmsg *m, int got)
{
    for (int i = 0; i < got; i++) {
        int slot = m->used++;
        m->from[slot].len = m->msgs[slot].msg_hdr.msg_namelen;
        if (!welcome(n, &m->from[slot]))
            continue;
        if (is_cut(r, &m->msgs[slot])) {
            trouble(r, n, -EMSGSIZE);
            continue;
        }
        struct fn_event *e = fn_reactor_emit(r, n, FN_EVENT_DATAGRAM);
        if (!e)
            return;
        e->data = m->iov[slot].iov_base;
        e->len = m->msgs[slot].msg_len;
        e->from = &m->from[slot];
        fn_count(&r->counters.bytes_in, e->len);
        fn_count(&n->bytes_in, e->len);
    }
}

static void receive(struct fn_reactor *r, struct fn_node *n)
{
    if (!r->mmsg && !(r->mmsg = fn_mmsg_new()))
        return; /* memory is short; the system keeps what came, or drops it */
    size_t room = r->event_capacity - r->event_count;
    int slots = fn_mmsg_prepare(r->mmsg, room < FN_DGRAMS ? (int)room : FN_DGRAMS);
    if (slots == 0)
        return;
    int got = fn_mmsg_receive(n->fd, r->mmsg->msgs + r->mmsg->used, slots);
    if (got < 0) {
        if (!would_block(got) && got != -EINTR)
            trouble(r, n, got); /* an ICMP error of an earlier send, mostly */
        return;
    }
    fn_count(&r->counters.reads, 1);
    fn_count(&r->counters.datagrams_in, (uint64_t)got);
    if (fn_is_service(n))
        answer(r, n, r->mmsg, got);
    else
        hand_out(r, n, r->mmsg, got);
}

/* --------------------------------------------------------------------- sending */

static int enqueue(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len,
                   const struct sockaddr *to, socklen_t tolen)
{
    struct fn_dgram *d = n->dgram;
    struct record head = {(uint32_t)len, tolen};
    if (n->gate && n->gate->limits.write_buffer && d->payload + len > n->gate->limits.write_buffer)
        return FN_E_WRITE_BUFFER;
    size_t size = sizeof head + padded(tolen) + padded(len);
    int st = fn_buf_reserve(&d->queue, size);
    if (st < 0)
        return st == FN_E_BUF_CAP ? FN_E_WRITE_BUFFER : st;
    uint8_t *tail = fn_buf_tail(&d->queue);
    memcpy(tail, &head, sizeof head);
    if (tolen)
        memcpy(tail + sizeof head, to, tolen);
    if (len)
        memcpy(tail + sizeof head + padded(tolen), data, len);
    fn_buf_commit(&d->queue, size);
    d->payload += len;
    d->waiting++;
    fn_reactor_touch(r, n);
    return 0;
}

static size_t record_size(const struct record *head)
{
    return sizeof *head + padded(head->tolen) + padded(head->len);
}

/* The first records as messages; their number. */
static int gather(struct fn_dgram *d, struct mmsghdr *msgs, struct iovec *iov, int max)
{
    uint8_t *p = fn_buf_head(&d->queue), *end = fn_buf_tail(&d->queue);
    int n = 0;
    for (; n < max && p < end; n++) {
        struct record head;
        memcpy(&head, p, sizeof head);
        uint8_t *to = p + sizeof head;
        iov[n] = (struct iovec){to + padded(head.tolen), head.len};
        msgs[n].msg_hdr = (struct msghdr){
            .msg_name = head.tolen ? to : NULL,
            .msg_namelen = head.tolen,
            .msg_iov = &iov[n],
            .msg_iovlen = 1,
        };
        p += record_size(&head);
    }
    return n;
}

static void drop_records(struct fn_dgram *d, int n)
{
    for (; n > 0; n--) {
        struct record head;
        memcpy(&head, fn_buf_head(&d->queue), sizeof head);
        fn_buf_consume(&d->queue, record_size(&head));
        d->payload -= head.len;
        d->waiting--;
    }
}

int fn_dgram_flush(struct fn_reactor *r, struct fn_node *n)
{
    struct fn_dgram *d = n->dgram;
    while (d->waiting) {
        struct mmsghdr msgs[FN_DGRAMS];
        struct iovec iov[FN_DGRAMS];
        int count = gather(d, msgs, iov, FN_DGRAMS);
        int sent = fn_mmsg_send(n->fd, msgs, count);
        if (sent == -EINTR)
            continue;
        if (would_block(sent))
            return 0;
        if (sent < 0) { /* the first cannot be sent at all */
            drop_records(d, 1);
            fn_count(&r->counters.datagrams_lost, 1);
            trouble(r, n, sent);
            continue;
        }
        fn_reactor_sent(r, n, sent, fn_mmsg_bytes(msgs, sent));
        drop_records(d, sent);
    }
    fn_buf_shrink(&d->queue, FN_DGRAM_MOST);
    return 0;
}

int fn_dgram_send(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len,
                  const struct sockaddr *to, socklen_t tolen)
{
    struct fn_dgram *d = n->dgram;
    if (n->flags & (FN_FINISHING | FN_FAILED))
        return -EPIPE;
    if (r->dispatching && d->payload + len <= FN_DEFER && d->waiting < FN_DGRAMS)
        return enqueue(r, n, data, len, to, tolen);
    if (d->waiting)
        fn_dgram_flush(r, n);
    if (!d->waiting) {
        ssize_t sent = sendto(n->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, to, tolen);
        if (sent >= 0) {
            fn_reactor_sent(r, n, 1, (uint64_t)sent);
            return 0;
        }
        if (!would_block(-errno) && errno != EINTR)
            return -errno;
    }
    return enqueue(r, n, data, len, to, tolen);
}

/* ------------------------------------------------------------------- the poller */

static void arm(struct fn_reactor *r, struct fn_node *n)
{
    bool reads = n->flags & FN_READING && !(n->flags & (FN_FINISHING | FN_FAILED));
    uint32_t mask = (reads ? FN_POLL_IN : 0) | (n->dgram->waiting ? FN_POLL_OUT : 0);
    int st = 0;
    if (!(n->flags & FN_KNOWN)) {
        st = mask ? fn_poller_add(&r->poller, n->fd, mask, fn_node_id(n)) : 0;
        if (mask && st == 0)
            n->flags |= FN_KNOWN;
    } else if (mask != n->armed) {
        st = fn_poller_mod(&r->poller, n->fd, mask, fn_node_id(n));
    }
    n->armed = (uint8_t)mask;
    if (st < 0)
        trouble(r, n, st);
}

void fn_dgram_settle(struct fn_reactor *r, struct fn_node *n)
{
    fn_dgram_flush(r, n);
    if (n->flags & FN_WANTS_DRAINED && n->dgram->payload <= n->low_water) {
        n->flags &= ~(uint32_t)FN_WANTS_DRAINED;
        fn_reactor_emit(r, n, FN_EVENT_DRAINED);
    }
    if (n->flags & FN_FINISHING && !(n->flags & FN_FINISHED) && !n->dgram->waiting) {
        n->flags |= FN_FINISHED;
        fn_reactor_emit(r, n, FN_EVENT_FINISHED);
    }
    arm(r, n);
}

/* An error is reported until somebody takes it, and a hang-up for ever, even to
 * a socket that neither reads nor writes. */
static void take_error(struct fn_reactor *r, struct fn_node *n)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(n->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error) {
        trouble(r, n, -error);
        return;
    }
    if (n->flags & FN_KNOWN && !n->armed) {
        fn_poller_del(&r->poller, n->fd);
        n->flags &= ~(uint32_t)FN_KNOWN;
    }
}

void fn_dgram_event(struct fn_reactor *r, struct fn_node *n, uint32_t mask)
{
    uint32_t trouble_bits = FN_POLL_ERR | FN_POLL_HUP;
    if (n->armed & FN_POLL_IN && mask & (FN_POLL_IN | trouble_bits))
        receive(r, n);
    else if (mask & trouble_bits)
        take_error(r, n);
    if (mask & FN_POLL_OUT)
        fn_dgram_settle(r, n);
}

/* ------------------------------------------------------------ beginning, ending */

struct fn_node *fn_dgram_add(struct fn_reactor *r, int fd, enum fn_codec codec,
                             struct fn_gate *gate, void *user, int *status)
{
    struct fn_node *n = fn_reactor_add(r, FN_NODE_DATAGRAM, fd, status);
    if (!n)
        return NULL;
    n->dgram = calloc(1, sizeof *n->dgram);
    if (!n->dgram) {
        fn_reactor_remove(r, n, true);
        *status = -ENOMEM;
        return NULL;
    }
    fn_buf_init(&n->dgram->queue, FN_DGRAM_QUEUE);
    n->codec = (uint8_t)codec;
    n->user = user;
    n->gate = gate;
    if (gate)
        fn_gate_retain(gate);
    if (fn_is_service(n))
        n->flags |= FN_READING;
    fn_reactor_touch(r, n);
    return n;
}

void fn_dgram_free(struct fn_node *n)
{
    if (n->dgram)
        fn_buf_fini(&n->dgram->queue);
    free(n->dgram);
    n->dgram = NULL;
}

void fn_dgram_pause(struct fn_reactor *r, struct fn_node *n, bool paused)
{
    if (paused)
        n->flags &= ~(uint32_t)FN_READING;
    else
        n->flags |= FN_READING;
    fn_reactor_touch(r, n);
}

void fn_dgram_notify(struct fn_reactor *r, struct fn_node *n, size_t low_water)
{
    n->low_water = low_water;
    n->flags |= FN_WANTS_DRAINED;
    fn_reactor_touch(r, n);
}

void fn_dgram_finish(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_FINISHING;
    fn_reactor_touch(r, n);
}

void fn_dgram_close(struct fn_reactor *r, struct fn_node *n, bool keep)
{
    fn_reactor_remove(r, n, keep);
}

/* A service answers what has come already and leaves. */
void fn_dgram_drain(struct fn_reactor *r, struct fn_node *n)
{
    for (int i = 0; i < DRAIN_ROUNDS; i++) { /* who goes on sending does not keep us */
        uint64_t before = atomic_load_explicit(&r->counters.datagrams_in, memory_order_relaxed);
        fn_mmsg_reset(r->mmsg);
        receive(r, n);
        if (atomic_load_explicit(&r->counters.datagrams_in, memory_order_relaxed) == before)
            break;
    }
    fn_reactor_remove(r, n, true);
}
