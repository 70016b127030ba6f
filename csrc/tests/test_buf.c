/* The capped buffer. */
#include "check.h"

#include "fastnet/buf.h"
#include "fastnet/status.h"

static void check_invariant(const struct fn_buf *b)
{
    assert(b->read <= b->write && b->write <= b->capacity && b->capacity <= b->cap);
    assert(!b->capacity == !b->data);
}

static void test_nothing_is_allocated_at_first(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 100);
    assert(!b.data && b.capacity == 0 && fn_buf_len(&b) == 0 && fn_buf_room(&b) == 0);
    assert(fn_buf_reserve(&b, 0) == FN_OK && !b.data);
    assert(fn_buf_append(&b, NULL, 0) == FN_OK && !b.data);
    fn_buf_fini(&b);
    fn_buf_fini(&b);
}

static void test_cap_of_every_small_size(void)
{
    for (size_t cap = 1; cap < 40; cap++) {
        struct fn_buf b;
        fn_buf_init(&b, cap);
        assert(fn_buf_reserve(&b, cap + 1) == FN_E_BUF_CAP);
        assert(fn_buf_reserve(&b, SIZE_MAX) == FN_E_BUF_CAP);
        for (size_t i = 0; i < cap; i++) {
            uint8_t byte = (uint8_t)i;
            assert(fn_buf_append(&b, &byte, 1) == FN_OK);
            check_invariant(&b);
        }
        assert(fn_buf_append(&b, "x", 1) == FN_E_BUF_CAP);
        assert(fn_buf_len(&b) == cap && b.capacity == cap);
        for (size_t i = 0; i < cap; i++)
            assert(fn_buf_head(&b)[i] == i);
        fn_buf_fini(&b);
    }
}

static void test_growth_stays_below_the_cap(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 100000);
    size_t before = 0;
    while (fn_buf_len(&b) < 100000) {
        assert(fn_buf_append(&b, "abcde", 5) == FN_OK);
        check_invariant(&b);
        assert(b.capacity >= before);
        before = b.capacity;
    }
    assert(b.capacity == 100000);
    fn_buf_fini(&b);
}

static void test_reserve_moves_what_is_unread(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 512);
    uint8_t bytes[512];
    fill_pattern(bytes, sizeof bytes, 1);
    assert(fn_buf_append(&b, bytes, 512) == FN_OK);
    uint8_t *data = b.data;
    fn_buf_consume(&b, 300);
    assert(b.read == 300 && fn_buf_len(&b) == 212 && fn_buf_room(&b) == 0);
    assert(fn_buf_reserve(&b, 301) == FN_E_BUF_CAP);
    assert(b.read == 300 && memcmp(fn_buf_head(&b), bytes + 300, 212) == 0);
    assert(fn_buf_reserve(&b, 300) == FN_OK);
    assert(b.data == data && b.read == 0 && fn_buf_room(&b) == 300);
    assert(memcmp(fn_buf_head(&b), bytes + 300, 212) == 0);
    assert(fn_buf_append(&b, bytes, 300) == FN_OK);
    assert(memcmp(fn_buf_head(&b) + 212, bytes, 300) == 0);
    fn_buf_consume(&b, 512);
    assert(b.read == 0 && b.write == 0);
    fn_buf_fini(&b);
}

static void test_shrink(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 10000);
    uint8_t bytes[5000] = {0};
    assert(fn_buf_append(&b, bytes, sizeof bytes) == FN_OK);
    size_t capacity = b.capacity;
    fn_buf_shrink(&b, 0);
    assert(b.capacity == capacity); /* there is something to read */
    fn_buf_consume(&b, sizeof bytes);
    fn_buf_shrink(&b, capacity);
    assert(b.capacity == capacity);
    fn_buf_shrink(&b, capacity - 1);
    assert(b.capacity == 0 && !b.data && b.cap == 10000);
    assert(fn_buf_append(&b, bytes, sizeof bytes) == FN_OK);
    fn_buf_fini(&b);
}

/* Appends and consumes at random, against a plain queue. */
static void test_against_a_queue(void)
{
    enum { CAP = 3000, TOTAL = 200000 };
    struct fn_buf b;
    fn_buf_init(&b, CAP);
    uint8_t *queue = malloc(TOTAL);
    assert(queue);
    fill_pattern(queue, TOTAL, 2);
    uint64_t random = 3;
    size_t in = 0, out = 0;
    while (out < TOTAL) {
        size_t n = random_below(&random, 700);
        n = n < TOTAL - in ? n : TOTAL - in;
        int st = fn_buf_append(&b, queue + in, n);
        assert(st == (in - out + n > CAP ? FN_E_BUF_CAP : FN_OK));
        in += st == FN_OK ? n : 0;
        check_invariant(&b);
        assert(fn_buf_len(&b) == in - out);
        n = random_below(&random, fn_buf_len(&b) + 1);
        if (n)
            assert(memcmp(fn_buf_head(&b), queue + out, n) == 0);
        fn_buf_consume(&b, n);
        out += n;
    }
    free(queue);
    fn_buf_fini(&b);
}

int main(void)
{
    test_nothing_is_allocated_at_first();
    test_cap_of_every_small_size();
    test_growth_stays_below_the_cap();
    test_reserve_moves_what_is_unread();
    test_shrink();
    test_against_a_queue();
    return 0;
}
