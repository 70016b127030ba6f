/* Theory in turn.h. */
#include "fastnet/turn.h"

#include <unistd.h>

#include "fastnet/accept.h"
#include "fastnet/conn.h"
#include "fastnet/dgram.h"
#include "fastnet/service.h"
#include "fastnet/status.h"
#include "fastnet/watchdog.h"

enum { SPIN_SKIP = 64, LAST_ACCEPTS = 16 /* times FN_ACCEPTS */ };

/* -------------------------------------------------------------------- watches */

struct fn_node *fn_watch_add(struct fn_reactor *r, int fd, uint32_t mask, void *user, int *status)
{
    struct fn_node *n = fn_reactor_add(r, FN_NODE_WATCH, fd, status);
    if (!n)
        return NULL;
    *status = fn_poller_add(&r->poller, fd, mask, fn_node_id(n));
    if (*status < 0) {
        fn_reactor_remove(r, n, true);
        return NULL;
    }
    n->flags |= FN_KNOWN;
    n->armed = n->watch = (uint8_t)mask;
    n->user = user;
    return n;
}

int fn_watch_set(struct fn_reactor *r, struct fn_node *n, uint32_t mask)
{
    if (n->watch == mask)
        return 0;
    int st = n->flags & FN_KNOWN ? fn_poller_mod(&r->poller, n->fd, mask, fn_node_id(n))
                                 : fn_poller_add(&r->poller, n->fd, mask, fn_node_id(n));
    if (st < 0)
        return st;
    n->flags |= FN_KNOWN;
    n->armed = n->watch = (uint8_t)mask;
    return 0;
}

/* A hang-up or an error makes both directions ready, so that whoever watches
 * learns of it from the next call. */
static void watch_event(struct fn_reactor *r, struct fn_node *n, uint32_t mask)
{
    if (mask & (FN_POLL_ERR | FN_POLL_HUP))
        mask |= n->watch;
    if (!(mask & n->watch)) { /* a hang-up that nobody asked about would never end */
        fn_poller_del(&r->poller, n->fd);
        n->flags &= ~(uint32_t)FN_KNOWN;
        return;
    }
    struct fn_event *e = fn_reactor_emit(r, n, FN_EVENT_READY);
    if (e)
        e->status = (int)(mask & n->watch);
}

/* ---------------------------------------------------------------------- turns */

static void wakened(struct fn_reactor *r)
{
    uint64_t bytes[8];
    while (read(r->wake_read, bytes, sizeof bytes) > 0 && r->wake_read != r->wake_write)
        ;
}

void fn_reactor_settle(struct fn_reactor *r)
{
    while (r->dirty_head < r->dirty_count) {
        uint64_t id = r->dirty[r->dirty_head++];
        struct fn_node *n = id ? fn_slab_find(&r->slab, id) : NULL;
        if (!n)
            continue;
        n->flags &= ~(uint32_t)FN_DIRTY;
        if (n->kind == FN_NODE_STREAM)
            fn_conn_settle(r, n);
        else if (n->kind == FN_NODE_DATAGRAM)
            fn_dgram_settle(r, n);
    }
    r->dirty_head = r->dirty_count = 0;
}

static void fire_timers(struct fn_reactor *r)
{
    struct fn_timer *t;
    while ((t = fn_timers_due(&r->timers, r->now)) != NULL) {
        struct fn_node *n = (struct fn_node *)t;
        if (n->kind == FN_NODE_STREAM)
            fn_watchdog_fire(r, n);
        else if (n->kind == FN_NODE_LISTENER)
            fn_listener_timer(r, n);
    }
}

static bool may_spin(struct fn_reactor *r)
{
    if (!r->spin)
        return false;
    if (!r->spin_skip)
        return true;
    r->spin_skip--;
    return false;
}

/* Looks again until something is there or the budget is spent. */
static int spin(struct fn_reactor *r, fn_time timeout)
{
    fn_time until = fn_now() + fn_earlier(r->spin, timeout);
    do {
        int n = fn_poller_wait(&r->poller, r->ready, FN_TURN, 0);
        if (n) {
            r->spin_wait = 0;
            fn_count(&r->counters.spins_paid, 1);
            return n;
        }
    } while (fn_now() < until && !atomic_load_explicit(&r->woken, memory_order_relaxed));
    r->spin_wait = r->spin_wait < SPIN_SKIP / 2 ? r->spin_wait * 2 + 1 : SPIN_SKIP;
    r->spin_skip = r->spin_wait;
    fn_count(&r->counters.spins_idle, 1);
    return 0;
}

static int wait_events(struct fn_reactor *r, fn_time timeout)
{
    fn_time next = fn_timers_next(&r->timers);
    if (next != FN_NEVER)
        timeout = fn_earlier(timeout, next > r->now ? next - r->now : 0);
    if (r->event_count || atomic_load(&r->woken))
        timeout = 0;
    if (timeout > 0 && may_spin(r)) {
        int n = spin(r, timeout);
        if (n)
            return n;
        if (timeout != FN_NEVER)
            timeout = timeout > r->spin ? timeout - r->spin : 0;
    }
    return fn_poller_wait(&r->poller, r->ready, FN_TURN, timeout);
}

static void serve(struct fn_reactor *r, const struct fn_poll_event *e)
{
    struct fn_node *n = fn_slab_find(&r->slab, e->tag);
    if (!n)
        return;
    switch (n->kind) {
    case FN_NODE_STREAM:
        fn_conn_event(r, n, e->mask);
        break;
    case FN_NODE_LISTENER:
        fn_listener_event(r, n);
        break;
    case FN_NODE_DATAGRAM:
        fn_dgram_event(r, n, e->mask);
        break;
    case FN_NODE_WATCH:
        watch_event(r, n, e->mask);
        break;
    default:
        wakened(r);
    }
}

int fn_reactor_poll(struct fn_reactor *r, fn_time timeout)
{
    if (r->event_head < r->event_count)
        return (int)(r->event_count - r->event_head);
    r->event_head = r->event_count = r->arena_used = 0;
    r->dispatching = false;
    fn_mmsg_reset(r->mmsg);
    fn_count(&r->counters.turns, 1);
    r->now = fn_now();
    fn_reactor_settle(r);
    int n = wait_events(r, timeout);
    if (n < 0 && !r->event_count)
        return n;
    if (timeout > 0)
        r->now = fn_now();
    atomic_store(&r->woken, false);
    for (int i = 0; i < n; i++)
        serve(r, &r->ready[i]);
    fire_timers(r);
    r->dispatching = r->event_count > 0;
    return (int)r->event_count;
}

/* ----------------------------------------------------------- running by itself */

/* Whoever is connected already is taken in before the listeners close. */
static void end_listeners(struct fn_reactor *r)
{
    for (uint32_t i = 0; i < fn_slab_size(&r->slab); i++) {
        struct fn_node *n = fn_slab_at(&r->slab, i);
        if (n->kind != FN_NODE_LISTENER)
            continue;
        for (int turn = 0; turn < LAST_ACCEPTS; turn++)
            fn_listener_event(r, n);
        fn_listener_close(r, n);
    }
}

static void drain(struct fn_reactor *r)
{
    r->draining = true;
    r->event_head = r->event_count = 0; /* all taken: run() has looked */
    end_listeners(r);
    for (uint32_t i = 0; i < fn_slab_size(&r->slab); i++) {
        struct fn_node *n = fn_slab_at(&r->slab, i);
        if (n->kind == FN_NODE_STREAM && fn_is_service(n))
            fn_service_drain(r, n);
        else if (n->kind == FN_NODE_DATAGRAM && fn_is_service(n))
            fn_dgram_drain(r, n);
    }
}

static bool streams_left(const struct fn_reactor *r)
{
    return atomic_load_explicit(&r->counters.open, memory_order_relaxed) != 0;
}

int fn_reactor_run(struct fn_reactor *r, fn_time check_at)
{
    for (;;) {
        if (r->event_head < r->event_count)
            return 1;
        unsigned asked = atomic_exchange(&r->asked, 0);
        if (asked & FN_ASK_DRAIN)
            drain(r);
        if (asked & FN_ASK_STOP || (r->draining && !streams_left(r)))
            return 0;
        fn_time now = fn_now();
        if (now >= check_at)
            return FN_E_CHECK;
        int n = fn_reactor_poll(r, check_at == FN_NEVER ? FN_NEVER : check_at - now);
        if (n != 0)
            return n < 0 ? n : 1;
    }
}
