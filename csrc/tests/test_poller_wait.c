/* How both kinds of poller wait, and where their descriptors end. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>

#include "fastnet/poller.h"
#include "fastnet/status.h"
#include "pair.h"

enum { IN = FN_POLL_IN, ROOM = 8 };

static struct fn_poller open_poller(enum fn_poller_kind kind)
{
    struct fn_poller p;
    assert(fn_poller_open(&p, kind) == 0);
    return p;
}

static void put_byte(int fd)
{
    assert(write(fd, "x", 1) == 1);
}

static void nap(long ms)
{
    struct timespec ts = {.tv_nsec = ms * 1000000};
    nanosleep(&ts, NULL);
}

/* ------------------------------------------------------------------ timeouts */

static void test_a_wait_lasts_its_time(enum fn_poller_kind kind)
{
    static const fn_time spans[] = {-FN_SECOND, 0, 1, FN_MS / 2, FN_MS + 1, 20 * FN_MS};
    struct fn_poller p = open_poller(kind);
    struct fn_poll_event event[ROOM];
    int fd[2];
    assert(pipe(fd) == 0);
    assert(fn_poller_add(&p, fd[0], IN, 1) == 0);
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        fn_time start = fn_now();
        assert(fn_poller_wait(&p, event, ROOM, spans[i]) == 0);
        assert(fn_now() - start >= spans[i]);
    }
    fn_poller_close(&p);
    close_pair(fd);
}

static void *put_byte_soon(void *arg)
{
    nap(20);
    put_byte(*(int *)arg);
    return NULL;
}

/* An event ends it at once, however long it would have been. */
static void test_an_event_ends_a_wait(enum fn_poller_kind kind)
{
    static const fn_time spans[] = {FN_NEVER, FN_NEVER - 1, 7200 * FN_SECOND, 100 * FN_SECOND};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        struct fn_poller p = open_poller(kind);
        struct fn_poll_event event[ROOM];
        int fd[2];
        pthread_t thread;
        assert(pipe(fd) == 0);
        assert(fn_poller_add(&p, fd[0], IN, 5) == 0);
        assert(pthread_create(&thread, NULL, put_byte_soon, &fd[1]) == 0);
        assert(fn_poller_wait(&p, event, ROOM, spans[i]) == 1);
        assert(event[0].tag == 5 && event[0].mask == IN);
        assert(pthread_join(thread, NULL) == 0);
        fn_poller_close(&p);
        close_pair(fd);
    }
}

struct alarm {
    pthread_t waiter;
    atomic_bool over;
};

static void on_signal(int number)
{
    (void)number;
}

/* Again and again, since the first one may come before the wait. */
static void *send_signals(void *arg)
{
    struct alarm *alarm = arg;
    while (!atomic_load(&alarm->over)) {
        nap(2);
        pthread_kill(alarm->waiter, SIGUSR1);
    }
    return NULL;
}

static void test_a_signal_ends_a_wait(enum fn_poller_kind kind)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    assert(sigaction(SIGUSR1, &action, &before) == 0);
    struct fn_poller p = open_poller(kind);
    struct alarm alarm = {.waiter = pthread_self()};
    struct fn_poll_event event[ROOM];
    pthread_t thread;
    assert(pthread_create(&thread, NULL, send_signals, &alarm) == 0);
    assert(fn_poller_wait(&p, event, ROOM, 100 * FN_SECOND) == -EINTR);
    atomic_store(&alarm.over, true);
    assert(pthread_join(thread, NULL) == 0);
    assert(sigaction(SIGUSR1, &before, NULL) == 0);
    fn_poller_close(&p);
}

/* --------------------------------------------------------- who is woken */

struct sleeper {
    struct fn_poller p;
    pthread_t thread;
    int result;
};

static void *sleep_until_ready(void *arg)
{
    struct sleeper *s = arg;
    struct fn_poll_event event[ROOM];
    s->result = fn_poller_wait(&s->p, event, ROOM, FN_NEVER);
    return NULL;
}

/* However many pollers share a descriptor, one at least is told, and those that
 * were passed over find out when they ask for it again. */
static void test_shared_descriptors_wake_somebody(enum fn_poller_kind kind)
{
    enum { SLEEPERS = 3 };
    struct sleeper sleeper[SLEEPERS];
    int fd[2], end[2], told = 0;
    assert(pipe(fd) == 0 && pipe(end) == 0);
    for (int i = 0; i < SLEEPERS; i++) {
        sleeper[i].p = open_poller(kind);
        assert(fn_poller_add(&sleeper[i].p, fd[0], IN | FN_POLL_SHARED, 1) == 0);
        assert(fn_poller_add(&sleeper[i].p, end[0], IN, 2) == 0);
        assert(pthread_create(&sleeper[i].thread, NULL, sleep_until_ready, &sleeper[i]) == 0);
    }
    put_byte(fd[1]);
    put_byte(end[1]); /* not shared: all wake */
    for (int i = 0; i < SLEEPERS; i++) {
        struct fn_poller *p = &sleeper[i].p;
        struct fn_poll_event event[ROOM];
        assert(pthread_join(sleeper[i].thread, NULL) == 0);
        assert(sleeper[i].result == 1 || sleeper[i].result == 2);
        told += fn_poller_wait(p, event, ROOM, 0) == 2;
        assert(fn_poller_mod(p, fd[0], IN | FN_POLL_SHARED, 1) == 0);
        assert(fn_poller_wait(p, event, ROOM, 0) == 2);
        fn_poller_close(p);
    }
    assert(told >= 1);
    close_pair(fd);
    close_pair(end);
}

/* ------------------------------------------------ descriptors that have gone */

static void expect_only(struct fn_poller *p, uint64_t tag)
{
    struct fn_poll_event event[ROOM];
    assert(fn_poller_wait(p, event, ROOM, FN_NEVER) == 1);
    assert(event[0].tag == tag && event[0].mask == IN);
}

static void test_closed_without_a_word(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    struct fn_poll_event event[ROOM];
    int fd[4][2];
    for (int i = 0; i < 4; i++) {
        assert(pipe(fd[i]) == 0);
        assert(fn_poller_add(&p, fd[i][0], i == 3 ? 0 : IN, (uint64_t)i) == 0);
        put_byte(fd[i][1]);
    }
    assert(fn_poller_wait(&p, event, ROOM, FN_NEVER) == 3);
    close(fd[0][0]);
    close(fd[2][0]);
    close(fd[3][0]); /* the highest, and silent */
    expect_only(&p, 1);
    expect_only(&p, 1);
    assert(fn_poller_del(&p, fd[2][0]) < 0);
    /* its number serves again, for somebody else */
    assert(dup2(fd[1][0], fd[2][0]) == fd[2][0]);
    assert(fn_poller_add(&p, fd[2][0], IN, 7) == 0);
    assert(fn_poller_del(&p, fd[1][0]) == 0);
    expect_only(&p, 7);
    close(fd[2][0]);
    close(fd[1][0]);
    assert(fn_poller_wait(&p, event, ROOM, FN_MS) == 0);
    for (int i = 0; i < 4; i++)
        close(fd[i][1]);
    fn_poller_close(&p);
}

/* ----------------------------------------------------------- where select ends */

static bool allow_descriptors(rlim_t n)
{
    struct rlimit limit;
    assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= n)
        return true;
    if (limit.rlim_max < n)
        return false;
    limit.rlim_cur = n;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void test_the_highest_numbers(enum fn_poller_kind kind)
{
    struct fn_poller p = open_poller(kind);
    int fd[2];
    assert(pipe(fd) == 0);
    put_byte(fd[1]);
    int last = fcntl(fd[0], F_DUPFD, FD_SETSIZE - 1);
    int beyond = fcntl(fd[0], F_DUPFD, FD_SETSIZE);
    assert(last == FD_SETSIZE - 1 && beyond == FD_SETSIZE);
    assert(fn_poller_add(&p, last, IN, 1) == 0);
    expect_only(&p, 1);
    assert(fn_poller_del(&p, last) == 0);
    bool epoll = kind == FN_POLLER_EPOLL;
    assert(fn_poller_mod(&p, beyond, IN, 2) == -ENOENT);
    assert(fn_poller_add(&p, beyond, IN, 2) == (epoll ? 0 : FN_E_SELECT_RANGE));
    assert(fn_poller_del(&p, beyond) == (epoll ? 0 : -ENOENT));
    assert(fn_poller_add(&p, fd[0], IN, 3) == 0);
    expect_only(&p, 3);
    fn_poller_close(&p);
    close(last);
    close(beyond);
    close_pair(fd);
}

/* As many as select can watch, of which more are ready than one wait of epoll
 * reports. */
static void test_many(enum fn_poller_kind kind)
{
    enum { MANY = 1500 };
    static struct fn_poll_event event[MANY];
    static bool seen[MANY];
    struct fn_poller p = open_poller(kind);
    int fd[2], copy[MANY], n = 0, last = 0;
    assert(pipe(fd) == 0);
    put_byte(fd[1]);
    while (n < MANY && (copy[n] = dup(fd[0])) >= 0 &&
           (last = fn_poller_add(&p, copy[n], IN, (uint64_t)n)) == 0)
        n++;
    assert(n == MANY || (last == FN_E_SELECT_RANGE && copy[n] == FD_SETSIZE));
    memset(seen, 0, sizeof seen);
    for (int found = 0; found < n;) {
        int got = fn_poller_wait(&p, event, MANY, 0);
        assert(got > 0 && got <= 1024);
        for (int i = 0; i < got; i++) {
            found += !seen[event[i].tag];
            seen[event[i].tag] = true;
        }
    }
    for (int i = 0; i < n + (n < MANY); i++)
        close(copy[i]);
    fn_poller_close(&p);
    close_pair(fd);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_a_wait_lasts_its_time(kind);
    test_an_event_ends_a_wait(kind);
    test_a_signal_ends_a_wait(kind);
    test_shared_descriptors_wake_somebody(kind);
    test_closed_without_a_word(kind);
    if (allow_descriptors(FD_SETSIZE + 1))
        test_the_highest_numbers(kind);
    if (allow_descriptors(2000))
        test_many(kind);
}

int main(void)
{
    struct fn_poller p;
    test_kind(FN_POLLER_SELECT);
    if (fn_poller_open(&p, FN_POLLER_EPOLL) == -ENOSYS)
        return 0;
    fn_poller_close(&p);
    test_kind(FN_POLLER_EPOLL);
    return 0;
}
