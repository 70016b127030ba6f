/* Blocking transfers: whole, in pieces, and cut short in every way. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "fastnet/status.h"
#include "fastnet/stream.h"
#include "fastnet/tune.h"

struct transfer {
    struct fn_stream *stream;
    struct fn_walk walk;
    struct fn_wait wait;
    int status;
};

static void *send_thread(void *arg)
{
    struct transfer *t = arg;
    do {
        t->status = fn_stream_send_all(t->stream, &t->walk, &t->wait);
        if (t->status == FN_E_CHECK)
            t->wait.check_at = fn_now() + FN_MS;
    } while (t->status == FN_E_CHECK);
    return NULL;
}

/* Sends n bytes from a strided array into another, both ways at once. */
static void exchange(const int fd[2], size_t rows, size_t row, bool check, fn_time spin)
{
    ptrdiff_t shape[2] = {(ptrdiff_t)rows, (ptrdiff_t)row};
    ptrdiff_t stride[2] = {(ptrdiff_t)(2 * row), 1};
    size_t size = 2 * rows * row;
    struct fn_stream s[2];
    uint8_t *memory[4];
    for (int i = 0; i < 4; i++) {
        memory[i] = calloc(1, size);
        fill_pattern(memory[i], i < 2 ? size : 0, (uint64_t)i + 1);
    }
    pthread_t threads[2];
    struct transfer t[2];
    for (int i = 0; i < 2; i++) {
        fn_stream_init(&s[i], fd[i]);
        s[i].spin = spin;
        s[i].chunk = 100000;
        t[i] = (struct transfer){.stream = &s[i], .wait = fn_wait_forever()};
        t[i].wait.check_at = check ? fn_now() : FN_NEVER;
        assert(fn_walk_init(&t[i].walk, memory[i], 1, 2, shape, stride, false) == 0);
        assert(pthread_create(&threads[i], NULL, send_thread, &t[i]) == 0);
    }
    struct fn_wait wait = fn_wait_forever();
    struct fn_walk in[2];
    for (int i = 0; i < 2; i++)
        assert(fn_walk_init(&in[i], memory[2 + i], 1, 2, shape, stride, false) == 0);
    for (int turn = 0; fn_walk_left(&in[0]) || fn_walk_left(&in[1]); turn = !turn) {
        wait.check_at = fn_now() + FN_MS; /* so that both directions go on */
        int st = fn_stream_recv_exact(&s[turn], &in[turn], &wait);
        assert(st == FN_OK || st == FN_E_CHECK);
    }
    for (int i = 0; i < 2; i++) {
        assert(pthread_join(threads[i], NULL) == 0 && t[i].status == FN_OK);
        assert(atomic_load(&s[i].bytes_out) == rows * row);
        assert(atomic_load(&s[i].bytes_in) == rows * row);
        for (size_t r = 0; r < rows; r++)
            assert(memcmp(memory[i] + 2 * r * row, memory[3 - i] + 2 * r * row, row) == 0);
        fn_walk_fini(&t[i].walk);
        fn_walk_fini(&in[i]);
    }
    for (int i = 0; i < 4; i++)
        free(memory[i]);
}

static void test_both_ways_at_once(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fd[2];
        if (tcp)
            tcp_pair(fd);
        else
            unix_pair(fd);
        exchange(fd, 1, 1, false, 0);
        exchange(fd, 300, 5000, false, 0);
        exchange(fd, 3000, 100, true, 50000);
        assert(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0); /* makes no difference */
        exchange(fd, 300, 5000, true, 50000);
        close_pair(fd);
    }
}

static int receive(struct fn_stream *s, void *into, size_t n, const struct fn_wait *wait,
                   uint64_t *passed)
{
    struct fn_walk walk;
    fn_walk_init_flat(&walk, into, n);
    int st = fn_stream_recv_exact(s, &walk, wait);
    *passed = walk.passed;
    return st;
}

/* How a wait that nobody ends, ends. */
static void test_ends_of_a_wait(void)
{
    for (fn_time spin = 0; spin <= 50000; spin += 50000) {
        int fd[2];
        uint8_t bytes[10];
        uint64_t passed;
        unix_pair(fd);
        struct fn_stream s;
        fn_stream_init(&s, fd[0]);
        s.spin = spin;
        write_all(fd[1], "abc", 3);
        struct fn_wait wait = fn_wait_forever();
        fn_time began = fn_now();
        wait.deadline = began + 20 * FN_MS;
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_TIMEOUT && passed == 3);
        assert(fn_now() - began >= 20 * FN_MS && memcmp(bytes, "abc", 3) == 0);
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_TIMEOUT && passed == 0);
        wait = fn_wait_forever();
        wait.stall = 20 * FN_MS;
        began = fn_now();
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_STALL);
        assert(fn_now() - began >= 20 * FN_MS);
        wait = fn_wait_forever();
        wait.check_at = fn_now() + 20 * FN_MS;
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_CHECK);
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_CHECK);
        wait.deadline = 0; /* of two that have come, the end */
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_E_TIMEOUT);
        write_all(fd[1], "0123456789", 10); /* bytes that are there need no time */
        assert(receive(&s, bytes, 10, &wait, &passed) == FN_OK && passed == 10);
        close_pair(fd);
    }
}

/* Coming back for signals does not begin the stall anew. */
static void test_stall_counts_across_checks(void)
{
    int fd[2];
    uint8_t bytes[4];
    uint64_t passed;
    unix_pair(fd);
    struct fn_stream s;
    fn_stream_init(&s, fd[0]);
    struct fn_wait wait = {.deadline = FN_NEVER, .stall = 30 * FN_MS, .wake_fd = -1};
    fn_time began = fn_now();
    int st, checks = 0;
    do {
        wait.check_at = fn_now() + 4 * FN_MS;
        st = receive(&s, bytes, 4, &wait, &passed);
        checks += st == FN_E_CHECK;
    } while (st == FN_E_CHECK);
    assert(st == FN_E_STALL && checks >= 1 && fn_now() - began >= 30 * FN_MS);
    write_all(fd[1], "ab", 2); /* a byte that moves begins it anew */
    wait.check_at = FN_NEVER;
    began = fn_now();
    assert(receive(&s, bytes, 4, &wait, &passed) == FN_E_STALL && passed == 2);
    assert(fn_now() - began >= 30 * FN_MS);
    close_pair(fd);
}

static void test_sending_into_a_full_socket(void)
{
    int fd[2];
    unix_pair(fd);
    struct fn_stream s;
    fn_stream_init(&s, fd[0]);
    size_t size = 8 << 20;
    uint8_t *bytes = calloc(1, size), *back = malloc(size);
    fill_pattern(bytes, size, 3);
    struct fn_walk walk;
    fn_walk_init_flat(&walk, bytes, size);
    struct fn_wait wait = fn_wait_forever();
    wait.deadline = fn_now() + 20 * FN_MS;
    assert(fn_stream_send_all(&s, &walk, &wait) == FN_E_TIMEOUT);
    assert(walk.passed > 0 && walk.passed < size);
    wait.deadline = FN_NEVER;
    wait.stall = 10 * FN_MS;
    assert(fn_stream_send_all(&s, &walk, &wait) == FN_E_STALL);
    wait.stall = FN_NEVER;
    wait.check_at = fn_now() + 5 * FN_MS;
    assert(fn_stream_send_all(&s, &walk, &wait) == FN_E_CHECK);
    struct transfer rest = {.stream = &s, .walk = walk, .wait = fn_wait_forever()};
    pthread_t thread;
    assert(pthread_create(&thread, NULL, send_thread, &rest) == 0);
    read_all(fd[1], back, size);
    assert(pthread_join(thread, NULL) == 0 && rest.status == FN_OK);
    assert(memcmp(bytes, back, size) == 0);
    free(bytes);
    free(back);
    close_pair(fd);
}

static void test_a_peer_that_is_gone(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fd[2];
        uint8_t bytes[100] = {0};
        uint64_t passed;
        struct fn_stream s;
        struct fn_wait wait = fn_wait_forever();
        if (tcp)
            tcp_pair(fd);
        else
            unix_pair(fd);
        fn_stream_init(&s, fd[0]);
        write_all(fd[1], "0123456789", 10);
        close(fd[1]);
        assert(receive(&s, bytes, 100, &wait, &passed) == FN_E_EOF && passed == 10);
        assert(receive(&s, bytes, 100, &wait, &passed) == FN_E_EOF);
        int st;
        do { /* TCP learns of it from the answer to the first bytes */
            struct fn_walk walk;
            fn_walk_init_flat(&walk, bytes, 100);
            st = fn_stream_send_all(&s, &walk, &wait);
        } while (st == FN_OK);
        assert(st == -EPIPE || st == -ECONNRESET); /* and no SIGPIPE */
        close(fd[0]);
    }
    struct fn_stream s;
    struct fn_wait wait = fn_wait_forever();
    struct iovec iov = {&s, 1};
    fn_stream_init(&s, -1);
    assert(fn_stream_recv(&s, &iov, 1, &wait) == -EBADF);
    assert(fn_stream_send(&s, &iov, 1, &wait) == -EBADF);
}

/* ---------------------------------------------------------------------- signals */

static _Atomic int alarms; /* any thread may get the signal */

static void on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static void every_2_ms(bool on)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    sigemptyset(&action.sa_mask);
    assert(sigaction(SIGALRM, &action, NULL) == 0);
    struct itimerval timer = {{0, on ? 2000 : 0}, {0, on ? 2000 : 0}};
    assert(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void test_interrupted_waits(void)
{
    int fd[2];
    uint8_t bytes[4];
    uint64_t passed;
    unix_pair(fd);
    struct fn_stream s;
    fn_stream_init(&s, fd[0]);
    every_2_ms(true);
    struct fn_wait wait = fn_wait_forever();
    fn_time began = fn_now();
    alarms = 0;
    wait.deadline = began + 30 * FN_MS; /* without check_at: waited out */
    assert(receive(&s, bytes, 4, &wait, &passed) == FN_E_TIMEOUT);
    assert(fn_now() - began >= 30 * FN_MS && alarms >= 2);
    wait = fn_wait_forever();
    wait.check_at = fn_now() + 60 * FN_SECOND; /* with it: at once */
    began = fn_now();
    assert(receive(&s, bytes, 4, &wait, &passed) == FN_E_CHECK);
    assert(fn_now() - began < 10 * FN_SECOND);
    every_2_ms(false);
    close_pair(fd);
}

static void test_transfers_under_signals(void)
{
    int fd[2];
    tcp_pair(fd);
    every_2_ms(true);
    exchange(fd, 300, 5000, false, 0);
    exchange(fd, 3000, 100, true, 20000);
    every_2_ms(false);
    close_pair(fd);
}

/* ------------------------------------------------------------------------- spin */

/* Spins that find nothing become rare, and one that pays brings them back. */
static void test_spin_backs_off(void)
{
    int fd[2];
    uint8_t byte;
    uint64_t passed;
    unix_pair(fd);
    struct fn_stream s;
    fn_stream_init(&s, fd[0]);
    s.spin = 1000;
    for (int i = 0; i < 300; i++) {
        struct fn_wait wait = fn_wait_forever();
        wait.deadline = fn_now() + 20000;
        assert(receive(&s, &byte, 1, &wait, &passed) == FN_E_TIMEOUT);
        assert(s.spin_wait <= FN_SPIN_SKIP && s.spin_skip <= FN_SPIN_SKIP);
    }
    assert(s.spin_wait == FN_SPIN_SKIP);
    close_pair(fd);
}

int main(void)
{
    test_both_ways_at_once();
    test_ends_of_a_wait();
    test_stall_counts_across_checks();
    test_sending_into_a_full_socket();
    test_a_peer_that_is_gone();
    test_interrupted_waits();
    test_transfers_under_signals();
    test_spin_backs_off();
    return 0;
}
