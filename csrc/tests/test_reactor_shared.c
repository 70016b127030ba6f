/* Two reactors in two threads on one listener and one gate, while a third thread looks on. */
#include <pthread.h>

#include "rig.h"

enum { CLIENTS = 200 };

struct side {
    struct fn_reactor *r;
    int result;
};

static void *serve(void *arg)
{
    struct side *s = arg;
    assert(fn_reactor_enter(s->r) == 0);
    do
        s->result = fn_reactor_run(s->r, fn_now() + FN_SECOND);
    while (s->result == FN_E_CHECK);
    fn_reactor_leave(s->r);
    return NULL;
}

static uint64_t total(struct side s[2], size_t offset)
{
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++)
        sum += atomic_load((_Atomic uint64_t *)((char *)&s[i].r->counters + offset));
    return sum;
}

#define TOTAL(s, name) total(s, offsetof(struct fn_counters, name))

static struct side new_side(enum fn_poller_kind kind, int listener, struct fn_gate *gate)
{
    int st;
    struct side s = {.r = open_reactor(kind)};
    assert(fn_listener_add(s.r, listener, FN_CODEC_ECHO, gate, true, NULL, &st));
    fn_reactor_leave(s.r);
    return s;
}

static void talk(int fd, int round)
{
    char sent[100], got[100];
    memset(sent, 'a' + round % 26, sizeof sent);
    write_all(fd, sent, sizeof sent);
    read_all(fd, got, sizeof got);
    assert(memcmp(sent, got, sizeof sent) == 0);
}

static void test_two_threads(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {
        .connections = CLIENTS, .per_address = CLIENTS, .idle = FN_SECOND};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_peer_info info[CLIENTS];
    pthread_t thread[2];
    uint16_t port;
    char byte;
    int fd[CLIENTS], listener = listen_tcp(&port);
    struct side side[2] = {new_side(kind, listener, gate), new_side(kind, listener, gate)};
    for (int i = 0; i < 2; i++)
        assert(pthread_create(&thread[i], NULL, serve, &side[i]) == 0);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = dial(port);
        talk(fd[i], i);
        if (i % 10 == 0) {
            size_t seen = fn_slab_each(&side[0].r->slab, info, CLIENTS);
            seen += fn_slab_each(&side[1].r->slab, info, CLIENTS);
            assert(seen <= (size_t)i + 1);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        talk(fd[i], i);
    assert(TOTAL(side, accepted) == CLIENTS && TOTAL(side, open) <= CLIENTS);
    for (int i = 0; i < 2; i++)
        fn_reactor_ask(side[i].r, FN_ASK_DRAIN);
    for (int i = 0; i < CLIENTS; i++) {
        assert(recv(fd[i], &byte, 1, 0) == 0);
        close(fd[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert(side[i].result == 0 && fn_reactor_enter(side[i].r) == 0);
        close_reactor(side[i].r);
    }
    assert(atomic_load(&gate->open) == 0 && gate->peers.count == 0);
    assert(atomic_load(&gate->accepted) == CLIENTS);
    fn_gate_release(gate);
    close(listener);
}

/* A reactor that leaves lets the other have all that come afterwards, and one that joins finds
 * those who wait already. */
static void test_leaving_and_joining(enum fn_poller_kind kind)
{
    pthread_t thread[2];
    uint16_t port;
    int fd, st, listener = listen_tcp(&port);
    struct side side[2] = {new_side(kind, listener, NULL), new_side(kind, listener, NULL)};
    for (int i = 0; i < 2; i++)
        assert(pthread_create(&thread[i], NULL, serve, &side[i]) == 0);
    for (int i = 0; i < 10; i++) {
        fd = dial(port);
        talk(fd, i);
        close(fd);
    }
    fn_reactor_ask(side[0].r, FN_ASK_DRAIN);
    pthread_join(thread[0], NULL);
    for (int i = 0; i < 10; i++) {
        fd = dial(port);
        talk(fd, i);
        close(fd);
    }
    assert(TOTAL(side, accepted) == 20);
    fn_reactor_ask(side[1].r, FN_ASK_STOP);
    pthread_join(thread[1], NULL);
    assert(fn_reactor_enter(side[1].r) == 0);
    close_reactor(side[1].r);
    fd = dial(port); /* nobody is there: it waits for who joins */
    side[1].r = open_reactor(kind);
    assert(fn_listener_add(side[1].r, listener, FN_CODEC_ECHO, NULL, true, NULL, &st));
    UNTIL(side[1].r, atomic_load(&side[1].r->counters.accepted) == 1);
    close(fd);
    assert(fn_reactor_enter(side[0].r) == 0);
    close_reactor(side[0].r);
    close_reactor(side[1].r);
    close(listener);
}

/* One that rests with connections in the queue looks again by itself. */
static void test_resting(enum fn_poller_kind kind)
{
    uint16_t port;
    int st, listener = listen_tcp(&port);
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *n = fn_listener_add(r, listener, FN_CODEC_ECHO, NULL, true, NULL, &st);
    turn(r, 0);
    fn_poller_del(&r->poller, n->fd); /* as it rests */
    n->flags = (n->flags | FN_HELD) & ~(uint32_t)FN_KNOWN;
    assert(fn_timers_set(&r->timers, &n->timer, fn_now() + 5 * FN_MS) == 0);
    int fd = dial(port);
    UNTIL(r, atomic_load(&r->counters.accepted) == 1);
    assert(!(n->flags & FN_HELD) && n->armed == (FN_POLL_IN | FN_POLL_SHARED));
    close(fd);
    fd = dial(port);
    UNTIL(r, atomic_load(&r->counters.accepted) == 2);
    close(fd);
    close_reactor(r);
    close(listener);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_two_threads(kind);
    test_leaving_and_joining(kind);
    test_resting(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
