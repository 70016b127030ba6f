/* Turns: waking, asking, waiting, spinning, and who may have them. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "rig.h"

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

/* ------------------------------------------------------------------- waking */

static void *wake_soon(void *arg)
{
    usleep(2000);
    fn_reactor_wake(arg);
    return NULL;
}

static void test_wake(enum fn_poller_kind kind)
{
    int st;
    struct fn_reactor *r = fn_reactor_new(kind, 0, &st);
    fn_reactor_wake(r); /* before there is anything to wake */
    assert(fn_reactor_enter(r) == 0);
    assert(fn_reactor_poll(r, FN_NEVER) == 0);
    fn_time before = fn_now();
    assert(fn_reactor_poll(r, 5 * FN_MS) == 0 && fn_now() - before >= 5 * FN_MS);
    for (int i = 0; i < 3; i++)
        fn_reactor_wake(r); /* many are one */
    assert(fn_reactor_poll(r, FN_NEVER) == 0);
    assert(fn_reactor_poll(r, FN_MS) == 0);
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        assert(pthread_create(&thread, NULL, wake_soon, r) == 0);
        assert(fn_reactor_poll(r, FN_NEVER) == 0);
        pthread_join(thread, NULL);
    }
    close_reactor(r);
}

/* Every wake ends a wait that begins after it, or the present one. */
struct ball {
    struct fn_reactor *r;
    _Atomic int thrown, caught;
};

static void *throw_balls(void *arg)
{
    struct ball *b = arg;
    for (int i = 1; i <= 3000; i++) {
        atomic_store(&b->thrown, i);
        fn_reactor_wake(b->r);
        while (i % 3 && atomic_load(&b->caught) < i)
            ;
    }
    return NULL;
}

static void test_no_wake_is_lost(enum fn_poller_kind kind)
{
    struct ball b = {.r = open_reactor_spin(kind, 20000)};
    pthread_t thread;
    assert(pthread_create(&thread, NULL, throw_balls, &b) == 0);
    while (atomic_load(&b.caught) < 3000) {
        assert(fn_reactor_poll(b.r, RIG_PATIENCE) == 0);
        atomic_store(&b.caught, atomic_load(&b.thrown));
    }
    pthread_join(thread, NULL);
    close_reactor(b.r);
}

/* Threads may wake a reactor while it is opened. */
static void *wake_often(void *arg)
{
    for (int i = 0; i < 200; i++)
        fn_reactor_wake(arg);
    return NULL;
}

static void test_wake_while_opening(enum fn_poller_kind kind)
{
    for (int i = 0; i < 20; i++) {
        int st;
        pthread_t thread;
        struct fn_reactor *r = fn_reactor_new(kind, 0, &st);
        assert(pthread_create(&thread, NULL, wake_often, r) == 0);
        assert(fn_reactor_enter(r) == 0 && fn_reactor_poll(r, 0) == 0);
        pthread_join(thread, NULL);
        close_reactor(r);
    }
}

/* ------------------------------------------------------------------- asking */

static void *ask_stop(void *arg)
{
    usleep(2000);
    fn_reactor_ask(arg, FN_ASK_STOP);
    return NULL;
}

static void test_ask(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    fn_reactor_ask(r, FN_ASK_STOP);
    assert(fn_reactor_run(r, FN_NEVER) == 0);
    assert(fn_reactor_run(r, fn_now() + 3 * FN_MS) == FN_E_CHECK); /* asked once, stopped once */
    assert(fn_reactor_run(r, 0) == FN_E_CHECK);
    pthread_t thread;
    assert(pthread_create(&thread, NULL, ask_stop, r) == 0);
    assert(fn_reactor_run(r, FN_NEVER) == 0);
    pthread_join(thread, NULL);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    assert(fn_reactor_run(r, FN_NEVER) == 0); /* nothing there to end */
    close_reactor(r);
}

static struct fn_reactor *of_signal;

static void on_signal(int number)
{
    int before = errno;
    if (number == SIGUSR1)
        fn_reactor_ask(of_signal, FN_ASK_STOP);
    assert(errno == before);
}

static void alarm_in(int milliseconds)
{
    struct itimerval at = {.it_value = {.tv_usec = milliseconds * 1000}};
    assert(setitimer(ITIMER_REAL, &at, NULL) == 0);
}

static void test_signals(enum fn_poller_kind kind)
{
    struct fn_reactor *r = of_signal = open_reactor(kind);
    struct sigaction action = {.sa_handler = on_signal};
    assert(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    alarm_in(3);
    assert(fn_reactor_poll(r, FN_NEVER) == -EINTR);
    alarm_in(3);
    assert(fn_reactor_run(r, FN_NEVER) == -EINTR);
    raise(SIGUSR1);
    assert(fn_reactor_run(r, FN_NEVER) == 0);
    close_reactor(r);
}

/* ------------------------------------------------------------- what is left over */

static void test_events_are_carried_over(enum fn_poller_kind kind)
{
    enum { CONNS = 5 };
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[CONNS][2];
    for (int i = 0; i < CONNS; i++) {
        tcp_pair(fd[i]);
        add_conn(r, fd[i][0], FN_CODEC_RAW, NULL, &seen);
        write_all(fd[i][1], "abc", 3);
    }
    int n = fn_reactor_poll(r, FN_SECOND);
    struct fn_node *node;
    for (int taken = 0, left = n; taken < n; taken++, left--) {
        uint64_t turns = counted(&r->counters.turns);
        assert(fn_reactor_poll(r, FN_NEVER) == left); /* no new turn: the bytes are still there */
        assert(fn_reactor_run(r, FN_NEVER) == 1);
        assert(counted(&r->counters.turns) == turns);
        const struct fn_event *e = fn_reactor_next(r, &node);
        assert(e && e->kind == FN_EVENT_DATA && e->len == 3 && memcmp(e->data, "abc", 3) == 0);
        note(&seen, e);
    }
    UNTIL(r, seen.count[FN_EVENT_DATA] == CONNS);
    assert(fn_reactor_next(r, &node) == NULL);
    for (int i = 0; i < CONNS; i++)
        close(fd[i][1]);
    close_reactor(r);
}

/* ------------------------------------------------------------------- spinning */

static void test_spin(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor_spin(kind, FN_MS / 2);
    struct seen seen = {.status = 0};
    int fd[2];
    tcp_pair(fd);
    add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    turn(r, 0);
    assert(counted(&r->counters.spins_paid) + counted(&r->counters.spins_idle) == 0);
    for (int i = 1; i <= 10; i++) {
        write_all(fd[1], "x", 1);
        UNTIL(r, seen.count[FN_EVENT_DATA] == i);
    }
    assert(counted(&r->counters.spins_paid) >= 10);
    uint64_t idle = counted(&r->counters.spins_idle);
    for (int i = 0; i < 60; i++) /* less and less often: after 1, 3, 7, 15 and 31 turns */
        turn(r, FN_MS / 10);
    idle = counted(&r->counters.spins_idle) - idle;
    assert(idle >= 4 && idle <= 6);
    write_all(fd[1], "x", 1);
    UNTIL(r, seen.count[FN_EVENT_DATA] == 11);
    fn_time before = fn_now();
    assert(turn(r, 3 * FN_MS) == 0);
    assert(fn_now() - before >= 3 * FN_MS - FN_MS / 2);
    close(fd[1]);
    close_reactor(r);
    r = open_reactor_spin(kind, FN_NEVER); /* no overflow */
    assert(fn_reactor_poll(r, FN_MS) == 0);
    close_reactor(r);
}

/* ------------------------------------------------------------------ ownership */

static void *try_enter(void *arg)
{
    return (void *)(intptr_t)fn_reactor_enter(arg);
}

static intptr_t enter_elsewhere(struct fn_reactor *r)
{
    pthread_t thread;
    void *result;
    assert(pthread_create(&thread, NULL, try_enter, r) == 0);
    pthread_join(thread, &result);
    return (intptr_t)result;
}

static void test_one_owner(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    assert(fn_reactor_enter(r) == 0); /* it is ours already */
    assert(enter_elsewhere(r) == FN_E_NOT_OWNER);
    fn_reactor_leave(r);
    assert(enter_elsewhere(r) == 0);
    fn_reactor_leave(r); /* the thread that had it has ended */
    assert(fn_reactor_enter(r) == 0);
    close_reactor(r);
}

struct relay {
    struct fn_reactor *r;
    struct seen seen;
    int wanted;
};

/* Turns, each as the owner, until enough has come; others have their turns too. */
static void *take_part(void *arg)
{
    struct relay *relay = arg;
    for (bool done = false; !done;) {
        if (fn_reactor_enter(relay->r) == 0) {
            turn(relay->r, FN_MS);
            done = relay->seen.len >= (size_t)relay->wanted;
            fn_reactor_leave(relay->r);
        }
        sched_yield();
    }
    return NULL;
}

static void test_hand_over(enum fn_poller_kind kind)
{
    enum { THREADS = 3, BYTES = 300 };
    struct relay relay = {.r = open_reactor(kind), .wanted = BYTES};
    pthread_t thread[THREADS];
    int fd[2];
    tcp_pair(fd);
    add_conn(relay.r, fd[0], FN_CODEC_RAW, NULL, &relay.seen);
    fn_reactor_leave(relay.r);
    for (int i = 0; i < THREADS; i++)
        assert(pthread_create(&thread[i], NULL, take_part, &relay) == 0);
    for (int i = 0; i < BYTES; i++) {
        write_all(fd[1], "x", 1);
        if (i % 10 == 0)
            usleep(100);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert(relay.seen.len == BYTES && fn_reactor_enter(relay.r) == 0);
    close(fd[1]);
    close_reactor(relay.r);
}

/* ----------------------------------------------------------------------- fork */

/* A child may only free what it inherited; its parent does not notice. */
static void test_fork(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct seen seen = {.status = 0};
    int fd[2], listener;
    uint16_t port;
    tcp_pair(fd);
    listener = listen_tcp(&port);
    int st;
    assert(fn_listener_add(r, listener, FN_CODEC_RAW, NULL, false, NULL, &st));
    add_conn(r, fd[0], FN_CODEC_RAW, NULL, &seen);
    turn(r, 0);
    pid_t child = fork();
    if (child == 0) {
        bool right = fn_reactor_enter(r) == FN_E_FORKED;
        fn_reactor_drop(r);
        fn_reactor_free(r);
        _exit(right && fcntl(fd[0], F_GETFD) < 0 && fcntl(listener, F_GETFD) >= 0 ? 0 : 1);
    }
    assert(child > 0 && waitpid(child, &st, 0) == child && st == 0);
    write_all(fd[1], "still here", 10);
    UNTIL(r, seen.len == 10);
    int client = dial(port);
    UNTIL(r, counted(&r->counters.accepted) == 1);
    fn_reactor_wake(r);
    assert(fn_reactor_poll(r, FN_NEVER) >= 0);
    close(client);
    close(fd[1]);
    close_reactor(r);
    close(listener);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_wake(kind);
    test_no_wake_is_lost(kind);
    test_wake_while_opening(kind);
    test_ask(kind);
    test_signals(kind);
    test_events_are_carried_over(kind);
    test_spin(kind);
    test_one_owner(kind);
    test_hand_over(kind);
    test_fork(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
