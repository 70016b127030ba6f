/* pool.h: memory for arrays that are received without a place of their own.
 *
 * Touching fresh memory costs more than receiving into it (2.5 GB/s against
 * 8), so blocks are recycled: what an array leaves behind when it is collected
 * serves the next array of about its size.
 *
 *   - Free bytes are capped; what does not fit goes back to the system.
 *   - A free block of huge pages is advised as reclaimable (MADV_FREE) while it
 *     lies in the pool, so memory that is short is never short because of it.
 *   - fn_pool_trim gives back blocks that lay unused for `idle`; take and give
 *     trim as well.
 *   - Blocks of at least FN_POOL_HUGE bytes are aligned to, and advised as,
 *     huge pages.
 *
 * Every block is aligned to FN_POOL_ALIGN.  Of blocks below FN_POOL_MIN bytes,
 * which are the allocator's, a few of one size are kept.
 *
 * Any thread may call; the pool lives until its owner and every block have let
 * go of it.
 */
#ifndef FASTNET_POOL_H
#define FASTNET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastnet/clock.h"

enum {
    FN_POOL_ALIGN = 64,
    FN_POOL_MIN = 128 * 1024,
    FN_POOL_HUGE = 2 * 1024 * 1024,
    FN_POOL_SLOTS = 32,
    FN_POOL_SMALL = 64,              /* small blocks kept, all of one size */
    FN_POOL_SMALL_BYTES = 256 * 1024 /* and no more than this together */
};

struct fn_pool;

struct fn_block {
    void *data;
    size_t size;     /* bytes asked for */
    size_t capacity; /* bytes there are */
    struct fn_pool *pool;
};

struct fn_pool_stats {
    uint64_t free_bytes;
    uint64_t reused; /* blocks */
    uint64_t fresh;
};

/* cap in bytes of free memory; idle a span.  NULL when out of memory. */
struct fn_pool *fn_pool_new(size_t cap, fn_time idle, bool huge_pages);
void fn_pool_release(struct fn_pool *pool); /* by its owner; NULL is fine */

/* 0 or -ENOMEM.  The content is undefined. */
int fn_pool_take(struct fn_pool *pool, size_t size, struct fn_block *block);
/* Gives a block back; may be called twice. */
void fn_pool_give(struct fn_block *block);

/* Asks for huge pages in fresh memory that is not the pool's, where it is large
 * enough to hold some. */
void fn_pool_advise(void *data, size_t size);

void fn_pool_trim(struct fn_pool *pool, fn_time now);
struct fn_pool_stats fn_pool_stats(struct fn_pool *pool);

#endif
