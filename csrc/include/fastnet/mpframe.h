/* mpframe.h: the frames of multiprocessing.connection (CPython 3.8 and later).
 *
 *     length   i32   big-endian, 0 .. 0x7fffffff
 *     body     length bytes
 *
 * A body of more than 0x7fffffff bytes has -1 in that place, and its length
 * as a u64, big-endian, in the eight bytes that follow.  A short length may
 * come in the long form too.  Lengths below -1 mean nothing and are refused.
 *
 * There is no magic and no checksum: whoever reads past a frame takes what
 * belongs to the next reader, who may be another process or be waiting for a
 * descriptor in SCM_RIGHTS.  So a header is asked for in the units in which
 * it is certain to be there: four bytes, then eight if they say so, then the
 * body.  The same units decide what an end of the stream means: before a
 * unit's first byte the peer has closed, inside one it broke off.
 *
 * The decoder does no I/O and holds no more than a header.
 */
#ifndef FASTNET_MPFRAME_H
#define FASTNET_MPFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FN_MPFRAME_SHORT = 4,
    FN_MPFRAME_LONG = 12,
};

#define FN_MPFRAME_MAX ((uint64_t)INT64_MAX) /* bytes; what no memory holds is refused */

struct fn_mpframe {
    uint8_t head[FN_MPFRAME_LONG];
    size_t have;     /* bytes of it */
    uint64_t max;    /* of the body, in bytes */
    uint64_t length; /* of the body, once the header is complete */
};

/* The header of a body; 4 or 12 bytes. */
size_t fn_mpframe_encode(uint8_t head[FN_MPFRAME_LONG], uint64_t length);

/* Begins a frame.  max bounds the body, and is at most FN_MPFRAME_MAX. */
void fn_mpframe_init(struct fn_mpframe *f, uint64_t max);

/* How many bytes are wanted next, at head + have; 0 when the header is
 * complete.  Never more than certainly belong to the header. */
size_t fn_mpframe_wants(const struct fn_mpframe *f);

/* n <= wants bytes were put there.  FN_OK when the header is complete,
 * FN_E_MORE, FN_E_MP_LENGTH, or FN_E_MP_SIZE (length is then set). */
int fn_mpframe_got(struct fn_mpframe *f, size_t n);

/* The same from bytes at hand; *used says how many of them were the header's. */
int fn_mpframe_feed(struct fn_mpframe *f, const uint8_t *data, size_t n, size_t *used);

/* Whether nothing of the unit that is wanted has come. */
bool fn_mpframe_at_unit(const struct fn_mpframe *f);

#endif
