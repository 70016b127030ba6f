/* Theory in accept.h. */
#include "fastnet/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fastnet/conn.h"
#include "fastnet/sock.h"
#include "fastnet/status.h"

/* A non-blocking connection, or -errno. */
static int take(int fd, struct sockaddr_storage *from)
{
    socklen_t len = sizeof *from;
    from->ss_family = AF_UNSPEC;
#ifdef __linux__
    int c = accept4(fd, (struct sockaddr *)from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return c < 0 ? -errno : c;
#else
    int c = accept(fd, (struct sockaddr *)from, &len);
    if (c < 0)
        return -errno;
    fcntl(c, F_SETFL, O_NONBLOCK);
    fcntl(c, F_SETFD, FD_CLOEXEC);
    return c;
#endif
}

/* Known to the poller from now on: 0 or -errno.  Those who share it and were
 * passed over learn of what waits by being added. */
static int watch(struct fn_reactor *r, struct fn_node *n)
{
    uint32_t mask = FN_POLL_IN | (n->flags & FN_SHARED ? FN_POLL_SHARED : 0);
    int st = fn_poller_add(&r->poller, n->fd, mask, fn_node_id(n));
    if (st < 0)
        return st;
    n->flags |= FN_KNOWN;
    n->armed = (uint8_t)mask;
    return 0;
}

/* Takes no connection for a while.  It leaves the poller: an error would be
 * reported even to those who ask for nothing. */
static void rest(struct fn_reactor *r, struct fn_node *n)
{
    if (n->flags & FN_KNOWN)
        fn_poller_del(&r->poller, n->fd);
    n->flags = (n->flags | FN_HELD) & ~(uint32_t)FN_KNOWN;
    n->armed = 0;
    fn_timers_set(&r->timers, &n->timer, r->now + FN_REST);
}

/* The descriptor in reserve is taken back before the first newcomer is. */
static bool has_reserve(struct fn_reactor *r)
{
    if (r->reserve < 0)
        r->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return r->reserve >= 0 || (errno != EMFILE && errno != ENFILE);
}

void fn_listener_timer(struct fn_reactor *r, struct fn_node *n)
{
    if (!has_reserve(r) || watch(r, n) < 0)
        rest(r, n);
    else
        n->flags &= ~(uint32_t)FN_HELD;
}

/* Tells one who waits that there is no room, with the descriptor kept for it:
 * 0, -EAGAIN when nobody waits, or -EMFILE when even that descriptor is gone. */
static int shed(struct fn_reactor *r, struct fn_node *n)
{
    struct sockaddr_storage from;
    if (r->reserve < 0)
        return -EMFILE;
    close(r->reserve);
    int c = take(n->fd, &from);
    if (c >= 0) {
        close(c);
        fn_count(&r->counters.shed, 1);
    }
    r->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (r->reserve < 0)
        return -EMFILE;
    return c < 0 ? c : 0;
}

/* Errors of accept(2) that concern one connection, which has gone already. */
static bool is_passing(int status)
{
    switch (-status) {
    case ECONNABORTED:
    case EINTR:
    case EPERM: /* a firewall's */
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
#ifdef __linux__
    case EHOSTDOWN:
    case ENONET:
#endif
    case ENOPROTOOPT:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static uint16_t port_of(const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)from)->sin_port);
    return from->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)from)->sin6_port) : 0;
}

/* A newcomer: 0 when it is in or has been turned away, -ENOMEM and the like
 * when the listener should rest. */
static int admit(struct fn_reactor *r, struct fn_node *l, int fd,
                 const struct sockaddr_storage *from)
{
    struct fn_peer peer;
    bool has_peer = fn_peer_of((const struct sockaddr *)from, &peer);
    int st = l->gate ? fn_gate_enter(l->gate, has_peer ? &peer : NULL) : 0;
    if (st < 0) {
        close(fd);
        return 0;
    }
    struct fn_node *n = fn_conn_add(r, fd, (enum fn_codec)l->codec, l->gate, l->user, &st);
    if (!n) {
        if (l->gate)
            fn_gate_leave(l->gate, has_peer ? &peer : NULL);
        close(fd);
        fn_count(&r->counters.shed, 1);
        return st == FN_E_SELECT_RANGE ? 0 : st;
    }
    fn_slab_name(&r->slab, n, has_peer ? &peer : NULL, port_of(from));
    if (l->gate)
        n->flags |= FN_COUNTED;
    fn_count(&r->counters.accepted, 1);
    if (l->codec == FN_CODEC_RAW || l->codec == FN_CODEC_READABLE)
        fn_reactor_emit(r, n, FN_EVENT_OPENED);
    return 0;
}

void fn_listener_event(struct fn_reactor *r, struct fn_node *n)
{
    struct sockaddr_storage from;
    for (int i = 0; i < FN_ACCEPTS && r->event_count < r->event_capacity; i++) {
        int fd = take(n->fd, &from);
        int st = fd >= 0 ? admit(r, n, fd, &from) : fd;
        if (st == -EMFILE || st == -ENFILE)
            st = shed(r, n);
        if (st == -EAGAIN || st == -EWOULDBLOCK)
            return;
        if (st < 0 && !is_passing(st)) { /* the system lacks something */
            rest(r, n);
            return;
        }
    }
}

struct fn_node *fn_listener_add(struct fn_reactor *r, int fd, enum fn_codec codec,
                                struct fn_gate *gate, bool shared, void *user, int *status)
{
    struct fn_node *n = fn_reactor_add(r, FN_NODE_LISTENER, fd, status);
    if (!n)
        return NULL;
    n->flags |= shared ? FN_SHARED : 0;
    *status = watch(r, n);
    if (*status < 0) {
        fn_reactor_remove(r, n, true);
        return NULL;
    }
    /* Inherited by every connection that it accepts (tcp(7)). */
    if (fn_sock_is_tcp(fd) && (!gate || gate->limits.nodelay))
        fn_sock_set_nodelay(fd, true);
    n->codec = (uint8_t)codec;
    n->user = user;
    n->gate = gate;
    if (gate)
        fn_gate_retain(gate);
    return n;
}

void fn_listener_close(struct fn_reactor *r, struct fn_node *n)
{
    fn_reactor_remove(r, n, true);
}
