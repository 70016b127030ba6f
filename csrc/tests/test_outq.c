/* Bytes that wait to be written. */
#include "check.h"

#include <errno.h>

#include "fastnet/outq.h"

/* An allocation that is too large is to fail, not to end the program. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* The bytes of the queue are those at `expected`; pieces is their number. */
static int check_content(const struct fn_outq *q, const uint8_t *expected)
{
    static struct iovec iov[10000];
    int n = fn_outq_iov(q, iov, 10000);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        assert(iov[i].iov_len);
        assert(memcmp(iov[i].iov_base, expected + at, iov[i].iov_len) == 0);
        at += iov[i].iov_len;
    }
    assert(at == q->bytes);
    assert(!q->first == !q->bytes && !q->last == !q->bytes);
    return n;
}

static void test_an_empty_queue_holds_nothing(void)
{
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    struct iovec iov;
    size_t count = 1;
    assert(fn_outq_iov(&q, &iov, 1) == 0);
    assert(fn_outq_append(&q, &store, NULL, 0) == 0);
    assert(fn_outq_appendv(&q, &store, NULL, 0) == 0);
    fn_outq_consume(&q, &store, 0);
    fn_outq_drop(&q, &store);
    assert(!q.first && !q.last && !q.bytes && !store.free);
    (void)fn_out_take_spent(&store, &count);
    assert(count == 0);
    fn_out_store_fini(&store);
    fn_out_store_fini(&store);
}

/* Small writes lie in one piece, and its block goes back when they are gone. */
static void test_small_writes_share_a_block(void)
{
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    uint8_t bytes[FN_OUT_BLOCK * 2];
    fill_pattern(bytes, sizeof bytes, 1);
    for (int i = 0; i < 100; i++)
        assert(fn_outq_append(&q, &store, bytes + i * 20, 20) == 0);
    assert(check_content(&q, bytes) == 1);
    fn_outq_consume(&q, &store, 1999);
    assert(check_content(&q, bytes + 1999) == 1 && !store.free);
    fn_outq_consume(&q, &store, 1);
    assert(!q.first && store.free && store.free_count == 1);
    /* what does not fit at the end goes on in a second block, the first being filled */
    for (int i = 0; i < 5; i++)
        assert(fn_outq_append(&q, &store, bytes + i * 1000, 1000) == 0);
    assert(check_content(&q, bytes) == 2 && store.free_count == 0);
    fn_outq_drop(&q, &store);
    assert(store.free_count == 2);
    fn_out_store_fini(&store);
    assert(!store.free && store.free_count == 0);
}

static void test_a_large_write_is_one_piece(void)
{
    enum { LARGE = 300000 };
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    uint8_t *bytes = malloc(LARGE);
    assert(bytes);
    fill_pattern(bytes, LARGE, 2);
    assert(fn_outq_append(&q, &store, bytes, LARGE) == 0);
    assert(check_content(&q, bytes) == 1);
    fn_outq_consume(&q, &store, LARGE);
    assert(store.free_count == 0); /* it is no block */
    struct iovec iov[] = {{bytes, 7},
                          {bytes + 7, 0},
                          {bytes + 7, 5000},
                          {bytes + 5007, 1},
                          {bytes + 5008, LARGE - 5008}};
    assert(fn_outq_append(&q, &store, bytes, 0) == 0 && !q.first);
    assert(fn_outq_appendv(&q, &store, iov, 5) == 0);
    assert(check_content(&q, bytes) == 1);
    fn_outq_drop(&q, &store);
    free(bytes);
    fn_out_store_fini(&store);
}

static void test_few_pieces_are_asked_for(void)
{
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    uint8_t bytes[FN_OUT_BLOCK * 3] = {0};
    for (int i = 0; i < 3; i++)
        assert(fn_outq_append(&q, &store, bytes, FN_OUT_BLOCK) == 0);
    struct iovec iov[2] = {{NULL, 0}, {NULL, 0}};
    assert(fn_outq_iov(&q, iov, 0) == 0);
    assert(fn_outq_iov(&q, iov, 1) == 1 && iov[0].iov_len && !iov[1].iov_len);
    assert(fn_outq_iov(&q, iov, 2) == 2 && iov[1].iov_len);
    fn_outq_drop(&q, &store);
    fn_out_store_fini(&store);
}

static void test_owners_come_back(void)
{
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    char bytes[] = "abcdefghijklmnopqrstuvwxyz";
    int owner[4];
    size_t count;
    assert(fn_outq_append_ref(&q, &store, bytes, 0, &owner[0]) == 0); /* nothing to wait for */
    assert(!q.first && fn_out_take_spent(&store, &count)[0] == &owner[0] && count == 1);
    assert(fn_outq_append(&q, &store, bytes, 2) == 0);
    assert(fn_outq_append_ref(&q, &store, bytes + 2, 3, &owner[1]) == 0);
    assert(fn_outq_append(&q, &store, bytes + 5, 1) == 0);
    assert(fn_outq_append_ref(&q, &store, bytes + 6, 20, &owner[2]) == 0);
    assert(check_content(&q, (uint8_t *)bytes) == 4 && store.owned == 2);
    struct iovec iov[4];
    assert(fn_outq_iov(&q, iov, 4) == 4 && iov[1].iov_base == bytes + 2);
    fn_outq_consume(&q, &store, 4);
    (void)fn_out_take_spent(&store, &count);
    assert(count == 0 && store.owned == 2);
    fn_outq_consume(&q, &store, 1);
    assert(fn_out_take_spent(&store, &count)[0] == &owner[1] && count == 1);
    assert(store.owned == 1);
    fn_outq_drop(&q, &store);
    assert(fn_out_take_spent(&store, &count)[0] == &owner[2] && count == 1);
    (void)fn_out_take_spent(&store, &count);
    assert(count == 0 && store.owned == 0);
    fn_out_store_fini(&store);
}

/* The store keeps so many blocks and no more, for whatever queue comes next. */
static void test_the_store_is_limited(void)
{
    enum { QUEUES = FN_OUT_KEPT + 50 };
    static struct fn_outq q[QUEUES];
    struct fn_out_store store;
    fn_out_store_init(&store);
    for (int i = 0; i < QUEUES; i++)
        assert(fn_outq_append(&q[i], &store, "x", 1) == 0);
    for (int i = 0; i < QUEUES; i++)
        fn_outq_consume(&q[i], &store, 1);
    assert(store.free_count == FN_OUT_KEPT);
    assert(fn_outq_append(&q[3], &store, "x", 1) == 0);
    assert(store.free_count == FN_OUT_KEPT - 1);
    fn_outq_drop(&q[3], &store);
    fn_out_store_fini(&store);
}

static void test_what_cannot_be_had(void)
{
    struct fn_out_store store;
    fn_out_store_init(&store);
    struct fn_outq q = {0};
    uint8_t bytes[100];
    fill_pattern(bytes, sizeof bytes, 3);
    assert(fn_outq_append(&q, &store, bytes, sizeof bytes) == 0);
    struct iovec iov[] = {{bytes, 50}, {bytes, SIZE_MAX - 49}};
    assert(fn_outq_appendv(&q, &store, iov, 2) == -ENOMEM);
    iov[1].iov_len = PTRDIFF_MAX;
    assert(fn_outq_appendv(&q, &store, iov, 2) == -ENOMEM);
    assert(fn_outq_append(&q, &store, bytes, SIZE_MAX) == -ENOMEM);
    assert(fn_outq_append(&q, &store, bytes, PTRDIFF_MAX / 2) == -ENOMEM);
    assert(q.bytes == sizeof bytes && check_content(&q, bytes) == 1);
    fn_outq_drop(&q, &store);
    fn_out_store_fini(&store);
}

/* ------------------------------------------------------------- against a model */

enum { QUEUES = 5, TOTAL = 400000, OWNERS = 20000 };

/* Queue i carries the bytes of `stream` from out to in; the owners of its kept
 * pieces are numbered, and each knows where its piece ends. */
struct line {
    struct fn_outq q;
    uint8_t *stream;
    size_t in, out;
};

struct model {
    struct fn_out_store store;
    struct line line[QUEUES];
    struct owner {
        int line;
        size_t len, end;
        bool back;
    } owner[OWNERS];
    size_t owners;
};

static size_t some_length(uint64_t *random, size_t most)
{
    static const size_t scale[] = {1, 30, 300, 3000, 9000};
    size_t n = random_below(random, scale[random_below(random, 5)] + 1);
    return n < most ? n : most;
}

/* The source is gone once it was copied. */
static void copy_some(struct model *m, struct line *l, uint64_t *random)
{
    uint8_t bytes[9000];
    size_t n = some_length(random, TOTAL - l->in), cut = random_below(random, n + 1);
    memcpy(bytes, l->stream + l->in, n);
    struct iovec iov[2] = {{bytes, cut}, {bytes + cut, n - cut}};
    if (cut % 2)
        assert(fn_outq_appendv(&l->q, &m->store, iov, 2) == 0);
    else
        assert(fn_outq_append(&l->q, &m->store, bytes, n) == 0);
    memset(bytes, 0, n);
    l->in += n;
}

static void refer_some(struct model *m, struct line *l, uint64_t *random)
{
    size_t n = some_length(random, TOTAL - l->in);
    assert(m->owners < OWNERS);
    struct owner *o = &m->owner[m->owners++];
    assert(fn_outq_append_ref(&l->q, &m->store, l->stream + l->in, n, o) == 0);
    l->in += n;
    *o = (struct owner){.line = (int)(l - m->line), .len = n, .end = l->in};
}

static void write_some(struct model *m, struct line *l, uint64_t *random)
{
    size_t left = l->in - l->out, n = random_below(random, left + 1);
    if (random_below(random, 3) == 0)
        n = left;
    fn_outq_consume(&l->q, &m->store, n);
    l->out += n;
}

static void drop(struct model *m, struct line *l)
{
    fn_outq_drop(&l->q, &m->store);
    l->out = l->in;
}

static bool has_gone(const struct model *m, const struct owner *o)
{
    return o->len == 0 || o->end <= m->line[o->line].out;
}

/* Exactly those come back whose last byte has gone, and each once. */
static void take_owners(struct model *m)
{
    size_t n;
    void **spent = fn_out_take_spent(&m->store, &n);
    for (size_t i = 0; i < n; i++) {
        struct owner *o = spent[i];
        assert(!o->back && has_gone(m, o));
        o->back = true;
    }
    size_t out = 0;
    for (size_t i = 0; i < m->owners; i++) {
        assert(m->owner[i].back == has_gone(m, &m->owner[i]));
        out += !m->owner[i].back;
    }
    assert(m->store.owned == out);
}

static bool step(struct model *m, uint64_t *random)
{
    struct line *l = &m->line[random_below(random, QUEUES)];
    size_t what = random_below(random, 20);
    if (what < 8)
        copy_some(m, l, random);
    else if (what < 11)
        refer_some(m, l, random);
    else if (what < 19)
        write_some(m, l, random);
    else if (random_below(random, 10) == 0)
        drop(m, l);
    check_content(&l->q, l->stream + l->out);
    assert(l->q.bytes == l->in - l->out && m->store.free_count <= FN_OUT_KEPT);
    return l->in < TOTAL;
}

static void test_against_a_model(void)
{
    static struct model m;
    fn_out_store_init(&m.store);
    for (int i = 0; i < QUEUES; i++) {
        m.line[i].stream = malloc(TOTAL);
        assert(m.line[i].stream);
        fill_pattern(m.line[i].stream, TOTAL, (uint64_t)i + 10);
    }
    uint64_t random = 9;
    for (bool more = true; more;) {
        more = step(&m, &random);
        if (random_below(&random, 3) == 0)
            take_owners(&m);
    }
    for (int i = 0; i < QUEUES; i++)
        drop(&m, &m.line[i]);
    take_owners(&m);
    assert(m.owners > 100 && m.store.owned == 0);
    fn_out_store_fini(&m.store);
    for (int i = 0; i < QUEUES; i++)
        free(m.line[i].stream);
}

int main(void)
{
    test_an_empty_queue_holds_nothing();
    test_small_writes_share_a_block();
    test_a_large_write_is_one_piece();
    test_few_pieces_are_asked_for();
    test_owners_come_back();
    test_the_store_is_limited();
    test_what_cannot_be_had();
    test_against_a_model();
    return 0;
}
