/* Services: echo, discard and time, with readers that are slow, gone, or half gone. */
#include <time.h>

#include "fastnet/service.h"
#include "rig.h"

static uint64_t open_streams(struct fn_reactor *r)
{
    return atomic_load(&r->counters.open);
}

/* -------------------------------------------------------------------- clients */

/* Sends all of `sent` and takes back what comes, as far as either goes without waiting. */
struct client {
    int fd;
    const uint8_t *sent;
    size_t size, out, in;
    bool shut, ended;
};

static struct client new_client(int fd, const uint8_t *bytes, size_t size)
{
    no_wait(fd);
    return (struct client){.fd = fd, .sent = bytes, .size = size};
}

static void client_sends(struct client *c, size_t most)
{
    size_t left = c->size - c->out;
    ssize_t n = left ? send(c->fd, c->sent + c->out, left < most ? left : most, MSG_NOSIGNAL) : 0;
    assert(n >= 0 || errno == EAGAIN);
    c->out += n > 0 ? (size_t)n : 0;
    if (c->out == c->size && !c->shut) {
        assert(shutdown(c->fd, SHUT_WR) == 0);
        c->shut = true;
    }
}

static void client_reads(struct client *c, size_t most)
{
    static uint8_t bytes[1 << 16];
    ssize_t n = recv(c->fd, bytes, most < sizeof bytes ? most : sizeof bytes, 0);
    assert(n >= 0 || errno == EAGAIN);
    if (n == 0)
        c->ended = true;
    if (n > 0) {
        assert(c->in + (size_t)n <= c->out && memcmp(bytes, c->sent + c->in, (size_t)n) == 0);
        c->in += (size_t)n;
    }
}

/* ----------------------------------------------------------------------- echo */

static void test_echo(enum fn_poller_kind kind)
{
    enum { CLIENTS = 20, MOST = 300000, LIMIT = 50000 };
    static uint8_t bytes[MOST];
    struct fn_gate_limits limits = {.write_buffer = LIMIT, .connections = CLIENTS};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    struct client client[CLIENTS];
    uint64_t random = 21;
    int st, left = CLIENTS;
    uint16_t port;
    int listener = listen_tcp(&port);
    assert(fn_listener_add(r, listener, FN_CODEC_ECHO, gate, false, NULL, &st));
    fill_pattern(bytes, MOST, 2);
    for (int i = 0; i < CLIENTS; i++)
        client[i] = new_client(dial(port), bytes, i < 3 ? (size_t)i : random_below(&random, MOST));
    for (fn_time end = fn_now() + RIG_PATIENCE; left;) {
        assert(fn_now() < end);
        for (int i = 0; i < CLIENTS; i++) {
            struct client *c = &client[i];
            if (c->ended)
                continue;
            client_sends(c, 1 + random_below(&random, 40000));
            client_reads(c, i % 2 ? 1 << 16 : 3000); /* some take it slowly */
            left -= c->ended;
        }
        assert(turn(r, 0) == 0);
        for (uint32_t i = 0; i < fn_slab_size(&r->slab); i++)
            assert(fn_slab_at(&r->slab, i)->out.bytes <= LIMIT + FN_SERVICE_READ);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert(client[i].in == client[i].size && client[i].out == client[i].size);
        close(client[i].fd);
    }
    UNTIL(r, open_streams(r) == 0);
    assert(atomic_load(&gate->open) == 0 && atomic_load(&gate->accepted) == CLIENTS);
    close_reactor(r);
    fn_gate_release(gate);
    close(listener);
}

/* A reader that takes nothing is not read from beyond the limit; then all comes. */
static void test_a_reader_that_waits(enum fn_poller_kind kind)
{
    enum { BYTES = 8 << 20 };
    uint8_t *bytes = malloc(BYTES);
    struct fn_reactor *r = open_reactor(kind);
    int fd[2];
    unix_pair(fd);
    fill_pattern(bytes, BYTES, 6);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_ECHO, NULL, NULL);
    struct client c = new_client(fd[1], bytes, BYTES);
    for (int i = 0; i < 200; i++) {
        client_sends(&c, SIZE_MAX);
        turn(r, 0);
        assert(n->out.bytes <= FN_WRITE_BUFFER + FN_SERVICE_READ);
    }
    assert(c.out < BYTES && n->flags & FN_HELD);
    uint64_t turns = atomic_load(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + 10 * FN_MS) == FN_E_CHECK); /* asleep */
    assert(atomic_load(&r->counters.turns) - turns <= 3);
    for (fn_time end = fn_now() + RIG_PATIENCE; !c.ended;) {
        assert(fn_now() < end);
        client_sends(&c, SIZE_MAX);
        client_reads(&c, SIZE_MAX);
        turn(r, 0);
    }
    assert(c.in == BYTES && open_streams(r) == 0);
    close(c.fd);
    close_reactor(r);
    free(bytes);
}

static void test_resets_anywhere(enum fn_poller_kind kind)
{
    enum { ROUNDS = 300 };
    static uint8_t bytes[200000];
    struct fn_gate_limits limits = {.per_address = 50, .idle = 10 * FN_SECOND};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    uint64_t random = 33;
    uint16_t port;
    int st, listener = listen_tcp(&port);
    assert(fn_listener_add(r, listener, FN_CODEC_ECHO, gate, false, NULL, &st));
    for (int i = 0; i < ROUNDS; i++) {
        int fd = dial(port);
        no_wait(fd);
        for (size_t step = random_below(&random, 6); step > 0; step--) {
            if (random_below(&random, 2))
                (void)!send(fd, bytes, random_below(&random, sizeof bytes), MSG_NOSIGNAL);
            turn(r, 0);
        }
        if (random_below(&random, 2))
            reset(fd);
        else
            close(fd); /* a reset, where the echo was not read */
        if (random_below(&random, 3) == 0)
            turn(r, 0);
    }
    UNTIL(r, open_streams(r) == 0 && atomic_load(&r->counters.accepted) == ROUNDS);
    assert(atomic_load(&gate->open) == 0 && gate->peers.count == 0);
    assert(r->store.owned == 0 && r->timers.count == 0);
    close_reactor(r);
    fn_gate_release(gate);
    close(listener);
}

static void test_discard(enum fn_poller_kind kind)
{
    static uint8_t bytes[100000];
    struct fn_reactor *r = open_reactor(kind);
    int fd[2];
    tcp_pair(fd);
    add_conn(r, fd[0], FN_CODEC_DISCARD, NULL, NULL);
    for (size_t i = 1; i <= 20; i++) {
        write_all(fd[1], bytes, sizeof bytes);
        UNTIL(r, atomic_load(&r->counters.bytes_in) == i * sizeof bytes);
    }
    assert(shutdown(fd[1], SHUT_WR) == 0);
    UNTIL(r, open_streams(r) == 0);
    assert(recv(fd[1], bytes, 1, 0) == 0 && atomic_load(&r->counters.bytes_out) == 0);
    close(fd[1]);
    close_reactor(r);
}

/* ----------------------------------------------------------------------- time */

static bool is_ctime(const char *line, time_t at)
{
    char text[32];
    return strcmp(line, ctime_r(&at, text)) == 0;
}

static void test_time(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    uint16_t port;
    int st, listener = listen_tcp(&port);
    assert(fn_listener_add(r, listener, FN_CODEC_TIME, NULL, false, NULL, &st));
    for (int i = 0; i < 3; i++) {
        char line[FN_CTIME + 1] = "";
        time_t before = time(NULL);
        int fd = dial(port);
        if (i == 1)
            write_all(fd, "what time is it?", 16); /* nobody cares */
        UNTIL(r, atomic_load(&r->counters.bytes_out) == (uint64_t)(i + 1) * FN_CTIME);
        time_t after = time(NULL);
        read_all(fd, line, FN_CTIME);
        assert(is_ctime(line, before) || is_ctime(line, after));
        assert(recv(fd, line, 1, 0) == 0); /* the end, and no reset */
        close(fd);
        UNTIL(r, open_streams(r) == 0);
    }
    close_reactor(r);
    close(listener);
}

/* All nodes that the list of those to settle has room for are settled in one turn, and each
 * changes while it is. */
static void test_time_for_many(enum fn_poller_kind kind)
{
    enum { CLIENTS = 63 };
    struct fn_reactor *r = open_reactor(kind);
    int fd[CLIENTS][2];
    for (int i = 0; i < CLIENTS; i++) {
        unix_pair(fd[i]);
        add_conn(r, fd[i][0], FN_CODEC_TIME, NULL, NULL);
    }
    assert(r->dirty_capacity == CLIENTS + 1);
    UNTIL(r, atomic_load(&r->counters.bytes_out) == CLIENTS * FN_CTIME);
    for (int i = 0; i < CLIENTS; i++) {
        char line[FN_CTIME];
        read_all(fd[i][1], line, FN_CTIME);
        close(fd[i][1]);
    }
    UNTIL(r, open_streams(r) == 0);
    assert(atomic_load(&r->counters.failed) == 0);
    close_reactor(r);
}

/* Peers that have gone before they are told: nothing stays counted. */
static void test_time_for_nobody(enum fn_poller_kind kind)
{
    enum { CLIENTS = 100 };
    struct fn_gate_limits limits = {.connections = CLIENTS, .per_address = CLIENTS};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    uint16_t port;
    int st, listener = listen_tcp(&port);
    assert(fn_listener_add(r, listener, FN_CODEC_TIME, gate, false, NULL, &st));
    for (int i = 0; i < CLIENTS; i++)
        reset(dial(port));
    UNTIL(r, atomic_load(&r->counters.accepted) == CLIENTS && open_streams(r) == 0);
    assert(atomic_load(&gate->open) == 0 && gate->peers.count == 0);
    close_reactor(r);
    fn_gate_release(gate);
    close(listener);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_echo(kind);
    test_a_reader_that_waits(kind);
    test_resets_anywhere(kind);
    test_discard(kind);
    test_time(kind);
    test_time_for_many(kind);
    test_time_for_nobody(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
