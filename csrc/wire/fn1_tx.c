/* Theory in fn1_tx.h. */
#include "fastnet/fn1_tx.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

enum { TAGS = 4 * FN_MAC_TAG }; /* of a DATA frame and a PONG, as reserve() counts them */

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
    fn1_seal_free(tx->seal);
    tx->seal = NULL;
}

int fn1_tx_seal(struct fn1_tx *tx, enum fn_suite suite, const uint8_t secret[FN_HASH])
{
    int st = fn1_seal_new(&tx->seal, suite, secret);
    if (st < 0)
        return st;
    tx->out.cap += FN1_SHORT_MAX + TAGS; /* a short frame's payload is staged as well */
    return FN_OK;
}

/* ------------------------------------------------------------------- frames */

/* The room that other frames leave for a DATA head and a PONG. */
static size_t slack(const struct fn1_tx *tx)
{
    return FN1_TX_SLACK + (tx->seal ? TAGS : 0);
}

static bool is_long(const struct fn1_tx *tx, size_t payload)
{
    return tx->seal && payload > FN1_SHORT_MAX;
}

/* Room for a head and `payload` bytes, with their tags.  Only what must be
 * free beyond it is counted in `beyond`, for the buffer grows as it is used. */
static int reserve(struct fn1_tx *tx, size_t payload, size_t beyond)
{
    size_t size = FN1_HEAD_SIZE + payload + (tx->seal ? 2 * FN_MAC_TAG : 0);
    if (size + beyond > tx->out.cap - fn_buf_len(&tx->out))
        return FN_E_BUF_CAP;
    return fn_buf_reserve(&tx->out, size);
}

/* Writes a head into reserved room; where its payload goes. */
static uint8_t *put_head(struct fn1_tx *tx, const struct fn1_head *h, size_t payload)
{
    uint8_t *out = fn_buf_tail(&tx->out);
    fn1_head_encode(out, h);
    return out + FN1_HEAD_SIZE + (is_long(tx, payload) ? FN_MAC_TAG : 0);
}

static int put_tag(struct fn1_seal *seal, enum fn1_tagged kind, uint8_t *data, size_t len)
{
    int st = fn1_seal_begin(seal, kind);
    if (st < 0)
        return st;
    fn1_seal_update(seal, data, len);
    return fn1_seal_tag(seal, data + len);
}

/* The head and the payload that were put are a frame: it is tagged and staged.
 * Of a payload that goes out from a body only the head is here. */
static int commit(struct fn1_tx *tx, size_t payload, bool from_body)
{
    size_t here = from_body ? 0 : payload;
    if (!tx->seal) {
        fn_buf_commit(&tx->out, FN1_HEAD_SIZE + here);
        return FN_OK;
    }
    uint8_t *out = fn_buf_tail(&tx->out);
    if (!fn_buf_len(&tx->out)) {
        tx->mark = fn1_seal_mark(tx->seal);
        tx->mark_holds = true;
    }
    if (!is_long(tx, payload)) {
        int st = put_tag(tx->seal, FN1_TAG_SHORT, out, FN1_HEAD_SIZE + here);
        if (st == FN_OK)
            fn_buf_commit(&tx->out, FN1_HEAD_SIZE + here + FN_MAC_TAG);
        return st;
    }
    size_t size = FN1_HEAD_SIZE + FN_MAC_TAG;
    int st = put_tag(tx->seal, FN1_TAG_HEAD, out, FN1_HEAD_SIZE);
    if (st == FN_OK && here) {
        st = put_tag(tx->seal, FN1_TAG_CHUNK, out + size, here);
        size += here + FN_MAC_TAG;
    }
    if (st == FN_OK)
        fn_buf_commit(&tx->out, size);
    return st;
}

static int stage(struct fn1_tx *tx, const struct fn1_head *h, const void *payload, size_t len)
{
    if (fn1_tx_busy(tx))
        return FN_E_ARGUMENT;
    int st = reserve(tx, len, 0);
    if (st < 0)
        return st;
    uint8_t *out = put_head(tx, h, len);
    if (len)
        memcpy(out, payload, len);
    return commit(tx, len, false);
}

/* The frame just staged takes n bytes of payload from body. */
static void begin_payload(struct fn1_tx *tx, struct fn_body *body, uint64_t n)
{
    tx->body = n ? body : NULL;
    tx->frame_left = n;
    tx->chunk_left = tx->seal ? (uint32_t)fn_min64(n, FN1_CHUNK) : 0;
    tx->chunk_begun = false;
}

/* ------------------------------------------------------------------ staging */

int fn1_tx_greeting(struct fn1_tx *tx, struct fn1_view preface)
{
    return fn_buf_append(&tx->out, preface.data, preface.len);
}

int fn1_tx_preface(struct fn1_tx *tx, const struct fn1_preface *p)
{
    uint8_t bytes[FN1_PREFACE_MAX];
    int64_t len = fn1_preface_encode(bytes, p);
    return len < 0 ? (int)len : fn1_tx_greeting(tx, (struct fn1_view){bytes, (size_t)len});
}

int fn1_tx_auth(struct fn1_tx *tx, const uint8_t proof[FN1_AUTH_SIZE])
{
    struct fn1_head h = {.type = FN1_AUTH, .length = FN1_AUTH_SIZE};
    return stage(tx, &h, proof, FN1_AUTH_SIZE);
}

int fn1_tx_control(struct fn1_tx *tx, const struct fn1_head *h)
{
    int st = stage(tx, h, NULL, 0);
    tx->ended = tx->ended || (st == FN_OK && h->type == FN1_CLOSE);
    return st;
}

int fn1_tx_error(struct fn1_tx *tx, uint32_t code, const char *text)
{
    uint8_t payload[4 + FN1_ERROR_TEXT];
    size_t len = strnlen(text, FN1_ERROR_TEXT + 1);
    if (len > FN1_ERROR_TEXT) {
        len = FN1_ERROR_TEXT;
        while (len && ((uint8_t)text[len] & 0xC0) == 0x80)
            len--;
    }
    struct fn1_head h = {.type = FN1_ERROR, .length = (uint32_t)(4 + len)};
    fn_store32(payload, code);
    memcpy(payload + 4, text, len);
    int st = stage(tx, &h, payload, 4 + len);
    tx->ended = tx->ended || st == FN_OK;
    return st;
}

static size_t meta_length(const struct fn1_outgoing *m)
{
    size_t len = 0;
    for (size_t i = 0; i < m->meta_parts; i++)
        len += m->meta[i].len;
    return len;
}

static uint8_t *put_envelope(uint8_t *out, const struct fn1_outgoing *m, size_t meta_len)
{
    out += fn1_envelope_encode(out, m->kind, (uint32_t)meta_len, m->sizes, m->segments);
    for (size_t i = 0; i < m->meta_parts; i++) {
        if (m->meta[i].len)
            memcpy(out, m->meta[i].data, m->meta[i].len);
        out += m->meta[i].len;
    }
    return out;
}

/* Whether the body shares the frame of its envelope, and is copied for it. */
static bool shares(const struct fn1_tx *tx, size_t envelope, uint64_t body, bool *copy)
{
    bool fits = body <= FN1_INLINE_MAX && envelope + body <= tx->fragment;
    *copy = fits && body <= FN1_COPY_MAX;
    if (tx->seal) /* what shares a tag must be staged together */
        fits = *copy = fits && envelope + body <= FN1_SHORT_MAX;
    return fits;
}

int fn1_tx_message(struct fn1_tx *tx, const struct fn1_outgoing *m, struct fn_body *body)
{
    size_t meta_len = meta_length(m);
    size_t envelope = FN1_ENVELOPE_SIZE + 8 * (size_t)m->segments + meta_len;
    bool copy, whole = shares(tx, envelope, body->left, &copy);
    size_t here = envelope + (copy ? (size_t)body->left : 0);
    if (fn1_tx_busy(tx))
        return FN_E_ARGUMENT;
    if (envelope > FN1_FRAGMENT_MIN)
        return FN_E_FN1_ENVELOPE;
    int st = reserve(tx, here, slack(tx) + (tx->seal ? FN1_SHORT_MAX : 0));
    if (st < 0)
        return st;
    struct fn1_head h = {
        .type = FN1_MESSAGE,
        .flags = whole ? FN1_INLINE : 0,
        .stream = m->stream,
        .length = (uint32_t)(envelope + (whole ? body->left : 0)),
        .message = m->message,
    };
    uint8_t *out = put_envelope(put_head(tx, &h, here), m, meta_len);
    if (here > envelope && (st = fn_body_get(body, out, here - envelope)) < 0)
        return st;
    if ((st = commit(tx, here, false)) < 0)
        return st;
    if (!whole && body->left)
        return FN1_TX_CUT;
    begin_payload(tx, body, body->left);
    return FN_OK;
}

static int stage_pong(struct fn1_tx *tx)
{
    if (tx->ended || fn_buf_len(&tx->out) + slack(tx) > tx->out.cap)
        return FN_OK; /* it stays due until there is room */
    if (!atomic_exchange_explicit(&tx->pong_due, false, memory_order_acq_rel))
        return FN_OK;
    uint64_t token = atomic_load_explicit(&tx->pong_token, memory_order_relaxed);
    struct fn1_head h = {.type = FN1_PONG, .offset = token};
    return fn1_tx_control(tx, &h);
}

int fn1_tx_data(struct fn1_tx *tx, uint32_t stream, uint32_t message, uint64_t offset,
                struct fn_body *body, uint32_t length)
{
    if (fn1_tx_busy(tx) || !length || length > tx->fragment || length > body->left)
        return FN_E_ARGUMENT;
    bool copy = tx->seal && length <= FN1_SHORT_MAX;
    int st = stage_pong(tx);
    if (st == FN_OK)
        st = reserve(tx, copy ? length : 0, 0);
    if (st < 0)
        return st;
    struct fn1_head h = {
        .type = FN1_DATA,
        .stream = stream,
        .length = length,
        .message = message,
        .offset = offset,
    };
    uint8_t *out = put_head(tx, &h, length);
    if (copy && (st = fn_body_get(body, out, length)) < 0)
        return st;
    st = commit(tx, length, !copy);
    if (st == FN_OK && !copy)
        begin_payload(tx, body, length);
    return st;
}

void fn1_tx_answer_ping(struct fn1_tx *tx, uint64_t token)
{
    atomic_store_explicit(&tx->pong_token, token, memory_order_relaxed);
    atomic_store_explicit(&tx->pong_due, true, memory_order_release);
}

int fn1_tx_unstage(struct fn1_tx *tx)
{
    if (!fn_buf_len(&tx->out) && !tx->body)
        return FN_OK;
    fn_buf_consume(&tx->out, fn_buf_len(&tx->out));
    tx->body = NULL;
    tx->frame_left = 0;
    tx->chunk_left = 0;
    tx->tag_left = 0;
    if (!tx->seal)
        return FN_OK;
    return tx->mark_holds ? fn1_seal_return(tx->seal, &tx->mark) : FN_E_POISONED;
}

/* ------------------------------------------------------------------ sending */

bool fn1_tx_pending(struct fn1_tx *tx)
{
    return fn_buf_len(&tx->out) || tx->body ||
           (!tx->ended && atomic_load_explicit(&tx->pong_due, memory_order_acquire));
}

/* Gives the pieces, which begin at the chunk's next unsent byte, to its tag,
 * as far as they were not given before. */
static int cover(struct fn1_tx *tx, const struct iovec *iov, int n)
{
    size_t at = 0;
    if (!tx->chunk_begun) {
        int st = fn1_seal_begin(tx->seal, FN1_TAG_CHUNK);
        if (st < 0)
            return st;
        tx->chunk_begun = true;
        tx->covered = 0;
        tx->tag_left = 0;
    }
    for (int i = 0; i < n; i++) {
        size_t end = at + iov[i].iov_len;
        if (end > tx->covered) {
            size_t skip = tx->covered - at;
            fn1_seal_update(tx->seal, (uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);
            tx->covered = (uint32_t)end;
        }
        at = end;
    }
    if (tx->covered < tx->chunk_left || tx->tag_left)
        return FN_OK;
    int st = fn1_seal_tag(tx->seal, tx->tag);
    tx->tag_left = st == FN_OK ? FN_MAC_TAG : 0;
    return st;
}

/* The rest of a chunk and, where there is a place for it, its tag. */
static int out_chunk(struct fn1_tx *tx, struct iovec *iov, int max, size_t limit)
{
    int n = 0;
    size_t shown = 0;
    if (tx->chunk_left) {
        n = fn_body_out(tx->body, iov, max, fn_min64(limit, tx->chunk_left));
        int st = n < 0 ? n : cover(tx, iov, n);
        if (st < 0)
            return st;
        for (int i = 0; i < n; i++)
            shown += iov[i].iov_len;
    }
    if (n < max && shown == tx->chunk_left) {
        iov[n].iov_base = tx->tag + FN_MAC_TAG - tx->tag_left;
        iov[n++].iov_len = tx->tag_left;
    }
    return n;
}

int fn1_tx_out(struct fn1_tx *tx, struct iovec *iov, int max, size_t limit)
{
    int st = fn1_tx_busy(tx) ? FN_OK : stage_pong(tx);
    if (st < 0)
        return st;
    int n = 0;
    if (fn_buf_len(&tx->out)) {
        iov[0].iov_base = fn_buf_head(&tx->out);
        iov[0].iov_len = fn_buf_len(&tx->out);
        n = 1;
    }
    if (tx->body && n < max) {
        int more = tx->seal
                       ? out_chunk(tx, iov + n, max - n, limit)
                       : fn_body_out(tx->body, iov + n, max - n, fn_min64(limit, tx->frame_left));
        if (more < 0)
            return more;
        n += more;
    }
    return n;
}

static void sent_chunk(struct fn1_tx *tx, size_t n)
{
    uint32_t part = (uint32_t)fn_minz(n, tx->chunk_left);
    fn_body_sent(tx->body, part);
    tx->chunk_left -= part;
    tx->covered -= part;
    tx->frame_left -= part;
    tx->tag_left -= n - part;
    if (tx->chunk_left || tx->tag_left)
        return;
    begin_payload(tx, tx->body, tx->frame_left);
}

void fn1_tx_sent(struct fn1_tx *tx, size_t n)
{
    size_t staged = fn_minz(n, fn_buf_len(&tx->out));
    tx->mark_holds = tx->mark_holds && !n;
    fn_buf_consume(&tx->out, staged);
    n -= staged;
    if (!tx->body)
        return;
    if (tx->seal) {
        if (n)
            sent_chunk(tx, n);
        return;
    }
    fn_body_sent(tx->body, n);
    tx->frame_left -= n;
    if (!tx->frame_left)
        tx->body = NULL;
}
