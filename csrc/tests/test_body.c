/* Bodies: several arrays, one after another. */
#include "check.h"

#include "fastnet/body.h"
#include "fastnet/bytes.h"
#include "fastnet/status.h"

enum { SEGMENTS = 5, TOTAL = 10 + 0 + 12 + 3000 + 1 };

struct body_case {
    uint8_t memory[20000];
    struct fn_walk walks[SEGMENTS];
    struct fn_body body;
};

/* Flat, empty, packed, two long runs, and one byte. */
static void open_body(struct body_case *c)
{
    static const ptrdiff_t twelve[2] = {3, 2}, apart[2] = {16, 4};
    static const ptrdiff_t rows[2] = {2, 1500}, wide[2] = {4000, 1};
    fn_walk_init_flat(&c->walks[0], c->memory, 10);
    fn_walk_init_flat(&c->walks[1], NULL, 0);
    assert(fn_walk_init(&c->walks[2], c->memory + 100, 2, 2, twelve, apart, false) == FN_OK);
    assert(fn_walk_init(&c->walks[3], c->memory + 1000, 1, 2, rows, wide, false) == FN_OK);
    fn_walk_init_flat(&c->walks[4], c->memory + 19999, 1);
    assert(fn_body_init(&c->body, c->walks, SEGMENTS) == FN_OK);
    assert(c->body.left == TOTAL);
}

static void close_body(struct body_case *c)
{
    struct iovec iov;
    assert(c->body.left == 0);
    assert(fn_body_out(&c->body, &iov, 1, 9) == 0 && fn_body_in(&c->body, &iov, 1, 9) == 0);
    for (int i = 0; i < SEGMENTS; i++)
        fn_walk_fini(&c->walks[i]);
}

static void reference(const struct body_case *c, uint8_t *flat)
{
    memcpy(flat, c->memory, 10);
    for (size_t i = 0; i < 6; i++)
        memcpy(flat + 10 + 2 * i, c->memory + 100 + i / 2 * 16 + i % 2 * 4, 2);
    memcpy(flat + 22, c->memory + 1000, 1500);
    memcpy(flat + 1522, c->memory + 5000, 1500);
    flat[3022] = c->memory[19999];
}

static void test_get_and_put_in_every_split(void)
{
    struct body_case from, to;
    fill_pattern(from.memory, sizeof from.memory, 21);
    uint8_t expected[TOTAL], flat[TOTAL];
    reference(&from, expected);
    for (size_t split = 0; split <= TOTAL; split += split < 60 ? 1 : 401) {
        open_body(&from);
        assert(fn_body_get(&from.body, flat, split) == FN_OK);
        assert(from.body.left == TOTAL - split);
        assert(fn_body_get(&from.body, flat + split, TOTAL - split) == FN_OK);
        assert(fn_body_get(&from.body, flat, 1) == FN_E_ARGUMENT);
        close_body(&from);
        assert(memcmp(flat, expected, TOTAL) == 0);
        memset(to.memory, 0, sizeof to.memory);
        open_body(&to);
        assert(fn_body_put(&to.body, flat, split) == FN_OK);
        assert(fn_body_put(&to.body, flat + split, TOTAL - split) == FN_OK);
        assert(fn_body_put(&to.body, flat, 1) == FN_E_ARGUMENT);
        close_body(&to);
        memset(flat, 0, TOTAL);
        reference(&to, flat);
        assert(memcmp(flat, expected, TOTAL) == 0);
    }
}

static void test_pieces_with_partial_steps(void)
{
    struct body_case from;
    fill_pattern(from.memory, sizeof from.memory, 22);
    uint8_t expected[TOTAL], flat[TOTAL];
    reference(&from, expected);
    uint64_t random = 23;
    for (int round = 0; round < 50; round++) {
        open_body(&from);
        size_t at = 0;
        while (at < TOTAL) {
            struct iovec iov[4];
            size_t limit = 1 + random_below(&random, 2000);
            int n = fn_body_out(&from.body, iov, 1 + (int)random_below(&random, 4), limit);
            assert(n >= 1);
            size_t sum = 0;
            for (int i = 0; i < n; i++) {
                memcpy(flat + at + sum, iov[i].iov_base, iov[i].iov_len);
                sum += iov[i].iov_len;
            }
            assert(sum >= 1 && sum <= limit);
            size_t some = random_below(&random, sum + 1);
            fn_body_sent(&from.body, some);
            at += some;
            assert(from.body.left == TOTAL - at);
        }
        close_body(&from);
        assert(memcmp(flat, expected, TOTAL) == 0);
    }
}

static void test_no_bytes_at_all(void)
{
    struct fn_body body;
    struct iovec iov;
    assert(fn_body_init(&body, NULL, 0) == FN_OK && body.left == 0);
    assert(fn_body_out(&body, &iov, 1, 1) == 0);
    assert(fn_body_put(&body, NULL, 0) == FN_OK && fn_body_get(&body, NULL, 0) == FN_OK);
    fn_body_sent(&body, 0);
    fn_body_received(&body, 0);
}

static void test_sizes_that_overflow(void)
{
    uint8_t byte = 0;
    struct fn_walk walks[3];
    for (int i = 0; i < 3; i++)
        fn_walk_init_flat(&walks[i], &byte, PTRDIFF_MAX);
    struct fn_body body;
    assert(fn_body_init(&body, walks, 2) == FN_OK && body.left == UINT64_MAX - 1);
    assert(fn_body_init(&body, walks, 3) == FN_E_OVERFLOW);
}

int main(void)
{
    test_get_and_put_in_every_split();
    test_pieces_with_partial_steps();
    test_no_bytes_at_all();
    test_sizes_that_overflow();
    return 0;
}
