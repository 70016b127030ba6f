/* Theory in fn1_tx.h. */
#include "fastnet/fn1_tx.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

void fn1_tx_init(struct fn1_tx *tx, uint32_t fragment, size_t stage_max)
{
    memset(tx, 0, sizeof *tx);
    fn_buf_init(&tx->out, stage_max + FN1_TX_SLACK);
    tx->fragment = fragment;
    atomic_init(&tx->pong_token, 0);
    atomic_init(&tx->pong_due, false);
}

void fn1_tx_fini(struct fn1_tx *tx)
{
    fn_buf_fini(&tx->out);
}

/* ------------------------------------------------------------------ staging */

int fn1_tx_preface(struct fn1_tx *tx, const struct fn1_preface *p)
{
    uint8_t bytes[FN1_PREFACE_MAX];
    int64_t len = fn1_preface_encode(bytes, p);
    return len < 0 ? (int)len : fn_buf_append(&tx->out, bytes, (size_t)len);
}

int fn1_tx_control(struct fn1_tx *tx, const struct fn1_head *h)
{
    uint8_t bytes[FN1_HEAD_SIZE];
    fn1_head_encode(bytes, h);
    int st = fn_buf_append(&tx->out, bytes, sizeof bytes);
    tx->ended = tx->ended || (st == FN_OK && h->type == FN1_CLOSE);
    return st;
}

int fn1_tx_error(struct fn1_tx *tx, uint32_t code, const char *text)
{
    size_t len = strnlen(text, FN1_ERROR_TEXT + 1);
    if (len > FN1_ERROR_TEXT) {
        len = FN1_ERROR_TEXT;
        while (len && ((uint8_t)text[len] & 0xC0) == 0x80)
            len--;
    }
    int st = fn_buf_reserve(&tx->out, FN1_HEAD_SIZE + 4 + len);
    if (st < 0)
        return st;
    uint8_t *out = fn_buf_tail(&tx->out);
    struct fn1_head h = {.type = FN1_ERROR, .length = (uint32_t)(4 + len)};
    fn1_head_encode(out, &h);
    fn_store32(out + FN1_HEAD_SIZE, code);
    memcpy(out + FN1_HEAD_SIZE + 4, text, len);
    fn_buf_commit(&tx->out, FN1_HEAD_SIZE + 4 + len);
    tx->ended = true;
    return FN_OK;
}

static size_t meta_length(const struct fn1_outgoing *m)
{
    size_t len = 0;
    for (size_t i = 0; i < m->meta_parts; i++)
        len += m->meta[i].len;
    return len;
}

int fn1_tx_message(struct fn1_tx *tx, const struct fn1_outgoing *m, struct fn_body *body)
{
    size_t meta_len = meta_length(m);
    size_t envelope = FN1_ENVELOPE_SIZE + 8 * (size_t)m->segments + meta_len;
    bool whole = body->left <= FN1_INLINE_MAX && envelope + body->left <= tx->fragment;
    bool copy = whole && body->left <= FN1_COPY_MAX;
    if (envelope > FN1_FRAGMENT_MIN)
        return FN_E_FN1_ENVELOPE;
    size_t staged = FN1_HEAD_SIZE + envelope + (copy ? (size_t)body->left : 0);
    int st = fn_buf_reserve(&tx->out, staged + FN1_TX_SLACK);
    if (st < 0)
        return st;
    uint8_t *out = fn_buf_tail(&tx->out);
    struct fn1_head h = {
        .type = FN1_MESSAGE,
        .flags = whole ? FN1_INLINE : 0,
        .stream = m->stream,
        .length = (uint32_t)(envelope + (whole ? body->left : 0)),
        .message = m->message,
    };
    fn1_head_encode(out, &h);
    out += FN1_HEAD_SIZE;
    out += fn1_envelope_encode(out, m->kind, (uint32_t)meta_len, m->sizes, m->segments);
    for (size_t i = 0; i < m->meta_parts; i++) {
        if (m->meta[i].len)
            memcpy(out, m->meta[i].data, m->meta[i].len);
        out += m->meta[i].len;
    }
    size_t copied = copy ? (size_t)body->left : 0;
    if (copied && (st = fn_body_get(body, out, copied)) < 0)
        return st;
    fn_buf_commit(&tx->out, FN1_HEAD_SIZE + envelope + copied);
    tx->body = body->left ? body : NULL;
    tx->body_total = body->left;
    tx->frame_left = whole ? body->left : 0;
    tx->stream = m->stream;
    tx->message = m->message;
    return FN_OK;
}

void fn1_tx_answer_ping(struct fn1_tx *tx, uint64_t token)
{
    atomic_store_explicit(&tx->pong_token, token, memory_order_relaxed);
    atomic_store_explicit(&tx->pong_due, true, memory_order_release);
}

/* ------------------------------------------------------------------ sending */

bool fn1_tx_pending(struct fn1_tx *tx)
{
    return fn_buf_len(&tx->out) || tx->body ||
           (!tx->ended && atomic_load_explicit(&tx->pong_due, memory_order_acquire));
}

static int stage_pong(struct fn1_tx *tx)
{
    if (tx->ended || fn_buf_len(&tx->out) + FN1_TX_SLACK > tx->out.cap)
        return FN_OK; /* it stays due until there is room */
    if (!atomic_exchange_explicit(&tx->pong_due, false, memory_order_acq_rel))
        return FN_OK;
    struct fn1_head h = {
        .type = FN1_PONG,
        .offset = atomic_load_explicit(&tx->pong_token, memory_order_relaxed),
    };
    return fn1_tx_control(tx, &h);
}

static int stage_data(struct fn1_tx *tx)
{
    struct fn1_head h = {
        .type = FN1_DATA,
        .stream = tx->stream,
        .length = (uint32_t)fn_min64(tx->fragment, tx->body->left),
        .message = tx->message,
        .offset = tx->body_total - tx->body->left,
    };
    int st = fn1_tx_control(tx, &h);
    if (st == FN_OK)
        tx->frame_left = h.length;
    return st;
}

int fn1_tx_out(struct fn1_tx *tx, struct iovec *iov, int max, size_t limit)
{
    int st = FN_OK;
    if (!tx->frame_left)
        st = stage_pong(tx);
    if (st == FN_OK && tx->body && !tx->frame_left)
        st = stage_data(tx);
    if (st < 0)
        return st;
    int n = 0;
    if (fn_buf_len(&tx->out)) {
        iov[0].iov_base = fn_buf_head(&tx->out);
        iov[0].iov_len = fn_buf_len(&tx->out);
        n = 1;
    }
    if (tx->body && n < max) {
        int more = fn_body_out(tx->body, iov + n, max - n, fn_min64(limit, tx->frame_left));
        if (more < 0)
            return more;
        n += more;
    }
    return n;
}

void fn1_tx_sent(struct fn1_tx *tx, size_t n)
{
    size_t staged = fn_minz(n, fn_buf_len(&tx->out));
    fn_buf_consume(&tx->out, staged);
    n -= staged;
    if (!tx->body)
        return;
    fn_body_sent(tx->body, n);
    tx->frame_left -= n;
    if (!tx->body->left)
        tx->body = NULL;
}
