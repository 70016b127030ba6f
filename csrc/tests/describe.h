/* describe.h: descriptions of dtypes and heads of arrays for the core's tests,
 * put together by hand so that they can be wrong in any way. */
#ifndef FASTNET_TESTS_DESCRIBE_H
#define FASTNET_TESTS_DESCRIBE_H

#include "check.h"

#include "fastnet/arraymsg.h"
#include "fastnet/bytes.h"
#include "fastnet/status.h"

enum { TEXT_MAX = 400000 };

struct text {
    size_t len;
    uint8_t bytes[TEXT_MAX];
};

static inline void put(struct text *t, const void *bytes, size_t n)
{
    assert(n <= TEXT_MAX - t->len);
    if (n)
        memcpy(t->bytes + t->len, bytes, n);
    t->len += n;
}

/* The n lowest bytes of a number. */
static inline void put_number(struct text *t, uint64_t value, size_t n)
{
    uint8_t bytes[8];
    fn_store64(bytes, value);
    put(t, bytes, n);
}

static inline void put_atom(struct text *t, const char *typestring)
{
    put(t, "a", 1);
    put_number(t, strlen(typestring), 1);
    put(t, typestring, strlen(typestring));
}

static inline void put_named(struct text *t, char order, uint32_t itemsize, const char *name)
{
    put(t, "n", 1);
    put(t, &order, 1);
    put_number(t, itemsize, 4);
    put_number(t, strlen(name), 1);
    put(t, name, strlen(name));
}

/* The element's dtype follows. */
static inline void put_subarray(struct text *t, uint8_t ndim, const uint32_t *extents)
{
    put(t, "r", 1);
    put_number(t, ndim, 1);
    for (int i = 0; i < ndim; i++)
        put_number(t, extents[i], 4);
}

/* The fields follow. */
static inline void put_struct(struct text *t, uint8_t flags, uint32_t itemsize, uint16_t fields)
{
    put(t, "s", 1);
    put_number(t, flags, 1);
    put_number(t, itemsize, 4);
    put_number(t, fields, 2);
}

/* The field's dtype follows; title NULL: none. */
static inline void put_field(struct text *t, uint32_t offset, const char *name, const char *title)
{
    put_number(t, strlen(name), 2);
    put_number(t, title ? strlen(title) : 65535, 2);
    put_number(t, offset, 4);
    put(t, name, strlen(name));
    put(t, title, title ? strlen(title) : 0);
}

static inline struct fn_array_limits usual_limits(void)
{
    return (struct fn_array_limits){
        .bytes = 1ull << 36, .meta = 65536, .name = 1024, .fields = 1024, .depth = 16};
}

/* Checks a copy that ends where the description ends, and one that begins
 * where readable memory begins. */
static inline int check_dtype(const struct text *t, size_t len,
                              const struct fn_array_limits *limits, uint64_t *itemsize)
{
    struct guarded end = guarded_copy(t->bytes, len, true);
    struct guarded begin = guarded_copy(t->bytes, len, false);
    int st = fn_dtype_check(end.data, len, limits, itemsize);
    uint64_t again = 0;
    assert(fn_dtype_check(begin.data, len, limits, &again) == st);
    assert(st < 0 || again == *itemsize);
    guarded_free(&end);
    guarded_free(&begin);
    return st;
}

#endif
