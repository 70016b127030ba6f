/* walk.h: the bytes of an N-dimensional array, in order, as pieces of memory.
 *
 * An array is a base address, a shape and strides in bytes (negative and zero
 * strides included).  Its bytes on the wire are its items in C order (last
 * index fastest) or in F order (first index fastest).  Adjacent dimensions
 * that continue one another are merged, which leaves a *run*: the longest
 * stretch that is contiguous in memory and in the order of the wire.
 *
 *   - Long runs are handed out as iovecs of the array's own memory, so a row
 *     slice of a matrix crosses the kernel boundary without being copied.
 *   - Runs shorter than FN_WALK_PACK are gathered into (or scattered from) a
 *     scratch block of at most FN_WALK_SCRATCH bytes, for a system call with
 *     a thousand tiny pieces costs more than the copy.
 *
 * A walk goes through the array once, in one direction of transfer:
 *
 *   sending     fn_walk_out() shows the next pieces, fn_walk_sent() passes them
 *   receiving   fn_walk_in() shows where bytes go, fn_walk_received() passes them
 *
 * The memory belongs to the caller and must stay where it is; the scratch
 * block belongs to the walk.  One thread at a time.
 */
#ifndef FASTNET_WALK_H
#define FASTNET_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    FN_MAXDIM = 64,
    FN_WALK_PACK = 1024,         /* bytes; shorter runs are packed */
    FN_WALK_SCRATCH = 256 * 1024 /* bytes */
};

struct fn_walk {
    uint64_t total;  /* bytes of the whole array */
    uint64_t passed; /* bytes sent or received so far */

    /* the merged layout, outermost dimension first */
    int ndim;
    size_t run; /* bytes */
    size_t count[FN_MAXDIM];
    ptrdiff_t stride[FN_MAXDIM];

    uint8_t *base;

    /* the position: the run that comes next, and how much of it is done */
    uint8_t *at;
    size_t in_run;
    size_t index[FN_MAXDIM];

    uint8_t *scratch; /* NULL while not needed */
    size_t scratch_size;
    size_t filled; /* bytes in scratch */
    size_t used;   /* of those, sent */
};

/* shape in items, strides in bytes (NULL: contiguous in the given order).
 * 0, FN_E_ARGUMENT (ndim, a negative extent) or FN_E_OVERFLOW. */
int fn_walk_init(struct fn_walk *w, void *base, size_t itemsize, int ndim, const ptrdiff_t *shape,
                 const ptrdiff_t *strides, bool fortran);

/* One contiguous block. */
void fn_walk_init_flat(struct fn_walk *w, void *base, size_t nbytes);

/* Frees the scratch block; may be called twice. */
void fn_walk_fini(struct fn_walk *w);

static inline uint64_t fn_walk_left(const struct fn_walk *w)
{
    return w->total - w->passed;
}

/* Up to max pieces with up to limit bytes together; the number of pieces (0
 * only when nothing is left or limit is 0), or -ENOMEM.  Repeatable: nothing
 * moves until fn_walk_sent / fn_walk_received. */
int fn_walk_out(struct fn_walk *w, struct iovec *iov, int max, size_t limit);
int fn_walk_in(struct fn_walk *w, struct iovec *iov, int max, size_t limit);

/* A receive was given up: puts bytes that still lie in the scratch block where
 * they belong. */
void fn_walk_settle(struct fn_walk *w);

/* Received bytes are not to be used: zeroes in their place.  The walk is back
 * at its beginning. */
void fn_walk_wipe(struct fn_walk *w);

/* n is at most the bytes that the last out / in showed. */
void fn_walk_sent(struct fn_walk *w, size_t n);
void fn_walk_received(struct fn_walk *w, size_t n);

#endif
