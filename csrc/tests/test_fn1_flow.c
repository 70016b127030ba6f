/* Assembly of fragments, windows and credits. */
#include "check.h"

#include "fastnet/fn1_flow.h"
#include "fastnet/status.h"

static struct fn1_head data_head(uint32_t message, uint64_t offset, uint32_t length)
{
    return (struct fn1_head){
        .type = FN1_DATA, .message = message, .offset = offset, .length = length};
}

static void test_fragments_in_order(void)
{
    struct fn1_assembly a = {0};
    struct fn1_head open = {.type = FN1_MESSAGE, .message = 9};
    struct fn1_envelope e = {.body = 100};
    assert(fn1_assembly_begin(&a, &open, &e) == FN_OK);
    assert(fn1_assembly_begin(&a, &open, &e) == FN_E_FN1_ORDER);
    assert(!fn1_assembly_end(&a));
    struct fn1_head h = data_head(9, 0, 60);
    assert(fn1_assembly_data(&a, &h) == FN_OK && !fn1_assembly_end(&a));
    h = data_head(8, 60, 40);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_ORDER);
    h = data_head(9, 59, 40);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_OFFSET);
    h = data_head(9, 61, 39);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_OFFSET);
    h = data_head(9, UINT64_MAX, 40);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_OFFSET);
    h = data_head(9, 60, 41);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_LENGTH);
    h = data_head(9, 60, UINT32_MAX);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_LENGTH);
    h = data_head(9, 60, 40);
    assert(fn1_assembly_data(&a, &h) == FN_OK);
    assert(fn1_assembly_end(&a) && !a.open);
    assert(!fn1_assembly_end(&a));
    h = data_head(9, 100, 1);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_ORDER);
}

static void test_inline_and_empty(void)
{
    struct fn1_assembly a = {0};
    struct fn1_head inlined = {.type = FN1_MESSAGE, .flags = FN1_INLINE, .message = 1};
    struct fn1_envelope e = {.body = 5};
    assert(fn1_assembly_begin(&a, &inlined, &e) == FN_OK);
    struct fn1_head h = data_head(1, 5, 1);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_LENGTH);
    assert(fn1_assembly_end(&a));
    struct fn1_head open = {.type = FN1_MESSAGE, .message = 2};
    e.body = 0;
    assert(fn1_assembly_begin(&a, &open, &e) == FN_OK);
    assert(fn1_assembly_end(&a));
}

static void test_bodies_beyond_32_bits(void)
{
    struct fn1_assembly a = {0};
    struct fn1_head open = {.type = FN1_MESSAGE};
    struct fn1_envelope e = {.body = UINT64_MAX};
    assert(fn1_assembly_begin(&a, &open, &e) == FN_OK);
    a.received = UINT64_MAX - 2;
    struct fn1_head h = data_head(0, UINT64_MAX - 2, 3);
    assert(fn1_assembly_data(&a, &h) == FN_E_FN1_LENGTH);
    h = data_head(0, UINT64_MAX - 2, 2);
    assert(fn1_assembly_data(&a, &h) == FN_OK && fn1_assembly_end(&a));
}

static void test_window(void)
{
    struct fn1_window w;
    fn1_window_init(&w, 10);
    assert(fn1_window_take(&w, 4) == 4);
    assert(fn1_window_take(&w, 10) == 6);
    assert(fn1_window_take(&w, 1) == 0);
    assert(fn1_window_grant(&w, 3) == FN_OK);
    assert(fn1_window_take(&w, UINT64_MAX) == 3);
    assert(fn1_window_grant(&w, UINT64_MAX - 1) == FN_OK);
    assert(fn1_window_grant(&w, 1) == FN_E_OVERFLOW); /* it would mean "no window" */
    assert(fn1_window_grant(&w, 2) == FN_E_OVERFLOW);
    assert(fn1_window_grant(&w, UINT64_MAX) == FN_E_OVERFLOW);
    assert(w.credit == UINT64_MAX - 1);
    fn1_window_init(&w, FN1_NO_WINDOW);
    assert(fn1_window_take(&w, UINT64_MAX) == UINT64_MAX);
    assert(fn1_window_take(&w, UINT64_MAX) == UINT64_MAX);
    assert(fn1_window_grant(&w, UINT64_MAX) == FN_OK);
    assert(w.credit == FN1_NO_WINDOW);
}

static void test_credit(void)
{
    struct fn1_credit c;
    fn1_credit_init(&c, 100);
    assert(fn1_credit_receive(&c, 101) == FN_E_FN1_WINDOW);
    assert(fn1_credit_receive(&c, 100) == FN_OK);
    assert(fn1_credit_receive(&c, 1) == FN_E_FN1_WINDOW);
    assert(fn1_credit_use(&c, 49) == 0);
    assert(fn1_credit_use(&c, 0) == 0);
    assert(fn1_credit_use(&c, 1) == 50);
    assert(fn1_credit_receive(&c, 51) == FN_E_FN1_WINDOW);
    assert(fn1_credit_receive(&c, 50) == FN_OK);
    assert(fn1_credit_use(&c, 100) == 100);
    fn1_credit_init(&c, FN1_NO_WINDOW);
    assert(fn1_credit_receive(&c, UINT64_MAX) == FN_OK);
    assert(fn1_credit_use(&c, UINT64_MAX) == 0);
    fn1_credit_init(&c, 0);
    assert(fn1_credit_receive(&c, 1) == FN_E_FN1_WINDOW);
    assert(fn1_credit_receive(&c, 0) == FN_OK && fn1_credit_use(&c, 0) == 0);
}

/* Both ends together, for windows of every small size: neither gets stuck, and
 * the sender never has more under way than the window. */
static void test_a_stream_flows(void)
{
    uint64_t random = 5;
    for (uint64_t window = 1; window < 50; window++) {
        struct fn1_window w;
        struct fn1_credit c;
        fn1_window_init(&w, window);
        fn1_credit_init(&c, window);
        uint64_t sent = 0, used = 0;
        while (sent < 1000) {
            uint64_t n = fn1_window_take(&w, 1 + random_below(&random, 20));
            assert(fn1_credit_receive(&c, n) == FN_OK);
            sent += n;
            assert(sent - used <= window);
            uint64_t step = 1 + random_below(&random, sent - used ? sent - used : 1);
            step = step < sent - used ? step : sent - used;
            used += step;
            uint64_t grant = fn1_credit_use(&c, step);
            if (grant)
                assert(fn1_window_grant(&w, grant) == FN_OK);
            assert(n || used < sent || grant);
        }
    }
}

int main(void)
{
    test_fragments_in_order();
    test_inline_and_empty();
    test_bodies_beyond_32_bits();
    test_window();
    test_credit();
    test_a_stream_flows();
    return 0;
}
