/* Walks over arrays of every layout, against a naive reference. */
#include "check.h"

#include "fastnet/bytes.h"
#include "fastnet/status.h"
#include "fastnet/walk.h"

enum { DIMS = 5, PIECES = 7 };

struct layout {
    struct guarded memory;
    uint8_t *base;
    size_t itemsize;
    int ndim;
    ptrdiff_t shape[DIMS];
    ptrdiff_t stride[DIMS];
    bool fortran;
    size_t total;
};

/* The place of the item that comes k-th on the wire. */
static uint8_t *item(const struct layout *a, size_t k)
{
    uint8_t *at = a->base;
    for (int i = 0; i < a->ndim; i++) {
        int d = a->fortran ? i : a->ndim - 1 - i;
        size_t extent = (size_t)a->shape[d];
        at += (ptrdiff_t)(k % extent) * a->stride[d];
        k /= extent;
    }
    return at;
}

static void gather(const struct layout *a, uint8_t *out)
{
    for (size_t k = 0; k < a->total / a->itemsize; k++)
        memcpy(out + k * a->itemsize, item(a, k), a->itemsize);
}

/* Lays the dimensions into memory in the order `rank`, with gaps of `gap`
 * items, some of them backwards, and (for sending) some repeated. */
static void lay_out(struct layout *a, const int *rank, size_t gap, unsigned backwards,
                    unsigned repeated)
{
    ptrdiff_t step = (ptrdiff_t)(a->itemsize * gap);
    ptrdiff_t low = 0, high = (ptrdiff_t)a->itemsize;
    size_t items = 1;
    for (int r = 0; r < a->ndim; r++) {
        int d = rank[r];
        bool zero = repeated >> d & 1;
        a->stride[d] = zero ? 0 : backwards >> d & 1 ? -step : step;
        items *= (size_t)a->shape[d];
        if (zero || a->shape[d] == 0)
            continue;
        ptrdiff_t reach = (a->shape[d] - 1) * a->stride[d];
        low += reach < 0 ? reach : 0;
        high += reach > 0 ? reach : 0;
        step = (a->shape[d] + (gap > 1)) * step;
    }
    a->total = items * a->itemsize;
    a->memory = guarded_new((size_t)(high - low), gap & 1);
    fill_pattern(a->memory.data, a->memory.size, (uint64_t)a->total + gap);
    a->base = a->memory.data - low;
}

static void open_walk(struct fn_walk *w, const struct layout *a)
{
    assert(fn_walk_init(w, a->base, a->itemsize, a->ndim, a->shape, a->stride, a->fortran) == 0);
    assert(w->total == a->total && fn_walk_left(w) == a->total);
}

static size_t shown(const struct iovec *iov, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        assert(iov[i].iov_len > 0);
        sum += iov[i].iov_len;
    }
    return sum;
}

/* Moves up to `want` of the bytes shown between the pieces and flat memory. */
static void copy_pieces(const struct iovec *iov, uint8_t *flat, size_t want, bool out)
{
    for (int i = 0; want; i++) {
        size_t n = fn_minz(iov[i].iov_len, want);
        if (out)
            memcpy(flat, iov[i].iov_base, n);
        else
            memcpy(iov[i].iov_base, flat, n);
        flat += n;
        want -= n;
    }
}

/* Passes `n` bytes, asked for `limit` at a time in at most `max` pieces, of
 * which each time `taken` bytes go. */
static void pass(struct fn_walk *w, uint8_t *flat, size_t n, size_t limit, int max, size_t taken,
                 bool out)
{
    struct iovec iov[PIECES];
    while (n) {
        size_t ask = fn_minz(limit, n);
        int k = out ? fn_walk_out(w, iov, max, ask) : fn_walk_in(w, iov, max, ask);
        assert(k > 0 && k <= max);
        size_t some = shown(iov, k);
        assert(some <= ask);
        some = fn_minz(some, taken);
        copy_pieces(iov, flat, some, out);
        if (out)
            fn_walk_sent(w, some);
        else
            fn_walk_received(w, some);
        flat += some;
        n -= some;
    }
}

static void check_end(struct fn_walk *w, bool out)
{
    struct iovec iov;
    assert(fn_walk_left(w) == 0);
    assert((out ? fn_walk_out(w, &iov, 1, 9) : fn_walk_in(w, &iov, 1, 9)) == 0);
    fn_walk_fini(w);
    fn_walk_fini(w);
}

static void send_with(const struct layout *a, const uint8_t *expected, size_t split, size_t limit,
                      int max, size_t taken)
{
    uint8_t *got = calloc(1, a->total + 1);
    struct fn_walk w;
    open_walk(&w, a);
    pass(&w, got, split, limit, max, taken, true);
    assert(w.passed == split);
    pass(&w, got + split, a->total - split, limit, max, taken, true);
    assert(memcmp(got, expected, a->total) == 0);
    check_end(&w, true);
    free(got);
}

static void receive_with(const struct layout *a, uint8_t *wire, size_t split, size_t limit, int max,
                         size_t taken)
{
    uint8_t *before = malloc(a->memory.size + 1), *got = malloc(a->total + 1);
    memset(a->memory.data, 0xAA, a->memory.size);
    struct fn_walk w;
    open_walk(&w, a);
    pass(&w, wire, split, limit, max, taken, false);
    pass(&w, wire + split, a->total - split, limit, max, taken, false);
    check_end(&w, false);
    gather(a, got);
    assert(memcmp(got, wire, a->total) == 0);
    /* and nothing beside the items was touched */
    memcpy(before, a->memory.data, a->memory.size);
    for (size_t k = 0; k < a->total / a->itemsize; k++)
        memset(item(a, k), 0xAA, a->itemsize);
    for (size_t i = 0; i < a->memory.size; i++)
        assert(a->memory.data[i] == 0xAA);
    memcpy(a->memory.data, before, a->memory.size);
    free(before);
    free(got);
}

static void check_layout(struct layout *a, bool every_split, bool writable, uint64_t *random)
{
    uint8_t *wire = malloc(a->total + 1);
    gather(a, wire);
    for (size_t split = 0; split <= a->total; split += every_split ? 1 : a->total / 3 + 1) {
        size_t limit = 1 + random_below(random, a->total + 2);
        size_t taken = 1 + random_below(random, a->total + 2);
        int max = 1 + (int)random_below(random, PIECES);
        if (!every_split && a->total > 5000) { /* not by the byte */
            limit += 2000;
            taken += 2000;
        }
        send_with(a, wire, split, limit, max, taken);
        send_with(a, wire, split, a->total + 1, PIECES, a->total + 1);
        if (!writable)
            continue;
        receive_with(a, wire, split, limit, max, taken);
        receive_with(a, wire, split, a->total + 1, PIECES, a->total + 1);
    }
    free(wire);
}

/* -------------------------------------------------------------------- the tests */

static void test_every_small_layout(void)
{
    static const int ranks[6][3] = {{2, 1, 0}, {0, 1, 2}, {1, 2, 0},
                                    {2, 0, 1}, {0, 2, 1}, {1, 0, 2}};
    static const ptrdiff_t shapes[][3] = {{2, 3, 2}, {1, 4, 3}, {3, 1, 1}, {2, 2, 0}};
    uint64_t random = 11;
    for (size_t s = 0; s < 4; s++)
        for (unsigned form = 0; form < 6 * 8 * 2 * 2; form++) {
            struct layout a = {.itemsize = 1 + s, .ndim = 3, .fortran = form & 1};
            memcpy(a.shape, shapes[s], sizeof shapes[s]);
            lay_out(&a, ranks[form / 32], 1 + (form >> 1 & 1), form >> 2 & 7, 0);
            check_layout(&a, true, true, &random);
            guarded_free(&a.memory);
        }
}

static void test_repeated_dimensions_can_be_sent(void)
{
    static const int rank[3] = {2, 1, 0};
    uint64_t random = 12;
    for (unsigned repeated = 1; repeated < 8; repeated++)
        for (int fortran = 0; fortran < 2; fortran++) {
            struct layout a = {.itemsize = 4, .ndim = 3, .shape = {3, 2, 4}, .fortran = fortran};
            lay_out(&a, rank, 1, 0, repeated);
            check_layout(&a, true, false, &random);
            guarded_free(&a.memory);
        }
}

static void test_random_layouts(void)
{
    static const size_t sizes[] = {1,   2, 3, 4, 8, 12, 16, 24, 100, FN_WALK_PACK - 1, FN_WALK_PACK,
                                   1500};
    uint64_t random = 13;
    for (int round = 0; round < 400; round++) {
        struct layout a = {.itemsize = sizes[random_below(&random, 12)],
                           .ndim = (int)random_below(&random, DIMS),
                           .fortran = random_below(&random, 2)};
        int rank[DIMS] = {0, 1, 2, 3, 4};
        for (int i = 0; i < a.ndim; i++) {
            a.shape[i] = (ptrdiff_t)(1 + random_below(&random, 5));
            int j = (int)random_below(&random, (size_t)i + 1), swap = rank[j];
            rank[j] = rank[i];
            rank[i] = swap;
        }
        lay_out(&a, rank, 1 + random_below(&random, 3), (unsigned)random_below(&random, 32), 0);
        check_layout(&a, false, true, &random);
        guarded_free(&a.memory);
    }
}

/* More than one scratch block, and runs that do not divide it. */
static void test_large_packed(void)
{
    static const int rank[2] = {1, 0};
    uint64_t random = 14;
    for (size_t itemsize = 3; itemsize <= 48; itemsize *= 2) {
        struct layout a = {.itemsize = itemsize, .ndim = 2, .shape = {0, 37}};
        a.shape[0] = (ptrdiff_t)(600 * 1024 / (37 * itemsize));
        lay_out(&a, rank, 2, 1, 0);
        assert(a.total > 2 * FN_WALK_SCRATCH);
        check_layout(&a, false, true, &random);
        guarded_free(&a.memory);
    }
}

/* Long runs are the array's own memory, as many pieces as asked for. */
static void test_long_runs_are_not_copied(void)
{
    struct layout a = {.itemsize = 8, .ndim = 2, .shape = {6, 256}, .stride = {4096, 8}};
    a.memory = guarded_new(6 * 4096, true);
    a.base = a.memory.data;
    struct fn_walk w;
    struct iovec iov[PIECES];
    a.total = (size_t)(6 * 2048);
    open_walk(&w, &a);
    assert(w.run == 2048 && w.ndim == 1);
    assert(fn_walk_out(&w, iov, PIECES, SIZE_MAX) == 6);
    for (int i = 0; i < 6; i++)
        assert(iov[i].iov_base == a.base + 4096 * i && iov[i].iov_len == 2048);
    assert(fn_walk_out(&w, iov, 2, SIZE_MAX) == 2);
    assert(fn_walk_out(&w, iov, PIECES, 2049) == 2 && iov[1].iov_len == 1);
    fn_walk_sent(&w, 2047);
    assert(fn_walk_in(&w, iov, PIECES, SIZE_MAX) == 6);
    assert(iov[0].iov_base == a.base + 2047 && iov[0].iov_len == 1);
    assert(iov[1].iov_base == a.base + 4096);
    assert(!w.scratch);
    assert(fn_walk_out(&w, iov, 0, 5) == 0 && fn_walk_out(&w, iov, 3, 0) == 0);
    fn_walk_fini(&w);
    guarded_free(&a.memory);
}

static int merged(size_t itemsize, int ndim, const ptrdiff_t *shape, const ptrdiff_t *stride,
                  bool fortran, size_t run)
{
    uint8_t memory[4096];
    struct fn_walk w;
    assert(fn_walk_init(&w, memory, itemsize, ndim, shape, stride, fortran) == FN_OK);
    assert(w.run == run);
    fn_walk_fini(&w);
    return w.ndim;
}

static void test_dimensions_are_merged(void)
{
    static const ptrdiff_t shape[3] = {4, 3, 2};
    assert(merged(8, 3, shape, NULL, false, 192) == 0);
    assert(merged(8, 3, shape, (ptrdiff_t[]){48, 16, 8}, false, 192) == 0);
    assert(merged(8, 3, shape, (ptrdiff_t[]){8, 32, 96}, true, 192) == 0);
    assert(merged(8, 3, shape, (ptrdiff_t[]){48, 16, 8}, true, 8) == 3);
    assert(merged(8, 3, shape, (ptrdiff_t[]){96, 16, 8}, false, 48) == 1);
    assert(merged(8, 3, shape, (ptrdiff_t[]){96, 32, 8}, false, 16) == 1);
    assert(merged(8, 3, shape, (ptrdiff_t[]){96, 32, 16}, false, 8) == 1);
    assert(merged(8, 0, shape, shape, false, 8) == 0);
    assert(merged(8, 3, (ptrdiff_t[]){1, 5, 1}, (ptrdiff_t[]){-7, 8, 999}, false, 40) == 0);
}

static void test_empty_and_scalar(void)
{
    static const ptrdiff_t shape[2] = {3, 0}, stride[2] = {0, 0};
    struct iovec iov;
    struct fn_walk w;
    assert(fn_walk_init(&w, NULL, 8, 2, shape, stride, false) == FN_OK);
    check_end(&w, true);
    assert(fn_walk_init(&w, NULL, 0, 0, NULL, NULL, false) == FN_OK);
    check_end(&w, false);
    uint8_t eight[8];
    assert(fn_walk_init(&w, eight, 8, 0, NULL, NULL, true) == FN_OK);
    assert(fn_walk_in(&w, &iov, 1, 100) == 1 && iov.iov_base == eight && iov.iov_len == 8);
    fn_walk_received(&w, 8);
    check_end(&w, false);
}

static void test_what_is_refused(void)
{
    ptrdiff_t shape[FN_MAXDIM + 1];
    for (int i = 0; i <= FN_MAXDIM; i++)
        shape[i] = 1;
    uint8_t byte = 0;
    struct fn_walk w;
    assert(fn_walk_init(&w, &byte, 1, FN_MAXDIM, shape, NULL, false) == FN_OK);
    assert(fn_walk_init(&w, &byte, 1, FN_MAXDIM + 1, shape, NULL, false) == FN_E_ARGUMENT);
    assert(fn_walk_init(&w, &byte, 1, -1, shape, NULL, false) == FN_E_ARGUMENT);
    shape[0] = -1;
    assert(fn_walk_init(&w, &byte, 1, 1, shape, NULL, false) == FN_E_ARGUMENT);
    shape[0] = PTRDIFF_MAX;
    assert(fn_walk_init(&w, &byte, 2, 1, shape, NULL, false) == FN_E_OVERFLOW);
    shape[1] = 3;
    assert(fn_walk_init(&w, &byte, 1, 2, shape, NULL, false) == FN_E_OVERFLOW);
    shape[2] = 0; /* hides nothing */
    assert(fn_walk_init(&w, &byte, 1, 3, shape, NULL, false) == FN_E_OVERFLOW);
}

int main(void)
{
    test_every_small_layout();
    test_repeated_dimensions_can_be_sent();
    test_random_layouts();
    test_large_packed();
    test_long_runs_are_not_copied();
    test_dimensions_are_merged();
    test_empty_and_scalar();
    test_what_is_refused();
    return 0;
}
