/* Fuzzes the metadata of arrays.  The first byte chooses the limits, and with
 * its highest bit whether the rest is a whole header or a dtype alone.
 *
 * Oracles for what is accepted: encoding it again gives the same bytes, its
 * size is what shape and itemsize say, the limits hold, and no shorter header
 * with the same beginning is accepted.
 */
#include "../tests/check.h"

#include "fastnet/arraymsg.h"
#include "fastnet/bytes.h"
#include "fastnet/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fn_array_limits choices[4] = {
    {.bytes = 1ull << 36, .meta = 65536, .name = 1024, .fields = 1024, .depth = 16},
    {.bytes = 1000, .meta = 10, .name = 10, .fields = 4, .depth = 3},
    {.bytes = UINT64_MAX, .meta = UINT32_MAX, .name = 65535, .fields = UINT32_MAX, .depth = 255},
    {.bytes = 0, .meta = 0, .name = 0, .fields = 0, .depth = 1},
};

static bool among(const uint8_t *data, size_t size, struct fn1_view v)
{
    return v.data >= data && v.len <= size && v.data + v.len <= data + size;
}

static void check_size(const struct fn_array_head *h, const struct fn_array_limits *limits)
{
    uint64_t product = h->itemsize;
    bool empty = product == 0;
    for (int i = 0; i < h->ndim; i++)
        empty = empty || h->shape[i] == 0;
    for (int i = 0; i < h->ndim && !empty; i++)
        assert(fn_mul(product, h->shape[i], &product));
    assert(h->nbytes == (empty ? 0 : product));
    assert(h->nbytes <= INT64_MAX && h->nbytes <= limits->bytes);
    assert(h->itemsize <= INT32_MAX);
}

static void check_accepted(const uint8_t *data, size_t size, const struct fn_array_head *h,
                           const struct fn_array_limits *limits)
{
    uint8_t fixed[FN_ARRAY_FIXED + 8 * FN_ARRAY_MAXDIM];
    assert(h->ndim >= 0 && h->ndim <= FN_ARRAY_MAXDIM);
    size_t n = fn_array_encode(fixed, h);
    assert(n <= size && memcmp(fixed, data, n) == 0);
    assert(among(data, size, h->dtype) && h->dtype.data == data + n);
    assert(among(data, size, h->name) && h->name.data == h->dtype.data + h->dtype.len);
    assert(among(data, size, h->meta) && h->meta.data == h->name.data + h->name.len);
    assert(h->meta.data + h->meta.len == data + size);
    assert(h->name.len <= limits->name && h->meta.len <= limits->meta);
    check_size(h, limits);
    uint64_t itemsize = 0;
    assert(fn_dtype_check(h->dtype.data, h->dtype.len, limits, &itemsize) == FN_OK);
    assert(itemsize == h->itemsize);
    struct fn_array_head shorter;
    assert(fn_array_decode(data, size - 1, limits, &shorter) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const struct fn_array_limits *limits = &choices[data[0] & 3];
    bool dtype_alone = data[0] & 0x80;
    data++;
    size--;
    struct fn_array_head h;
    uint64_t itemsize = 0;
    if (!dtype_alone) {
        if (fn_array_decode(data, size, limits, &h) == FN_OK)
            check_accepted(data, size, &h, limits);
        return 0;
    }
    if (fn_dtype_check(data, size, limits, &itemsize) == FN_OK) {
        assert(itemsize <= INT32_MAX);
        assert(fn_dtype_check(data, size - 1, limits, &itemsize) < 0);
    }
    return 0;
}
