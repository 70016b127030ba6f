/* Two links, each in its own thread, over a real pair of sockets. */
#include "pair.h"

#include <pthread.h>
#include <sys/wait.h>

#include "fastnet/bytes.h"
#include "fastnet/link.h"
#include "fastnet/status.h"

enum { MESSAGES = 60, LARGE = 3 << 20 };

static uint8_t suite; /* 0: without a key */
static const uint8_t key[16] = "sixteen bytes ok";

static struct fn_link_options options_for(enum fn1_role role)
{
    return (struct fn_link_options){
        .role = role,
        .limits = {.fragment = 2 << 20, .envelope = 65536, .segments = 64, .message = 1 << 30},
        .fragment = 2 << 20,
        .ahead_max = 65536,
        .stage_max = 65536,
        .application = "arrays",
        .keyed = suite != 0,
        .key = {key, sizeof key},
        .suites = {&suite, 1}};
}

static void open_links(struct fn_link l[2], int fd[2], bool tcp)
{
    if (tcp)
        tcp_pair(fd);
    else
        unix_pair(fd);
    for (int i = 0; i < 2; i++) {
        struct fn_link_options options = options_for(i ? FN1_SERVER : FN1_CLIENT);
        assert(fn_link_init(&l[i], fd[i], &options) == FN_OK);
    }
}

/* The handshake of both ends, the server's in a thread. */
static void *shake_hands(void *arg)
{
    struct fn_link *l = arg;
    struct fn_wait wait = fn_wait_forever();
    assert(fn_link_may_send(l) == FN_E_FN1_EARLY && fn_link_close(l) == FN_E_FN1_EARLY);
    assert(fn_link_flush(l, &wait) == FN_OK);
    assert(fn_link_next(l, &wait) == FN1_EV_PREFACE && l->session.suite == suite);
    assert(fn_link_may_send(l) == FN_OK && fn_link_flush(l, &wait) == FN_OK);
    return NULL;
}

static void open_keyed_links(struct fn_link l[2], int fd[2], bool tcp)
{
    pthread_t server;
    open_links(l, fd, tcp);
    if (!suite)
        return;
    assert(pthread_create(&server, NULL, shake_hands, &l[1]) == 0);
    shake_hands(&l[0]);
    assert(pthread_join(server, NULL) == 0);
}

static void close_links(struct fn_link l[2], const int fd[2])
{
    fn_link_fini(&l[0]);
    fn_link_fini(&l[1]);
    close_pair(fd);
}

static size_t size_of(int i)
{
    static const size_t sizes[] = {
        0,      1,    1000, FN1_COPY_MAX, FN1_COPY_MAX + 1, FN1_INLINE_MAX, FN1_INLINE_MAX + 1,
        300000, LARGE};
    return sizes[i % 9];
}

/* ----------------------------------------------------------- both ways at once */

struct end {
    struct fn_link *link;
    uint64_t seed;
    int pongs;
    bool wants_pong;
};

/* Every third message is every second byte of its array. */
static void open_body(struct fn_body *body, struct fn_walk *walk, uint8_t *memory, int i)
{
    ptrdiff_t n = (ptrdiff_t)size_of(i);
    assert(fn_walk_init(walk, memory, 1, 1, &n, (ptrdiff_t[]){i % 3 ? 1 : 2}, false) == FN_OK);
    assert(fn_body_init(body, walk, 1) == FN_OK);
}

static void *send_messages(void *arg)
{
    struct end *e = arg;
    uint8_t *memory = malloc(2 * LARGE);
    fill_pattern(memory, 2 * LARGE, e->seed);
    for (int i = 0; i < MESSAGES; i++) {
        struct fn_walk walk;
        struct fn_body body;
        uint8_t number = (uint8_t)i;
        uint64_t size = size_of(i);
        struct fn1_view meta = {&number, 1};
        struct fn_wait wait = fn_wait_forever();
        open_body(&body, &walk, memory, i);
        assert(fn_link_may_send(e->link) == FN_OK);
        assert(fn_link_message(e->link, FN1_KIND_ARRAY, &size, 1, &meta, 1, &body) == FN_OK);
        if (size > FN1_COPY_MAX || i % 4 == 0 || i == MESSAGES - 1) {
            int st;
            do { /* the others stay staged: one system call for many */
                wait.check_at = i % 2 ? fn_now() + FN_MS : FN_NEVER;
                st = fn_link_flush(e->link, &wait);
            } while (st == FN_E_CHECK);
            assert(st == FN_OK);
        }
        fn_walk_fini(&walk);
    }
    struct fn1_head ping = {.type = FN1_PING, .offset = e->seed};
    struct fn_wait wait = fn_wait_forever();
    assert(fn1_tx_control(&e->link->tx, &ping) == FN_OK);
    assert(fn_link_flush(e->link, &wait) == FN_OK);
    free(memory);
    return NULL;
}

static bool until_pong(const struct end *e)
{
    return e->wants_pong && e->pongs;
}

static int next_event(struct end *e)
{
    struct fn_wait wait = fn_wait_forever();
    int event;
    do {
        wait.check_at = fn_now() + 2 * FN_MS;
        event = fn_link_next(e->link, &wait);
        if (event == FN1_EV_PONG) { /* slipped in between any two frames */
            assert(e->link->rx.head.offset == e->seed);
            e->pongs++;
            event = FN_E_CHECK;
        }
    } while (event == FN_E_CHECK && !until_pong(e));
    return event;
}

static void *receive_messages(void *arg)
{
    struct end *e = arg;
    uint8_t *sent = malloc(2 * LARGE), *memory = malloc(2 * LARGE);
    fill_pattern(sent, 2 * LARGE, 3 - e->seed);
    if (!suite)
        assert(next_event(e) == FN1_EV_PREFACE);
    for (int i = 0; i < MESSAGES; i++) {
        struct fn_walk walk;
        struct fn_body body;
        assert(fn_link_may_receive(e->link) == FN_OK);
        assert(next_event(e) == FN1_EV_MESSAGE);
        const struct fn1_envelope *v = &e->link->rx.envelope;
        assert(v->kind == FN1_KIND_ARRAY && v->meta.len == 1 && v->meta.data[0] == i);
        assert(v->body == size_of(i) && e->link->rx.head.message == (uint32_t)i);
        open_body(&body, &walk, memory, i);
        bool thrown_away = i % 5 == 4;
        if (!fn_link_deliver(e->link, thrown_away ? NULL : &body))
            assert(next_event(e) == FN_LINK_BODY);
        else
            assert(size_of(i) == 0);
        for (size_t k = 0; k < size_of(i) && !thrown_away; k++)
            assert(memory[i % 3 ? k : 2 * k] == sent[i % 3 ? k : 2 * k]);
        fn_walk_fini(&walk);
    }
    assert(next_event(e) == FN1_EV_PING);
    free(sent);
    free(memory);
    return NULL;
}

static void test_both_ways_at_once(void)
{
    for (int tcp = 0; tcp < 2; tcp++) {
        int fd[2];
        struct fn_link l[2];
        pthread_t threads[4];
        open_keyed_links(l, fd, tcp);
        struct end ends[2] = {{.link = &l[0], .seed = 1}, {.link = &l[1], .seed = 2}};
        for (int i = 0; i < 2; i++) {
            assert(pthread_create(&threads[i], NULL, send_messages, &ends[i]) == 0);
            assert(pthread_create(&threads[2 + i], NULL, receive_messages, &ends[i]) == 0);
        }
        for (int i = 0; i < 4; i++)
            assert(pthread_join(threads[i], NULL) == 0);
        struct fn_wait wait = fn_wait_forever();
        for (int i = 0; i < 2; i++) {
            assert(atomic_load(&l[i].messages_out) == MESSAGES);
            assert(atomic_load(&l[i].messages_in) == MESSAGES);
            assert(strcmp(l[i].session.application, "arrays") == 0);
            assert(fn_link_flush(&l[i], &wait) == FN_OK); /* the PONG that is due */
        }
        for (int i = 0; i < 2; i++) {
            ends[i].wants_pong = true;
            if (!ends[i].pongs)
                next_event(&ends[i]);
            assert(ends[i].pongs == 1 && fn_link_at_boundary(&l[i]));
        }
        close_links(l, fd);
    }
}

/* ---------------------------------------------------------------- ends of a link */

static void test_close(void)
{
    int fd[2];
    struct fn_link l[2];
    struct fn_wait wait = fn_wait_forever();
    open_links(l, fd, true);
    assert(fn_link_close(&l[0]) == FN_OK && fn_link_close(&l[0]) == FN_OK);
    assert(fn_link_may_send(&l[0]) == FN_E_CLOSED && fn_link_may_receive(&l[0]) == FN_OK);
    assert(fn_link_flush(&l[0], &wait) == FN_OK);
    assert(fn_link_next(&l[1], &wait) == FN1_EV_PREFACE);
    assert(fn_link_next(&l[1], &wait) == FN1_EV_CLOSE && l[1].peer_closed);
    assert(fn_link_may_send(&l[1]) == FN_OK); /* its own messages may still come */
    uint64_t size = 3;
    struct fn_walk walk;
    struct fn_body body;
    char three[3], back[3] = {0};
    memcpy(three, "abc", 3);
    fn_walk_init_flat(&walk, three, 3);
    assert(fn_body_init(&body, &walk, 1) == FN_OK);
    assert(fn_link_message(&l[1], 1, &size, 1, NULL, 0, &body) == FN_OK);
    assert(fn_link_close(&l[1]) == FN_OK && fn_link_flush(&l[1], &wait) == FN_OK);
    assert(fn_link_next(&l[0], &wait) == FN1_EV_PREFACE);
    assert(fn_link_next(&l[0], &wait) == FN1_EV_MESSAGE);
    fn_walk_init_flat(&walk, back, 3);
    assert(fn_body_init(&body, &walk, 1) == FN_OK && !fn_link_deliver(&l[0], &body));
    assert(fn_link_next(&l[0], &wait) == FN_LINK_BODY && memcmp(back, "abc", 3) == 0);
    assert(fn_link_next(&l[0], &wait) == FN1_EV_CLOSE);
    close_pair(fd);
    fn_link_fini(&l[0]);
    fn_link_fini(&l[1]);
}

static void test_error_frame(void)
{
    int fd[2];
    struct fn_link l[2];
    struct fn_wait wait = fn_wait_forever();
    open_links(l, fd, false);
    assert(fn1_tx_error(&l[1].tx, FN1_ERR_BUSY, "too many connections") == FN_OK);
    assert(fn_link_flush(&l[1], &wait) == FN_OK);
    assert(fn_link_next(&l[0], &wait) == FN1_EV_PREFACE);
    assert(fn_link_next(&l[0], &wait) == FN1_EV_ERROR);
    assert(l[0].rx.error_code == FN1_ERR_BUSY && l[0].rx.error_text.len == 20);
    assert(memcmp(l[0].rx.error_text.data, "too many connections", 20) == 0);
    close_links(l, fd);
}

/* A peer that goes in the middle of a message, and one that is slow. */
static void test_cut_short(void)
{
    int fd[2];
    struct fn_link l[2];
    uint8_t *bytes = calloc(1, LARGE);
    struct fn_walk walk;
    struct fn_body body;
    uint64_t size = LARGE;
    open_links(l, fd, false);
    fn_walk_init_flat(&walk, bytes, LARGE);
    assert(fn_body_init(&body, &walk, 1) == FN_OK);
    assert(fn_link_message(&l[0], 1, &size, 1, NULL, 0, &body) == FN_OK);
    struct fn_wait wait = fn_wait_forever();
    wait.deadline = fn_now() + 10 * FN_MS;
    assert(!fn_link_send_is_partial(&l[0], 0)); /* nothing has gone yet */
    assert(fn_link_flush(&l[0], &wait) == FN_E_TIMEOUT);
    assert(fn_link_send_is_partial(&l[0], 0));
    l[0].send_poisoned = true;
    assert(fn_link_may_send(&l[0]) == FN_E_POISONED && fn_link_may_receive(&l[0]) == FN_OK);
    shutdown(fd[0], SHUT_WR);
    wait = fn_wait_forever();
    assert(fn_link_next(&l[1], &wait) == FN1_EV_PREFACE);
    assert(fn_link_next(&l[1], &wait) == FN1_EV_MESSAGE);
    assert(!fn_link_deliver(&l[1], NULL));
    assert(fn_link_next(&l[1], &wait) == FN_E_EOF && !fn_link_at_boundary(&l[1]));
    l[1].receive_poisoned = true;
    assert(fn_link_may_receive(&l[1]) == FN_E_POISONED && fn_link_may_send(&l[1]) == FN_OK);
    close_links(l, fd);
    free(bytes);
}

static void test_waits_end(void)
{
    int fd[2];
    struct fn_link l[2];
    open_links(l, fd, false);
    struct fn_wait wait = fn_wait_forever();
    wait.deadline = fn_now() + 5 * FN_MS;
    assert(fn_link_next(&l[0], &wait) == FN_E_TIMEOUT);
    wait = fn_wait_forever();
    wait.check_at = fn_now() + 5 * FN_MS;
    assert(fn_link_next(&l[0], &wait) == FN_E_CHECK);
    wait = fn_wait_forever();
    wait.stall = 5 * FN_MS;
    assert(fn_link_next(&l[0], &wait) == FN_E_STALL);
    assert(fn_link_send_is_partial(&l[0], 0) == false);
    fn_link_unstage(&l[0]);
    wait = fn_wait_forever();
    assert(fn_link_flush(&l[0], &wait) == FN_OK && atomic_load(&l[0].stream.bytes_out) == 0);
    close(fd[1]);
    assert(fn_link_next(&l[0], &wait) == FN_E_EOF);
    close(fd[0]);
    fn_link_fini(&l[0]);
    fn_link_fini(&l[1]);
}

static void test_the_child_of_a_fork_is_refused(void)
{
    int fd[2];
    struct fn_link l[2];
    open_links(l, fd, false);
    pid_t child = fork();
    assert(child >= 0);
    struct fn_wait wait = fn_wait_forever();
    if (child == 0) {
        bool refused = fn_link_check_owner(&l[0]) == FN_E_FORKED;
        refused = refused && fn_link_flush(&l[0], &wait) == FN_E_FORKED;
        _exit(refused && fn_link_next(&l[0], &wait) == FN_E_FORKED ? 0 : 1);
    }
    int status;
    assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert(fn_link_check_owner(&l[0]) == FN_OK && fn_link_flush(&l[0], &wait) == FN_OK);
    assert(fn_link_next(&l[1], &wait) == FN1_EV_PREFACE); /* sent once, by its owner */
    close_links(l, fd);
}

int main(void)
{
    for (suite = FN_AES_256_GMAC; suite; suite--)
        test_both_ways_at_once();
    test_both_ways_at_once();
    test_close();
    test_error_frame();
    test_cut_short();
    test_waits_end();
    test_the_child_of_a_fork_is_refused();
    return 0;
}
