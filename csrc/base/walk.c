/* Theory in walk.h. */
#include "fastnet/walk.h"

#include <stdlib.h>
#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* ------------------------------------------------------------------ layout */

/* Appends one dimension inside the ones already there, merging it with its
 * outer neighbour when that one steps exactly over it. */
static void push_dim(struct fn_walk *w, size_t count, ptrdiff_t stride)
{
    if (w->ndim > 0) {
        int outer = w->ndim - 1;
        if (w->stride[outer] == stride * (ptrdiff_t)count) {
            w->count[outer] *= count;
            w->stride[outer] = stride;
            return;
        }
    }
    w->count[w->ndim] = count;
    w->stride[w->ndim] = stride;
    w->ndim++;
}

/* Folds innermost dimensions that continue the item into the run. */
static void fold_run(struct fn_walk *w)
{
    while (w->ndim > 0 && w->stride[w->ndim - 1] == (ptrdiff_t)w->run) {
        w->run *= w->count[w->ndim - 1];
        w->ndim--;
    }
}

void fn_walk_init_flat(struct fn_walk *w, void *base, size_t nbytes)
{
    w->total = nbytes;
    w->passed = 0;
    w->ndim = 0;
    w->run = nbytes;
    w->base = w->at = base;
    w->in_run = 0;
    w->scratch = NULL;
    w->scratch_size = w->filled = w->used = 0;
}

static int total_bytes(size_t itemsize, int ndim, const ptrdiff_t *shape, uint64_t *total)
{
    uint64_t product = itemsize;
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0)
            return FN_E_ARGUMENT;
        if (shape[i] == 0)
            empty = true;
        else if (!fn_mul(product, (uint64_t)shape[i], &product))
            return FN_E_OVERFLOW;
    }
    if (product > PTRDIFF_MAX)
        return FN_E_OVERFLOW;
    *total = empty ? 0 : product;
    return FN_OK;
}

int fn_walk_init(struct fn_walk *w, void *base, size_t itemsize, int ndim, const ptrdiff_t *shape,
                 const ptrdiff_t *strides, bool fortran)
{
    if (ndim < 0 || ndim > FN_MAXDIM)
        return FN_E_ARGUMENT;
    uint64_t total = 0;
    int st = total_bytes(itemsize, ndim, shape, &total);
    if (st < 0)
        return st;
    fn_walk_init_flat(w, base, (size_t)total);
    if (!strides || total == 0)
        return FN_OK;
    w->run = itemsize;
    for (int i = 0; i < ndim; i++) {
        int d = fortran ? ndim - 1 - i : i;
        if (shape[d] != 1)
            push_dim(w, (size_t)shape[d], strides[d]);
    }
    fold_run(w);
    memset(w->index, 0, sizeof w->index[0] * (size_t)w->ndim);
    return FN_OK;
}

void fn_walk_fini(struct fn_walk *w)
{
    free(w->scratch);
    w->scratch = NULL;
}

/* --------------------------------------------------------------- the cursor */

/* Moves `at` and `index` forward by k runs of the innermost dimension; k does
 * not go beyond its end, where the outer dimensions carry. */
static void step_runs(struct fn_walk *w, uint8_t **at, size_t *index, size_t k)
{
    int d = w->ndim - 1;
    if (d < 0)
        return;
    *at += w->stride[d] * (ptrdiff_t)k;
    index[d] += k;
    while (d > 0 && index[d] == w->count[d]) {
        *at += w->stride[d - 1] - w->stride[d] * (ptrdiff_t)w->count[d];
        index[d] = 0;
        index[--d]++;
    }
}

static size_t runs_ahead(const struct fn_walk *w)
{
    return w->ndim ? w->count[w->ndim - 1] - w->index[w->ndim - 1] : 1;
}

static void advance(struct fn_walk *w, size_t n)
{
    while (n) {
        size_t rest = w->run - w->in_run;
        if (n < rest) {
            w->in_run += n;
            return;
        }
        n -= rest;
        w->in_run = 0;
        step_runs(w, &w->at, w->index, 1);
    }
}

/* ------------------------------------------------------ pieces of the array */

static int pieces(struct fn_walk *w, struct iovec *iov, int max, uint64_t limit)
{
    size_t index[FN_MAXDIM];
    memcpy(index, w->index, sizeof index[0] * (size_t)w->ndim);
    uint8_t *at = w->at;
    size_t skip = w->in_run;
    int n = 0;
    for (; n < max && limit; n++) {
        size_t len = (size_t)fn_min64(w->run - skip, limit);
        iov[n].iov_base = at + skip;
        iov[n].iov_len = len;
        limit -= len;
        skip = 0;
        step_runs(w, &at, index, 1);
    }
    return n;
}

/* ------------------------------------------------- gathering and scattering */

#define FN_COPY_ITEMS(type)                                                                        \
    for (size_t i = 0; i < n; i++) {                                                               \
        type item;                                                                                 \
        memcpy(&item, src + (ptrdiff_t)i * from, sizeof item);                                     \
        memcpy(dst + (ptrdiff_t)i * to, &item, sizeof item);                                       \
    }

struct sixteen {
    uint64_t a, b;
};

/* n items of `size` bytes, `from` and `to` bytes apart. */
static void copy_items(uint8_t *dst, ptrdiff_t to, const uint8_t *src, ptrdiff_t from, size_t n,
                       size_t size)
{
    switch (size) {
    case 1:
        FN_COPY_ITEMS(uint8_t) return;
    case 2:
        FN_COPY_ITEMS(uint16_t) return;
    case 4:
        FN_COPY_ITEMS(uint32_t) return;
    case 8:
        FN_COPY_ITEMS(uint64_t) return;
    case 16:
        FN_COPY_ITEMS(struct sixteen) return;
    default:
        for (size_t i = 0; i < n; i++)
            memcpy(dst + (ptrdiff_t)i * to, src + (ptrdiff_t)i * from, size);
    }
}

/* Copies n bytes between the array at the cursor and flat memory, and moves
 * the cursor past them. */
static void exchange(struct fn_walk *w, uint8_t *flat, size_t n, bool gather)
{
    ptrdiff_t step = w->ndim ? w->stride[w->ndim - 1] : 0;
    ptrdiff_t run = (ptrdiff_t)w->run;
    while (n) {
        size_t k = 0;
        if (w->in_run == 0 && n >= w->run)
            k = fn_minz(runs_ahead(w), n / w->run);
        if (k) {
            if (gather)
                copy_items(flat, run, w->at, step, k, w->run);
            else
                copy_items(w->at, step, flat, run, k, w->run);
            step_runs(w, &w->at, w->index, k);
            flat += k * w->run;
            n -= k * w->run;
            continue;
        }
        size_t part = fn_minz(w->run - w->in_run, n);
        if (gather)
            memcpy(flat, w->at + w->in_run, part);
        else
            memcpy(w->at + w->in_run, flat, part);
        advance(w, part);
        flat += part;
        n -= part;
    }
}

static int need_scratch(struct fn_walk *w)
{
    if (w->scratch)
        return FN_OK;
    size_t size = (size_t)fn_min64(w->total, FN_WALK_SCRATCH);
    w->scratch = malloc(size);
    if (!w->scratch)
        return -ENOMEM;
    w->scratch_size = size;
    return FN_OK;
}

static bool packed(const struct fn_walk *w)
{
    return w->run < FN_WALK_PACK && w->run < w->total;
}

/* ------------------------------------------------------------------ sending */

int fn_walk_out(struct fn_walk *w, struct iovec *iov, int max, size_t limit)
{
    uint64_t left = fn_min64(fn_walk_left(w), limit);
    if (!left || max < 1)
        return 0;
    if (!packed(w))
        return pieces(w, iov, max, left);
    int st = need_scratch(w);
    if (st < 0)
        return st;
    if (w->used == w->filled) {
        w->used = 0;
        w->filled = (size_t)fn_min64(fn_walk_left(w), w->scratch_size);
        exchange(w, w->scratch, w->filled, true);
    }
    iov[0].iov_base = w->scratch + w->used;
    iov[0].iov_len = (size_t)fn_min64(w->filled - w->used, left);
    return 1;
}

void fn_walk_sent(struct fn_walk *w, size_t n)
{
    w->passed += n;
    if (packed(w))
        w->used += n;
    else
        advance(w, n);
}

/* ---------------------------------------------------------------- receiving */

int fn_walk_in(struct fn_walk *w, struct iovec *iov, int max, size_t limit)
{
    uint64_t left = fn_min64(fn_walk_left(w), limit);
    if (!left || max < 1)
        return 0;
    if (!packed(w))
        return pieces(w, iov, max, left);
    int st = need_scratch(w);
    if (st < 0)
        return st;
    iov[0].iov_base = w->scratch + w->filled;
    iov[0].iov_len = (size_t)fn_min64(w->scratch_size - w->filled, left);
    return 1;
}

void fn_walk_received(struct fn_walk *w, size_t n)
{
    w->passed += n;
    if (!packed(w)) {
        advance(w, n);
        return;
    }
    w->filled += n;
    if (w->filled == w->scratch_size || w->passed == w->total) {
        exchange(w, w->scratch, w->filled, false);
        w->filled = 0;
    }
}

void fn_walk_settle(struct fn_walk *w)
{
    if (!packed(w) || !w->filled)
        return;
    exchange(w, w->scratch, w->filled, false);
    w->filled = 0;
}

void fn_walk_wipe(struct fn_walk *w)
{
    uint64_t left = w->passed;
    if (packed(w) && w->filled)
        memset(w->scratch, 0, w->filled);
    w->passed = 0;
    w->at = w->base;
    w->in_run = w->filled = w->used = 0;
    memset(w->index, 0, sizeof w->index[0] * (size_t)w->ndim);
    while (left) {
        size_t part = (size_t)fn_min64(left, w->run);
        memset(w->at, 0, part);
        advance(w, part);
        left -= part;
    }
    w->at = w->base;
    w->in_run = 0;
    memset(w->index, 0, sizeof w->index[0] * (size_t)w->ndim);
}
