/* Datagrams as events: addresses, batches, what waits to be sent, and errors. */
#include "udp.h"

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

static bool is_place(const struct fn_from *from, struct place p)
{
    return from->len == p.len && memcmp(&from->addr, &p.addr, p.len) == 0;
}

/* One datagram as an event, with the right address, answered within the turn. */
static void talk_over(enum fn_poller_kind kind, int server, int client)
{
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node, *n = add_dgram(r, server, FN_CODEC_RAW, NULL, NULL);
    char got[10];
    struct place to = place_of(server);
    assert(sendto(client, "hello", 5, 0, (struct sockaddr *)&to.addr, to.len) == 5);
    while (fn_reactor_poll(r, FN_SECOND) == 0)
        ;
    const struct fn_event *e = fn_reactor_next(r, &node);
    assert(e && node == n && e->kind == FN_EVENT_DATAGRAM && e->len == 5);
    assert(memcmp(e->data, "hello", 5) == 0 && is_place(e->from, place_of(client)));
    struct fn_from back = *e->from;
    assert(fn_dgram_send(r, n, e->data, 5, (struct sockaddr *)&back.addr, back.len) == 0);
    assert(fn_dgram_send(r, n, "", 0, (struct sockaddr *)&back.addr, back.len) == 0);
    assert(n->dgram->waiting == 2 && !fn_reactor_next(r, &node));
    assert(next_datagram(r, client, got, 10) == 5 && memcmp(got, "hello", 5) == 0);
    assert(next_datagram(r, client, got, 10) == 0 && n->dgram->waiting == 0);
    close_reactor(r); /* not a service: closed with the reactor */
    assert(fcntl(server, F_GETFD) < 0);
    close(client);
}

static void test_addresses(enum fn_poller_kind kind)
{
    talk_over(kind, new_udp(), new_udp());
    int server = try_udp(AF_INET6);
    if (server >= 0)
        talk_over(kind, server, try_udp(AF_INET6));
    struct fn_gate_limits limits = {0};
    uint8_t nobody[32];
    struct fn_gate *gate = fn_gate_new(&limits, nobody, 0, NULL, 0);
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node;
    int fd[2];
    unix_dgrams(fd); /* without names: no network to be refused by, none to answer to */
    add_dgram(r, fd[0], FN_CODEC_RAW, gate, NULL);
    assert(send(fd[1], "x", 1, 0) == 1);
    while (fn_reactor_poll(r, FN_SECOND) == 0)
        ;
    const struct fn_event *e = fn_reactor_next(r, &node);
    assert(e && e->len == 1 && e->from->len == 0);
    assert(fn_dgram_send(r, node, "back", 4, NULL, 0) == 0); /* to whom it is connected */
    char got[8];
    assert(!fn_reactor_next(r, &node) && next_datagram(r, fd[1], got, 8) == 4);
    close_reactor(r);
    fn_gate_release(gate);
    close(fd[1]);
}

/* Two sockets share the slots of a turn; no datagram is lost or mixed up. */
static void test_batches(enum fn_poller_kind kind)
{
    enum { EACH = 100 };
    static uint8_t got[2][EACH * 8];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen[2];
    struct place at[2];
    int fd[2], client = new_udp(), room = 1 << 20;
    for (int i = 0; i < 2; i++) {
        fd[i] = new_udp();
        at[i] = place_of(fd[i]);
        setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        seen[i] = (struct seen){.data = got[i], .room = sizeof got[i]};
        add_dgram(r, fd[i], FN_CODEC_RAW, NULL, &seen[i]);
    }
    for (uint32_t j = 0; j < EACH; j++)
        for (uint32_t i = 0; i < 2; i++)
            assert(sendto(client, (uint32_t[2]){i, j}, 8, 0, (struct sockaddr *)&at[i].addr,
                          at[i].len) == 8);
    UNTIL(r, seen[0].count[FN_EVENT_DATAGRAM] == EACH && seen[1].count[FN_EVENT_DATAGRAM] == EACH);
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t j = 0; j < EACH; j++)
            assert(memcmp(got[i] + 8 * j, (uint32_t[2]){i, j}, 8) == 0);
    close_reactor(r);
    close(client);
}

static void test_sizes(enum fn_poller_kind kind)
{
    static uint8_t sent[65508], got[65508];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.data = got, .room = sizeof got};
    int fd = new_udp(), client = new_udp();
    connect_to(client, place_of(fd));
    connect_to(fd, place_of(client));
    struct fn_node *n = add_dgram(r, fd, FN_CODEC_RAW, NULL, &seen);
    fill_pattern(sent, sizeof sent, 1);
    assert(send(client, sent, 65507, 0) == 65507);
    UNTIL(r, seen.count[FN_EVENT_DATAGRAM] == 1);
    assert(seen.len == 65507 && memcmp(sent, got, 65507) == 0);
    assert(send(client, "", 0, 0) == 0);
    UNTIL(r, seen.count[FN_EVENT_DATAGRAM] == 2);
    assert(seen.len == 65507);
    assert(fn_dgram_send(r, n, sent, 65507, NULL, 0) == 0);
    assert(next_datagram(r, client, got, sizeof got) == 65507);
    assert(fn_dgram_send(r, n, sent, 65508, NULL, 0) == -EMSGSIZE && n->dgram->waiting == 0);
    close_reactor(r);
    close(client);
}

/* A slow reader: what the system does not take waits, in order, up to the limit. */
static void test_queue(enum fn_poller_kind kind)
{
    enum { LIMIT = 100000, SIZE = 1000 };
    struct fn_gate_limits limits = {.write_buffer = LIMIT};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    uint8_t bytes[SIZE], got[SIZE];
    uint64_t sent = 0, read = 0;
    int fd[2], st;
    unix_dgrams(fd);
    struct fn_node *n = add_dgram(r, fd[0], FN_CODEC_RAW, gate, &seen);
    for (;; sent++) {
        fill_pattern(bytes, SIZE, sent);
        if ((st = fn_dgram_send(r, n, bytes, SIZE, NULL, 0)) < 0)
            break;
        assert(n->dgram->payload <= LIMIT);
    }
    assert(st == FN_E_WRITE_BUFFER && n->dgram->waiting == LIMIT / SIZE);
    fn_dgram_notify(r, n, LIMIT / 2);
    idle_turns(r, 3);
    uint64_t turns = counted(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + 5 * FN_MS) == FN_E_CHECK);
    assert(counted(&r->counters.turns) - turns <= 3 && !seen.count[FN_EVENT_DRAINED]);
    fn_dgram_finish(r, n);
    assert(fn_dgram_send(r, n, bytes, SIZE, NULL, 0) == -EPIPE);
    for (; read < sent; read++) {
        assert(seen.count[FN_EVENT_FINISHED] == (n->dgram->waiting == 0));
        assert(next_datagram(r, fd[1], got, SIZE) == SIZE);
        fill_pattern(bytes, SIZE, read);
        assert(memcmp(bytes, got, SIZE) == 0);
        turn(r, 0);
    }
    assert(seen.count[FN_EVENT_FINISHED] == 1 && seen.count[FN_EVENT_DRAINED] == 1);
    assert(counted(&r->counters.datagrams_out) == sent && n->dgram->payload == 0);
    fn_dgram_close(r, n, true);
    assert(fcntl(fd[0], F_GETFD) >= 0);
    close_reactor(r);
    fn_gate_release(gate);
    close_pair(fd);
}

/* Thousands wait for a peer that goes: each is trouble at most, and nobody else's event is lost. */
static void test_a_queue_for_nobody(enum fn_poller_kind kind)
{
    enum { OTHERS = 300 };
    static struct seen other[OTHERS];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2], pair[2];
    struct fn_node *conn[OTHERS];
    memset(other, 0, sizeof other);
    unix_dgrams(fd);
    unix_pair(pair);
    struct fn_node *n = add_dgram(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    for (int i = 0; i < 5000; i++)
        assert(fn_dgram_send(r, n, "x", 1, NULL, 0) == 0);
    assert(n->dgram->waiting > 4000);
    for (int i = 0; i < OTHERS; i++)
        conn[i] = add_conn(r, dup(pair[0]), FN_CODEC_RAW, NULL, &other[i]);
    turn(r, 0);
    close(fd[1]);
    fn_dgram_notify(r, n, 0);
    for (int i = 0; i < OTHERS; i++) {
        fn_conn_notify(r, conn[i], 0);
        fn_conn_finish(r, conn[i]);
    }
    UNTIL(r, seen.count[FN_EVENT_DRAINED]);
    assert(seen.count[FN_EVENT_TROUBLE] > 0 && n->dgram->waiting == 0);
    assert(seen.status == -ECONNREFUSED || seen.status == -ENOTCONN); /* the first and the others */
    for (int i = 0; i < OTHERS; i++)
        assert(other[i].count[FN_EVENT_DRAINED] == 1 && other[i].count[FN_EVENT_FINISHED] == 1);
    close_reactor(r);
    close_pair(pair);
}

/* Nobody listens: the system says so afterwards, once, and the socket goes on. */
static void test_refused(enum fn_poller_kind kind)
{
    for (int paused = 0; paused < 2; paused++) {
        struct fn_reactor *r = open_reactor(kind);
        struct seen seen = {.status = 0};
        int fd = new_udp(), peer = new_udp();
        connect_to(fd, place_of(peer));
        close(peer);
        struct fn_node *n = add_dgram(r, fd, FN_CODEC_RAW, NULL, &seen);
        turn(r, 0);
        fn_dgram_pause(r, n, paused);
        turn(r, 0);
        assert(fn_dgram_send(r, n, "x", 1, NULL, 0) == 0);
        if (!paused || kind == FN_POLLER_EPOLL) {
            UNTIL(r, seen.count[FN_EVENT_TROUBLE] == 1);
            assert(seen.status == -ECONNREFUSED);
        }
        uint64_t turns = counted(&r->counters.turns); /* told once, not for ever */
        assert(fn_reactor_run(r, fn_now() + 10 * FN_MS) == FN_E_CHECK);
        assert(counted(&r->counters.turns) - turns <= 3);
        fn_dgram_pause(r, n, false);
        idle_turns(r, 3);
        assert(seen.count[FN_EVENT_TROUBLE] == 1 && !(n->flags & FN_FAILED));
        close_reactor(r);
    }
}

static void test_pause(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd = new_udp(), client = new_udp();
    connect_to(client, place_of(fd));
    struct fn_node *n = add_dgram(r, fd, FN_CODEC_RAW, NULL, &seen);
    fn_dgram_pause(r, n, true);
    assert(send(client, "abc", 3, 0) == 3);
    idle_turns(r, 3);
    assert(seen.len == 0);
    fn_dgram_pause(r, n, false);
    UNTIL(r, seen.len == 3);
    fn_dgram_finish(r, n);
    assert(send(client, "abc", 3, 0) == 3);
    UNTIL(r, seen.count[FN_EVENT_FINISHED] == 1);
    idle_turns(r, 3);
    assert(seen.len == 3);
    close_reactor(r);
    close(client);
}

/* A Unix datagram that no slot holds is trouble, not a part of itself. */
static void test_too_long(enum fn_poller_kind kind)
{
    static uint8_t bytes[FN_DGRAM_MOST + 1];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2];
    unix_dgrams(fd);
    add_dgram(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    assert(send(fd[1], bytes, sizeof bytes, 0) == sizeof bytes);
    assert(send(fd[1], bytes, 1, 0) == 1);
    UNTIL(r, seen.count[FN_EVENT_DATAGRAM] == 1);
    assert(seen.len == 1 && seen.count[FN_EVENT_TROUBLE] == 1 && seen.status == -EMSGSIZE);
    close_reactor(r);
    close(fd[1]);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_addresses(kind);
    test_batches(kind);
    test_sizes(kind);
    test_queue(kind);
    test_a_queue_for_nobody(kind);
    test_refused(kind);
    test_pause(kind);
    test_too_long(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
