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
    return 0;
}

/* What follows a head: an event at once, or 0 to go on in another state. */
static int after_head(struct fn1_rx *rx)
{
    switch (rx->head.type) {
    case FN1_MESSAGE:
        rx->state = FN1_RX_ENVELOPE;
        return 0;
    case FN1_DATA:
        begin_payload(rx, rx->head.length, FN1_RX_PAYLOAD);
        return FN1_EV_DATA;
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
    default:
        return begin_payload(rx, rx->head.length, FN1_RX_SKIP);
    }
}

static int on_head(struct fn1_rx *rx)
{
    int64_t used = fn1_head_decode(fn_buf_head(&rx->in), fn_buf_len(&rx->in), &rx->head);
    if (used < 0)
        return (int)used;
    if (rx->head.length > rx->limits.fragment)
        return FN_E_FN1_FRAGMENT;
    fn_buf_consume(&rx->in, (size_t)used);
    return after_head(rx);
}

static int on_envelope(struct fn1_rx *rx)
{
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

/* Bytes that were read ahead and belong to the payload. */
static int on_payload(struct fn1_rx *rx, bool skip)
{
    size_t n = fn_minz(fn_buf_len(&rx->in), rx->left);
    if (n) {
        if (!skip && rx->body) {
            int st = fn_body_put(rx->body, fn_buf_head(&rx->in), n);
            if (st < 0)
                return st;
        }
        fn_buf_consume(&rx->in, n);
        rx->left -= (uint32_t)n;
    }
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
        return fn_buf_len(&rx->in) ? FN_E_FN1_CLOSED : FN_E_MORE;
    }
}

int fn1_rx_next(struct fn1_rx *rx)
{
    int event;
    do {
        event = step(rx);
    } while (event == 0);
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
        whole = fn_minz(rx->head.length, rx->limits.envelope);
    size_t have = fn_buf_len(&rx->in);
    return whole > have ? whole - have : 1;
}

static int want_buffer(struct fn1_rx *rx, struct iovec *iov)
{
    size_t need = needed(rx);
    size_t room = need > rx->ahead ? need : rx->ahead;
    room = fn_minz(room, rx->in.cap - fn_buf_len(&rx->in));
    int st = fn_buf_reserve(&rx->in, room);
    if (st < 0)
        return st;
    iov->iov_base = fn_buf_tail(&rx->in);
    iov->iov_len = room;
    return 1;
}

int fn1_rx_want(struct fn1_rx *rx, struct iovec *iov, int max)
{
    rx->shown = 0;
    if (rx->state != FN1_RX_PAYLOAD || !rx->body)
        return want_buffer(rx, iov);
    int n = fn_body_in(rx->body, iov, max > 1 ? max - 1 : 1, rx->left);
    if (n <= 0)
        return n < 0 ? n : FN_E_ARGUMENT;
    for (int i = 0; i < n; i++)
        rx->shown += iov[i].iov_len;
    if (rx->shown < rx->left || n >= max || rx->ahead == 0)
        return n;
    /* the frame's end is in reach: let the same call bring what follows */
    int st = want_buffer(rx, iov + n);
    return st < 0 ? st : n + st;
}

void fn1_rx_got(struct fn1_rx *rx, size_t n)
{
    size_t payload = (size_t)fn_min64(n, rx->shown);
    if (payload) {
        fn_body_received(rx->body, payload);
        rx->left -= (uint32_t)payload;
    }
    rx->shown = 0;
    fn_buf_commit(&rx->in, n - payload);
}

bool fn1_rx_at_boundary(const struct fn1_rx *rx)
{
    bool between = rx->state == FN1_RX_HEAD || rx->state == FN1_RX_ENDED;
    return between && fn_buf_len(&rx->in) == 0;
}
