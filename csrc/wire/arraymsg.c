/* Theory in arraymsg.h. */
#include "fastnet/arraymsg.h"

#include <stdbool.h>
#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* ------------------------------------------------------------------- a view
 * that is used up from the front; take() gives NULL when it is too short. */

struct reader {
    const uint8_t *at;
    size_t left;
};

static const uint8_t *take(struct reader *r, size_t n)
{
    if (r->left < n)
        return NULL;
    const uint8_t *p = r->at;
    r->at += n;
    r->left -= n;
    return p;
}

struct dtype_walk {
    struct reader r;
    uint32_t fields_left;
    uint32_t depth_max;
};

/* --------------------------------------------------------------------- atoms */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits without a leading zero (but "0" itself), at most ten of them. */
static bool take_number(struct reader *r, uint64_t *value)
{
    size_t digits = 0;
    *value = 0;
    while (r->left && is_digit(*r->at) && digits < 11) {
        if (digits == 1 && *value == 0)
            return false;
        *value = *value * 10 + (uint64_t)(*r->at - '0');
        take(r, 1);
        digits++;
    }
    return digits > 0 && digits < 11;
}

static bool is_time_unit(const uint8_t *s, size_t len)
{
    static const char *const units[] = {"Y",  "M",  "W",  "D",  "h",  "m", "s",
                                        "ms", "us", "ns", "ps", "fs", "as"};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i]) == len && memcmp(units[i], s, len) == 0)
            return true;
    return false;
}

/* Nothing, or "[unit]", or "[number unit]", to the end. */
static bool time_suffix(struct reader *r)
{
    if (r->left == 0)
        return true;
    if (*r->at != '[' || r->at[r->left - 1] != ']' || r->left < 3)
        return false;
    struct reader inside = {r->at + 1, r->left - 2};
    uint64_t multiple = 0;
    if (is_digit(*inside.at) &&
        (!take_number(&inside, &multiple) || multiple == 0 || multiple > INT32_MAX))
        return false;
    return is_time_unit(inside.at, inside.left);
}

static bool one_of(uint64_t n, const char *sizes)
{
    for (; *sizes; sizes++)
        if ((uint64_t)(unsigned char)*sizes == n)
            return true;
    return false;
}

/* Bytes of one item of a kind that writes `n` in its typestring. */
static int atom_size(uint8_t kind, uint64_t n, uint64_t *itemsize)
{
    bool fits = false;
    *itemsize = n;
    switch (kind) {
    case 'b':
        fits = n == 1;
        break;
    case 'i':
    case 'u':
        fits = one_of(n, "\1\2\4\10");
        break;
    case 'f':
        fits = one_of(n, "\2\4\10");
        break;
    case 'c':
        fits = one_of(n, "\10\20");
        break;
    case 'm':
    case 'M':
        fits = n == 8;
        break;
    case 'U':
        *itemsize = 4 * n;
        fits = true;
        break;
    case 'S':
    case 'V':
        fits = true;
        break;
    default:
        return FN_E_ARRAY_KIND;
    }
    return fits && *itemsize <= INT32_MAX ? FN_OK : FN_E_ARRAY_ITEMSIZE;
}

static int check_atom(struct dtype_walk *d, uint64_t *itemsize)
{
    const uint8_t *len = take(&d->r, 1);
    const uint8_t *text = len ? take(&d->r, *len) : NULL;
    if (!text || *len < 3)
        return FN_E_ARRAY_DTYPE;
    if (text[0] != '<' && text[0] != '>' && text[0] != '|')
        return FN_E_ARRAY_DTYPE;
    struct reader r = {text + 2, (size_t)*len - 2};
    uint64_t n = 0;
    if (!memchr("biufcmMSUV", text[1], 10))
        return FN_E_ARRAY_KIND;
    if (!take_number(&r, &n))
        return FN_E_ARRAY_DTYPE;
    bool timed = text[1] == 'm' || text[1] == 'M';
    if (timed ? !time_suffix(&r) : r.left != 0)
        return FN_E_ARRAY_DTYPE;
    return atom_size(text[1], n, itemsize);
}

static bool name_char(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.' || c == ':';
}

static int check_named(struct dtype_walk *d, uint64_t *itemsize)
{
    const uint8_t *fixed = take(&d->r, 6);
    const uint8_t *name = fixed ? take(&d->r, fixed[5]) : NULL;
    if (!name || fixed[5] == 0)
        return FN_E_ARRAY_DTYPE;
    if (fixed[0] != '<' && fixed[0] != '>' && fixed[0] != '|')
        return FN_E_ARRAY_DTYPE;
    for (size_t i = 0; i < fixed[5]; i++)
        if (!name_char(name[i]))
            return FN_E_ARRAY_DTYPE;
    *itemsize = fn_load32(fixed + 1);
    return *itemsize && *itemsize <= INT32_MAX ? FN_OK : FN_E_ARRAY_ITEMSIZE;
}

/* ----------------------------------------------------------------- the tree */

static int check_node(struct dtype_walk *d, uint32_t depth, uint64_t *itemsize);

static int check_subarray(struct dtype_walk *d, uint32_t depth, uint64_t *itemsize)
{
    const uint8_t *ndim = take(&d->r, 1);
    if (!ndim || *ndim == 0)
        return FN_E_ARRAY_DTYPE;
    if (*ndim > FN_ARRAY_MAXDIM)
        return FN_E_ARRAY_NDIM;
    const uint8_t *extents = take(&d->r, 4 * (size_t)*ndim);
    if (!extents)
        return FN_E_ARRAY_DTYPE;
    uint64_t base = 0;
    int st = check_node(d, depth + 1, &base);
    if (st < 0)
        return st;
    for (size_t i = 0; i < *ndim; i++) {
        uint64_t extent = fn_load32(extents + 4 * i);
        if (extent > INT32_MAX || !fn_mul(base, extent, &base) || base > INT32_MAX)
            return FN_E_ARRAY_ITEMSIZE;
    }
    *itemsize = base;
    return FN_OK;
}

static int check_field(struct dtype_walk *d, uint32_t depth, uint64_t itemsize)
{
    const uint8_t *fixed = take(&d->r, 8);
    if (!fixed)
        return FN_E_ARRAY_DTYPE;
    size_t title_len = fn_load16(fixed + 2);
    if (title_len == 65535)
        title_len = 0;
    if (!take(&d->r, fn_load16(fixed)) || !take(&d->r, title_len))
        return FN_E_ARRAY_DTYPE;
    uint64_t size = 0;
    int st = check_node(d, depth + 1, &size);
    if (st < 0)
        return st;
    return (uint64_t)fn_load32(fixed + 4) + size > itemsize ? FN_E_ARRAY_ITEMSIZE : FN_OK;
}

static int check_struct(struct dtype_walk *d, uint32_t depth, uint64_t *itemsize)
{
    const uint8_t *fixed = take(&d->r, 7);
    if (!fixed || (fixed[0] & ~1))
        return FN_E_ARRAY_DTYPE;
    *itemsize = fn_load32(fixed + 1);
    uint32_t fields = fn_load16(fixed + 5);
    if (*itemsize > INT32_MAX)
        return FN_E_ARRAY_ITEMSIZE;
    if (fields > d->fields_left)
        return FN_E_ARRAY_FIELDS;
    d->fields_left -= fields;
    for (uint32_t i = 0; i < fields; i++) {
        int st = check_field(d, depth, *itemsize);
        if (st < 0)
            return st;
    }
    return FN_OK;
}

static int check_node(struct dtype_walk *d, uint32_t depth, uint64_t *itemsize)
{
    if (depth >= d->depth_max)
        return FN_E_ARRAY_DEPTH;
    const uint8_t *tag = take(&d->r, 1);
    if (!tag)
        return FN_E_ARRAY_DTYPE;
    switch (*tag) {
    case 'a':
        return check_atom(d, itemsize);
    case 'n':
        return check_named(d, itemsize);
    case 'r':
        return check_subarray(d, depth, itemsize);
    case 's':
        return check_struct(d, depth, itemsize);
    default:
        return FN_E_ARRAY_DTYPE;
    }
}

int fn_dtype_check(const uint8_t *in, size_t len, const struct fn_array_limits *limits,
                   uint64_t *itemsize)
{
    struct dtype_walk d = {
        .r = {in, len},
        .fields_left = limits->fields,
        .depth_max = limits->depth < FN_DTYPE_DEPTH_MAX ? limits->depth : FN_DTYPE_DEPTH_MAX,
    };
    int st = check_node(&d, 0, itemsize);
    if (st < 0)
        return st;
    return d.r.left ? FN_E_ARRAY_DTYPE : FN_OK;
}

/* --------------------------------------------------------------- the header */

size_t fn_array_encode(uint8_t *out, const struct fn_array_head *head)
{
    out[0] = FN_ARRAY_FORMAT;
    out[1] = (uint8_t)head->order;
    out[2] = (uint8_t)head->ndim;
    out[3] = head->flags;
    fn_store16(out + 4, (uint16_t)head->dtype.len);
    fn_store16(out + 6, (uint16_t)head->name.len);
    fn_store32(out + 8, (uint32_t)head->meta.len);
    for (int i = 0; i < head->ndim; i++)
        fn_store64(out + FN_ARRAY_FIXED + 8 * i, head->shape[i]);
    return FN_ARRAY_FIXED + 8 * (size_t)head->ndim;
}

static int check_fixed(const uint8_t *p, const struct fn_array_limits *limits)
{
    if (p[0] != FN_ARRAY_FORMAT)
        return FN_E_ARRAY_FORMAT;
    if (p[1] != 'C' && p[1] != 'F')
        return FN_E_ARRAY_ORDER;
    if (p[2] > FN_ARRAY_MAXDIM)
        return FN_E_ARRAY_NDIM;
    if (p[3] & ~(FN_ARRAY_HAS_NAME | FN_ARRAY_HAS_META))
        return FN_E_ARRAY_HEADER;
    bool named = p[3] & FN_ARRAY_HAS_NAME, described = p[3] & FN_ARRAY_HAS_META;
    if ((!named && fn_load16(p + 6)) || (!described && fn_load32(p + 8)))
        return FN_E_ARRAY_HEADER;
    if (fn_load16(p + 6) > limits->name)
        return FN_E_ARRAY_NAME;
    if (fn_load32(p + 8) > limits->meta)
        return FN_E_ARRAY_META;
    return FN_OK;
}

/* Zero extents do not hide an overflow of the others: NumPy refuses both. */
static int count_bytes(struct fn_array_head *h)
{
    uint64_t product = h->itemsize;
    bool empty = h->itemsize == 0;
    for (int i = 0; i < h->ndim; i++) {
        if (h->shape[i] == 0)
            empty = true;
        else if (!fn_mul(product ? product : 1, h->shape[i], &product) || product > INT64_MAX)
            return FN_E_OVERFLOW;
    }
    h->nbytes = empty ? 0 : product;
    return FN_OK;
}

int fn_array_decode(const uint8_t *in, size_t len, const struct fn_array_limits *limits,
                    struct fn_array_head *h)
{
    struct reader r = {in, len};
    const uint8_t *fixed = take(&r, FN_ARRAY_FIXED);
    if (!fixed)
        return FN_E_ARRAY_HEADER;
    int st = check_fixed(fixed, limits);
    if (st < 0)
        return st;
    h->order = (char)fixed[1];
    h->ndim = fixed[2];
    h->flags = fixed[3];
    h->dtype.len = fn_load16(fixed + 4);
    h->name.len = fn_load16(fixed + 6);
    h->meta.len = fn_load32(fixed + 8);
    const uint8_t *shape = take(&r, 8 * (size_t)h->ndim);
    if (!shape || !(h->dtype.data = take(&r, h->dtype.len)) ||
        !(h->name.data = take(&r, h->name.len)) || !(h->meta.data = take(&r, h->meta.len)) ||
        r.left)
        return FN_E_ARRAY_HEADER;
    for (int i = 0; i < h->ndim; i++)
        h->shape[i] = fn_load64(shape + 8 * i);
    st = fn_dtype_check(h->dtype.data, h->dtype.len, limits, &h->itemsize);
    if (st == FN_OK)
        st = count_bytes(h);
    if (st == FN_OK && h->nbytes > limits->bytes)
        st = FN_E_ARRAY_BYTES;
    return st;
}
