/* Theory in muxturn.h. */
#include "fastnet/muxturn.h"

#include "fastnet/conn.h"
#include "fastnet/muxio.h"
#include "fastnet/muxout.h"
#include "fastnet/turn.h"

void fn_mux_queue_add(struct fn_mux_queue *q, struct fn_mux_node *n)
{
    if (n->queued || n->stuck)
        return;
    n->queued = true;
    n->next = NULL;
    if (q->first)
        q->last->next = n;
    else
        q->first = n;
    q->last = n;
}

void fn_mux_queue_remove(struct fn_mux_queue *q, struct fn_mux_node *n)
{
    if (!n->queued)
        return;
    struct fn_mux_node **at = &q->first, *before = NULL;
    while (*at && *at != n) {
        before = *at;
        at = &(*at)->next;
    }
    *at = n->next;
    if (q->last == n)
        q->last = before;
    n->queued = false;
}

/* Sends what each has; those with more than the budget stay for the next turn.
 * Whether there are any. */
static bool send_all(struct fn_reactor *r, struct fn_mux_queue *q)
{
    struct fn_mux_node *n = q->first;
    q->first = q->last = NULL;
    while (n) {
        struct fn_mux_node *next = n->next;
        n->queued = false;
        struct fn_node *node = fn_slab_find(&r->slab, n->id);
        int st = node && !n->external ? fn_mux_write(n->mux, n->fd, FN_MUX_BUDGET) : 0;
        if (st == 2) {
            fn_mux_queue_add(q, n);
        } else if (st == 1) {
            n->stuck = true;
            fn_conn_want_room(r, node);
        } else if (st < 0) {
            fn_conn_fail(r, node, st);
        }
        n = next;
    }
    return q->first != NULL;
}

static void read_all(struct fn_reactor *r, struct fn_mux_queue *q)
{
    for (size_t i = r->event_head; i < r->event_count; i++) {
        struct fn_event *e = &r->events[i];
        struct fn_node *node = fn_slab_find(&r->slab, e->id);
        if (!node || node->kind != FN_NODE_STREAM || e->kind == FN_EVENT_OPENED)
            continue;
        struct fn_mux_node *n = node->user;
        if (e->kind == FN_EVENT_READABLE && !n->external)
            e->status = fn_mux_read(n->mux, n->fd, FN_MUX_BUDGET);
        if (e->kind == FN_EVENT_DRAINED) {
            n->stuck = false;
            fn_mux_queue_add(q, n);
        } else if (fn_mux_pending(n->mux)) {
            fn_mux_queue_add(q, n); /* a PONG, or credit came */
        }
    }
}

int fn_mux_turn(struct fn_reactor *r, struct fn_mux_queue *q, fn_time timeout)
{
    bool more = send_all(r, q);
    int n = fn_reactor_poll(r, more ? 0 : timeout);
    if (n > 0)
        read_all(r, q);
    return n;
}
