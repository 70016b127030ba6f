/* Descriptors that are only watched, and a reactor that cannot be opened. */
#include <sys/resource.h>

#include "rig.h"

enum { IN = FN_POLL_IN, OUT = FN_POLL_OUT, BOTH = IN | OUT };

static void test_masks(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2], st;
    unix_pair(fd);
    struct fn_node *n = fn_watch_add(r, fd[0], IN, &seen, &st);
    assert(n && st == 0 && turn(r, 0) == 0);
    write_all(fd[1], "x", 1);
    assert(turn(r, FN_SECOND) == 1 && seen.status == IN);
    assert(turn(r, FN_SECOND) == 1); /* level-triggered: nobody has read */
    assert(fn_watch_set(r, n, BOTH) == 0 && fn_watch_set(r, n, BOTH) == 0);
    assert(turn(r, FN_SECOND) == 1 && seen.status == BOTH);
    assert(fn_watch_set(r, n, OUT) == 0);
    assert(turn(r, FN_SECOND) == 1 && seen.status == OUT);
    assert(fn_watch_set(r, n, 0) == 0 && turn(r, 0) == 0);
    assert(fn_watch_set(r, n, IN) == 0 && turn(r, FN_SECOND) == 1 && seen.status == IN);
    fn_reactor_remove(r, n, true);
    assert(turn(r, 0) == 0 && fcntl(fd[0], F_GETFD) >= 0);
    close_reactor(r);
    close_pair(fd);
}

static void test_what_is_refused(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    int fd[2], st = 0;
    unix_pair(fd);
    size_t nodes = r->nodes;
    struct fn_node *n = fn_watch_add(r, fd[0], IN, NULL, &st);
    assert(n && !fn_watch_add(r, fd[0], OUT, NULL, &st) && st == -EEXIST);
    assert(r->nodes == nodes + 1);
    write_all(fd[1], "x", 1);
    assert(turn(r, FN_SECOND) == 1); /* the first is as it was */
    fn_reactor_remove(r, n, true);
    assert(!fn_watch_add(r, -1, IN, NULL, &st) && st == -EBADF && r->nodes == nodes);
    close_reactor(r);
    close_pair(fd);
}

/* An end that nobody asked about must not be told again and again. */
static void test_hang_up(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2], st;
    unix_pair(fd);
    struct fn_node *n = fn_watch_add(r, fd[0], OUT, &seen, &st);
    close(fd[1]);
    assert(turn(r, FN_SECOND) == 1 && seen.status == OUT);
    assert(fn_watch_set(r, n, 0) == 0);
    idle_turns(r, 3);
    assert(seen.count[FN_EVENT_READY] == 1);
    uint64_t turns = atomic_load(&r->counters.turns);
    assert(fn_reactor_run(r, fn_now() + 10 * FN_MS) == FN_E_CHECK);
    assert(atomic_load(&r->counters.turns) - turns <= 4);
    assert(fn_watch_set(r, n, BOTH) == 0);
    assert(turn(r, FN_SECOND) == 1 && seen.status == BOTH);
    close_reactor(r);
    close(fd[0]);
}

/* What was on its way when the watch changed or ended does not come. */
static void test_changes_during_a_turn(enum fn_poller_kind kind)
{
    enum { WATCHES = 4 };
    struct fn_reactor *r = open_reactor(kind);
    struct fn_node *n[WATCHES], *node;
    int fd[WATCHES][2], st, seen = 0;
    for (int i = 0; i < WATCHES; i++) {
        unix_pair(fd[i]);
        n[i] = fn_watch_add(r, fd[i][0], BOTH, NULL, &st);
        write_all(fd[i][1], "x", 1);
    }
    assert(fn_reactor_poll(r, FN_SECOND) == WATCHES);
    const struct fn_event *e = fn_reactor_next(r, &node);
    assert(e && e->status == BOTH);
    struct fn_node *left[WATCHES];
    for (int i = 0; i < WATCHES; i++)
        if (n[i] != node)
            left[seen++] = n[i];
    fn_reactor_remove(r, left[0], true);
    assert(fn_watch_set(r, left[1], 0) == 0 && fn_watch_set(r, left[2], OUT) == 0);
    e = fn_reactor_next(r, &node);
    assert(e && node == left[2] && e->status == OUT && !fn_reactor_next(r, &node));
    close_reactor(r);
    for (int i = 0; i < WATCHES; i++)
        close_pair(fd[i]);
}

/* An event stays good while its handler adds so many nodes that lists move. */
static void test_events_stay_good(enum fn_poller_kind kind)
{
    enum { MORE = 400 };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    struct fn_node *node;
    int fd[2], st;
    unix_pair(fd);
    fn_watch_add(r, fd[0], OUT, &seen, &st);
    assert(fn_reactor_poll(r, FN_SECOND) == 1);
    const struct fn_event *e = fn_reactor_next(r, &node);
    for (int i = 0; i < MORE; i++)
        add_conn(r, dup(fd[0]), FN_CODEC_RAW, NULL, NULL);
    assert(e->kind == FN_EVENT_READY && e->status == OUT && e->id == fn_node_id(node));
    turn(r, 0);
    close_reactor(r);
    close_pair(fd);
}

/* ---------------------------------------------------------- without descriptors */

static rlim_t limit_files(rlim_t soft)
{
    struct rlimit limit;
    assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = soft;
    assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return before;
}

/* The number that the next descriptor will have. */
static int next_fd(void)
{
    int fd = dup(0);
    assert(fd >= 0);
    close(fd);
    return fd;
}

static void test_opening_fails_and_succeeds(enum fn_poller_kind kind)
{
    int st, first = next_fd();
    struct fn_reactor *r = fn_reactor_new(kind, 0, &st);
    for (rlim_t more = 0; more < 2; more++) {
        rlim_t before = limit_files((rlim_t)first + more);
        st = fn_reactor_enter(r);
        limit_files(before);
        if (st == 0)
            break; /* select needs fewer; the reserve may be missing */
        assert(st == -EMFILE && next_fd() == first);
    }
    assert(fn_reactor_enter(r) == 0);
    assert((r->poller.kind == FN_POLLER_SELECT) == (kind == FN_POLLER_SELECT));
    fn_reactor_wake(r);
    assert(fn_reactor_poll(r, FN_NEVER) == 0);
    close_reactor(r);
    assert(next_fd() == first);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_masks(kind);
    test_what_is_refused(kind);
    test_hang_up(kind);
    test_changes_during_a_turn(kind);
    test_events_stay_good(kind);
    test_opening_fails_and_succeeds(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
