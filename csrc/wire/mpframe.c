/* Theory in mpframe.h. */
#include "fastnet/mpframe.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

#define SHORT_MAX 0x7fffffffu
#define LONG_MARK 0xffffffffu /* -1 */

static void store_big(uint8_t *p, uint64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; value >>= 8)
        p[i] = (uint8_t)value;
}

static uint64_t load_big(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

size_t fn_mpframe_encode(uint8_t head[FN_MPFRAME_LONG], uint64_t length)
{
    if (length <= SHORT_MAX) {
        store_big(head, length, FN_MPFRAME_SHORT);
        return FN_MPFRAME_SHORT;
    }
    store_big(head, LONG_MARK, FN_MPFRAME_SHORT);
    store_big(head + FN_MPFRAME_SHORT, length, FN_MPFRAME_LONG - FN_MPFRAME_SHORT);
    return FN_MPFRAME_LONG;
}

void fn_mpframe_init(struct fn_mpframe *f, uint64_t max)
{
    memset(f, 0, sizeof *f);
    f->max = max < FN_MPFRAME_MAX ? max : FN_MPFRAME_MAX;
}

static bool is_long(const struct fn_mpframe *f)
{
    return f->have >= FN_MPFRAME_SHORT && load_big(f->head, FN_MPFRAME_SHORT) == LONG_MARK;
}

size_t fn_mpframe_wants(const struct fn_mpframe *f)
{
    size_t whole = is_long(f) ? FN_MPFRAME_LONG : FN_MPFRAME_SHORT;
    return whole - f->have;
}

bool fn_mpframe_at_unit(const struct fn_mpframe *f)
{
    return f->have == 0 || f->have == FN_MPFRAME_SHORT;
}

int fn_mpframe_got(struct fn_mpframe *f, size_t n)
{
    f->have += n;
    if (fn_mpframe_wants(f))
        return FN_E_MORE;
    if (f->have == FN_MPFRAME_LONG) {
        f->length = load_big(f->head + FN_MPFRAME_SHORT, FN_MPFRAME_LONG - FN_MPFRAME_SHORT);
    } else {
        f->length = load_big(f->head, FN_MPFRAME_SHORT);
        if (f->length > SHORT_MAX)
            return FN_E_MP_LENGTH;
    }
    return f->length > f->max ? FN_E_MP_SIZE : FN_OK;
}

int fn_mpframe_feed(struct fn_mpframe *f, const uint8_t *data, size_t n, size_t *used)
{
    *used = 0;
    for (size_t wants; (wants = fn_mpframe_wants(f)) > 0;) {
        size_t take = fn_minz(wants, n - *used);
        if (!take)
            return FN_E_MORE;
        memcpy(f->head + f->have, data + *used, take);
        *used += take;
        int st = fn_mpframe_got(f, take);
        if (st != FN_E_MORE)
            return st;
    }
    return FN_OK;
}
