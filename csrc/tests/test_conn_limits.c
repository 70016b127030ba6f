/* What time enforces: idleness, handshakes and the rate at which a peer takes bytes, none of it
 * early.  Spans are short here, and what must not happen within one is checked only where this
 * thread was not kept from running for as long. */
#include "rig.h"

#define SPAN (25 * FN_MS)

struct limited {
    struct fn_reactor *r;
    struct fn_gate *gate;
    struct fn_node *n;
    struct seen seen;
    int peer;
    fn_time began;
};

static struct limited open_limited(enum fn_poller_kind kind, const struct fn_gate_limits *limits,
                                   enum fn_codec codec)
{
    struct limited l = {.r = open_reactor(kind), .gate = new_gate(limits)};
    int fd[2];
    unix_pair(fd);
    l.peer = fd[1];
    l.began = fn_now();
    no_wait(fd[0]);
    int st;
    l.n = fn_conn_add(l.r, fd[0], codec, l.gate, NULL, &st);
    fn_conn_resume(l.r, l.n);
    return l;
}

static void close_limited(struct limited *l)
{
    close(l->peer);
    close_reactor(l->r);
    fn_gate_release(l->gate);
}

static void expect_failure(struct limited *l, int reason, fn_time not_before)
{
    l->n->user = &l->seen;
    UNTIL(l->r, l->seen.count[FN_EVENT_FAILED]);
    assert(l->seen.status == reason && fn_now() >= not_before);
    idle_turns(l->r, 3);
    assert(l->seen.count[FN_EVENT_FAILED] == 1);
}

static void test_idle(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {.idle = SPAN};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    expect_failure(&l, FN_E_CONN_IDLE, l.began + SPAN);
    assert(fn_now() < l.began + 50 * SPAN);
    close_limited(&l);

    l = open_limited(kind, &limits, FN_CODEC_RAW); /* bytes in either direction count */
    l.n->user = &l.seen;
    fn_time last = fn_now();
    for (int i = 0; i < 20; i++) {
        usleep(2000);
        last = fn_now();
        if (i % 2)
            write_all(l.peer, "x", 1);
        else
            assert(put(l.r, l.n, "y", 1) == 0);
        turn(l.r, 0); /* however late: what has come is read first */
        if (l.seen.count[FN_EVENT_FAILED])
            break; /* this thread did not run for so long */
    }
    if (!l.seen.count[FN_EVENT_FAILED])
        expect_failure(&l, FN_E_CONN_IDLE, last + SPAN);
    close_limited(&l);

    l = open_limited(kind, &limits, FN_CODEC_READABLE); /* and those that the boundary reads */
    l.n->user = &l.seen;
    write_all(l.peer, "x", 1);
    usleep(40000);
    turn(l.r, 0);
    turn(l.r, 0);
    assert(l.seen.count[FN_EVENT_READABLE] && !l.seen.count[FN_EVENT_FAILED]);
    close_limited(&l);
}

/* A handler that blocks for longer than the limit does not make its peers idle. */
static void test_a_late_turn(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {.idle = SPAN};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    l.n->user = &l.seen;
    turn(l.r, 0);
    usleep(5000);
    write_all(l.peer, "x", 1);
    usleep(40000);
    turn(l.r, 0);
    assert(l.seen.len == 1 && !l.seen.count[FN_EVENT_FAILED]);
    close_limited(&l);

    int fd[2]; /* nor is one idle that begins long after the last turn */
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    usleep(40000);
    unix_pair(fd);
    fn_time before = fn_now();
    add_conn(r, fd[0], FN_CODEC_RAW, gate, &seen);
    UNTIL(r, seen.count[FN_EVENT_FAILED]);
    assert(fn_now() >= before + SPAN);
    close(fd[1]);
    close_reactor(r);
    fn_gate_release(gate);
}

static void test_handshake(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {.handshake = SPAN};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    for (int i = 0; i < 5; i++) { /* bytes do not help */
        write_all(l.peer, "x", 1);
        turn(l.r, 0);
    }
    expect_failure(&l, FN_E_CONN_HANDSHAKE, l.began + SPAN);
    close_limited(&l);

    l = open_limited(kind, &limits, FN_CODEC_READABLE);
    l.n->user = &l.seen;
    fn_conn_ready(l.n);
    while (fn_now() < l.began + 2 * SPAN)
        turn(l.r, 10 * FN_MS);
    assert(!l.seen.count[FN_EVENT_FAILED]);
    close_limited(&l);

    l = open_limited(kind, &limits, FN_CODEC_ECHO); /* services have no handshake */
    while (fn_now() < l.began + 2 * SPAN)
        turn(l.r, 10 * FN_MS);
    assert(atomic_load(&l.r->counters.open) == 1);
    close_limited(&l);
}

/* The handshake's deadline passes over to the idle limit. */
static void test_handshake_then_idle(enum fn_poller_kind kind)
{
    struct fn_gate_limits limits = {.handshake = SPAN, .idle = 2 * SPAN};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    fn_conn_ready(l.n);
    expect_failure(&l, FN_E_CONN_IDLE, l.began + 2 * SPAN);
    close_limited(&l);
}

static void test_rate(enum fn_poller_kind kind)
{
    static uint8_t bytes[1 << 20], sink[1 << 16];
    struct fn_gate_limits limits = {.min_rate = 1000000, .rate_window = SPAN};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    while (fn_now() < l.began + 2 * SPAN) /* nothing waits: any rate will do */
        turn(l.r, 10 * FN_MS);
    fn_time began = fn_now();
    assert(put(l.r, l.n, bytes, sizeof bytes) == 0 && l.n->out.bytes);
    expect_failure(&l, FN_E_CONN_RATE, began + SPAN);
    close_limited(&l);

    /* Who takes a little all the time is fast enough.  The system asks for more only when most of
     * its own buffer is free, so that the little is some of it. */
    limits = (struct fn_gate_limits){.min_rate = 1000, .rate_window = 2 * SPAN};
    l = open_limited(kind, &limits, FN_CODEC_RAW);
    l.n->user = &l.seen;
    while (l.n->out.bytes < 8 * sizeof bytes)
        assert(put(l.r, l.n, bytes, sizeof bytes) == 0);
    fn_time last = began = fn_now();
    bool late = false;
    while (fn_now() < began + 6 * SPAN && !late) {
        usleep(2000);
        (void)!recv(l.peer, sink, sizeof sink, MSG_DONTWAIT);
        turn(l.r, 0);
        late = fn_now() - last > SPAN / 3;
        last = fn_now();
    }
    assert(late || !l.seen.count[FN_EVENT_FAILED]);
    if (!late)
        expect_failure(&l, FN_E_CONN_RATE, last);
    close_limited(&l);
}

/* A window of no length is none that ends as soon as it begins. */
static void test_rate_without_window(enum fn_poller_kind kind)
{
    static uint8_t bytes[1 << 20];
    struct fn_gate_limits limits = {.min_rate = 1000000};
    struct limited l = open_limited(kind, &limits, FN_CODEC_RAW);
    l.n->user = &l.seen;
    assert(put(l.r, l.n, bytes, sizeof bytes) == 0 && l.n->out.bytes);
    idle_turns(l.r, 5);
    assert(!l.seen.count[FN_EVENT_FAILED] && fn_timer_is_set(&l.n->timer));
    close_limited(&l);
}

/* All fail at the same moment, and many finish and drain in that turn: no event is lost. */
static void test_many_at_once(enum fn_poller_kind kind)
{
    enum { CONNS = 400 };
    static struct seen seen[CONNS];
    struct fn_gate_limits limits = {.idle = SPAN};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    int fd[2];
    memset(seen, 0, sizeof seen);
    unix_pair(fd);
    struct fn_node *n[CONNS];
    for (int i = 0; i < CONNS; i++)
        n[i] = add_conn(r, dup(fd[0]), FN_CODEC_RAW, gate, &seen[i]);
    turn(r, 0);
    usleep(40000);
    for (int i = 0; i < CONNS; i++) {
        fn_conn_notify(r, n[i], 0);
        fn_conn_finish(r, n[i]);
    }
    turn(r, 0);
    for (int i = 0; i < CONNS; i++) {
        assert(seen[i].count[FN_EVENT_DRAINED] == 1 && seen[i].count[FN_EVENT_FINISHED] == 1);
        assert(seen[i].count[FN_EVENT_FAILED] == 1);
    }
    close_reactor(r);
    close_pair(fd);
    assert(atomic_load(&gate->open) == 0);
    fn_gate_release(gate);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_idle(kind);
    test_a_late_turn(kind);
    test_handshake(kind);
    test_handshake_then_idle(kind);
    test_rate(kind);
    test_rate_without_window(kind);
    test_many_at_once(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
