/* Whole messages over sockets and pipes: order, ends, deadlines, and never a byte beyond. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "fastnet/mpio.h"
#include "fastnet/status.h"
#include "pair.h"

enum kind { UNIX, TCP, PIPE };

/* fd[0] reads, fd[1] writes. */
static void any_pair(enum kind kind, int fd[2])
{
    if (kind == UNIX)
        unix_pair(fd);
    else if (kind == TCP)
        tcp_pair(fd);
    else
        assert(pipe(fd) == 0);
}

static int send_message(int fd, const struct iovec *pieces, size_t count)
{
    struct fn_stream s;
    struct fn_mp_out out;
    struct fn_wait wait = fn_wait_forever();
    fn_stream_init(&s, fd);
    assert(fn_mp_out_init(&out, pieces, count) == FN_OK);
    int st = fn_mp_send(&s, &out, &wait);
    assert(st != FN_OK || out.sent == out.total);
    return st;
}

struct sender {
    int fd;
    const struct iovec *pieces;
    size_t count;
};

static void *sender_main(void *arg)
{
    struct sender *s = arg;
    assert(send_message(s->fd, s->pieces, s->count) == FN_OK);
    return NULL;
}

static void check_message(enum kind kind, size_t size, size_t pieces, size_t room)
{
    int fd[2];
    any_pair(kind, fd);
    uint8_t *bytes = malloc(size + 1), *small = malloc(room + 1);
    struct iovec *iov = calloc(pieces + 2, sizeof *iov);
    fill_pattern(bytes, size, size + pieces);
    for (size_t i = 0, at = 0; i < pieces; i++) { /* an empty one before and after, too */
        size_t n = i + 1 == pieces ? size - at : size / pieces;
        iov[i + 1] = (struct iovec){bytes + at, n};
        at += n;
    }
    struct sender sender = {fd[1], iov, pieces + 2};
    pthread_t thread;
    assert(pthread_create(&thread, NULL, sender_main, &sender) == 0);

    struct guarded body = guarded_new(size, true);
    struct fn_stream s;
    struct fn_mp_in in;
    struct fn_wait wait = fn_wait_forever();
    fn_stream_init(&s, fd[0]);
    s.spin = FN_MS / 10;
    fn_mp_in_init(&in, FN_MPFRAME_MAX);
    assert(fn_mp_whole(&in));
    assert(fn_mp_recv(&s, &in, small, room, &wait) == FN_OK);
    assert(in.complete && in.frame.length == size);
    if (size <= room) {
        assert(in.got == size && memcmp(small, bytes, size) == 0);
    } else { /* in two steps */
        assert(in.got == 0 && fn_mp_at_unit(&in) && !fn_mp_whole(&in));
        assert(fn_mp_recv_body(&s, &in, body.data, size / 2, &wait) == FN_OK);
        assert(fn_mp_recv_body(&s, &in, body.data + size / 2, size, &wait) == FN_OK);
        assert(memcmp(body.data, bytes, size) == 0);
    }
    assert(fn_mp_whole(&in));
    assert(pthread_join(thread, NULL) == 0);
    guarded_free(&body);
    free(iov);
    free(small);
    free(bytes);
    close_pair(fd);
}

static void test_messages(void)
{
    static const size_t sizes[] = {0, 1, 4, 100, 16384, 16385, 70000, 3 << 20};
    for (int kind = UNIX; kind <= PIPE; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (size_t pieces = 1; pieces <= 1000; pieces *= 10)
                check_message((enum kind)kind, sizes[i], pieces, 100);
}

static void test_nothing_is_read_beyond(void)
{
    for (int kind = UNIX; kind <= PIPE; kind++) {
        int fd[2];
        uint8_t small[64];
        struct fn_stream s;
        struct fn_wait wait = fn_wait_forever();
        any_pair((enum kind)kind, fd);
        assert(write(fd[1], "\0\0\0\3abcX\0\0\0\0Y\xff\xff\xff\xff\0\0\0\0\0\0\0\1dZ", 27) == 27);
        fn_stream_init(&s, fd[0]);
        for (int i = 0; i < 3; i++) {
            static const char *bodies[] = {"abc", "", "d"};
            struct fn_mp_in in;
            char next;
            fn_mp_in_init(&in, 10);
            assert(fn_mp_recv(&s, &in, small, sizeof small, &wait) == FN_OK);
            assert(in.got == strlen(bodies[i]) && memcmp(small, bodies[i], in.got) == 0);
            assert(read(fd[0], &next, 1) == 1 && next == "XYZ"[i]);
        }
        close_pair(fd);
    }
}

struct ending {
    const char *bytes;
    size_t size;
    int status;
    bool at_unit, whole;
};

static void test_ends(void)
{
    static const struct ending endings[] = {
        {"", 0, FN_E_EOF, true, true},
        {"\0\0", 2, FN_E_EOF, false, false},
        {"\0\0\0\2", 4, FN_E_EOF, true, false},
        {"\0\0\0\2a", 5, FN_E_EOF, false, false},
        {"\xff\xff\xff\xff", 4, FN_E_EOF, true, false},
        {"\xff\xff\xff\xff\0", 5, FN_E_EOF, false, false},
        {"\xff\xff\xff\xfe", 4, FN_E_MP_LENGTH, false, false},
        {"\0\0\1\0", 4, FN_E_MP_SIZE, false, false},
    };
    for (int kind = UNIX; kind <= PIPE; kind++)
        for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
            const struct ending *e = &endings[i];
            int fd[2];
            uint8_t small[64];
            struct fn_stream s;
            struct fn_mp_in in;
            struct fn_wait wait = fn_wait_forever();
            any_pair((enum kind)kind, fd);
            assert(e->size == 0 || write(fd[1], e->bytes, e->size) == (ssize_t)e->size);
            close(fd[1]);
            fn_stream_init(&s, fd[0]);
            fn_mp_in_init(&in, 100);
            assert(fn_mp_recv(&s, &in, small, sizeof small, &wait) == e->status);
            if (e->status == FN_E_EOF)
                assert(fn_mp_at_unit(&in) == e->at_unit && fn_mp_whole(&in) == e->whole);
            close(fd[0]);
        }
}

/* A call that comes back goes on where it was. */
static void test_going_on(void)
{
    for (int kind = UNIX; kind <= PIPE; kind++) {
        static const char message[] = "\0\0\0\5hello";
        int fd[2], checks = 0, st;
        uint8_t small[64];
        struct fn_stream s;
        struct fn_mp_in in;
        struct fn_wait wait = fn_wait_forever();
        any_pair((enum kind)kind, fd);
        fn_stream_init(&s, fd[0]);
        fn_mp_in_init(&in, 100);
        for (size_t i = 0; i < 9; i++) {
            wait.check_at = 0;
            st = fn_mp_recv(&s, &in, small, sizeof small, &wait);
            assert(st == FN_E_CHECK);
            checks++;
            wait.deadline = 1;
            assert(fn_mp_recv(&s, &in, small, sizeof small, &wait) == FN_E_TIMEOUT);
            wait.deadline = FN_NEVER;
            assert(fn_mp_whole(&in) == (i == 0));
            assert(write(fd[1], message + i, 1) == 1);
        }
        assert(fn_mp_recv(&s, &in, small, sizeof small, &wait) == FN_OK && checks == 9);
        assert(memcmp(small, "hello", 5) == 0);
        close_pair(fd);
    }
}

static void test_sending_into_what_is_full(void)
{
    for (int kind = UNIX; kind <= PIPE; kind++) {
        int fd[2], st;
        size_t size = 8 << 20;
        uint8_t *bytes = malloc(size), *back = malloc(size + 4);
        struct iovec piece = {bytes, size};
        struct fn_stream s;
        struct fn_mp_out out;
        struct fn_wait wait = fn_wait_forever();
        fill_pattern(bytes, size, 5);
        any_pair((enum kind)kind, fd);
        fn_stream_init(&s, fd[1]);
        assert(fn_mp_out_init(&out, &piece, 1) == FN_OK);
        wait.check_at = 0;
        do
            st = fn_mp_send(&s, &out, &wait);
        while (st == FN_E_CHECK && out.sent < out.total && wait.check_at++ < 1000);
        assert(st == FN_E_CHECK && out.sent > 0 && out.sent < out.total);
        size_t before = (size_t)out.sent; /* what is there is there; the rest follows */
        for (size_t at = 0; at < size + 4;) {
            ssize_t got = read(fd[0], back + at, size + 4 - at);
            assert(got > 0);
            at += (size_t)got;
            st = fn_mp_send(&s, &out, &wait);
            assert(st == FN_OK || st == FN_E_CHECK);
        }
        assert(out.sent == out.total && before < out.sent);
        assert(memcmp(back + 4, bytes, size) == 0);
        free(back);
        free(bytes);
        close_pair(fd);
    }
}

static void test_a_reader_that_is_gone(void)
{
    uint8_t byte = 0;
    struct iovec piece = {&byte, 1};
    for (int kind = UNIX; kind <= PIPE; kind += PIPE) {
        int fd[2];
        any_pair((enum kind)kind, fd);
        close(fd[0]);
        assert(send_message(fd[1], &piece, 1) == -EPIPE);
        close(fd[1]);
    }
    assert(send_message(-1, &piece, 1) == -EBADF);
}

static void test_polling(void)
{
    for (int kind = UNIX; kind <= PIPE; kind++) {
        int fd[2];
        struct fn_stream s;
        struct fn_wait wait = fn_wait_forever();
        any_pair((enum kind)kind, fd);
        fn_stream_init(&s, fd[0]);
        wait.deadline = 0;
        assert(fn_mp_poll(&s, &wait) == FN_E_TIMEOUT);
        wait.deadline = FN_NEVER;
        wait.check_at = fn_now() + FN_MS;
        assert(fn_mp_poll(&s, &wait) == FN_E_CHECK);
        assert(write(fd[1], "x", 1) == 1);
        assert(fn_mp_poll(&s, &wait) == FN_OK && fn_mp_poll(&s, &wait) == FN_OK);
        char byte;
        assert(read(fd[0], &byte, 1) == 1);
        close(fd[1]);
        assert(fn_mp_poll(&s, &wait) == FN_OK); /* the end can be read */
        close(fd[0]);
        assert(fn_mp_poll(&s, &wait) == -EBADF);
    }
}

static void test_more_than_memory(void)
{
    struct iovec two[2] = {{NULL, SIZE_MAX}, {NULL, 2}};
    struct fn_mp_out out;
    assert(fn_mp_out_init(&out, two, 1) == FN_E_OVERFLOW);
    assert(fn_mp_out_init(&out, two, 2) == FN_E_OVERFLOW);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    test_messages();
    test_nothing_is_read_beyond();
    test_ends();
    test_going_on();
    test_sending_into_what_is_full();
    test_a_reader_that_is_gone();
    test_polling();
    test_more_than_memory();
    return 0;
}
