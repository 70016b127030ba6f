/* Connections whose bytes become events: reading, pausing, ends, and what a turn drops. */
#include "rig.h"

static int data_events(const struct seen *s)
{
    return s->count[FN_EVENT_DATA];
}

/* ------------------------------------------------------------------- reading */

static void test_data_in_order(enum fn_poller_kind kind)
{
    enum { BYTES = 300000 };
    static uint8_t sent[BYTES], got[BYTES];
    fill_pattern(sent, BYTES, 1);
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.data = got, .room = BYTES};
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    for (size_t i = 0; i < 1000; i++) {
        write_all(fd[1], sent + i, 1);
        UNTIL(r, seen.len == i + 1);
    }
    for (size_t at = 1000; at < BYTES; at += 100000)
        write_all(fd[1], sent + at, at + 100000 < BYTES ? 100000 : BYTES - at);
    assert(shutdown(fd[1], SHUT_WR) == 0);
    UNTIL(r, seen.count[FN_EVENT_EOF]);
    assert(seen.len == BYTES && memcmp(sent, got, BYTES) == 0);
    assert(atomic_load(&n->bytes_in) == BYTES && atomic_load(&r->counters.bytes_in) == BYTES);
    idle_turns(r, 5);
    assert(seen.count[FN_EVENT_EOF] == 1 && seen.count[FN_EVENT_FAILED] == 0);
    assert(put(r, n, "after the end", 13) == 0); /* only its side is shut */
    char text[13];
    turn(r, 0);
    read_all(fd[1], text, 13);
    assert(memcmp(text, "after the end", 13) == 0);
    close(fd[1]);
    close_reactor(r);
}

/* More than a turn's memory waits: what does not fit comes with the next one. */
static void test_a_turn_is_bounded(enum fn_poller_kind kind)
{
    enum { CONNS = 12, BYTES = 200000 };
    static uint8_t bytes[BYTES];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen[CONNS];
    memset(seen, 0, sizeof seen);
    int fd[CONNS][2], size = 1 << 20;
    for (int i = 0; i < CONNS; i++) {
        unix_pair(fd[i]);
        setsockopt(fd[i][1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        add_conn(r, fd[i][0], FN_CODEC_RAW, NULL, &seen[i]);
        no_wait(fd[i][1]);
        ssize_t sent = send(fd[i][1], bytes, BYTES, 0);
        assert(sent > 0);
    }
    size_t total = 0;
    for (int i = 0; i < 100; i++) {
        size_t before = total;
        turn(r, 0);
        total = 0;
        for (int j = 0; j < CONNS; j++)
            total += seen[j].len;
        assert(total - before <= FN_ARENA);
    }
    for (int i = 0; i < CONNS; i++) {
        assert(seen[i].len > 100000);
        close(fd[i][1]);
    }
    close_reactor(r);
}

/* Bytes that became events stay theirs while services of the same turn read. */
static void test_services_leave_events_alone(enum fn_poller_kind kind)
{
    enum { PAIRS = 20, BYTES = 5000 };
    static uint8_t sent[BYTES], noise[BYTES], got[PAIRS][BYTES];
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen[PAIRS];
    int fd[2 * PAIRS][2];
    memset(noise, 0xee, BYTES);
    for (int i = 0; i < 2 * PAIRS; i++) {
        tcp_pair(fd[i]);
        if (i % 2) {
            add_conn(r, fd[i][0], FN_CODEC_ECHO, NULL, NULL);
            write_all(fd[i][1], noise, BYTES);
            continue;
        }
        seen[i / 2] = (struct seen){.data = got[i / 2], .room = BYTES};
        add_conn(r, fd[i][0], FN_CODEC_RAW, NULL, &seen[i / 2]);
        fill_pattern(sent, BYTES, (uint64_t)i);
        write_all(fd[i][1], sent, BYTES);
    }
    for (int i = 0; i < PAIRS; i++) {
        UNTIL(r, seen[i].len == BYTES);
        fill_pattern(sent, BYTES, (uint64_t)i * 2);
        assert(memcmp(sent, got[i], BYTES) == 0);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        close(fd[i][1]);
    close_reactor(r);
}

/* ------------------------------------------------------------------- pausing */

static void test_pause_and_resume(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    turn(r, 0);
    fn_conn_pause(r, n);
    write_all(fd[1], "abc", 3);
    idle_turns(r, 3);
    assert(seen.len == 0);
    fn_conn_resume(r, n);
    UNTIL(r, seen.len == 3);
    fn_conn_pause(r, n);
    fn_conn_resume(r, n);
    fn_conn_pause(r, n);
    write_all(fd[1], "def", 3);
    close(fd[1]);
    idle_turns(r, 3);
    assert(seen.len == 3 && seen.count[FN_EVENT_EOF] == 0);
    fn_conn_resume(r, n);
    UNTIL(r, seen.count[FN_EVENT_EOF] == 1);
    assert(seen.len == 6);
    close_reactor(r);
}

/* An end that nobody wants to hear of yet does not keep the reactor awake. */
static void test_hang_ups_do_not_spin(enum fn_poller_kind kind)
{
    enum { WAYS = 4 };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen[WAYS];
    struct fn_node *n[WAYS];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < WAYS; i++) {
        int fd[2];
        tcp_pair(fd);
        n[i] = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen[i]);
        turn(r, 0); /* the poller knows it */
        if (i != 3)
            fn_conn_pause(r, n[i]);
        if (i == 2)
            fn_conn_shut(r, n[i]);
        turn(r, 0);
        if (i == 1)
            reset(fd[1]);
        else
            close(fd[1]);
    }
    UNTIL(r, seen[3].count[FN_EVENT_EOF]);
    fn_conn_shut(r, n[3]); /* both sides have ended: a hang-up for ever */
    idle_turns(r, 5);
    uint64_t turns = atomic_load(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + 20 * FN_MS) == FN_E_CHECK);
    assert(atomic_load(&r->counters.turns) - turns <= 4);
    for (int i = 0; i < 3; i++)
        fn_conn_resume(r, n[i]);
    UNTIL(r, seen[0].count[FN_EVENT_EOF] == 1 && seen[1].count[FN_EVENT_FAILED] == 1 &&
                 seen[2].count[FN_EVENT_EOF] == 1);
    assert(seen[1].status == -ECONNRESET);
    close_reactor(r);
}

/* ----------------------------------------------------------------------- ends */

static void test_reset(enum fn_poller_kind kind)
{
    for (int writes = 0; writes < 2; writes++) {
        struct fn_reactor *r = open_reactor(kind);
        struct seen seen = {.status = 0};
        int fd[2];
        tcp_pair(fd);
        struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
        turn(r, 0);
        reset(fd[1]);
        if (writes) /* the error may come back from here; the event comes as well */
            (void)put(r, n, "x", 1);
        UNTIL(r, seen.count[FN_EVENT_FAILED] || (writes && seen.count[FN_EVENT_EOF]));
        idle_turns(r, 3);
        assert(seen.count[FN_EVENT_FAILED] + seen.count[FN_EVENT_EOF] == 1);
        if (!writes)
            assert(seen.status == -ECONNRESET && n->reason == -ECONNRESET &&
                   put(r, n, "x", 1) == -EPIPE && atomic_load(&r->counters.failed) == 1);
        fn_conn_pause(r, n);
        fn_conn_resume(r, n);
        fn_conn_notify(r, n, 0);
        idle_turns(r, 2);
        assert(seen.count[FN_EVENT_DRAINED] == 0 || writes);
        fn_conn_close(r, n, false);
        close_reactor(r);
    }
}

static void test_close_keeps_the_descriptor(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2];
    tcp_pair(fd);
    fn_conn_close(r, add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen), true);
    write_all(fd[1], "abc", 3);
    idle_turns(r, 3);
    char text[3];
    read_all(fd[0], text, 3);
    assert(seen.len == 0);
    add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen); /* and it can come back */
    write_all(fd[1], "d", 1);
    UNTIL(r, seen.len == 1);
    close(fd[1]);
    close_reactor(r);
}

/* A's handler closes B, whose bytes came in the same turn. */
static void test_close_within_a_turn(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *n[2], *node;
    int fd[2][2];
    for (int i = 0; i < 2; i++) {
        tcp_pair(fd[i]);
        n[i] = add_conn(r, fd[i][0], FN_CODEC_RAW, NULL, NULL);
        write_all(fd[i][1], "x", 1);
    }
    while (fn_reactor_poll(r, FN_SECOND) < 2)
        ;
    assert(fn_reactor_next(r, &node));
    struct fn_node *other = node == n[0] ? n[1] : n[0];
    uint64_t id = fn_node_id(other);
    fn_conn_close(r, other, false);
    int fresh[2]; /* takes the descriptor's number and the node of what was closed */
    tcp_pair(fresh);
    struct fn_node *reused = add_conn(r, fresh[0], FN_CODEC_RAW, NULL, NULL);
    assert(reused == other && fn_node_id(reused) != id);
    assert(fn_reactor_next(r, &node) == NULL);
    for (int i = 0; i < 2; i++)
        close(fd[i][1]);
    close(fresh[1]);
    close_reactor(r);
}

/* Nothing more is read for a connection that finishes. */
static void test_finish_drops_what_comes(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node;
    struct seen seen = {.status = 0};
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    write_all(fd[1], "x", 1);
    assert(fn_reactor_poll(r, FN_SECOND) == 1);
    fn_conn_finish(r, n);
    assert(fn_reactor_next(r, &node) == NULL);
    UNTIL(r, seen.count[FN_EVENT_FINISHED]);
    write_all(fd[1], "y", 1);
    idle_turns(r, 3);
    assert(data_events(&seen) == 0 && seen.count[FN_EVENT_FINISHED] == 1);
    close(fd[1]);
    close_reactor(r);
}

/* ------------------------------------------------------------------- READABLE */

static void test_readable(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    struct fn_node *node;
    char text[4];
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_READABLE, NULL, &seen);
    write_all(fd[1], "abcd", 4);
    UNTIL(r, seen.count[FN_EVENT_READABLE] == 1);
    UNTIL(r, seen.count[FN_EVENT_READABLE] == 2); /* until somebody reads */
    assert(fn_reactor_poll(r, FN_SECOND) == 1);
    fn_conn_pause(r, n); /* in between: the event means nothing any more */
    assert(fn_reactor_next(r, &node) == NULL);
    idle_turns(r, 3);
    assert(seen.count[FN_EVENT_READABLE] == 2);
    read_all(fd[0], text, 4);
    fn_conn_resume(r, n);
    idle_turns(r, 3);
    assert(seen.count[FN_EVENT_READABLE] == 2 && seen.len == 0);
    close(fd[1]); /* the end can be read */
    UNTIL(r, seen.count[FN_EVENT_READABLE] == 3);
    assert(seen.count[FN_EVENT_EOF] == 0);
    close_reactor(r);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_data_in_order(kind);
    test_a_turn_is_bounded(kind);
    test_services_leave_events_alone(kind);
    test_pause_and_resume(kind);
    test_hang_ups_do_not_spin(kind);
    test_reset(kind);
    test_close_keeps_the_descriptor(kind);
    test_close_within_a_turn(kind);
    test_finish_drops_what_comes(kind);
    test_readable(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
