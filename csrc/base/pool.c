/* Theory in pool.h. */
#include "fastnet/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct slot {
    void *data;
    size_t capacity;
    fn_time since;
};

/* Small arrays come in swarms of one size: a stack of blocks of that size saves
 * the allocator's work on each. */
struct small {
    size_t capacity;
    size_t count;
    fn_time since; /* when the stack was last empty */
    void *data[FN_POOL_SMALL];
};

struct fn_pool {
    pthread_mutex_t lock;
    struct small small;
    size_t cap;
    fn_time idle;
    bool huge_pages;
    size_t holders; /* the owner and the blocks in use */
    size_t free_bytes;
    size_t slots;
    struct slot slot[FN_POOL_SLOTS]; /* oldest first */
    uint64_t reused;
    uint64_t fresh;
};

/* ------------------------------------------------------------------- memory */

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* mmap aligns to a page; huge pages want their own alignment, so a block is
 * cut out of a mapping that is one huge page larger. */
static void *map_aligned(size_t size, size_t align)
{
    size_t whole = size + align;
    uint8_t *p = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = round_up((size_t)(uintptr_t)p, align) - (size_t)(uintptr_t)p;
    if (before)
        munmap(p, before);
    if (align - before)
        munmap(p + before + size, align - before);
    return p + before;
}

/* Whether asking for huge pages has any effect here. */
static bool system_has_huge_pages(void)
{
    char text[64] = {0};
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && !strstr(text, "[never]");
}

static void *fresh_memory(size_t capacity, bool huge_pages)
{
    if (capacity < FN_POOL_MIN) {
        void *p = NULL;
        return posix_memalign(&p, FN_POOL_ALIGN, capacity) == 0 ? p : NULL;
    }
    bool huge = capacity >= FN_POOL_HUGE;
    void *p = map_aligned(capacity, huge ? FN_POOL_HUGE : 4096);
#ifdef MADV_HUGEPAGE
    if (p && huge && huge_pages)
        madvise(p, capacity, MADV_HUGEPAGE);
#else
    (void)huge_pages;
#endif
    return p;
}

void fn_pool_advise(void *data, size_t size)
{
#ifdef MADV_HUGEPAGE
    size_t start = round_up((size_t)(uintptr_t)data, FN_POOL_HUGE);
    size_t end = ((size_t)(uintptr_t)data + size) / FN_POOL_HUGE * FN_POOL_HUGE;
    if (end > start) /* refused where the system has none; that is fine */
        (void)madvise((void *)(uintptr_t)start, end - start, MADV_HUGEPAGE);
#else
    (void)data, (void)size;
#endif
}

static void free_memory(void *data, size_t capacity)
{
    if (capacity < FN_POOL_MIN)
        free(data);
    else
        munmap(data, capacity);
}

/* What a request of `size` bytes gets: SIZE_MAX when it cannot be had. */
static size_t capacity_for(size_t size)
{
    if (size > PTRDIFF_MAX - 2 * (size_t)FN_POOL_HUGE)
        return SIZE_MAX;
    if (size < FN_POOL_MIN)
        return round_up(size ? size : 1, FN_POOL_ALIGN);
    return round_up(size, size < FN_POOL_HUGE ? 4096 : FN_POOL_HUGE);
}

/* ------------------------------------------------------------- small blocks */

static void *pop_small(struct small *s, size_t capacity)
{
    return s->count && s->capacity == capacity ? s->data[--s->count] : NULL;
}

static void empty_small(struct small *s)
{
    while (s->count)
        free(s->data[--s->count]);
}

/* True when the stack took the block; it changes its size when it is empty. */
static bool push_small(struct small *s, void *data, size_t capacity)
{
    if (s->count == 0)
        s->capacity = capacity;
    if (s->capacity != capacity || s->count == FN_POOL_SMALL ||
        (s->count + 1) * capacity > FN_POOL_SMALL_BYTES)
        return false;
    if (s->count == 0)
        s->since = fn_now(); /* the clock is not read for each of a swarm */
    s->data[s->count++] = data;
    return true;
}

/* ----------------------------------------------------------------- the pool */

struct fn_pool *fn_pool_new(size_t cap, fn_time idle, bool huge_pages)
{
    struct fn_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pool->cap = cap;
    pool->idle = idle;
    pool->huge_pages = huge_pages && system_has_huge_pages();
    pool->holders = 1;
    return pool;
}

static void drop_slot(struct fn_pool *pool, size_t i)
{
    pool->free_bytes -= pool->slot[i].capacity;
    pool->slots--;
    memmove(&pool->slot[i], &pool->slot[i + 1], (pool->slots - i) * sizeof pool->slot[0]);
}

static void free_slot(struct fn_pool *pool, size_t i)
{
    free_memory(pool->slot[i].data, pool->slot[i].capacity);
    drop_slot(pool, i);
}

static void trim(struct fn_pool *pool, fn_time now)
{
    if (pool->small.count && now - pool->small.since >= pool->idle)
        empty_small(&pool->small);
    while (pool->slots && now - pool->slot[0].since >= pool->idle)
        free_slot(pool, 0);
}

/* Lets one holder go; the last one takes the pool with it. */
static void let_go(struct fn_pool *pool)
{
    bool last = --pool->holders == 0;
    pthread_mutex_unlock(&pool->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void fn_pool_release(struct fn_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->cap = 0; /* blocks still in use go back to the system */
    empty_small(&pool->small);
    while (pool->slots)
        free_slot(pool, 0);
    let_go(pool);
}

/* The newest free block that fits without wasting half of itself: the newest
 * is the likeliest to be in a cache. */
static bool reuse(struct fn_pool *pool, size_t capacity, struct fn_block *block)
{
    for (size_t i = pool->slots; i-- > 0;) {
        struct slot *s = &pool->slot[i];
        if (s->capacity < capacity || s->capacity / 2 > capacity)
            continue;
        block->data = s->data;
        block->capacity = s->capacity;
        drop_slot(pool, i);
        pool->reused++;
        return true;
    }
    return false;
}

int fn_pool_take(struct fn_pool *pool, size_t size, struct fn_block *block)
{
    size_t capacity = capacity_for(size);
    if (capacity == SIZE_MAX)
        return -ENOMEM;
    bool found = false;
    pthread_mutex_lock(&pool->lock);
    if (capacity >= FN_POOL_MIN) {
        found = reuse(pool, capacity, block);
        trim(pool, fn_now());
    } else {
        block->data = pop_small(&pool->small, capacity);
        block->capacity = capacity;
        found = block->data != NULL;
        pool->reused += found;
    }
    pool->fresh += !found;
    pool->holders++;
    pthread_mutex_unlock(&pool->lock);
    if (!found) {
        block->data = fresh_memory(capacity, pool->huge_pages);
        block->capacity = capacity;
    }
    block->size = size;
    block->pool = pool;
    if (block->data)
        return 0;
    pthread_mutex_lock(&pool->lock);
    let_go(pool);
    block->pool = NULL;
    return -ENOMEM;
}

static size_t all_free(const struct fn_pool *pool)
{
    return pool->free_bytes + pool->small.count * pool->small.capacity;
}

static bool keep_small(struct fn_pool *pool, const struct fn_block *block)
{
    if (all_free(pool) + block->capacity > pool->cap)
        return false;
    return push_small(&pool->small, block->data, block->capacity);
}

static bool keep(struct fn_pool *pool, struct fn_block *block, fn_time now)
{
    if (block->capacity < FN_POOL_MIN || block->capacity > pool->cap)
        return false;
    if (pool->slots == FN_POOL_SLOTS)
        free_slot(pool, 0);
    while (pool->slots && all_free(pool) + block->capacity > pool->cap)
        free_slot(pool, 0);
    if (all_free(pool) + block->capacity > pool->cap)
        empty_small(&pool->small);
    pool->slot[pool->slots++] = (struct slot){block->data, block->capacity, now};
    pool->free_bytes += block->capacity;
    return true;
}

/* On huge pages this costs a hundredth of filling the block; on small ones it
 * would cost as much as it saves, so those wait for the trim. */
static void advise_reclaimable(const struct fn_pool *pool, const struct fn_block *block)
{
#ifdef MADV_FREE
    if (pool->huge_pages && block->capacity >= FN_POOL_HUGE)
        madvise(block->data, block->capacity, MADV_FREE);
#else
    (void)pool, (void)block;
#endif
}

void fn_pool_give(struct fn_block *block)
{
    struct fn_pool *pool = block->pool;
    if (!pool)
        return;
    block->pool = NULL;
    if (block->capacity < FN_POOL_MIN) {
        pthread_mutex_lock(&pool->lock);
        bool kept = keep_small(pool, block);
        let_go(pool);
        if (!kept)
            free(block->data);
        return;
    }
    advise_reclaimable(pool, block);
    fn_time now = fn_now();
    pthread_mutex_lock(&pool->lock);
    trim(pool, now);
    if (!keep(pool, block, now))
        free_memory(block->data, block->capacity);
    let_go(pool);
}

void fn_pool_trim(struct fn_pool *pool, fn_time now)
{
    pthread_mutex_lock(&pool->lock);
    trim(pool, now);
    pthread_mutex_unlock(&pool->lock);
}

struct fn_pool_stats fn_pool_stats(struct fn_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct fn_pool_stats stats = {all_free(pool), pool->reused, pool->fresh};
    pthread_mutex_unlock(&pool->lock);
    return stats;
}
