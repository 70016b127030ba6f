/* Theory in watchdog.h. */
#include "fastnet/watchdog.h"

#include "fastnet/conn.h"
#include "fastnet/status.h"

/* When the node has to be looked at, FN_NEVER for not at all. */
static fn_time next_check(const struct fn_node *n)
{
    const struct fn_gate_limits *l = n->gate ? &n->gate->limits : NULL;
    fn_time at = FN_NEVER;
    if (n->flags & (FN_HANDSHAKING | FN_LINGERING))
        at = n->deadline;
    if (l && l->idle)
        at = fn_earlier(at, n->active + l->idle);
    if (l && n->flags & FN_RATED)
        at = fn_earlier(at, n->rated_at + l->rate_window);
    return at;
}

/* A timer that fires too early is set again then; only an earlier time moves it. */
void fn_watchdog_schedule(struct fn_reactor *r, struct fn_node *n)
{
    fn_time at = next_check(n);
    if (at != FN_NEVER && (!fn_timer_is_set(&n->timer) || at < n->timer.when))
        fn_timers_set(&r->timers, &n->timer, at);
}

void fn_watchdog_rate(struct fn_reactor *r, struct fn_node *n)
{
    if (!n->gate || !n->gate->limits.min_rate)
        return;
    if (!n->out.bytes) {
        n->flags &= ~(uint32_t)FN_RATED;
    } else if (!(n->flags & FN_RATED)) {
        n->flags |= FN_RATED;
        n->rated_at = r->now;
        n->rated = atomic_load_explicit(&n->bytes_out, memory_order_relaxed);
        fn_watchdog_schedule(r, n);
    }
}

static bool too_slow(struct fn_reactor *r, struct fn_node *n)
{
    const struct fn_gate_limits *l = &n->gate->limits;
    uint64_t out = atomic_load_explicit(&n->bytes_out, memory_order_relaxed);
    double seconds = (double)(r->now - n->rated_at) / (double)FN_SECOND;
    if ((double)(out - n->rated) < (double)l->min_rate * seconds)
        return true;
    n->rated_at = r->now;
    n->rated = out;
    return false;
}

void fn_watchdog_fire(struct fn_reactor *r, struct fn_node *n)
{
    const struct fn_gate_limits *l = n->gate ? &n->gate->limits : NULL;
    int reason = 0;
    if (n->flags & FN_FAILED)
        return;
    if (n->flags & FN_LINGERING && r->now >= n->deadline) {
        fn_conn_close(r, n, false);
        return;
    }
    if (n->flags & FN_HANDSHAKING && r->now >= n->deadline)
        reason = FN_E_CONN_HANDSHAKE;
    else if (l && l->idle && r->now >= n->active + l->idle)
        reason = FN_E_CONN_IDLE;
    else if (l && n->flags & FN_RATED && r->now >= n->rated_at + l->rate_window && too_slow(r, n))
        reason = FN_E_CONN_RATE;
    if (reason)
        fn_conn_fail(r, n, reason);
    else
        fn_watchdog_schedule(r, n);
}
