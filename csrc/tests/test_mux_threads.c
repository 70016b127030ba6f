/* One mux, many threads: senders beside a receiver, a large message given up, and the one who
 * tends it.  Mostly for the thread sanitizer. */
#include "muxfeed.h"

#include <pthread.h>
#include <stdatomic.h>

#include "fastnet/muxio.h"
#include "fastnet/tend.h"
#include "pair.h"

enum { SENDERS = 3, SMALL = 400, LARGE = 20, BUDGET = 1 << 16 };

static const struct fn1_limits LIMITS = {
    .fragment = 1 << 20, .envelope = 4096, .segments = 8, .message = MUXFEED_BODY};

struct end {
    struct muxfeed feed;
    int fd;
    struct fn_tend tend;
    _Atomic int smalls, larges; /* what came */
    _Atomic bool over;
};

struct sender {
    struct end *end;
    int number;
    pthread_t thread;
};

struct large {
    struct fn_mux_out out;
    struct fn_walk walk;
    struct fn_body body;
    uint64_t size;
    uint8_t memory[30000];
};

static void push(struct end *e)
{
    assert(fn_mux_write(&e->feed.mux, e->fd, BUDGET) >= 0);
}

static void small(struct end *e, int number, int i)
{
    char text[32];
    struct fn1_view meta = {(const uint8_t *)text,
                            (size_t)snprintf(text, sizeof text, "%d of %d", i, number)};
    int st;
    while ((st = fn_mux_message(&e->feed.mux, FN1_KIND_RPC, &meta, 1, NULL, 0, NULL)) ==
           FN_E_BUF_CAP)
        push(e);
    assert(st == FN_OK);
    fn_tend_notice(&e->tend);
}

static void large(struct end *e, int number)
{
    struct large *l = calloc(1, sizeof *l);
    assert(l);
    memset(l->memory, number, sizeof l->memory);
    fn_walk_init_flat(&l->walk, l->memory, sizeof l->memory);
    fn_body_init(&l->body, &l->walk, 1);
    l->size = sizeof l->memory;
    l->out = (struct fn_mux_out){.kind = FN1_KIND_RPC,
                                 .segments = 1,
                                 .sizes = &l->size,
                                 .meta = {l->memory, 4},
                                 .body = &l->body,
                                 .token = l};
    assert(fn_mux_send(&e->feed.mux, &l->out) == FN_OK);
}

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < SMALL; i++) {
        small(s->end, s->number, i);
        if (i % (SMALL / LARGE) == 0)
            large(s->end, s->number);
        if (i % 7 == 0)
            push(s->end);
    }
    return NULL;
}

static void free_spent(struct end *e)
{
    struct fn_mux_out *out = fn_mux_take_spent(&e->feed.mux);
    while (out) {
        struct fn_mux_out *next = out->next;
        assert(out->result == 0);
        free(out->token);
        out = next;
    }
}

static void count(struct end *e, int event)
{
    struct muxfeed *f = &e->feed;
    if (event == FN_MUX_MESSAGE) {
        atomic_fetch_add(&e->smalls, 1);
    } else if (event == FN_MUX_OPEN) {
        muxfeed_opened(f);
    } else if (event == FN_MUX_BODY) {
        const struct muxfeed_place *p = f->mux.token;
        for (size_t i = 1; i < p->len; i++)
            assert(p->memory[i] == p->memory[0]);
        atomic_fetch_add(&e->larges, 1);
    }
}

/* Receives, and sends what others have left, until all that is expected is there. */
static void *drive(void *arg)
{
    struct end *e = arg;
    struct fn_mux_wait w = {.check_at = FN_NEVER, .wake_fd = -1};
    while (!atomic_load(&e->over)) {
        w.deadline = fn_now() + 5 * FN_MS;
        int st = fn_mux_await(&e->feed.mux, e->fd, &w);
        assert(st == 1 || st == FN_E_TIMEOUT);
        atomic_fetch_add(&e->tend.turns, 1);
        while (st == 1 && (st = fn_mux_next(&e->feed.mux)) >= 0) {
            count(e, st);
            st = 1;
        }
        assert(st == FN_E_MORE || st == FN_E_TIMEOUT);
        free_spent(e);
    }
    return NULL;
}

/* While nobody drives, what is staged goes out all the same. */
static void *tend(void *arg)
{
    struct end *e = arg;
    int st;
    while ((st = fn_tend_wait(&e->tend, &e->feed.mux, e->fd)) == 1)
        push(e);
    assert(st == 0);
    return NULL;
}

static void init(struct end *e, enum fn1_role role, int fd)
{
    memset(e, 0, sizeof *e);
    muxfeed_init(&e->feed, role, LIMITS, 1 << 16);
    e->fd = fd;
    assert(fn_tend_init(&e->tend) == 0);
}

static void fini(struct end *e)
{
    fn_mux_fail(&e->feed.mux, -ECONNRESET);
    free_spent(e);
    fn_tend_fini(&e->tend);
    muxfeed_fini(&e->feed);
}

static bool arrived(struct end *e)
{
    return atomic_load(&e->smalls) == SENDERS * SMALL && atomic_load(&e->larges) == SENDERS * LARGE;
}

static void test_both_ways_at_once(void)
{
    static struct end end[2];
    int fd[2];
    unix_pair(fd);
    init(&end[0], FN1_CLIENT, fd[0]);
    init(&end[1], FN1_SERVER, fd[1]);
    pthread_t driver[2], tender[2];
    struct sender sender[2][SENDERS];
    for (int i = 0; i < 2; i++) {
        atomic_store(&end[i].tend.open, 1);
        assert(pthread_create(&driver[i], NULL, drive, &end[i]) == 0);
        assert(pthread_create(&tender[i], NULL, tend, &end[i]) == 0);
        for (int k = 0; k < SENDERS; k++) {
            sender[i][k] = (struct sender){.end = &end[i], .number = k + 1};
            assert(pthread_create(&sender[i][k].thread, NULL, send_all, &sender[i][k]) == 0);
        }
    }
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < SENDERS; k++)
            pthread_join(sender[i][k].thread, NULL);
    while (!arrived(&end[0]) || !arrived(&end[1]))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int i = 0; i < 2; i++) {
        atomic_store(&end[i].over, true);
        fn_tend_end(&end[i].tend);
        pthread_join(driver[i], NULL);
        pthread_join(tender[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        fini(&end[i]);
        close(fd[i]);
    }
}

int main(void)
{
    test_both_ways_at_once();
    return 0;
}
