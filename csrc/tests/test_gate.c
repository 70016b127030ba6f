/* Who is admitted, how many, and that counts come back to nothing. */
#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "fastnet/gate.h"
#include "fastnet/status.h"

static struct fn_peer peer_v4(uint8_t last)
{
    return (struct fn_peer){.addr = {[10] = 0xff, 0xff, 10, 0, 0, last}};
}

/* One range of IPv4 addresses, 10.0.0.first to 10.0.0.last. */
static void range(uint8_t bytes[32], uint8_t first, uint8_t last)
{
    struct fn_peer a = peer_v4(first), b = peer_v4(last);
    memcpy(bytes, a.addr, 16);
    memcpy(bytes + 16, b.addr, 16);
}

static struct fn_gate *gate_of(uint32_t connections, uint32_t per_address)
{
    struct fn_gate_limits l = {.connections = connections, .per_address = per_address};
    struct fn_gate *g = fn_gate_new(&l, NULL, 0, NULL, 0);
    assert(g);
    return g;
}

static void expect(struct fn_gate *g, uint32_t open, uint64_t accepted, uint64_t denied,
                   uint64_t refused)
{
    assert(atomic_load(&g->open) == open && atomic_load(&g->accepted) == accepted);
    assert(atomic_load(&g->denied) == denied && atomic_load(&g->refused) == refused);
}

static void test_the_number_of_connections(void)
{
    struct fn_gate *g = gate_of(2, 0);
    struct fn_peer p = peer_v4(1);
    assert(fn_gate_enter(g, &p) == 0 && fn_gate_enter(g, NULL) == 0);
    assert(fn_gate_enter(g, &p) == FN_E_CONN_LIMIT && fn_gate_enter(g, NULL) == FN_E_CONN_LIMIT);
    expect(g, 2, 2, 0, 2);
    fn_gate_leave(g, &p);
    assert(fn_gate_enter(g, NULL) == 0 && fn_gate_enter(g, NULL) == FN_E_CONN_LIMIT);
    fn_gate_leave(g, NULL);
    fn_gate_leave(g, NULL);
    expect(g, 0, 3, 0, 3);
    fn_gate_release(g);
    g = gate_of(0, 0);
    for (int i = 0; i < 1000; i++)
        assert(fn_gate_enter(g, &p) == 0);
    fn_gate_release(g);
}

static void test_the_number_by_address(void)
{
    struct fn_gate *g = gate_of(5, 2);
    struct fn_peer a = peer_v4(1), b = peer_v4(2);
    assert(fn_gate_enter(g, &a) == 0 && fn_gate_enter(g, &a) == 0);
    assert(fn_gate_enter(g, &a) == FN_E_CONN_ADDRESS);
    assert(fn_gate_enter(g, &b) == 0);
    assert(fn_gate_enter(g, NULL) == 0 && fn_gate_enter(g, NULL) == 0); /* Unix: never counted */
    assert(fn_gate_enter(g, &b) == FN_E_CONN_LIMIT);
    expect(g, 5, 5, 0, 2);
    assert(fn_peers_count(&g->peers, &a) == 2 && fn_peers_count(&g->peers, &b) == 1);
    fn_gate_leave(g, &a);
    assert(fn_gate_enter(g, &a) == 0);
    fn_gate_leave(g, &a);
    fn_gate_leave(g, &a);
    fn_gate_leave(g, &b);
    fn_gate_leave(g, NULL);
    fn_gate_leave(g, NULL);
    expect(g, 0, 6, 0, 2);
    assert(g->peers.count == 0);
    fn_gate_release(g);
}

static void test_networks(void)
{
    uint8_t allow[64], deny[32];
    struct fn_gate_limits l = {0};
    range(allow, 10, 19);
    range(allow + 32, 30, 39);
    range(deny, 15, 34);
    struct fn_gate *g = fn_gate_new(&l, allow, 2, deny, 1);
    memset(allow, 0, sizeof allow); /* the gate has copies */
    memset(deny, 0, sizeof deny);
    for (int i = 0; i < 50; i++) {
        struct fn_peer p = peer_v4((uint8_t)i);
        bool in = (i >= 10 && i < 15) || (i >= 35 && i < 40);
        assert(fn_gate_enter(g, &p) == (in ? 0 : -EACCES));
    }
    expect(g, 10, 10, 40, 0);
    assert(fn_gate_enter(g, NULL) == 0);
    fn_gate_release(g);

    struct fn_peer p = peer_v4(1);
    g = fn_gate_new(&l, allow, 0, NULL, 0); /* nobody is allowed */
    assert(fn_gate_enter(g, &p) == -EACCES && fn_gate_enter(g, NULL) == 0);
    fn_gate_release(g);
    range(deny, 1, 1);
    g = fn_gate_new(&l, NULL, 0, deny, 1);
    assert(fn_gate_enter(g, &p) == -EACCES);
    p = peer_v4(2);
    assert(fn_gate_enter(g, &p) == 0);
    fn_gate_release(g);
}

/* Spans are added to the present time, which must not overflow. */
static void test_spans_are_bounded(void)
{
    struct fn_gate_limits l = {.idle = FN_NEVER, .handshake = FN_NEVER - 1, .rate_window = -1};
    struct fn_gate *g = fn_gate_new(&l, NULL, 0, NULL, 0);
    assert(g->limits.idle == 0 && g->limits.handshake == 0);
    assert(g->limits.rate_window == FN_SECOND);
    fn_gate_release(g);
    l = (struct fn_gate_limits){.idle = FN_SECOND, .handshake = 1, .rate_window = 7};
    g = fn_gate_new(&l, NULL, 0, NULL, 0);
    assert(g->limits.idle == FN_SECOND && g->limits.handshake == 1 && g->limits.rate_window == 7);
    fn_gate_release(g);
}

static void test_references(void)
{
    struct fn_gate *g = gate_of(1, 1);
    fn_gate_retain(g);
    fn_gate_release(g);
    assert(fn_gate_enter(g, NULL) == 0);
    fn_gate_release(g);
    fn_gate_release(NULL);
}

/* --------------------------------------------------------------- two threads */

enum { ROUNDS = 20000, LIMIT = 3, ADDRESSES = 4 };

struct visitor {
    struct fn_gate *gate;
    _Atomic int *inside;
    uint64_t random;
};

static void *visit(void *arg)
{
    struct visitor *v = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct fn_peer p = peer_v4((uint8_t)random_below(&v->random, ADDRESSES));
        int st = fn_gate_enter(v->gate, &p);
        if (st == 0) {
            assert(atomic_fetch_add(v->inside, 1) < LIMIT);
            atomic_fetch_sub(v->inside, 1);
            fn_gate_leave(v->gate, &p);
        } else {
            assert(st == FN_E_CONN_LIMIT || st == FN_E_CONN_ADDRESS);
        }
    }
    fn_gate_release(v->gate);
    return NULL;
}

static void test_threads(void)
{
    enum { THREADS = 4 };
    struct fn_gate *g = gate_of(LIMIT, 1);
    _Atomic int inside = 0;
    pthread_t thread[THREADS];
    struct visitor v[THREADS];
    for (int i = 0; i < THREADS; i++) {
        v[i] = (struct visitor){.gate = g, .inside = &inside, .random = (uint64_t)i + 1};
        fn_gate_retain(g);
        assert(pthread_create(&thread[i], NULL, visit, &v[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert(atomic_load(&g->open) == 0 && g->peers.count == 0);
    assert(atomic_load(&g->accepted) + atomic_load(&g->refused) == THREADS * ROUNDS);
    fn_gate_release(g);
}

int main(void)
{
    test_the_number_of_connections();
    test_the_number_by_address();
    test_networks();
    test_spans_are_bounded();
    test_references();
    test_threads();
    return 0;
}
