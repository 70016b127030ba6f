/* Theory in muxwait.h. */
#include "fastnet/muxwait.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* A record is its length (u32), what it is (u32), then a frame's head, or kind,
 * segments, bytes of metadata and of body, sizes, metadata, body, or an error's
 * code (u32) and text. */

enum { RECORD_HEAD, RECORD_MESSAGE, RECORD_ERROR };
enum { RECORD = 8, RECORD_FIXED = 12 };

int fn_mux_stage(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                 const uint64_t *sizes, uint16_t segments, struct fn_body *body)
{
    struct fn1_outgoing o = {
        .message = m->next_message,
        .kind = kind,
        .segments = segments,
        .sizes = sizes,
        .meta = meta,
        .meta_parts = meta_parts,
    };
    int st = fn1_tx_message(&m->tx, &o, body);
    if (st == FN_OK)
        m->next_message++;
    return st;
}

static uint8_t *record(struct fn_mux *m, uint32_t what, size_t len, int *status)
{
    *status = fn_buf_reserve(&m->waiting, RECORD + len);
    if (*status < 0)
        return NULL;
    uint8_t *out = fn_buf_tail(&m->waiting);
    fn_store32(out, (uint32_t)len);
    fn_store32(out + 4, what);
    return out + RECORD;
}

int fn_mux_keep(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                const uint64_t *sizes, uint16_t segments, struct fn_body *body)
{
    size_t meta_len = 0, body_len = (size_t)body->left;
    for (size_t i = 0; i < meta_parts; i++)
        meta_len += meta[i].len;
    if (FN1_ENVELOPE_SIZE + 8 * (size_t)segments + meta_len > FN1_FRAGMENT_MIN)
        return FN_E_FN1_ENVELOPE;
    size_t len = RECORD_FIXED + 8 * (size_t)segments + meta_len + body_len;
    int st;
    uint8_t *out = record(m, RECORD_MESSAGE, len, &st);
    if (!out)
        return st;
    fn_store16(out, kind);
    fn_store16(out + 2, segments);
    fn_store32(out + 4, (uint32_t)meta_len);
    fn_store32(out + 8, (uint32_t)body_len);
    out += RECORD_FIXED;
    for (size_t i = 0; i < segments; i++, out += 8)
        fn_store64(out, sizes[i]);
    for (size_t i = 0; i < meta_parts; i++) {
        if (meta[i].len)
            memcpy(out, meta[i].data, meta[i].len);
        out += meta[i].len;
    }
    if (body_len && (st = fn_body_get(body, out, body_len)) < 0)
        return st;
    fn_buf_commit(&m->waiting, RECORD + len);
    return FN_OK;
}

static int replay_message(struct fn_mux *m, uint8_t *in)
{
    uint64_t sizes[FN1_SEGMENTS_MAX];
    uint16_t segments = fn_load16(in + 2);
    struct fn1_view meta = {in + RECORD_FIXED + 8 * (size_t)segments, fn_load32(in + 4)};
    struct fn_walk walk;
    struct fn_body body;
    for (size_t i = 0; i < segments; i++)
        sizes[i] = fn_load64(in + RECORD_FIXED + 8 * i);
    fn_walk_init_flat(&walk, in + RECORD_FIXED + 8 * (size_t)segments + meta.len,
                      fn_load32(in + 8));
    fn_body_init(&body, &walk, 1);
    return fn_mux_stage(m, fn_load16(in), &meta, 1, sizes, segments, &body);
}

static int replay_head(struct fn_mux *m, const uint8_t *in)
{
    struct fn1_head h;
    int64_t st = fn1_head_decode(in, FN1_HEAD_SIZE, &h);
    return st < 0 ? (int)st : fn1_tx_control(&m->tx, &h);
}

int fn_mux_replay(struct fn_mux *m)
{
    while (fn_buf_len(&m->waiting)) {
        uint8_t *in = fn_buf_head(&m->waiting);
        uint32_t what = fn_load32(in + 4);
        int st;
        if (what == RECORD_HEAD)
            st = replay_head(m, in + RECORD);
        else if (what == RECORD_MESSAGE)
            st = replay_message(m, in + RECORD);
        else
            st = fn1_tx_error(&m->tx, fn_load32(in + RECORD), (const char *)in + RECORD + 4);
        if (st == FN_E_BUF_CAP && fn1_tx_staged(&m->tx))
            return FN_OK; /* when that has gone */
        if (st < 0)
            return st;
        fn_buf_consume(&m->waiting, RECORD + fn_load32(in));
    }
    fn_buf_shrink(&m->waiting, 64 * 1024);
    return FN_OK;
}

int fn_mux_keep_head(struct fn_mux *m, const struct fn1_head *h)
{
    int st;
    uint8_t *out = record(m, RECORD_HEAD, FN1_HEAD_SIZE, &st);
    if (!out)
        return st;
    fn1_head_encode(out, h);
    fn_buf_commit(&m->waiting, RECORD + FN1_HEAD_SIZE);
    return FN_OK;
}

int fn_mux_keep_error(struct fn_mux *m, uint32_t code, const char *text)
{
    size_t len = strnlen(text, FN1_ERROR_TEXT);
    int st;
    uint8_t *out = record(m, RECORD_ERROR, 4 + len + 1, &st);
    if (!out)
        return st;
    fn_store32(out, code);
    memcpy(out + 4, text, len);
    out[4 + len] = 0;
    fn_buf_commit(&m->waiting, RECORD + 4 + len + 1);
    return FN_OK;
}
