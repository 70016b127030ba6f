/* Theory in fn1_rx.h. */
#include "fastnet/fn1_rx.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

void fn1_rx_init(struct fn1_rx *rx, const struct fn1_limits *limits, size_t ahead_max)
{
    memset(rx, 0, sizeof *rx);
    rx->limits = *limits;
    rx->state = FN1_RX_PREFACE;
    size_t unit = limits->envelope > FN1_PREFACE_MAX ? limits->envelope : FN1_PREFACE_MAX;
    fn_buf_init(&rx->in, unit + FN1_HEAD_SIZE + ahead_max);
    rx->ahead = ahead_max;
}

void fn1_rx_fini(struct fn1_rx *rx)
{
    fn_buf_fini(&rx->in);
    fn1_seal_free(rx->seal);
    rx->seal = NULL;
}

int fn1_rx_open(struct fn1_rx *rx, enum fn_suite suite, const uint8_t secret[FN_HASH],
                bool wants_auth)
{
    int st = fn1_seal_new(&rx->seal, suite, secret);
    if (st < 0)
        return st;
    rx->wants_auth = wants_auth;
    rx->in.cap += FN1_SHORT_MAX + 2 * FN_MAC_TAG;
    return FN_OK;
}

/* --------------------------------------------------------------- with a key */

static int verify(struct fn1_rx *rx, enum fn1_tagged kind, const uint8_t *data, size_t len)
{
    int st = fn1_seal_begin(rx->seal, kind);
    if (st < 0)
        return st;
    fn1_seal_update(rx->seal, data, len);
    return fn1_seal_check(rx->seal, data + len);
}

/* The tag behind a frame that was verified whole. */
static void drop_tail(struct fn1_rx *rx)
{
    if (rx->tail)
        fn_buf_consume(&rx->in, rx->tail);
    rx->tail = 0;
}

/* What must be in the buffer before the next frame's head may be believed: of
 * it, only the length is looked at. */
static size_t sealed_size(const struct fn1_rx *rx)
{
    const uint8_t *in = fn_buf_head(&rx->in);
    size_t len = fn_buf_len(&rx->in) - rx->tail;
    uint32_t payload = len < FN1_HEAD_SIZE ? 0 : fn_load32(in + rx->tail + 8);
    return FN1_HEAD_SIZE + FN_MAC_TAG + (payload <= FN1_SHORT_MAX ? payload : 0);
}

/* FN_OK when the head, and all of a short frame, may be believed. */
static int believe_head(struct fn1_rx *rx)
{
    const uint8_t *in = fn_buf_head(&rx->in);
    size_t len = fn_buf_len(&rx->in), size = sealed_size(rx);
    if (len < FN1_HEAD_SIZE)
        return FN_E_MORE;
    uint32_t payload = fn_load32(in + 8);
    if (rx->wants_auth && payload != FN1_AUTH_SIZE)
        return FN_E_FN1_TAG; /* a stranger's bytes are not waited for */
    if (len < size)
        return FN_E_MORE;
    rx->chunked = payload > FN1_SHORT_MAX;
    return verify(rx, rx->chunked ? FN1_TAG_HEAD : FN1_TAG_SHORT, in, size - FN_MAC_TAG);
}

static int begin_chunk(struct fn1_rx *rx)
{
    rx->chunk_left = (uint32_t)fn_minz(rx->left, FN1_CHUNK);
    return fn1_seal_begin(rx->seal, FN1_TAG_CHUNK);
}

/* An envelope that is too long to share its head's tag. */
static int believe_envelope(struct fn1_rx *rx)
{
    if (rx->head.length > rx->limits.envelope)
        return FN_E_FN1_ENVELOPE;
    if (rx->head.flags & FN1_INLINE)
        return FN_E_FN1_LENGTH;
    if (fn_buf_len(&rx->in) < rx->head.length + FN_MAC_TAG)
        return FN_E_MORE;
    rx->chunked = false;
    rx->tail = FN_MAC_TAG;
    return verify(rx, FN1_TAG_CHUNK, fn_buf_head(&rx->in), rx->head.length);
}

/* ------------------------------------------------------ one state, one step */

static int on_preface(struct fn1_rx *rx)
{
    int64_t used = fn1_preface_decode(fn_buf_head(&rx->in), fn_buf_len(&rx->in), &rx->preface);
    if (used < 0)
        return (int)used;
    fn_buf_consume(&rx->in, (size_t)used);
    rx->state = FN1_RX_HEAD;
    return FN1_EV_PREFACE;
}

static int begin_payload(struct fn1_rx *rx, uint32_t length, enum fn1_rx_state state)
{
    rx->left = length;
    rx->body = NULL;
    rx->state = length ? state : FN1_RX_HEAD;
    return rx->chunked && length ? begin_chunk(rx) : 0;
}

/* What follows a head: an event at once, or 0 to go on in another state. */
static int after_head(struct fn1_rx *rx)
{
    int st;
    switch (rx->head.type) {
    case FN1_MESSAGE:
        rx->state = FN1_RX_ENVELOPE;
        return 0;
    case FN1_DATA:
        st = begin_payload(rx, rx->head.length, FN1_RX_PAYLOAD);
        return st < 0 ? st : FN1_EV_DATA;
    case FN1_CREDIT:
        return FN1_EV_CREDIT;
    case FN1_CANCEL:
        return FN1_EV_CANCEL;
    case FN1_PING:
        return FN1_EV_PING;
    case FN1_PONG:
        return FN1_EV_PONG;
    case FN1_ERROR:
        rx->state = FN1_RX_TEXT;
        return 0;
    case FN1_CLOSE:
        rx->state = FN1_RX_ENDED;
        return FN1_EV_CLOSE;
    case FN1_AUTH:
        memcpy(rx->auth, fn_buf_head(&rx->in), FN1_AUTH_SIZE);
        fn_buf_consume(&rx->in, FN1_AUTH_SIZE);
        return FN1_EV_AUTH;
    default:
        return begin_payload(rx, rx->head.length, FN1_RX_SKIP);
    }
}

static int on_head(struct fn1_rx *rx)
{
    drop_tail(rx);
    if (!rx->seal && rx->preface.flags & FN1_KEYED)
        return FN_E_FN1_EARLY; /* whoever opens it has not done so: nothing can be believed */
    int st = rx->seal ? believe_head(rx) : FN_OK;
    if (st < 0)
        return st;
    int64_t used = fn1_head_decode(fn_buf_head(&rx->in), fn_buf_len(&rx->in), &rx->head);
    if (used < 0)
        return (int)used;
    if (rx->head.length > rx->limits.fragment)
        return FN_E_FN1_FRAGMENT;
    if (rx->wants_auth != (rx->head.type == FN1_AUTH))
        return rx->seal ? FN_E_FN1_ORDER : FN_E_FN1_TYPE;
    rx->wants_auth = false;
    fn_buf_consume(&rx->in, (size_t)used);
    if (rx->chunked)
        fn_buf_consume(&rx->in, FN_MAC_TAG);
    else if (rx->seal)
        rx->tail = FN_MAC_TAG;
    return after_head(rx);
}

static int on_envelope(struct fn1_rx *rx)
{
    int st = rx->chunked ? believe_envelope(rx) : FN_OK;
    if (st < 0)
        return st;
    const uint8_t *in = fn_buf_head(&rx->in);
    size_t len = fn_buf_len(&rx->in);
    int64_t total = fn1_envelope_length(in, len, &rx->limits);
    if (total < 0)
        return (int)total;
    if (total > rx->head.length)
        return FN_E_FN1_TRUNCATED;
    total = fn1_envelope_decode(in, len, &rx->limits, &rx->envelope);
    if (total < 0)
        return (int)total;
    uint64_t rest = rx->head.length - (uint64_t)total;
    if (rest != (rx->head.flags & FN1_INLINE ? rx->envelope.body : 0))
        return FN_E_FN1_LENGTH;
    fn_buf_consume(&rx->in, (size_t)total);
    begin_payload(rx, (uint32_t)rest, FN1_RX_PAYLOAD);
    return FN1_EV_MESSAGE;
}

static int on_text(struct fn1_rx *rx)
{
    if (fn_buf_len(&rx->in) < rx->head.length)
        return FN_E_MORE;
    const uint8_t *in = fn_buf_head(&rx->in);
    rx->error_code = fn_load32(in);
    rx->error_text = (struct fn1_view){in + 4, rx->head.length - 4};
    fn_buf_consume(&rx->in, rx->head.length);
    rx->state = FN1_RX_ENDED;
    return FN1_EV_ERROR;
}

/* Bytes that were read ahead and belong to the payload, up to n. */
static int take_payload(struct fn1_rx *rx, bool skip, size_t n)
{
    n = fn_minz(fn_buf_len(&rx->in), n);
    if (!n)
        return FN_OK;
    if (rx->chunked) {
        fn1_seal_update(rx->seal, fn_buf_head(&rx->in), n);
        rx->chunk_left -= (uint32_t)n;
    }
    if (!skip && rx->body) {
        int st = fn_body_put(rx->body, fn_buf_head(&rx->in), n);
        if (st < 0)
            return st;
    }
    fn_buf_consume(&rx->in, n);
    rx->left -= (uint32_t)n;
    return FN_OK;
}

/* The rest of a chunk and its tag, then the next chunk: 0 at the frame's end. */
static int take_chunks(struct fn1_rx *rx, bool skip)
{
    for (;;) {
        int st = take_payload(rx, skip, rx->chunk_left);
        if (st < 0)
            return st;
        if (rx->chunk_left || fn_buf_len(&rx->in) < FN_MAC_TAG)
            return FN_E_MORE;
        st = fn1_seal_check(rx->seal, fn_buf_head(&rx->in));
        if (st < 0)
            return st;
        fn_buf_consume(&rx->in, FN_MAC_TAG);
        if (!rx->left) {
            rx->chunked = false;
            return FN_OK;
        }
        st = begin_chunk(rx);
        if (st < 0)
            return st;
    }
}

static int on_payload(struct fn1_rx *rx, bool skip)
{
    int st = rx->chunked ? take_chunks(rx, skip) : take_payload(rx, skip, rx->left);
    if (st < 0)
        return st;
    if (rx->left)
        return FN_E_MORE;
    rx->state = FN1_RX_HEAD;
    return skip ? 0 : FN1_EV_PAYLOAD;
}

static int step(struct fn1_rx *rx)
{
    switch (rx->state) {
    case FN1_RX_PREFACE:
        return on_preface(rx);
    case FN1_RX_HEAD:
        return on_head(rx);
    case FN1_RX_ENVELOPE:
        return on_envelope(rx);
    case FN1_RX_TEXT:
        return on_text(rx);
    case FN1_RX_PAYLOAD:
        return on_payload(rx, false);
    case FN1_RX_SKIP:
        return on_payload(rx, true);
    case FN1_RX_ENDED:
    default:
        drop_tail(rx);
        return fn_buf_len(&rx->in) ? FN_E_FN1_CLOSED : FN_E_MORE;
    }
}

int fn1_rx_next(struct fn1_rx *rx)
{
    int event = rx->failed;
    while (event == 0)
        event = step(rx);
    if (event < 0 && event != FN_E_MORE)
        rx->failed = event;
    return event;
}

/* ---------------------------------------------------------- where bytes go */

void fn1_rx_deliver(struct fn1_rx *rx, struct fn_body *body)
{
    rx->body = body;
}

/* What the buffer must have room for, so that the step in hand can end. */
static size_t needed(const struct fn1_rx *rx)
{
    size_t whole = FN1_PREFACE_MAX;
    if (rx->state == FN1_RX_ENVELOPE)
        whole = fn_minz(rx->head.length, rx->limits.envelope) + (rx->chunked ? FN_MAC_TAG : 0);
    else if (rx->seal && rx->state == FN1_RX_HEAD)
        whole = rx->tail + sealed_size(rx);
    else if (rx->chunked && (rx->body || !rx->chunk_left))
        whole = FN_MAC_TAG; /* the rest of the chunk goes elsewhere */
    size_t have = fn_buf_len(&rx->in);
    return whole > have ? whole - have : 1;
}

static int want_buffer(struct fn1_rx *rx, struct iovec *iov, size_t ahead)
{
    size_t need = needed(rx);
    size_t room = need > ahead ? need : ahead;
    room = fn_minz(room, rx->in.cap - fn_buf_len(&rx->in));
    int st = fn_buf_reserve(&rx->in, room);
    if (st < 0)
        return st;
    iov->iov_base = fn_buf_tail(&rx->in);
    iov->iov_len = room;
    return 1;
}

/* Behind a chunk comes its tag, and then what belongs in the body: of that,
 * nothing is read ahead. */
static size_t ahead_of(const struct fn1_rx *rx)
{
    bool between =
        rx->chunked && rx->state == FN1_RX_PAYLOAD && rx->body && rx->left > rx->chunk_left;
    return between ? 0 : rx->ahead;
}

int fn1_rx_want(struct fn1_rx *rx, struct iovec *iov, int max)
{
    rx->shown = 0;
    uint32_t part = rx->chunked ? rx->chunk_left : rx->left;
    if (rx->state != FN1_RX_PAYLOAD || !rx->body || !part)
        return want_buffer(rx, iov, ahead_of(rx));
    int n = fn_body_in(rx->body, iov, max > 1 ? max - 1 : 1, part);
    if (n <= 0)
        return n < 0 ? n : FN_E_ARGUMENT;
    for (int i = 0; i < n; i++)
        rx->shown += iov[i].iov_len;
    if (rx->shown < part || n >= max || (rx->ahead == 0 && !rx->chunked))
        return n;
    /* the frame's or chunk's end is in reach: let the same call bring what follows */
    int st = want_buffer(rx, iov + n, ahead_of(rx));
    return st < 0 ? st : n + st;
}

/* Gives what has just come of a chunk to its tag, while it is in the cache. */
static void cover(struct fn1_rx *rx, size_t n)
{
    struct iovec iov[16];
    rx->chunk_left -= (uint32_t)n;
    while (n) {
        int pieces = fn_body_in(rx->body, iov, 16, n);
        size_t part = 0;
        for (int i = 0; i < pieces; i++) {
            fn1_seal_update(rx->seal, iov[i].iov_base, iov[i].iov_len);
            part += iov[i].iov_len;
        }
        fn_body_received(rx->body, part);
        n -= part;
    }
}

void fn1_rx_got(struct fn1_rx *rx, size_t n)
{
    size_t payload = (size_t)fn_min64(n, rx->shown);
    if (payload && rx->chunked)
        cover(rx, payload);
    else if (payload)
        fn_body_received(rx->body, payload);
    rx->left -= (uint32_t)payload;
    rx->shown = 0;
    fn_buf_commit(&rx->in, n - payload);
}

bool fn1_rx_at_boundary(const struct fn1_rx *rx)
{
    bool between = rx->state == FN1_RX_HEAD || rx->state == FN1_RX_ENDED;
    return between && fn_buf_len(&rx->in) == rx->tail;
}
