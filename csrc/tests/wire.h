/* wire.h: byte strings of fn1 for the core's tests, put together by hand so
 * that they can be wrong in any way. */
#ifndef FASTNET_TESTS_WIRE_H
#define FASTNET_TESTS_WIRE_H

#include "check.h"

#include "fastnet/bytes.h"
#include "fastnet/fn1.h"

enum { WIRE_MAX = 65536 };

struct wire {
    size_t len;
    uint8_t bytes[WIRE_MAX];
};

static inline void wire_put(struct wire *w, const void *bytes, size_t n)
{
    assert(n <= WIRE_MAX - w->len);
    if (n)
        memcpy(w->bytes + w->len, bytes, n);
    w->len += n;
}

static inline struct fn1_preface wire_default_preface(uint8_t role)
{
    return (struct fn1_preface){
        .vmin = 1, .vmax = 1, .role = role, .fragment = FN1_FRAGMENT_MIN, .message = UINT64_MAX};
}

static inline void wire_preface(struct wire *w, const struct fn1_preface *p)
{
    uint8_t out[FN1_PREFACE_MAX];
    int64_t n = fn1_preface_encode(out, p);
    assert(n >= FN1_PREFACE_SIZE);
    wire_put(w, out, (size_t)n);
}

/* Begins anew with a client's preface. */
static inline void wire_begin(struct wire *w)
{
    struct fn1_preface p = wire_default_preface(FN1_CLIENT);
    w->len = 0;
    wire_preface(w, &p);
}

static inline void wire_head(struct wire *w, struct fn1_head h)
{
    uint8_t out[FN1_HEAD_SIZE];
    fn1_head_encode(out, &h);
    wire_put(w, out, sizeof out);
}

static inline void wire_envelope(struct wire *w, uint32_t meta_len, const uint64_t *sizes,
                                 uint16_t segments)
{
    uint8_t out[FN1_ENVELOPE_SIZE + 8 * 64];
    assert(segments <= 64);
    wire_put(w, out, fn1_envelope_encode(out, FN1_KIND_ARRAY, meta_len, sizes, segments));
}

static inline void wire_pattern(struct wire *w, size_t n, uint64_t seed)
{
    assert(n <= WIRE_MAX - w->len);
    fill_pattern(w->bytes + w->len, n, seed);
    w->len += n;
}

/* A message of two segments that add up to `body`, inline or open. */
static inline void wire_message(struct wire *w, uint32_t message, uint32_t meta_len, uint64_t body,
                                bool inlined)
{
    uint64_t sizes[2] = {body / 3, body - body / 3};
    wire_head(w, (struct fn1_head){
                     .type = FN1_MESSAGE,
                     .flags = inlined ? FN1_INLINE : 0,
                     .length = (uint32_t)(FN1_ENVELOPE_SIZE + 16 + meta_len + (inlined ? body : 0)),
                     .message = message});
    wire_envelope(w, meta_len, sizes, 2);
    wire_pattern(w, meta_len, message + 1);
    if (inlined)
        wire_pattern(w, (size_t)body, message + 2);
}

static inline void wire_data(struct wire *w, uint32_t message, uint64_t offset, uint32_t length)
{
    wire_head(w, (struct fn1_head){
                     .type = FN1_DATA, .message = message, .offset = offset, .length = length});
    wire_pattern(w, length, message + offset);
}

static inline void wire_control(struct wire *w, uint8_t type, uint64_t offset)
{
    wire_head(w, (struct fn1_head){.type = type, .offset = offset});
}

static inline void wire_error(struct wire *w, uint32_t code, const char *text)
{
    uint8_t number[4];
    size_t len = strlen(text);
    wire_head(w, (struct fn1_head){.type = FN1_ERROR, .length = (uint32_t)(4 + len)});
    fn_store32(number, code);
    wire_put(w, number, 4);
    wire_put(w, text, len);
}

#endif
