/* Theory in gate.h. */
#include "fastnet/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fastnet/status.h"

static bool copy_networks(struct fn_networks *set, const uint8_t *ranges, size_t count)
{
    set->count = count;
    set->ranges = NULL;
    if (!count)
        return true;
    uint8_t *bytes = malloc(count * 32);
    if (!bytes)
        return false;
    memcpy(bytes, ranges, count * 32);
    set->ranges = bytes;
    return true;
}

/* Spans are added to the present time, which must not overflow. */
static fn_time bounded(fn_time span)
{
    return span > 0 && span < FN_NEVER / 2 ? span : 0;
}

static void bound_limits(struct fn_gate_limits *l)
{
    l->idle = bounded(l->idle);
    l->handshake = bounded(l->handshake);
    l->rate_window = bounded(l->rate_window);
    if (!l->rate_window) /* a window without length would end as soon as it began */
        l->rate_window = FN_SECOND;
}

struct fn_gate *fn_gate_new(const struct fn_gate_limits *limits, const uint8_t *allow,
                            size_t allows, const uint8_t *deny, size_t denies)
{
    struct fn_gate *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->limits = *limits;
    bound_limits(&g->limits);
    g->has_allow = allow != NULL;
    if (!copy_networks(&g->allow, allow, allow ? allows : 0) ||
        !copy_networks(&g->deny, deny, deny ? denies : 0) ||
        pthread_mutex_init(&g->lock, NULL) != 0) {
        free((void *)g->allow.ranges);
        free((void *)g->deny.ranges);
        free(g);
        return NULL;
    }
    fn_peers_init(&g->peers);
    atomic_init(&g->references, 1);
    return g;
}

void fn_gate_retain(struct fn_gate *g)
{
    atomic_fetch_add_explicit(&g->references, 1, memory_order_relaxed);
}

void fn_gate_release(struct fn_gate *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->references, 1, memory_order_acq_rel) != 1)
        return;
    fn_peers_fini(&g->peers);
    pthread_mutex_destroy(&g->lock);
    free((void *)g->allow.ranges);
    free((void *)g->deny.ranges);
    free(g);
}

bool fn_gate_welcomes(struct fn_gate *g, const struct fn_peer *peer)
{
    bool denied = peer && ((g->deny.count && fn_networks_contain(&g->deny, peer)) ||
                           (g->has_allow && !fn_networks_contain(&g->allow, peer)));
    if (denied)
        atomic_fetch_add_explicit(&g->denied, 1, memory_order_relaxed);
    return !denied;
}

/* Counts the newcomer with its address: 0, FN_E_CONN_ADDRESS, or -ENOMEM. */
static int count_address(struct fn_gate *g, const struct fn_peer *peer)
{
    int64_t n;
    pthread_mutex_lock(&g->lock);
    n = fn_peers_add(&g->peers, peer);
    if (n > g->limits.per_address) {
        fn_peers_remove(&g->peers, peer);
        n = FN_E_CONN_ADDRESS;
    }
    pthread_mutex_unlock(&g->lock);
    return n < 0 ? (int)n : 0;
}

int fn_gate_enter(struct fn_gate *g, const struct fn_peer *peer)
{
    if (!fn_gate_welcomes(g, peer))
        return -EACCES;
    uint32_t open = atomic_fetch_add_explicit(&g->open, 1, memory_order_relaxed);
    int st = g->limits.connections && open >= g->limits.connections ? FN_E_CONN_LIMIT : 0;
    if (!st && peer && g->limits.per_address)
        st = count_address(g, peer);
    if (st) {
        atomic_fetch_sub_explicit(&g->open, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&g->refused, 1, memory_order_relaxed);
        return st;
    }
    atomic_fetch_add_explicit(&g->accepted, 1, memory_order_relaxed);
    return 0;
}

void fn_gate_leave(struct fn_gate *g, const struct fn_peer *peer)
{
    if (peer && g->limits.per_address) {
        pthread_mutex_lock(&g->lock);
        fn_peers_remove(&g->peers, peer);
        pthread_mutex_unlock(&g->lock);
    }
    atomic_fetch_sub_explicit(&g->open, 1, memory_order_relaxed);
}
