/* outq.h: bytes that wait to be written to one connection.
 *
 * A list of pieces.  Small writes are copied, one behind the other, into
 * blocks of FN_OUT_BLOCK bytes that come from and go back to a store shared
 * by all connections of a reactor, so that an idle connection holds none.
 * A large write is either copied into a piece of its own, or kept where it
 * lies: then the piece has an owner, an opaque pointer that is handed back
 * through the store's list of spent owners once the last byte has gone (or
 * the queue is dropped); whoever can release owners empties that list.
 *
 * The list of spent owners has room for one more before a piece with an owner
 * is taken, so that giving one back cannot fail.
 *
 * Nothing here looks at a cap: the reactor compares `bytes` with its limit
 * before it appends.  One thread at a time.
 */
#ifndef FASTNET_OUTQ_H
#define FASTNET_OUTQ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    FN_OUT_BLOCK = 4096,              /* bytes of a shared block, its header included */
    FN_OUT_SMALL = FN_OUT_BLOCK - 64, /* bytes that fit into one for certain */
    FN_OUT_KEPT = 256,                /* free blocks that a store keeps */
    FN_OUT_IOV = 64                   /* pieces in one system call */
};

struct fn_out_piece; /* private to outq.c */

struct fn_out_store {
    struct fn_out_piece *free;
    size_t free_count;
    void **spent; /* owners to be released, spent_count of them */
    size_t spent_count;
    size_t spent_capacity;
    size_t owned; /* pieces with an owner in all queues of this store */
};

struct fn_outq {
    struct fn_out_piece *first, *last;
    size_t bytes;
};

void fn_out_store_init(struct fn_out_store *store);
/* All its queues must have been dropped and the spent owners taken. */
void fn_out_store_fini(struct fn_out_store *store);

/* The owners to release now; count is set, and the list is empty afterwards.
 * The array is valid until the next call on the store or a queue of it: where
 * releasing an owner may lead to one, the array is to be copied first. */
void **fn_out_take_spent(struct fn_out_store *store, size_t *count);

/* Zeroed memory is an empty queue. */

/* Copies.  0 or -ENOMEM, with nothing appended. */
int fn_outq_append(struct fn_outq *q, struct fn_out_store *store, const void *data, size_t len);
int fn_outq_appendv(struct fn_outq *q, struct fn_out_store *store, const struct iovec *iov, int n);

/* Keeps data where it is until owner comes back, which is at once where len is
 * 0.  0 or -ENOMEM, with nothing appended and the owner still the caller's. */
int fn_outq_append_ref(struct fn_outq *q, struct fn_out_store *store, const void *data, size_t len,
                       void *owner);

/* The bytes at the front as at most max pieces; their number. */
int fn_outq_iov(const struct fn_outq *q, struct iovec *iov, int max);

/* n <= bytes have been written. */
void fn_outq_consume(struct fn_outq *q, struct fn_out_store *store, size_t n);
void fn_outq_drop(struct fn_outq *q, struct fn_out_store *store);

#endif
