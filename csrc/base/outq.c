/* Theory in outq.h. */
#include "fastnet/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SPENT = 16 };

/* The bytes of a block and of a copied piece follow it; those of a kept piece
 * lie elsewhere and have an owner.  No piece in a queue is empty. */
struct fn_out_piece {
    struct fn_out_piece *next;
    uint8_t *data;
    size_t start, end; /* what is still to be written */
    size_t capacity;   /* of data */
    void *owner;
    uint8_t bytes[];
};

enum { BLOCK_ROOM = FN_OUT_BLOCK - sizeof(struct fn_out_piece) };

_Static_assert((int)FN_OUT_SMALL <= (int)BLOCK_ROOM, "a small write fits into a block");

/* ---------------------------------------------------------------- the store */

void fn_out_store_init(struct fn_out_store *store)
{
    memset(store, 0, sizeof *store);
}

void fn_out_store_fini(struct fn_out_store *store)
{
    while (store->free) {
        struct fn_out_piece *p = store->free;
        store->free = p->next;
        free(p);
    }
    free(store->spent);
    fn_out_store_init(store);
}

void **fn_out_take_spent(struct fn_out_store *store, size_t *count)
{
    *count = store->spent_count;
    store->spent_count = 0;
    return store->spent;
}

/* Room for the owners that are spent, those still in a queue, and one more. */
static int reserve_spent(struct fn_out_store *store)
{
    size_t need = store->spent_count + store->owned + 1;
    if (need <= store->spent_capacity)
        return 0;
    size_t want = store->spent_capacity ? store->spent_capacity * 2 : FIRST_SPENT;
    void **spent = realloc(store->spent, want * sizeof *spent);
    if (!spent)
        return -ENOMEM;
    store->spent = spent;
    store->spent_capacity = want;
    return 0;
}

static struct fn_out_piece *new_piece(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct fn_out_piece))
        return NULL;
    struct fn_out_piece *p = malloc(sizeof *p + capacity);
    if (!p)
        return NULL;
    p->data = p->bytes;
    p->capacity = capacity;
    p->owner = NULL;
    return p;
}

static struct fn_out_piece *take_block(struct fn_out_store *store)
{
    struct fn_out_piece *p = store->free;
    if (!p)
        return new_piece(BLOCK_ROOM);
    store->free = p->next;
    store->free_count--;
    return p;
}

static void give_block(struct fn_out_store *store, struct fn_out_piece *p)
{
    p->next = store->free;
    store->free = p;
    store->free_count++;
}

static void give_owner(struct fn_out_store *store, struct fn_out_piece *p)
{
    store->spent[store->spent_count++] = p->owner;
    store->owned--;
    free(p);
}

static void give_back(struct fn_out_store *store, struct fn_out_piece *p)
{
    if (p->data != p->bytes)
        give_owner(store, p);
    else if (p->capacity == BLOCK_ROOM && store->free_count < FN_OUT_KEPT)
        give_block(store, p);
    else
        free(p);
}

/* An empty piece with room for len bytes at least. */
static struct fn_out_piece *piece_for(struct fn_out_store *store, size_t len)
{
    struct fn_out_piece *p = len <= BLOCK_ROOM ? take_block(store) : new_piece(len);
    if (p)
        p->start = p->end = 0;
    return p;
}

/* ---------------------------------------------------------------- appending */

static void link_last(struct fn_outq *q, struct fn_out_piece *p)
{
    p->next = NULL;
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
}

static size_t room_at_end(const struct fn_outq *q)
{
    return q->last ? q->last->capacity - q->last->end : 0;
}

static void copy(struct fn_outq *q, const uint8_t *data, size_t len)
{
    if (!len)
        return;
    memcpy(q->last->data + q->last->end, data, len);
    q->last->end += len;
    q->bytes += len;
}

/* Behind the last byte, and what does not fit there into `fresh`. */
static void spread(struct fn_outq *q, struct fn_out_piece *fresh, const struct iovec *iov)
{
    const uint8_t *data = iov->iov_base;
    size_t room = room_at_end(q);
    size_t here = iov->iov_len < room ? iov->iov_len : room;
    copy(q, data, here);
    if (here == iov->iov_len)
        return;
    link_last(q, fresh);
    copy(q, data + here, iov->iov_len - here);
}

int fn_outq_appendv(struct fn_outq *q, struct fn_out_store *store, const struct iovec *iov, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SIZE_MAX - total)
            return -ENOMEM;
        total += iov[i].iov_len;
    }
    size_t room = room_at_end(q);
    struct fn_out_piece *fresh = NULL;
    if (total > room) {
        fresh = piece_for(store, total - room);
        if (!fresh)
            return -ENOMEM;
    }
    for (int i = 0; i < n; i++)
        spread(q, fresh, &iov[i]);
    return 0;
}

int fn_outq_append(struct fn_outq *q, struct fn_out_store *store, const void *data, size_t len)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    return fn_outq_appendv(q, store, &iov, 1);
}

int fn_outq_append_ref(struct fn_outq *q, struct fn_out_store *store, const void *data, size_t len,
                       void *owner)
{
    int st = reserve_spent(store);
    if (st < 0)
        return st;
    if (!len) {
        store->spent[store->spent_count++] = owner;
        return 0;
    }
    struct fn_out_piece *p = new_piece(0);
    if (!p)
        return -ENOMEM;
    p->data = (uint8_t *)(uintptr_t)data;
    p->start = 0;
    p->end = p->capacity = len; /* no room: nothing is copied behind it */
    p->owner = owner;
    link_last(q, p);
    q->bytes += len;
    store->owned++;
    return 0;
}

/* ------------------------------------------------------------------ writing */

int fn_outq_iov(const struct fn_outq *q, struct iovec *iov, int max)
{
    int n = 0;
    for (const struct fn_out_piece *p = q->first; p && n < max; p = p->next)
        iov[n++] = (struct iovec){.iov_base = p->data + p->start, .iov_len = p->end - p->start};
    return n;
}

static void drop_first(struct fn_outq *q, struct fn_out_store *store)
{
    struct fn_out_piece *p = q->first;
    q->first = p->next;
    if (!q->first)
        q->last = NULL;
    give_back(store, p);
}

void fn_outq_consume(struct fn_outq *q, struct fn_out_store *store, size_t n)
{
    q->bytes -= n;
    while (n) {
        struct fn_out_piece *p = q->first;
        size_t len = p->end - p->start;
        if (n < len) {
            p->start += n;
            return;
        }
        n -= len;
        drop_first(q, store);
    }
}

void fn_outq_drop(struct fn_outq *q, struct fn_out_store *store)
{
    while (q->first)
        drop_first(q, store);
    q->bytes = 0;
}
