/* Listeners: a budget for each turn, newcomers that have gone, and descriptors that run out. */
#include <sys/resource.h>

#include "rig.h"

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

static struct fn_node *add_listener(struct fn_reactor *r, int fd, enum fn_codec codec,
                                    struct fn_gate *gate, struct seen *seen)
{
    int st;
    struct fn_node *n = fn_listener_add(r, fd, codec, gate, false, seen, &st);
    assert(n && st == 0);
    return n;
}

static void test_budget(enum fn_poller_kind kind)
{
    enum { CLIENTS = 3 * FN_ACCEPTS };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    uint16_t port;
    int fd[CLIENTS], listener = listen_tcp(&port);
    add_listener(r, listener, FN_CODEC_RAW, NULL, &seen);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = dial(port);
    for (int i = 0; i < 100 && seen.count[FN_EVENT_OPENED] < CLIENTS; i++) {
        int before = seen.count[FN_EVENT_OPENED];
        turn(r, FN_SECOND);
        assert(seen.count[FN_EVENT_OPENED] - before <= FN_ACCEPTS);
    }
    assert(seen.count[FN_EVENT_OPENED] == CLIENTS && counted(&r->counters.open) == CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close_reactor(r);
    close(listener);
}

static void test_who_it_is(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {.nodelay = true, .connections = 2, .per_address = 1};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    struct fn_peer_info info[4];
    struct seen seen = {.status = 0};
    struct sockaddr_in in;
    socklen_t len = sizeof in;
    uint16_t port;
    char byte;
    int listener = listen_tcp(&port);
    add_listener(r, listener, FN_CODEC_RAW, gate, &seen);
    int fd = dial(port);
    assert(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
    UNTIL(r, seen.count[FN_EVENT_OPENED] == 1);
    assert(fn_slab_each(&r->slab, info, 4) == 1 && info[0].has_peer && info[0].id == seen.id);
    assert(info[0].port == ntohs(in.sin_port) &&
           memcmp(info[0].peer.addr + 12, &in.sin_addr, 4) == 0);
    int refused = dial(port); /* its address has one already */
    UNTIL(r, counted(&gate->refused) == 1);
    assert(recv(refused, &byte, 1, 0) == 0 && seen.count[FN_EVENT_OPENED] == 1);
    close(refused);
    fn_conn_close(r, fn_slab_find(&r->slab, seen.id), false);
    assert(counted(&gate->refused) == 1 && atomic_load(&gate->open) == 0);
    close(fd);
    fd = dial(port);
    UNTIL(r, seen.count[FN_EVENT_OPENED] == 2);
    close(fd);
    close_reactor(r); /* leaves the gate, too */
    assert(atomic_load(&gate->open) == 0);
    fn_gate_release(gate);
    close(listener);
}

static void test_gone_before_accept(enum fn_poller_kind kind)
{
    enum { CLIENTS = 20 };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    uint16_t port;
    int listener = listen_tcp(&port);
    add_listener(r, listener, FN_CODEC_RAW, NULL, &seen);
    for (int i = 0; i < CLIENTS; i++)
        reset(dial(port));
    int fd = dial(port);
    UNTIL(r, seen.count[FN_EVENT_OPENED] + (int)counted(&r->counters.shed) > CLIENTS);
    for (uint32_t i = 0; i < fn_slab_size(&r->slab); i++)
        if (fn_slab_at(&r->slab, i)->kind == FN_NODE_STREAM)
            fn_conn_resume(r, fn_slab_at(&r->slab, i));
    UNTIL(r, seen.count[FN_EVENT_FAILED] == CLIENTS);
    close(fd);
    UNTIL(r, seen.count[FN_EVENT_EOF] == 1);
    close_reactor(r);
    close(listener);
}

static void test_close(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    uint16_t port;
    int listener = listen_tcp(&port);
    struct fn_node *n = add_listener(r, listener, FN_CODEC_RAW, NULL, &seen);
    int fd = dial(port);
    fn_listener_close(r, n);
    idle_turns(r, 3);
    assert(seen.count[FN_EVENT_OPENED] == 0 && r->nodes == 1);
    n = add_listener(r, listener, FN_CODEC_RAW, NULL, &seen); /* who waits is still there */
    UNTIL(r, seen.count[FN_EVENT_OPENED] == 1);
    fn_listener_close(r, n);
    close(fd);
    close_reactor(r);
    close(listener);
}

/* A listener that its owner shut down says so for ever: it must not keep us awake. */
static void test_shut_down(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    uint16_t port;
    int listener = listen_tcp(&port);
    add_listener(r, listener, FN_CODEC_RAW, NULL, NULL);
    turn(r, 0);
    shutdown(listener, SHUT_RDWR);
    assert(fn_reactor_run(r, fn_now() + 10 * FN_MS) == FN_E_CHECK);
    uint64_t turns = counted(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + 150 * FN_MS) == FN_E_CHECK);
    assert(counted(&r->counters.turns) - turns <= 10);
    close_reactor(r);
    close(listener);
}

/* ------------------------------------------------------- descriptors run out */

static rlim_t limit_files(rlim_t soft)
{
    struct rlimit limit;
    assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = soft;
    assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

/* Whether the peer has ended the connection. */
static bool is_ended(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void test_shedding(enum fn_poller_kind kind)
{
    enum { CLIENTS = 30, FULL = 5 };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    uint16_t port;
    int fd[CLIENTS], listener = listen_tcp(&port);
    struct fn_node *n = add_listener(r, listener, FN_CODEC_RAW, NULL, &seen);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = dial(port);
    int probe = dup(0);
    close(probe);
    rlim_t before = limit_files((rlim_t)probe + FULL);
    UNTIL(r, counted(&r->counters.shed) == CLIENTS - FULL);
    assert(seen.count[FN_EVENT_OPENED] == FULL && r->reserve >= 0);
    int ended = 0;
    for (int i = 0; i < CLIENTS; i++)
        ended += is_ended(fd[i]);
    assert(ended == CLIENTS - FULL && !(n->flags & FN_HELD)); /* nobody waits: no need to rest */

    int reserve = r->reserve; /* somebody took even that one */
    r->reserve = -1;
    limit_files(before);
    int late = dial(port);
    limit_files((rlim_t)probe + FULL);
    UNTIL(r, n->flags & FN_HELD);
    uint64_t turns = counted(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + FN_REST / 2) == FN_E_CHECK);
    assert(counted(&r->counters.turns) - turns <= 5 && !is_ended(late));
    limit_files(before);
    close(reserve);
    UNTIL(r, seen.count[FN_EVENT_OPENED] == FULL + 1); /* and it goes on */
    assert(!(n->flags & FN_HELD) && r->reserve >= 0);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close(late);
    close_reactor(r);
    close(listener);
}

/* Beyond what select can watch a connection is shed, and the others go on. */
static void test_select_range(void)
{
    enum { CLIENTS = 6, ROOM = 3 };
    struct fn_reactor *r = open_reactor(FN_POLLER_SELECT);
    struct fn_gate_limits limits = {.connections = 100, .per_address = 100};
    struct fn_gate *gate = new_gate(&limits);
    struct seen seen = {.status = 0};
    struct rlimit limit;
    uint16_t port;
    int st, fd[CLIENTS], filler[FD_SETSIZE], fillers = 0, listener = listen_tcp(&port);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < FD_SETSIZE + 50)
        return close_reactor(r), fn_gate_release(gate), (void)close(listener);
    rlim_t before = limit_files(limit.rlim_max < 4096 ? limit.rlim_max : 4096);
    add_listener(r, listener, FN_CODEC_RAW, gate, &seen);
    for (int i = 0; i < CLIENTS; i++)
        fd[i] = dial(port);
    do
        filler[fillers] = dup(listener);
    while (filler[fillers++] < FD_SETSIZE - 1 - ROOM);
    UNTIL(r, counted(&r->counters.shed) == CLIENTS - ROOM);
    assert(seen.count[FN_EVENT_OPENED] == ROOM && atomic_load(&gate->open) == ROOM);
    int high[2];
    tcp_pair(high);
    assert(high[0] >= FD_SETSIZE);
    assert(!fn_conn_add(r, high[0], FN_CODEC_RAW, NULL, NULL, &st) && st == FN_E_SELECT_RANGE);
    assert(!fn_watch_add(r, high[0], FN_POLL_IN, NULL, &st) && st == FN_E_SELECT_RANGE);
    assert(!fn_listener_add(r, high[0], FN_CODEC_RAW, NULL, false, NULL, &st));
    assert(!fn_dgram_add(r, high[0], FN_CODEC_RAW, NULL, NULL, &st) && st == FN_E_SELECT_RANGE);
    close_pair(high);
    while (fillers)
        close(filler[--fillers]);
    int late = dial(port);
    UNTIL(r, seen.count[FN_EVENT_OPENED] == ROOM + 1);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    close(late);
    close_reactor(r);
    fn_gate_release(gate);
    close(listener);
    limit_files(before);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_budget(kind);
    test_who_it_is(kind);
    test_gone_before_accept(kind);
    test_close(kind);
    test_shut_down(kind);
    test_shedding(kind);
}

int main(void)
{
    on_both(test_kind);
    test_select_range();
    return 0;
}
