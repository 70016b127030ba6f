/* arraymsg.h: the metadata of one array: the envelope's metadata for
 * FN1_KIND_ARRAY.  All integers are little-endian.
 *
 *     0  format     1   1
 *     1  order      1   'C' or 'F': the order of the items in the body
 *     2  ndim       1   at most 64
 *     3  flags      1   bit 0: there is a name; bit 1: there is meta
 *     4  dtype_len  2
 *     6  name_len   2
 *     8  meta_len   4
 *    12  shape      8   each, ndim of them
 *        dtype, name (UTF-8), meta (JSON, UTF-8)
 *
 * The three lengths and the shape account for every byte: nothing may be left
 * over, and what a flag says is absent has length 0.  The body is itemsize
 * times the product of the shape, exactly.
 *
 * A DTYPE is a tree, written in prefix form:
 *
 *     'a'  len u8, text            NumPy's own typestring: '<f8', '|S5',
 *                                  '<M8[ns]'; kinds b i u f c m M S U V
 *     'n'  order u8 (< > |), itemsize u32, len u8, name
 *                                  a type known by name: 'bfloat16',
 *                                  'float8_e4m3fn', ...; [A-Za-z0-9_.:]
 *     'r'  ndim u8, extents u32 each, dtype
 *                                  a subarray
 *     's'  flags u8 (bit 0 aligned), itemsize u32, fields u16, then per field
 *          name_len u16, title_len u16 (65535: no title), offset u32,
 *          name, title, dtype
 *                                  a structure
 *
 * The decoder proves that a description is well formed, within the limits, of
 * an allowed kind, and that its itemsize is what its parts say (every field
 * ends inside its structure), so a header cannot lie about the array's size.
 * It allocates nothing, and its stack is bounded by the depth limit.
 */
#ifndef FASTNET_ARRAYMSG_H
#define FASTNET_ARRAYMSG_H

#include <stddef.h>
#include <stdint.h>

#include "fastnet/fn1.h"

enum {
    FN_ARRAY_FORMAT = 1,
    FN_ARRAY_FIXED = 12,
    FN_ARRAY_MAXDIM = 64,
    FN_ARRAY_HAS_NAME = 1,
    FN_ARRAY_HAS_META = 2,
    FN_DTYPE_MAX = 65535,   /* bytes of a dtype's description */
    FN_DTYPE_DEPTH_MAX = 32 /* whatever the limits say */
};

struct fn_array_limits {
    uint64_t bytes;  /* of the array */
    uint32_t meta;   /* bytes */
    uint32_t name;   /* bytes */
    uint32_t fields; /* of all structures of a dtype together */
    uint32_t depth;  /* of nested dtypes */
};

struct fn_array_head {
    char order;
    uint8_t flags;
    int ndim;
    uint64_t shape[FN_ARRAY_MAXDIM];
    uint64_t itemsize; /* decode only */
    uint64_t nbytes;   /* decode only */
    struct fn1_view dtype;
    struct fn1_view name;
    struct fn1_view meta;
};

/* Views point into `in`.  The header must be exactly len bytes. */
int fn_array_decode(const uint8_t *in, size_t len, const struct fn_array_limits *limits,
                    struct fn_array_head *head);

/* Writes the fixed part and the shape, FN_ARRAY_FIXED + 8 * ndim bytes; dtype,
 * name and meta follow.  Returns the bytes written. */
size_t fn_array_encode(uint8_t *out, const struct fn_array_head *head);

/* Checks a dtype's description of exactly len bytes; 0 with its itemsize. */
int fn_dtype_check(const uint8_t *in, size_t len, const struct fn_array_limits *limits,
                   uint64_t *itemsize);

#endif
