/* How services leave: what came before is answered, nothing is destroyed, nobody keeps them. */
#include "fastnet/service.h"
#include "fastnet/watchdog.h"
#include "rig.h"

/* Runs for a moment; whether the drain has come to its end. */
static bool drained(struct fn_reactor *r)
{
    int st = fn_reactor_run(r, fn_now() + 2 * FN_MS);
    assert(st == 0 || st == FN_E_CHECK || st == -EINTR);
    return st == 0;
}

/* Reads what is there; -1 while nothing is, 0 for the end. */
static ssize_t peek_on(int fd, uint8_t *to, size_t room)
{
    ssize_t n = recv(fd, to, room, MSG_DONTWAIT);
    assert(n >= 0 || errno == EAGAIN); /* never a reset */
    return n;
}

static size_t read_to_end(struct fn_reactor *r, int fd, uint8_t *to, size_t room)
{
    size_t total = 0;
    for (fn_time end = fn_now() + RIG_PATIENCE;;) {
        assert(fn_now() < end);
        ssize_t n = peek_on(fd, to + total, room - total);
        if (n == 0)
            return total;
        total += n > 0 ? (size_t)n : 0;
        drained(r);
    }
}

static void expect_end_of_drain(struct fn_reactor *r)
{
    fn_time end = fn_now() + RIG_PATIENCE;
    while (!drained(r))
        assert(fn_now() < end);
    assert(atomic_load(&r->counters.open) == 0);
}

static void test_all_that_came_is_echoed(enum fn_poller_kind kind)
{
    enum { CLIENTS = 6, BYTES = 100000 };
    static uint8_t sent[BYTES], got[BYTES + 1];
    struct fn_gate_limits limits = {.write_buffer = 10000};
    struct fn_gate *gate = new_gate(&limits);
    struct fn_reactor *r = open_reactor(kind);
    size_t size[CLIENTS] = {0, 1, 9999, 10001, 70000, BYTES};
    int fd[CLIENTS][2];
    fill_pattern(sent, BYTES, 8);
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 2)
            tcp_pair(fd[i]);
        else
            unix_pair(fd[i]);
        int small = 4096; /* so that most of the echo has to wait */
        setsockopt(fd[i][0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        add_conn(r, fd[i][0], FN_CODEC_ECHO, gate, NULL);
        write_all(fd[i][1], sent, size[i]);
    }
    turn(r, 0);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    assert(!drained(r));
    for (int i = CLIENTS - 1; i >= 0; i--) {
        assert(read_to_end(r, fd[i][1], got, sizeof got) == size[i]);
        assert(memcmp(sent, got, size[i]) == 0);
        close(fd[i][1]);
    }
    expect_end_of_drain(r);
    close_reactor(r);
    fn_gate_release(gate);
}

/* Bytes that come after the drain are not waited for, however many. */
static void test_an_endless_sender(enum fn_poller_kind kind)
{
    static uint8_t bytes[50000], got[1 << 16];
    struct fn_reactor *r = open_reactor(kind);
    int fd[2];
    size_t sent = 0, echoed = 0;
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_ECHO, NULL, NULL);
    no_wait(fd[1]);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    for (fn_time end = fn_now() + RIG_PATIENCE; !(n->flags & FN_LINGERING);) {
        assert(fn_now() < end);
        ssize_t m = send(fd[1], bytes, sizeof bytes, MSG_NOSIGNAL);
        sent += m > 0 ? (size_t)m : 0;
        assert(fn_reactor_run(r, fn_now() + FN_MS) == FN_E_CHECK);
        m = peek_on(fd[1], got, sizeof got);
        echoed += m > 0 ? (size_t)m : 0;
    }
    assert(echoed <= sent && n->deadline <= fn_now() + FN_LINGER);
    n->deadline = fn_now() + 10 * FN_MS; /* instead of two seconds */
    fn_watchdog_schedule(r, n);
    for (fn_time end = fn_now() + RIG_PATIENCE; !drained(r);) {
        assert(fn_now() < end);
        (void)!send(fd[1], bytes, sizeof bytes, MSG_NOSIGNAL);
    }
    close(fd[1]);
    close_reactor(r);
}

/* The client still sends when the service has ended: it gets its bytes, and no reset. */
static void test_linger(enum fn_poller_kind kind)
{
    static uint8_t bytes[100000];
    struct fn_reactor *r = open_reactor(kind);
    char line[FN_CTIME + 1];
    int fd[2];
    tcp_pair(fd);
    struct fn_node *n = add_conn(r, fd[0], FN_CODEC_TIME, NULL, NULL);
    write_all(fd[1], bytes, sizeof bytes);
    UNTIL(r, n->flags & FN_LINGERING);
    for (int i = 0; i < 10; i++) {
        write_all(fd[1], bytes, sizeof bytes);
        UNTIL(r, atomic_load(&r->counters.bytes_in) >= (uint64_t)(i + 1) * sizeof bytes);
    }
    read_all(fd[1], line, FN_CTIME);
    assert(recv(fd[1], line, 1, 0) == 0 && atomic_load(&r->counters.open) == 1);
    close(fd[1]);
    UNTIL(r, atomic_load(&r->counters.open) == 0);
    assert(atomic_load(&r->counters.failed) == 0);
    close_reactor(r);
}

static void test_listeners_and_the_idle(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct fn_gate_limits limits = {.connections = 10, .handshake = FN_SECOND};
    struct fn_gate *gate = new_gate(&limits);
    struct sockaddr_in in = loopback(0);
    uint8_t byte;
    uint16_t port;
    int st, fd[5], listener = listen_tcp(&port), udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert(bind(udp, (struct sockaddr *)&in, sizeof in) == 0);
    no_wait(udp);
    assert(fn_listener_add(r, listener, FN_CODEC_ECHO, gate, true, NULL, &st));
    assert(fn_dgram_add(r, udp, FN_CODEC_ECHO, gate, NULL, &st));
    for (int i = 0; i < 5; i++)
        fd[i] = dial(port);
    UNTIL(r, atomic_load(&r->counters.open) == 5);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    assert(!drained(r));
    for (int i = 0; i < 5; i++) {
        assert(read_to_end(r, fd[i], &byte, 1) == 0);
        close(fd[i]);
    }
    expect_end_of_drain(r);
    assert(r->nodes == 1 && fcntl(listener, F_GETFD) >= 0 && fcntl(udp, F_GETFD) >= 0);
    assert(atomic_load(&gate->open) == 0);
    close_reactor(r);
    fn_gate_release(gate);
    close(listener);
    close(udp);
}

/* Events of others that wait at the time come first, with their bytes unharmed. */
static void test_with_events_waiting(enum fn_poller_kind kind)
{
    static uint8_t noise[50000];
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *node;
    int raw[2], echo[2];
    tcp_pair(raw);
    tcp_pair(echo);
    memset(noise, 0xee, sizeof noise);
    struct fn_node *n = add_conn(r, raw[0], FN_CODEC_RAW, NULL, NULL);
    add_conn(r, echo[0], FN_CODEC_ECHO, NULL, NULL);
    write_all(raw[1], "mine", 4);
    while (fn_reactor_poll(r, FN_SECOND) == 0)
        ;
    write_all(echo[1], noise, sizeof noise);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    assert(fn_reactor_run(r, FN_NEVER) == 1);
    const struct fn_event *e = fn_reactor_next(r, &node);
    assert(e && node == n && e->len == 4 && memcmp(e->data, "mine", 4) == 0);
    assert(!fn_reactor_next(r, &node));
    assert(!drained(r));
    assert(read_to_end(r, echo[1], noise, sizeof noise) <= sizeof noise);
    close(echo[1]);
    fn_conn_close(r, n, false); /* the boundary's own are for it to end */
    expect_end_of_drain(r);
    close(raw[1]);
    close_reactor(r);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_all_that_came_is_echoed(kind);
    test_an_endless_sender(kind);
    test_linger(kind);
    test_listeners_and_the_idle(kind);
    test_with_events_waiting(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
