/* The pool of recycled memory. */
#include "check.h"

#include <pthread.h>

#include "fastnet/pool.h"

enum { MIB = 1 << 20 };

static struct fn_block take(struct fn_pool *pool, size_t size)
{
    struct fn_block block;
    assert(fn_pool_take(pool, size, &block) == 0);
    assert(block.data && block.size == size && block.capacity >= size);
    assert((uintptr_t)block.data % FN_POOL_ALIGN == 0);
    if (block.capacity >= FN_POOL_HUGE)
        assert((uintptr_t)block.data % FN_POOL_HUGE == 0);
    return block;
}

static void test_every_size_can_be_written(void)
{
    static const size_t sizes[] = {0,
                                   1,
                                   63,
                                   64,
                                   65,
                                   4095,
                                   FN_POOL_MIN - 1,
                                   FN_POOL_MIN,
                                   FN_POOL_MIN + 1,
                                   FN_POOL_HUGE - 1,
                                   FN_POOL_HUGE,
                                   FN_POOL_HUGE + 1,
                                   5 * MIB + 3};
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, true);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct fn_block block = take(pool, sizes[i]);
        memset(block.data, 0x5A, block.capacity);
        fn_pool_give(&block);
        assert(!block.pool);
        fn_pool_give(&block);
    }
    fn_pool_release(pool);
    fn_pool_release(NULL);
}

static void test_a_block_serves_again(void)
{
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, false);
    struct fn_block block = take(pool, 4 * MIB);
    void *first = block.data;
    fn_pool_give(&block);
    struct fn_pool_stats stats = fn_pool_stats(pool);
    assert(stats.free_bytes == 4 * MIB && stats.fresh == 1 && stats.reused == 0);
    block = take(pool, 3 * MIB);
    assert(block.data == first && fn_pool_stats(pool).free_bytes == 0);
    fn_pool_give(&block);
    struct fn_block small = take(pool, 2 * MIB - 5000); /* half of it would be wasted */
    assert(small.data != first);
    struct fn_block large = take(pool, 4 * MIB + 1);
    assert(large.data != first);
    stats = fn_pool_stats(pool);
    assert(stats.reused == 1 && stats.fresh == 3);
    fn_pool_give(&small);
    fn_pool_give(&large);
    fn_pool_release(pool);
}

/* Of small blocks a few are kept, all of one size. */
static void test_small_blocks(void)
{
    enum { BLOCKS = FN_POOL_SMALL + 3 };
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, false);
    struct fn_block blocks[BLOCKS];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = take(pool, 1000);
            memset(blocks[i].data, i, 1000);
        }
        for (int i = 0; i < BLOCKS; i++)
            fn_pool_give(&blocks[i]);
    }
    assert(fn_pool_stats(pool).reused == FN_POOL_SMALL);
    assert(fn_pool_stats(pool).fresh == 2 * BLOCKS - FN_POOL_SMALL);
    assert(fn_pool_stats(pool).free_bytes == FN_POOL_SMALL * 1024);
    struct fn_block other = take(pool, 2000);
    fn_pool_give(&other); /* of another size than those that are kept */
    other = take(pool, 2000);
    assert(fn_pool_stats(pool).reused == FN_POOL_SMALL);
    fn_pool_give(&other);
    fn_pool_release(pool);
    pool = fn_pool_new(0, FN_SECOND, false); /* keeps nothing at all */
    for (int i = 0; i < 2; i++) {
        other = take(pool, i ? MIB : 100);
        fn_pool_give(&other);
    }
    assert(fn_pool_stats(pool).free_bytes == 0);
    fn_pool_release(pool);
}

static void test_cap(void)
{
    struct fn_pool *pool = fn_pool_new(6 * MIB, FN_SECOND, false);
    struct fn_block a = take(pool, 2 * MIB), b = take(pool, 4 * MIB), c = take(pool, 2 * MIB);
    struct fn_block large = take(pool, 8 * MIB);
    void *newest = c.data;
    fn_pool_give(&large); /* more than fits */
    assert(fn_pool_stats(pool).free_bytes == 0);
    fn_pool_give(&a);
    fn_pool_give(&b);
    assert(fn_pool_stats(pool).free_bytes == 6 * MIB);
    fn_pool_give(&c); /* the oldest makes room */
    assert(fn_pool_stats(pool).free_bytes == 6 * MIB);
    c = take(pool, 2 * MIB);
    assert(c.data == newest);
    fn_pool_give(&c);
    fn_pool_release(pool);
}

static void test_slots(void)
{
    enum { BLOCKS = FN_POOL_SLOTS + 4 };
    struct fn_pool *pool = fn_pool_new(1024 * MIB, FN_SECOND, false);
    struct fn_block blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take(pool, FN_POOL_MIN);
    for (int i = 0; i < BLOCKS; i++)
        fn_pool_give(&blocks[i]);
    assert(fn_pool_stats(pool).free_bytes == (uint64_t)FN_POOL_SLOTS * FN_POOL_MIN);
    fn_pool_release(pool);
}

static void test_trim(void)
{
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, false);
    struct fn_block a = take(pool, MIB), b = take(pool, 2 * MIB);
    fn_pool_give(&a);
    usleep(3000);
    fn_time between = fn_now();
    fn_pool_give(&b);
    fn_pool_trim(pool, between);
    assert(fn_pool_stats(pool).free_bytes == 3 * MIB);
    fn_pool_trim(pool, between + FN_SECOND - 1);
    assert(fn_pool_stats(pool).free_bytes == 2 * MIB);
    fn_pool_trim(pool, fn_now() + FN_SECOND);
    assert(fn_pool_stats(pool).free_bytes == 0);
    fn_pool_release(pool);

    pool = fn_pool_new(64 * MIB, 2 * FN_MS, false);
    a = take(pool, MIB);
    b = take(pool, 2 * MIB);
    fn_pool_give(&a);
    usleep(4000);
    fn_pool_give(&b); /* giving trims as well */
    assert(fn_pool_stats(pool).free_bytes == 2 * MIB);
    fn_pool_release(pool);
}

static void test_impossible_sizes(void)
{
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, false);
    static const size_t sizes[] = {SIZE_MAX, PTRDIFF_MAX, PTRDIFF_MAX / 2};
    for (size_t i = 0; i < 3; i++) {
        struct fn_block block;
        assert(fn_pool_take(pool, sizes[i], &block) == -12 /* ENOMEM */);
    }
    struct fn_block block = take(pool, MIB); /* and the pool is as before */
    fn_pool_give(&block);
    fn_pool_release(pool);
}

static void test_blocks_outlive_the_owner(void)
{
    struct fn_pool *pool = fn_pool_new(64 * MIB, FN_SECOND, true);
    struct fn_block large = take(pool, 4 * MIB), small = take(pool, 100);
    struct fn_block kept = take(pool, 2 * MIB);
    fn_pool_give(&kept);
    fn_pool_release(pool);
    memset(large.data, 1, large.capacity);
    memset(small.data, 1, small.capacity);
    fn_pool_give(&large);
    fn_pool_give(&small);
}

static void *use_pool(void *arg)
{
    struct fn_pool *pool = arg;
    uint64_t random = (uint64_t)(uintptr_t)&random | 1;
    for (int i = 0; i < 400; i++) {
        struct fn_block a = take(pool, random_below(&random, 3 * FN_POOL_MIN));
        struct fn_block b = take(pool, FN_POOL_MIN + random_below(&random, 3 * FN_POOL_MIN));
        memset(a.data, i, a.size < 64 ? a.size : 64);
        *(int *)b.data = i;
        assert(*(int *)b.data == i);
        fn_pool_give(&a);
        if (i % 16 == 0)
            fn_pool_trim(pool, fn_now());
        assert(fn_pool_stats(pool).free_bytes <= 4 * MIB);
        fn_pool_give(&b);
    }
    struct fn_block *last = malloc(sizeof *last);
    *last = take(pool, MIB);
    return last;
}

static void test_many_threads(void)
{
    enum { THREADS = 8 };
    struct fn_pool *pool = fn_pool_new(4 * MIB, FN_MS, false);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert(pthread_create(&threads[i], NULL, use_pool, pool) == 0);
    struct fn_block *last[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert(pthread_join(threads[i], (void **)&last[i]) == 0);
    fn_pool_release(pool);
    for (int i = 0; i < THREADS; i++) {
        fn_pool_give(last[i]);
        free(last[i]);
    }
}

static void *give_block(void *arg)
{
    fn_pool_give(arg);
    return NULL;
}

/* Whoever comes last frees the pool. */
static void test_release_and_give_at_the_same_time(void)
{
    for (int i = 0; i < 100; i++) {
        struct fn_pool *pool = fn_pool_new(4 * MIB, FN_SECOND, false);
        struct fn_block a = take(pool, i % 2 ? 100 : MIB), b = take(pool, MIB);
        pthread_t threads[2];
        assert(pthread_create(&threads[0], NULL, give_block, &a) == 0);
        assert(pthread_create(&threads[1], NULL, give_block, &b) == 0);
        fn_pool_release(pool);
        assert(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
    }
}

int main(void)
{
    test_every_size_can_be_written();
    test_a_block_serves_again();
    test_small_blocks();
    test_cap();
    test_slots();
    test_trim();
    test_impossible_sizes();
    test_blocks_outlive_the_owner();
    test_many_threads();
    test_release_and_give_at_the_same_time();
    return 0;
}
