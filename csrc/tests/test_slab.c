/* Ids that go stale, nodes that are used again, and those who look from outside. */
#include <pthread.h>

#include "check.h"
#include "fastnet/slab.h"

enum { MANY = 3 * FN_SLAB_CHUNK + 5 };

static void test_ids_go_stale(void)
{
    struct fn_slab s;
    assert(fn_slab_init(&s) == 0);
    assert(fn_slab_find(&s, 0) == NULL && fn_slab_find(&s, UINT64_MAX) == NULL);
    struct fn_node *n = fn_slab_take(&s, FN_NODE_STREAM, 7);
    uint64_t id = fn_node_id(n);
    assert(id && fn_slab_find(&s, id) == n && s.used == 1);
    assert(n->fd == 7 && n->kind == FN_NODE_STREAM && n->flags == 0 && !fn_timer_is_set(&n->timer));
    fn_slab_give(&s, n);
    assert(fn_slab_find(&s, id) == NULL && s.used == 0);
    struct fn_node *again = fn_slab_take(&s, FN_NODE_WATCH, 7);
    assert(again == n && fn_node_id(again) != id && fn_slab_find(&s, id) == NULL);
    assert((uint32_t)fn_node_id(again) == (uint32_t)id);
    assert(fn_slab_find(&s, 0) == NULL);
    fn_slab_fini(&s);
}

/* A generation that comes round skips 0, so that no id is 0. */
static void test_generations_come_round(void)
{
    struct fn_slab s;
    assert(fn_slab_init(&s) == 0);
    struct fn_node *n = fn_slab_take(&s, FN_NODE_STREAM, 1);
    n->generation = UINT32_MAX;
    assert(fn_slab_find(&s, fn_node_id(n)) == n);
    fn_slab_give(&s, n);
    n = fn_slab_take(&s, FN_NODE_STREAM, 1);
    assert(n->generation == 1 && fn_node_id(n) != 0);
    fn_slab_fini(&s);
}

static void test_nodes_never_move(void)
{
    struct fn_slab s;
    static struct fn_node *node[MANY];
    static uint64_t id[MANY];
    assert(fn_slab_init(&s) == 0);
    for (int i = 0; i < MANY; i++) {
        node[i] = fn_slab_take(&s, FN_NODE_STREAM, i);
        id[i] = fn_node_id(node[i]);
    }
    assert(s.used == MANY && fn_slab_size(&s) >= MANY);
    for (int i = 0; i < MANY; i++)
        assert(fn_slab_find(&s, id[i]) == node[i] && fn_slab_at(&s, node[i]->index) == node[i]);
    for (int i = 0; i < MANY; i += 2)
        fn_slab_give(&s, node[i]);
    for (int i = 0; i < MANY; i++)
        assert(fn_slab_find(&s, id[i]) == (i % 2 ? node[i] : NULL));
    size_t size = fn_slab_size(&s);
    for (int i = 0; i < MANY; i += 2)
        node[i] = fn_slab_take(&s, FN_NODE_STREAM, i);
    assert(fn_slab_size(&s) == size && s.used == MANY);
    fn_slab_fini(&s);
}

/* Against a model: every id ever given either is its node's or finds nothing. */
static void test_against_a_model(void)
{
    enum { HELD = 200, STEPS = 20000 };
    struct fn_slab s;
    static uint64_t live[HELD], dead[STEPS];
    static struct fn_node *node[HELD];
    size_t buried = 0, held = 0;
    uint64_t random = 5;
    assert(fn_slab_init(&s) == 0);
    for (int i = 0; i < STEPS; i++) {
        size_t k = random_below(&random, HELD);
        if (node[k]) {
            fn_slab_give(&s, node[k]);
            node[k] = NULL;
            dead[buried++] = live[k];
            held--;
        } else {
            node[k] = fn_slab_take(&s, FN_NODE_STREAM, (int)k);
            live[k] = fn_node_id(node[k]);
            held++;
        }
        assert(s.used == held);
        size_t j = random_below(&random, HELD);
        assert(fn_slab_find(&s, live[j]) == node[j]);
        assert(!buried || !fn_slab_find(&s, dead[random_below(&random, buried)]));
    }
    fn_slab_fini(&s);
}

/* ---------------------------------------------------------------- from outside */

struct watched {
    struct fn_slab slab;
    _Atomic bool stop;
    uint64_t seen;
};

static void *look(void *arg)
{
    struct watched *w = arg;
    static struct fn_peer_info info[2 * FN_SLAB_CHUNK];
    while (!atomic_load(&w->stop)) {
        size_t n = fn_slab_each(&w->slab, info, 2 * FN_SLAB_CHUNK);
        for (size_t i = 0; i < n; i++) {
            assert(info[i].id && info[i].fd >= 0);
            assert(!info[i].has_peer || info[i].peer.addr[0] == (uint8_t)info[i].port);
            w->seen += info[i].bytes_in + info[i].bytes_out;
        }
    }
    return NULL;
}

static void test_each_from_another_thread(void)
{
    enum { HELD = 300, STEPS = 20000 };
    struct watched w = {.seen = 0};
    struct fn_node *node[HELD] = {0};
    pthread_t thread;
    uint64_t random = 9;
    assert(fn_slab_init(&w.slab) == 0);
    assert(pthread_create(&thread, NULL, look, &w) == 0);
    for (int i = 0; i < STEPS; i++) {
        size_t k = random_below(&random, HELD);
        struct fn_peer peer = {.addr = {(uint8_t)i}};
        if (node[k]) {
            atomic_fetch_add_explicit(&node[k]->bytes_in, 1, memory_order_relaxed);
            fn_slab_give(&w.slab, node[k]);
            node[k] = NULL;
            continue;
        }
        node[k] = fn_slab_take(&w.slab, k % 5 ? FN_NODE_STREAM : FN_NODE_WATCH, (int)k);
        fn_slab_name(&w.slab, node[k], k % 3 ? &peer : NULL, (uint8_t)i);
        node[k]->flags |= FN_READING; /* the owner's alone */
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    fn_slab_fini(&w.slab);
}

static void test_each_lists_streams(void)
{
    struct fn_slab s;
    struct fn_peer_info info[8];
    assert(fn_slab_init(&s) == 0 && fn_slab_each(&s, info, 8) == 0);
    for (int i = 0; i < 6; i++)
        fn_slab_take(&s, i < 4 ? FN_NODE_STREAM : FN_NODE_LISTENER, 10 + i);
    assert(fn_slab_each(&s, info, 8) == 4 && fn_slab_each(&s, info, 3) == 3);
    assert(fn_slab_each(&s, NULL, 0) == 0);
    assert(info[2].fd == 12 && !info[2].has_peer && info[2].port == 0);
    fn_slab_give(&s, fn_slab_find(&s, info[0].id));
    assert(fn_slab_each(&s, info, 8) == 3 && info[0].fd == 11);
    fn_slab_fini(&s);
}

int main(void)
{
    test_ids_go_stale();
    test_generations_come_round();
    test_nodes_never_move();
    test_against_a_model();
    test_each_lists_streams();
    test_each_from_another_thread();
    return 0;
}
