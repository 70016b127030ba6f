/* check.h: what the core's tests share.
 *
 * Tests check with assert(), in every kind of build.  Input lies flush against
 * an unreadable page, on one side or the other, so that a read of one byte too
 * many ends the program even where no sanitizer is watching.
 */
#ifndef FASTNET_TESTS_CHECK_H
#define FASTNET_TESTS_CHECK_H

#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* -------------------------------------------------------------- guarded memory */

struct guarded {
    uint8_t *data;
    size_t size;
    uint8_t *map;
    size_t map_size;
};

/* size bytes between two unreadable pages, flush against the one behind
 * (at_end) or the one before. */
static inline struct guarded guarded_new(size_t size, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inside = (size + page - 1) / page * page;
    if (!inside)
        inside = page;
    struct guarded g = {.size = size, .map_size = inside + 2 * page};
    g.map = mmap(NULL, g.map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(g.map != MAP_FAILED);
    assert(mprotect(g.map + page, inside, PROT_READ | PROT_WRITE) == 0);
    g.data = g.map + page + (at_end ? inside - size : 0);
    return g;
}

static inline struct guarded guarded_copy(const void *bytes, size_t size, bool at_end)
{
    struct guarded g = guarded_new(size, at_end);
    if (size)
        memcpy(g.data, bytes, size);
    return g;
}

static inline void guarded_free(struct guarded *g)
{
    assert(munmap(g->map, g->map_size) == 0);
}

/* --------------------------------------------------------------------- numbers */

/* xorshift64: the same numbers in every run. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
    return (size_t)(next_random(state) % n);
}

/* Bytes that differ from one place to the next, and from one seed to another. */
static inline void fill_pattern(uint8_t *p, size_t n, uint64_t seed)
{
    uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(next_random(&state) >> 24);
}

/* FNV-1a, continued from `hash`. */
static inline uint64_t mix(uint64_t hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return hash;
}

static inline uint64_t mix64(uint64_t hash, uint64_t value)
{
    return mix(hash, &value, sizeof value);
}

#endif
