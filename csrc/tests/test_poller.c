/* Both kinds of poller, by the same tests. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>

#include "fastnet/poller.h"
#include "fastnet/status.h"
#include "pair.h"

enum { IN = FN_POLL_IN, OUT = FN_POLL_OUT, BOTH = IN | OUT, ROOM = 64 };

static struct fn_poller open_poller(enum fn_poller_kind kind)
{
    struct fn_poller p;
    assert(fn_poller_open(&p, kind) == 0);
    assert(p.kind == kind);
    return p;
}

static void make_pipe(int fd[2])
{
    assert(pipe(fd) == 0);
}

static void put_byte(int fd)
{
    assert(write(fd, "x", 1) == 1);
}

static void take_byte(int fd)
{
    char byte;
    assert(read(fd, &byte, 1) == 1);
}

static struct fn_poll_event only_event(struct fn_poller *p)
{
    struct fn_poll_event event[ROOM];
    assert(fn_poller_wait(p, event, ROOM, FN_SECOND * 10) == 1);
    return event[0];
}

static void expect(struct fn_poller *p, uint32_t mask, uint64_t tag)
{
    struct fn_poll_event event = only_event(p);
    assert(event.mask == mask && event.tag == tag);
}

static void expect_nothing(struct fn_poller *p)
{
    struct fn_poll_event event[ROOM];
    assert(fn_poller_wait(p, event, ROOM, 0) == 0);
}

static void test_open_and_close(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    assert((p.fd >= 0) == (kind == FN_POLLER_EPOLL));
    assert(p.fd < 0 || fcntl(p.fd, F_GETFD) & FD_CLOEXEC);
    expect_nothing(&p);
    fn_poller_close(&p);
    assert(p.fd == -1 && !p.set);
    fn_poller_close(&p);
    struct fn_poller zeroed = {0};
    int before = fcntl(0, F_GETFD);
    fn_poller_close(&zeroed); /* descriptor 0 is not its own */
    assert(fcntl(0, F_GETFD) == before);
    assert(fn_poller_open(&p, FN_POLLER_DEFAULT) == 0);
    assert(p.kind != FN_POLLER_DEFAULT);
    fn_poller_close(&p);
}

static void test_level_triggered(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    int fd[2];
    make_pipe(fd);
    assert(fn_poller_add(&p, fd[0], IN, 0xfedcba9876543210u) == 0);
    expect_nothing(&p);
    put_byte(fd[1]);
    put_byte(fd[1]);
    expect(&p, IN, 0xfedcba9876543210u);
    take_byte(fd[0]);
    expect(&p, IN, 0xfedcba9876543210u);
    take_byte(fd[0]);
    expect_nothing(&p);
    fn_poller_close(&p);
    close_pair(fd);
}

/* Fills the socket's buffers, so that it is no longer writable. */
static void fill(int fd)
{
    static char bytes[1 << 16];
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    assert(errno == EAGAIN);
}

static void test_masks(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    int fd[2];
    unix_pair(fd);
    assert(fn_poller_add(&p, fd[0], BOTH, 1) == 0);
    expect(&p, OUT, 1);
    put_byte(fd[1]);
    expect(&p, BOTH, 1);
    assert(fn_poller_mod(&p, fd[0], IN, 2) == 0);
    expect(&p, IN, 2);
    assert(fn_poller_mod(&p, fd[0], OUT, 3) == 0);
    expect(&p, OUT, 3);
    fill(fd[0]);
    expect_nothing(&p);
    assert(fn_poller_mod(&p, fd[0], BOTH, 4) == 0);
    expect(&p, IN, 4);
    assert(fn_poller_mod(&p, fd[0], 0, 5) == 0);
    expect_nothing(&p);
    assert(fn_poller_mod(&p, fd[0], IN, UINT64_MAX) == 0);
    expect(&p, IN, UINT64_MAX);
    assert(fn_poller_del(&p, fd[0]) == 0);
    expect_nothing(&p);
    assert(fn_poller_add(&p, fd[0], IN, 6) == 0);
    expect(&p, IN, 6);
    fn_poller_close(&p);
    close_pair(fd);
}

static void test_what_is_refused(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    int fd[2];
    make_pipe(fd);
    assert(fn_poller_mod(&p, fd[0], IN, 1) == -ENOENT);
    assert(fn_poller_mod(&p, fd[0], IN | FN_POLL_SHARED, 1) == -ENOENT);
    assert(fn_poller_del(&p, fd[0]) == -ENOENT);
    assert(fn_poller_add(&p, fd[0], IN, 1) == 0);
    assert(fn_poller_add(&p, fd[0], OUT, 2) == -EEXIST);
    put_byte(fd[1]);
    expect(&p, IN, 1);
    assert(fn_poller_del(&p, fd[0]) == 0);
    assert(fn_poller_del(&p, fd[0]) == -ENOENT);
    assert(fn_poller_add(&p, -1, IN, 1) == -EBADF);
    close_pair(fd);
    assert(fn_poller_add(&p, fd[0], IN, 1) == -EBADF);
    assert(fn_poller_add(&p, fd[1], 0, 1) == -EBADF);
    expect_nothing(&p);
    fn_poller_close(&p);
}

/* select says instead what was asked for; who reads or writes finds out. */
static void test_hang_ups_and_errors(enum fn_poller_kind kind)
{
    bool epoll = kind == FN_POLLER_EPOLL;
    struct fn_poller p = open_poller(kind);
    int fd[2];
    make_pipe(fd);
    close(fd[1]);
    assert(fn_poller_add(&p, fd[0], IN, 1) == 0);
    expect(&p, epoll ? FN_POLL_HUP : IN, 1);
    assert(fn_poller_del(&p, fd[0]) == 0);
    close(fd[0]);

    make_pipe(fd);
    close(fd[0]);
    assert(fn_poller_add(&p, fd[1], OUT, 2) == 0);
    expect(&p, epoll ? OUT | FN_POLL_ERR : OUT, 2);
    assert(fn_poller_del(&p, fd[1]) == 0);
    close(fd[1]);

    unix_pair(fd);
    assert(shutdown(fd[1], SHUT_WR) == 0); /* one direction only: nothing but an end to read */
    assert(fn_poller_add(&p, fd[0], IN, 3) == 0);
    expect(&p, IN, 3);
    assert(fn_poller_mod(&p, fd[0], 0, 3) == 0);
    expect_nothing(&p);
    close(fd[1]);
    if (epoll)
        expect(&p, FN_POLL_HUP, 3);
    else
        expect_nothing(&p);
    fn_poller_close(&p);
    close(fd[0]);
}

/* More are ready than there is room: all get their turn. */
static void test_fairness(enum fn_poller_kind kind)
{
    enum { PIPES = 10, MAX = 3, WAITS = 40 };
    struct fn_poller p = open_poller(kind);
    int fd[PIPES][2], seen[PIPES] = {0};
    for (int i = 0; i < PIPES; i++) {
        make_pipe(fd[i]);
        put_byte(fd[i][1]);
        assert(fn_poller_add(&p, fd[i][0], IN, (uint64_t)i) == 0);
    }
    for (int i = 0; i < WAITS; i++) {
        struct fn_poll_event event[MAX];
        assert(fn_poller_wait(&p, event, MAX, FN_NEVER) == MAX);
        for (int j = 0; j < MAX; j++)
            seen[event[j].tag]++;
        for (int j = 0; i == 3 && j < PIPES; j++)
            assert(seen[j] >= 1);
    }
    for (int i = 0; i < PIPES; i++) {
        assert(seen[i] == WAITS * MAX / PIPES);
        close_pair(fd[i]);
    }
    fn_poller_close(&p);
}

/* Those that are both readable and writable count once. */
static void test_room_counts_descriptors(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    int fd[2];
    unix_pair(fd);
    for (int i = 0; i < 2; i++) {
        put_byte(fd[1 - i]);
        assert(fn_poller_add(&p, fd[i], BOTH, (uint64_t)i) == 0);
    }
    static struct fn_poll_event event[3000];
    assert(fn_poller_wait(&p, event, 3000, FN_NEVER) == 2);
    assert(event[0].mask == BOTH && event[1].mask == BOTH && event[0].tag != event[1].tag);
    assert(fn_poller_wait(&p, event, 1, FN_NEVER) == 1);
    uint64_t first = event[0].tag;
    assert(fn_poller_wait(&p, event, 1, FN_NEVER) == 1 && event[0].tag != first);
    fn_poller_close(&p);
    close_pair(fd);
}

static void test_shared(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind), q = open_poller(kind);
    int fd[2];
    make_pipe(fd);
    assert(fn_poller_add(&p, fd[0], IN | FN_POLL_SHARED, 1) == 0);
    assert(fn_poller_add(&q, fd[0], IN | FN_POLL_SHARED, 2) == 0);
    assert(fn_poller_add(&p, fd[0], IN | FN_POLL_SHARED, 3) == -EEXIST);
    expect_nothing(&p);
    put_byte(fd[1]);
    expect(&p, IN, 1); /* nobody slept, so that both find it */
    expect(&q, IN, 2);
    assert(fn_poller_mod(&p, fd[0], IN | FN_POLL_SHARED, 4) == 0);
    expect(&p, IN, 4);
    assert(fn_poller_mod(&p, fd[0], FN_POLL_SHARED, 5) == 0);
    expect_nothing(&p);
    assert(fn_poller_mod(&p, fd[0], IN, 6) == 0);
    expect(&p, IN, 6);
    assert(fn_poller_mod(&p, fd[0], IN, 7) == 0);
    expect(&p, IN, 7);
    assert(fn_poller_mod(&p, fd[0], IN | FN_POLL_SHARED, 8) == 0);
    expect(&p, IN, 8);
    assert(fn_poller_del(&p, fd[0]) == 0);
    assert(fn_poller_del(&p, fd[0]) == -ENOENT);
    expect_nothing(&p);
    expect(&q, IN, 2);
    fn_poller_close(&p);
    fn_poller_close(&q);
    close_pair(fd);
}

/* ------------------------------------------------------------- against a model */

enum { PIPES = 30 };

struct model {
    struct fn_poller p;
    int fd[PIPES][2];
    bool known[PIPES], asked[PIPES];
    int bytes[PIPES];
    uint64_t tag[PIPES];
};

static void change(struct model *m, size_t i, bool asked, uint64_t tag)
{
    uint32_t mask = asked ? IN : 0;
    int fd = m->fd[i][0];
    assert(fn_poller_mod(&m->p, fd, mask, tag) == (m->known[i] ? 0 : -ENOENT));
    if (!m->known[i])
        assert(fn_poller_add(&m->p, fd, mask, tag) == 0);
    assert(fn_poller_add(&m->p, fd, mask, 0) == -EEXIST);
    m->known[i] = true;
    m->asked[i] = asked;
    m->tag[i] = tag;
}

static void step(struct model *m, uint64_t *random)
{
    size_t i = random_below(random, PIPES);
    size_t what = random_below(random, 5);
    if (what == 0) {
        change(m, i, random_below(random, 3) != 0, next_random(random) * PIPES + i);
    } else if (what == 1) {
        assert(fn_poller_del(&m->p, m->fd[i][0]) == (m->known[i] ? 0 : -ENOENT));
        m->known[i] = m->asked[i] = false;
    } else if (what == 2) {
        put_byte(m->fd[i][1]);
        m->bytes[i]++;
    } else if (m->bytes[i]) {
        take_byte(m->fd[i][0]);
        m->bytes[i]--;
    }
}

/* Each that is ready is reported once, by its tag, and no other. */
static void check_ready(struct model *m)
{
    struct fn_poll_event event[ROOM];
    int n = fn_poller_wait(&m->p, event, ROOM, 0);
    int ready = 0;
    for (int i = 0; i < PIPES; i++) {
        if (!m->asked[i] || !m->bytes[i])
            continue;
        ready++;
        int found = 0;
        for (int j = 0; j < n; j++)
            found += event[j].tag == m->tag[i] && event[j].mask == IN;
        assert(found == 1);
    }
    assert(n == ready);
}

static void test_against_a_model(enum fn_poller_kind kind)
{
    struct model m = {.p = open_poller(kind)};
    for (int i = 0; i < PIPES; i++)
        make_pipe(m.fd[i]);
    uint64_t random = 13;
    for (int i = 0; i < 10000; i++) {
        step(&m, &random);
        check_ready(&m);
    }
    for (int i = 0; i < PIPES; i++)
        close_pair(m.fd[i]);
    fn_poller_close(&m.p);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_open_and_close(kind);
    test_level_triggered(kind);
    test_masks(kind);
    test_what_is_refused(kind);
    test_hang_ups_and_errors(kind);
    test_fairness(kind);
    test_room_counts_descriptors(kind);
    test_shared(kind);
    test_against_a_model(kind);
}

int main(void)
{
    struct fn_poller p;
    assert(fn_poller_open(&p, (enum fn_poller_kind)3) == -EINVAL);
    fn_poller_close(&p);
    test_kind(FN_POLLER_SELECT);
    if (fn_poller_open(&p, FN_POLLER_EPOLL) == -ENOSYS)
        return 0;
    fn_poller_close(&p);
    test_kind(FN_POLLER_EPOLL);
    return 0;
}
