/* Writing: gathered within a turn, in order through slow readers, bounded by the limit. */
#include "rig.h"

/* Takes what has come, without waiting; the end is *ended. */
static size_t slurp(int fd, uint8_t *to, size_t room, bool *ended)
{
    size_t total = 0;
    while (total < room) {
        ssize_t got = recv(fd, to + total, room - total, MSG_DONTWAIT);
        if (got <= 0) {
            *ended = got == 0;
            break;
        }
        total += (size_t)got;
    }
    return total;
}

/* All that a handler writes in a turn goes out in one system call, at its end. */
static void test_one_send_for_a_turn(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node;
    char text[64];
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, NULL);
    write_all(fd[1], "go", 2);
    assert(fn_reactor_poll(r, FN_SECOND) == 1 && fn_reactor_next(r, &node) == &r->current);
    uint64_t writes = atomic_load(&r->counters.writes);
    for (int i = 0; i < 20; i++)
        assert(put(r, n, "abc", 3) == 0);
    assert(n->out.bytes == 60 && atomic_load(&r->counters.writes) == writes);
    assert(!fn_reactor_next(r, &node));
    fn_reactor_poll(r, 0);
    assert(atomic_load(&r->counters.writes) == writes + 1 && n->out.bytes == 0);
    read_all(fd[1], text, 60);
    assert(put(r, n, "now", 3) == 0); /* outside of a turn: at once */
    assert(atomic_load(&r->counters.writes) == writes + 2);
    assert(put(r, n, "", 0) == 0 && atomic_load(&r->counters.writes) == writes + 2);
    read_all(fd[1], text, 3);

    static uint8_t large[FN_DEFER + 1]; /* large writes do not wait for the turn's end */
    write_all(fd[1], "go", 2);
    assert(fn_reactor_poll(r, FN_SECOND) == 1);
    assert(put(r, n, "first", 5) == 0 && put(r, n, large, sizeof large) == 0);
    read_all(fd[1], text, 5);
    assert(memcmp(text, "first", 5) == 0);
    close(fd[1]);
    close_reactor(r);
}

/* Copies and kept memory through a small buffer, in order; each owner back once. */
static void test_slow_reader(enum fn_poller_kind kind)
{
    enum { WRITES = 200, MOST = 30000, TOTAL = WRITES * MOST };
    static uint8_t all[TOTAL], got[TOTAL], back[WRITES];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2], small = 4096, kept;
    uint64_t random = 3;
    size_t written = 0, read = 0, owned = 0, returned = 0;
    bool ended = false;
    unix_pair(fd);
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    fill_pattern(all, TOTAL, 77);
    memset(back, 0, sizeof back);
    for (size_t i = 0; i < WRITES; i++) {
        size_t len = random_below(&random, MOST);
        void *owner = random_below(&random, 2) ? &back[i] : NULL;
        assert(fn_conn_write(r, n, all + written, len, owner, &kept) == 0);
        written += len;
        owned += kept != 0;
        assert(!kept || owner);
        if (i % 4 == 0)
            read += slurp(fd[1], got + read, 3000, &ended);
        if (i % 16 == 0)
            turn(r, 0);
    }
    assert(n->out.bytes + read <= written && n->out.bytes > 100000 && owned > 10);
    size_t low = n->out.bytes / 2;
    fn_conn_notify(r, n, low);
    idle_turns(r, 2);
    assert(seen.count[FN_EVENT_DRAINED] == 0);
    fn_conn_finish(r, n);
    assert(put(r, n, "x", 1) == -EPIPE);
    for (fn_time end = fn_now() + RIG_PATIENCE; !seen.count[FN_EVENT_FINISHED];) {
        assert(fn_now() < end);
        read += slurp(fd[1], got + read, 5000, &ended);
        turn(r, 0);
        assert(seen.count[FN_EVENT_DRAINED] == (n->out.bytes <= low));
        assert(seen.count[FN_EVENT_FINISHED] == (n->out.bytes == 0));
        size_t count;
        void **spent = fn_out_take_spent(&r->store, &count);
        returned += count;
        for (size_t i = 0; i < count; i++)
            assert(++*(uint8_t *)spent[i] == 1);
    }
    while (read < written)
        read += slurp(fd[1], got + read, TOTAL - read, &ended);
    assert(read == written && memcmp(all, got, read) == 0 && !ended);
    assert(returned == owned && seen.count[FN_EVENT_DRAINED] == 1);
    fn_conn_close(r, n, false);
    slurp(fd[1], got, 1, &ended);
    assert(ended);
    close(fd[1]);
    close_reactor(r);
}

/* Owners come back when a connection ends before its bytes have gone. */
static void test_owners_of_what_is_lost(enum fn_poller_kind kind)
{
    static uint8_t bytes[3 << 20];
    for (int fails = 0; fails < 2; fails++) {
        struct fn_reactor *r = open_reactor(kind);
        struct seen seen = {.status = 0};
        int fd[2], kept, st = 0;
        size_t count, owned = 0;
        unix_pair(fd);
        struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
        for (int i = 0; i < 3 && st == 0; i++) {
            st = fn_conn_write(r, n, bytes, sizeof bytes, bytes + i, &kept);
            owned += kept != 0;
        }
        assert(owned == 3);
        if (fails) {
            close(fd[1]);
            UNTIL(r, seen.count[FN_EVENT_FAILED]);
            assert(seen.status == -EPIPE || seen.status == -ECONNRESET);
        } else {
            fn_conn_close(r, n, false);
            close(fd[1]);
        }
        fn_out_take_spent(&r->store, &count);
        assert(count == 3 && r->store.owned == 0);
        close_reactor(r);
    }
}

/* The peer sees the end after the last byte, and may still write itself. */
static void test_shut(enum fn_poller_kind kind)
{
    enum { BYTES = 1 << 20 };
    static uint8_t sent[BYTES], got[BYTES];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2];
    size_t read = 0;
    bool ended = false;
    unix_pair(fd);
    fill_pattern(sent, BYTES, 4);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    assert(put(r, n, sent, BYTES) == 0 && n->out.bytes);
    fn_conn_shut(r, n);
    assert(put(r, n, "x", 1) == -EPIPE);
    for (fn_time end = fn_now() + RIG_PATIENCE; !ended;) {
        assert(fn_now() < end);
        turn(r, 0);
        read += slurp(fd[1], got + read, BYTES - read + 1 > 10000 ? 10000 : 1, &ended);
    }
    assert(read == BYTES && memcmp(sent, got, BYTES) == 0);
    write_all(fd[1], "still", 5);
    UNTIL(r, seen.len == 5);
    fn_conn_finish(r, n); /* all has gone already */
    UNTIL(r, seen.count[FN_EVENT_FINISHED] == 1);
    close(fd[1]);
    close_reactor(r);
}

static void test_low_water_at_once(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    fn_conn_notify(r, n, 0);
    turn(r, 0);
    assert(seen.count[FN_EVENT_DRAINED] == 1);
    idle_turns(r, 2);
    assert(seen.count[FN_EVENT_DRAINED] == 1); /* once for each notify */
    fn_conn_notify(r, n, SIZE_MAX);
    turn(r, 0);
    assert(seen.count[FN_EVENT_DRAINED] == 2);
    close(fd[1]);
    close_reactor(r);
}

static void test_write_limit(enum fn_poller_kind kind)
{
    enum { LIMIT = 100000 };
    static uint8_t bytes[LIMIT + 1];
    struct fn_gate_limits limits = {.write_buffer = LIMIT};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node;
    int fd[2], st, kept;
    unix_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, gate, NULL);
    while ((st = put(r, n, bytes, 1000)) == 0)
        assert(n->out.bytes <= LIMIT);
    assert(st == FN_E_WRITE_BUFFER && n->out.bytes > LIMIT - 1000);
    assert(fn_conn_write(r, n, bytes, LIMIT, bytes, &kept) == FN_E_WRITE_BUFFER && !kept);
    fn_conn_close(r, n, false);
    close(fd[1]);

    tcp_pair(fd); /* within a turn, too */
    n = add_conn(r, fd[0], FN_CODEC_RAW, gate, NULL);
    write_all(fd[1], "x", 1);
    assert(fn_reactor_poll(r, FN_SECOND) == 1 && fn_reactor_next(r, &node));
    assert(put(r, n, bytes, FN_OUT_SMALL) == 0);
    assert(put(r, n, bytes, 2000) == 0 && n->out.bytes == FN_OUT_SMALL + 2000);
    assert(put(r, n, bytes, LIMIT) == 0); /* sent at once: what the system takes does not wait */
    close(fd[1]);
    close_reactor(r);
    fn_gate_release(gate);
}

/* Many slow readers with different content, on one reactor and its shared store. */
static void test_many_slow_readers(enum fn_poller_kind kind)
{
    enum { CONNS = 30, BYTES = 400000 };
    static uint8_t bytes[BYTES], got[BYTES];
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *n[CONNS];
    int fd[CONNS][2];
    for (int i = 0; i < CONNS; i++) {
        unix_pair(fd[i]);
        n[i] = add_conn(r, fd[i][0], FN_CODEC_RAW, NULL, NULL);
        fill_pattern(bytes, BYTES, (uint64_t)i);
        for (size_t at = 0; at < BYTES; at += BYTES / 400)
            assert(put(r, n[i], bytes + at, BYTES / 400) == 0);
    }
    for (int i = CONNS - 1; i >= 0; i--) {
        size_t read = 0;
        bool ended = false;
        while (read < BYTES && !ended) {
            read += slurp(fd[i][1], got + read, BYTES - read, &ended);
            turn(r, 0);
        }
        fill_pattern(bytes, BYTES, (uint64_t)i);
        assert(memcmp(bytes, got, BYTES) == 0 && n[i]->out.bytes == 0);
        assert(atomic_load(&n[i]->bytes_out) == BYTES);
        close(fd[i][1]);
    }
    assert(r->store.free_count <= FN_OUT_KEPT);
    close_reactor(r);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_one_send_for_a_turn(kind);
    test_slow_reader(kind);
    test_owners_of_what_is_lost(kind);
    test_shut(kind);
    test_low_water_at_once(kind);
    test_write_limit(kind);
    test_many_slow_readers(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
