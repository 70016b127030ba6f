/* Theory in fn1.h. */
#include "fastnet/fn1.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

static const uint8_t magic[4] = {0x93, 'F', 'N', '1'};

/* --------------------------------------------------------------- extensions */

enum { EXT_HEAD = 4 };

static int ext_check(struct fn1_view e)
{
    size_t at = 0;
    while (at < e.len) {
        if (e.len - at < EXT_HEAD)
            return FN_E_FN1_EXTENSION;
        size_t len = fn_load16(e.data + at + 2);
        at += EXT_HEAD;
        if (len > e.len - at)
            return FN_E_FN1_EXTENSION;
        at += len;
    }
    return FN_OK;
}

bool fn1_ext_find(struct fn1_view e, uint16_t type, struct fn1_view *value)
{
    for (size_t at = 0; at + EXT_HEAD <= e.len;) {
        size_t len = fn_load16(e.data + at + 2);
        if (len > e.len - at - EXT_HEAD)
            return false;
        if (fn_load16(e.data + at) == type) {
            *value = (struct fn1_view){e.data + at + EXT_HEAD, len};
            return true;
        }
        at += EXT_HEAD + len;
    }
    return false;
}

int64_t fn1_ext_append(uint8_t *out, size_t len, uint16_t type, struct fn1_view value)
{
    if (len > FN1_EXT_MAX || value.len > FN1_EXT_MAX ||
        len + EXT_HEAD + value.len > (size_t)FN1_EXT_MAX)
        return FN_E_ARGUMENT;
    fn_store16(out + len, type);
    fn_store16(out + len + 2, (uint16_t)value.len);
    if (value.len)
        memcpy(out + len + EXT_HEAD, value.data, value.len);
    return (int64_t)(len + EXT_HEAD + value.len);
}

/* ------------------------------------------------------------------ preface */

int64_t fn1_preface_encode(uint8_t *out, const struct fn1_preface *p)
{
    if (p->extensions.len > FN1_EXT_MAX)
        return FN_E_ARGUMENT;
    memcpy(out, magic, sizeof magic);
    out[4] = p->vmin;
    out[5] = p->vmax;
    out[6] = p->role;
    out[7] = p->flags;
    fn_store16(out + 8, (uint16_t)p->extensions.len);
    fn_store16(out + 10, 0);
    fn_store32(out + 12, p->fragment);
    fn_store64(out + 16, p->window);
    fn_store64(out + 24, p->message);
    if (p->extensions.len)
        memcpy(out + FN1_PREFACE_SIZE, p->extensions.data, p->extensions.len);
    return (int64_t)(FN1_PREFACE_SIZE + p->extensions.len);
}

static int preface_check(const struct fn1_preface *p)
{
    if (p->vmin == 0 || p->vmin > p->vmax)
        return FN_E_FN1_VERSION;
    if (p->role != FN1_CLIENT && p->role != FN1_SERVER)
        return FN_E_FN1_ROLE;
    if (p->flags & ~FN1_KEYED)
        return FN_E_FN1_FLAGS;
    if (p->fragment < FN1_FRAGMENT_MIN)
        return FN_E_FN1_LENGTH;
    return ext_check(p->extensions);
}

int64_t fn1_preface_decode(const uint8_t *in, size_t len, struct fn1_preface *p)
{
    size_t known = fn_minz(len, sizeof magic);
    if (known && memcmp(in, magic, known) != 0)
        return FN_E_FN1_MAGIC;
    if (len < FN1_PREFACE_SIZE)
        return FN_E_MORE;
    size_t ext_len = fn_load16(in + 8);
    if (ext_len > FN1_EXT_MAX)
        return FN_E_FN1_PREFACE_SIZE;
    if (fn_load16(in + 10) != 0)
        return FN_E_FN1_RESERVED;
    if (len < FN1_PREFACE_SIZE + ext_len)
        return FN_E_MORE;
    *p = (struct fn1_preface){
        .vmin = in[4],
        .vmax = in[5],
        .role = in[6],
        .flags = in[7],
        .fragment = fn_load32(in + 12),
        .window = fn_load64(in + 16),
        .message = fn_load64(in + 24),
        .extensions = {in + FN1_PREFACE_SIZE, ext_len},
        .raw = {in, FN1_PREFACE_SIZE + ext_len},
    };
    int st = preface_check(p);
    return st < 0 ? st : (int64_t)(FN1_PREFACE_SIZE + ext_len);
}

int fn1_preface_version(const struct fn1_preface *a, const struct fn1_preface *b)
{
    int highest = a->vmax < b->vmax ? a->vmax : b->vmax;
    int lowest = a->vmin > b->vmin ? a->vmin : b->vmin;
    return highest >= lowest ? highest : FN_E_FN1_VERSION;
}

/* --------------------------------------------------------------------- head */

void fn1_head_encode(uint8_t *out, const struct fn1_head *h)
{
    out[0] = h->type;
    out[1] = h->flags;
    fn_store16(out + 2, 0);
    fn_store32(out + 4, h->stream);
    fn_store32(out + 8, h->length);
    fn_store32(out + 12, h->message);
    fn_store64(out + 16, h->offset);
}

/* The length that a type may have: FN_OK, or what is wrong with it. */
static int length_check(const struct fn1_head *h)
{
    switch (h->type) {
    case FN1_MESSAGE:
        return h->length < FN1_ENVELOPE_SIZE ? FN_E_FN1_LENGTH : FN_OK;
    case FN1_DATA: /* an empty fragment would be work without progress */
        return h->length == 0 ? FN_E_FN1_LENGTH : FN_OK;
    case FN1_CREDIT:
    case FN1_CANCEL:
    case FN1_PING:
    case FN1_PONG:
    case FN1_CLOSE:
        return h->length ? FN_E_FN1_LENGTH : FN_OK;
    case FN1_AUTH:
        return h->length == FN1_AUTH_SIZE ? FN_OK : FN_E_FN1_LENGTH;
    case FN1_ERROR:
        return h->length < 4 || h->length > 4 + FN1_ERROR_TEXT ? FN_E_FN1_LENGTH : FN_OK;
    default:
        return h->type < FN1_SKIPPABLE ? FN_E_FN1_TYPE : FN_OK;
    }
}

/* The flags that a type may have. */
static int flags_of(uint8_t type)
{
    if (type == FN1_MESSAGE)
        return FN1_INLINE;
    return type == FN1_CANCEL ? FN1_BY_RECEIVER : 0;
}

int64_t fn1_head_decode(const uint8_t *in, size_t len, struct fn1_head *h)
{
    if (len < FN1_HEAD_SIZE)
        return FN_E_MORE;
    *h = (struct fn1_head){
        .type = in[0],
        .flags = in[1],
        .stream = fn_load32(in + 4),
        .length = fn_load32(in + 8),
        .message = fn_load32(in + 12),
        .offset = fn_load64(in + 16),
    };
    int st = length_check(h);
    if (st < 0)
        return st;
    if (fn_load16(in + 2) != 0)
        return FN_E_FN1_RESERVED;
    if (h->type < FN1_SKIPPABLE && (h->flags & ~flags_of(h->type)))
        return FN_E_FN1_FLAGS;
    return FN1_HEAD_SIZE;
}

/* ----------------------------------------------------------------- envelope */

uint64_t fn1_envelope_segment(const struct fn1_envelope *e, size_t i)
{
    return fn_load64(e->sizes.data + 8 * i);
}

size_t fn1_envelope_encode(uint8_t *out, uint16_t kind, uint32_t meta_len, const uint64_t *sizes,
                           uint16_t segments)
{
    fn_store32(out, meta_len);
    fn_store16(out + 4, segments);
    fn_store16(out + 6, kind);
    for (size_t i = 0; i < segments; i++)
        fn_store64(out + FN1_ENVELOPE_SIZE + 8 * i, sizes[i]);
    return FN1_ENVELOPE_SIZE + 8 * (size_t)segments;
}

int64_t fn1_envelope_length(const uint8_t *in, size_t len, const struct fn1_limits *limits)
{
    if (len < FN1_ENVELOPE_SIZE)
        return FN_E_MORE;
    uint64_t meta_len = fn_load32(in);
    uint64_t segments = fn_load16(in + 4);
    if (segments > limits->segments)
        return FN_E_FN1_SEGMENTS;
    uint64_t total = FN1_ENVELOPE_SIZE + 8 * segments + meta_len;
    if (total > limits->envelope)
        return FN_E_FN1_ENVELOPE;
    return (int64_t)total;
}

int64_t fn1_envelope_decode(const uint8_t *in, size_t len, const struct fn1_limits *limits,
                            struct fn1_envelope *e)
{
    int64_t total = fn1_envelope_length(in, len, limits);
    if (total < 0)
        return total;
    if ((uint64_t)total > len)
        return FN_E_MORE;
    e->segments = fn_load16(in + 4);
    e->kind = fn_load16(in + 6);
    e->sizes = (struct fn1_view){in + FN1_ENVELOPE_SIZE, 8 * (size_t)e->segments};
    size_t fixed = FN1_ENVELOPE_SIZE + e->sizes.len;
    e->meta = (struct fn1_view){in + fixed, (size_t)total - fixed};
    e->body = 0;
    for (size_t i = 0; i < e->segments; i++)
        if (!fn_add(e->body, fn1_envelope_segment(e, i), &e->body))
            return FN_E_OVERFLOW;
    if (e->body > limits->message)
        return FN_E_FN1_MESSAGE;
    return total;
}
