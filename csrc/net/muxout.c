/* Theory in muxout.h. */
#include "fastnet/muxout.h"

#include "fastnet/bytes.h"
#include "fastnet/muxwait.h"
#include "fastnet/status.h"

void fn_mux_lock(struct fn_mux *m)
{
    pthread_mutex_lock(&m->lock);
}

void fn_mux_unlock(struct fn_mux *m)
{
    pthread_mutex_unlock(&m->lock);
}

/* ---------------------------------------------------------------- the queue */

static void push(struct fn_mux *m, struct fn_mux_out *out)
{
    out->next = NULL;
    if (m->sends)
        m->sends_last->next = out;
    else
        m->sends = out;
    m->sends_last = out;
}

static struct fn_mux_out *pop(struct fn_mux *m)
{
    struct fn_mux_out *out = m->sends;
    m->sends = out->next;
    if (!m->sends)
        m->sends_last = NULL;
    out->next = NULL;
    return out;
}

static void spend(struct fn_mux *m, struct fn_mux_out *out, int result)
{
    if (out->stream && m->out[out->stream] == out) {
        m->out[out->stream] = NULL;
        if (m->blocked) { /* who waits for a stream may look again */
            struct fn_mux_out *next = m->blocked;
            m->blocked = next->next;
            push(m, next);
        }
    }
    out->state = FN_MUX_SPENT;
    out->result = result;
    out->next = m->spent;
    m->spent = out;
}

/* ------------------------------------------------------------------ sending */

static bool may_stage(const struct fn_mux *m)
{
    return !fn1_tx_busy(&m->tx) && fn_buf_len(&m->waiting) == 0 && fn1_session_is_open(&m->session);
}

static int usable(const struct fn_mux *m)
{
    return m->failed ? m->failed : m->closed ? FN_E_CLOSED : FN_OK;
}

int fn_mux_message(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                   const uint64_t *sizes, uint16_t segments, struct fn_body *body)
{
    struct fn_body none = {.left = 0};
    if (!body)
        body = &none;
    size_t size = FN1_ENVELOPE_SIZE + 8 * (size_t)segments + (size_t)body->left;
    for (size_t i = 0; i < meta_parts; i++)
        size += meta[i].len;
    if (body->left && size > FN_MUX_SMALL)
        return FN_E_ARGUMENT;
    fn_mux_lock(m);
    int st = usable(m);
    if (st == FN_OK) {
        st = may_stage(m) ? fn_mux_stage(m, kind, meta, meta_parts, sizes, segments, body)
                          : FN_E_BUF_CAP;
        if (st == FN_E_BUF_CAP)
            st = fn_mux_keep(m, kind, meta, meta_parts, sizes, segments, body);
    }
    if (st == FN_OK)
        atomic_fetch_add_explicit(&m->messages_out, 1, memory_order_relaxed);
    fn_mux_unlock(m);
    return st;
}

static int control(struct fn_mux *m, const struct fn1_head *h)
{
    int st = may_stage(m) ? fn1_tx_control(&m->tx, h) : FN_E_BUF_CAP;
    return st == FN_E_BUF_CAP ? fn_mux_keep_head(m, h) : st;
}

int fn_mux_control(struct fn_mux *m, const struct fn1_head *h)
{
    fn_mux_lock(m);
    int st = m->closed || m->failed ? FN_OK : control(m, h); /* it means nothing any more */
    fn_mux_unlock(m);
    return st;
}

int fn_mux_ping(struct fn_mux *m, uint64_t token)
{
    return fn_mux_control(m, &(struct fn1_head){.type = FN1_PING, .offset = token});
}

int fn_mux_close(struct fn_mux *m)
{
    struct fn1_head h = {.type = FN1_CLOSE};
    fn_mux_lock(m);
    int st = m->closed ? FN_OK : control(m, &h);
    m->closed = true;
    fn_mux_unlock(m);
    return st;
}

int fn_mux_error(struct fn_mux *m, uint32_t code, const char *text)
{
    fn_mux_lock(m);
    int st = usable(m);
    if (st == FN_OK && !fn1_session_is_open(&m->session))
        st = fn1_session_refuse(&m->session, &m->tx, code);
    else if (st == FN_OK)
        st = may_stage(m) ? fn1_tx_error(&m->tx, code, text) : FN_E_BUF_CAP;
    if (st == FN_E_BUF_CAP)
        st = fn_mux_keep_error(m, code, text);
    m->closed = true;
    fn_mux_unlock(m);
    return st;
}

int fn_mux_send(struct fn_mux *m, struct fn_mux_out *out)
{
    fn_mux_lock(m);
    int st = usable(m);
    if (st == FN_OK && out->body->left > m->peer_message)
        st = FN_E_FN1_MESSAGE;
    if (st == FN_OK) {
        out->state = FN_MUX_QUEUED;
        out->stream = 0;
        out->credit = 0;
        out->total = out->body->left;
        push(m, out);
        atomic_fetch_add_explicit(&m->messages_out, 1, memory_order_relaxed);
    }
    fn_mux_unlock(m);
    return st;
}

/* It ends at its next turn, for which it may have to be put in the queue. */
static void give_up(struct fn_mux *m, struct fn_mux_out *out)
{
    if (out->state == FN_MUX_STARVED)
        push(m, out);
    if (out->state != FN_MUX_SPENT)
        out->state = FN_MUX_CANCELLED;
}

void fn_mux_cancel(struct fn_mux *m, struct fn_mux_out *out)
{
    fn_mux_lock(m);
    give_up(m, out);
    fn_mux_unlock(m);
}

void fn_mux_unwanted(struct fn_mux *m, uint32_t stream, uint32_t message)
{
    fn_mux_lock(m);
    struct fn_mux_out *out = m->out[stream];
    if (out && out->message == message)
        give_up(m, out);
    fn_mux_unlock(m);
}

int fn_mux_credit(struct fn_mux *m, uint32_t stream, uint64_t bytes)
{
    int st = FN_OK;
    fn_mux_lock(m);
    struct fn_mux_out *out = m->out[stream]; /* none: it was for what has been cancelled */
    if (out) {
        uint64_t sum;
        if (!fn_add(out->credit, bytes, &sum) || sum > out->total)
            st = FN_E_FN1_WINDOW;
        else
            out->credit = sum;
        if (st == FN_OK && out->state == FN_MUX_STARVED) {
            out->state = FN_MUX_SENDING;
            push(m, out);
        }
    }
    fn_mux_unlock(m);
    return st;
}

struct fn_mux_out *fn_mux_take_spent(struct fn_mux *m)
{
    fn_mux_lock(m);
    struct fn_mux_out *spent = m->spent;
    m->spent = NULL;
    fn_mux_unlock(m);
    return spent;
}

void fn_mux_fail(struct fn_mux *m, int result)
{
    fn_mux_lock(m);
    m->failed = result;
    if (m->underway)
        spend(m, m->underway, result);
    m->underway = NULL;
    m->tx.body = NULL;
    while (m->sends) {
        struct fn_mux_out *out = pop(m);
        spend(m, out, result);
    }
    for (uint32_t i = 1; i <= FN_MUX_STREAMS; i++)
        if (m->out[i])
            spend(m, m->out[i], result);
    while (m->sends) { /* those that a stream has just been free for */
        struct fn_mux_out *out = pop(m);
        spend(m, out, result);
    }
    while (m->blocked) {
        struct fn_mux_out *out = m->blocked;
        m->blocked = out->next;
        spend(m, out, result);
    }
    fn_mux_unlock(m);
}

/* ------------------------------------------------------------- the next frame */

static bool take_stream(struct fn_mux *m, struct fn_mux_out *out)
{
    for (uint32_t i = 0; i < FN_MUX_STREAMS; i++) {
        uint32_t at = (m->free_hint + i) % FN_MUX_STREAMS + 1;
        if (m->out[at])
            continue;
        m->free_hint = at % FN_MUX_STREAMS;
        m->out[at] = out;
        out->stream = at;
        return true;
    }
    return false;
}

/* Whether it shares a frame with its envelope (fn1_tx_message decides likewise). */
static bool is_small(const struct fn_mux *m, const struct fn_mux_out *out)
{
    size_t envelope = FN1_ENVELOPE_SIZE + 8 * (size_t)out->segments + out->meta.len;
    uint64_t most = m->options.keyed ? FN1_SHORT_MAX : m->tx.fragment;
    return out->total <= FN1_INLINE_MAX && envelope + out->total <= most;
}

/* Its envelope, with the body where that is small; 1 when it has to wait. */
static int begin(struct fn_mux *m, struct fn_mux_out *out)
{
    bool small = is_small(m, out);
    if (!small && !take_stream(m, out))
        return 1;
    struct fn1_outgoing o = {
        .stream = out->stream,
        .message = out->message = m->next_message,
        .kind = out->kind,
        .segments = out->segments,
        .sizes = out->sizes,
        .meta = &out->meta,
        .meta_parts = 1,
    };
    int st = fn1_tx_message(&m->tx, &o, out->body);
    if (st < 0)
        return st;
    m->next_message++;
    out->state = FN_MUX_STARVED;
    if (st == FN1_TX_CUT)
        return FN_OK;
    out->state = FN_MUX_SENDING;
    if (fn1_tx_busy(&m->tx))
        m->underway = out;
    else
        spend(m, out, FN_OK);
    return FN_OK;
}

static int cancel(struct fn_mux *m, struct fn_mux_out *out)
{
    int st = FN_OK;
    if (out->stream) {
        struct fn1_head h = {.type = FN1_CANCEL, .stream = out->stream, .message = out->message};
        st = fn1_tx_control(&m->tx, &h);
    }
    if (st == FN_OK)
        spend(m, out, -ECANCELED);
    return st;
}

/* The frame that was under way has gone. */
static void settle(struct fn_mux *m)
{
    struct fn_mux_out *out = m->underway;
    if (!out || fn1_tx_busy(&m->tx))
        return;
    m->underway = NULL;
    if (!out->body->left) {
        spend(m, out, FN_OK);
    } else if (out->state == FN_MUX_CANCELLED || out->credit) {
        push(m, out);
    } else {
        out->state = FN_MUX_STARVED;
    }
}

static int fragment(struct fn_mux *m, struct fn_mux_out *out)
{
    uint64_t sent = out->total - out->body->left;
    uint64_t length = fn_min64(fn_min64(m->tx.fragment, out->body->left), out->credit);
    int st = fn1_tx_data(&m->tx, out->stream, out->message, sent, out->body, (uint32_t)length);
    if (st < 0)
        return st;
    out->credit -= length;
    m->underway = out;
    settle(m); /* a short one was copied */
    return FN_OK;
}

static void block(struct fn_mux *m, struct fn_mux_out *out)
{
    struct fn_mux_out **last = &m->blocked;
    while (*last)
        last = &(*last)->next;
    *last = out;
}

/* One step of the next message in the queue; 1 when there is none that can. */
static int step(struct fn_mux *m)
{
    while (m->sends) {
        struct fn_mux_out *out = pop(m);
        int st = out->state == FN_MUX_CANCELLED ? cancel(m, out)
                 : out->state == FN_MUX_QUEUED  ? begin(m, out)
                                                : fragment(m, out);
        if (st == FN_OK)
            return FN_OK;
        if (st < 0) { /* no room at this moment, or no memory: its turn is not over */
            out->next = m->sends;
            m->sends = out;
            m->sends_last = m->sends_last ? m->sends_last : out;
            return st == FN_E_BUF_CAP && fn1_tx_staged(&m->tx) ? 1 : st;
        }
        block(m, out);
    }
    return 1;
}

int fn_mux_out(struct fn_mux *m, struct iovec *iov, int max)
{
    if (m->failed)
        return m->failed;
    while (!fn1_tx_busy(&m->tx) && fn1_session_is_open(&m->session)) {
        int st = fn_mux_replay(m);
        if (st < 0)
            return st;
        st = step(m);
        if (st < 0)
            return st;
        if (st == 1)
            break;
    }
    return fn1_tx_pending(&m->tx) ? fn1_tx_out(&m->tx, iov, max, FN1_FRAGMENT_MIN) : 0;
}

void fn_mux_sent(struct fn_mux *m, size_t n)
{
    atomic_fetch_add_explicit(&m->bytes_out, n, memory_order_relaxed);
    fn1_tx_sent(&m->tx, n);
    settle(m);
}

bool fn_mux_pending(struct fn_mux *m)
{
    fn_mux_lock(m);
    bool pending = !m->failed && (fn1_tx_pending(&m->tx) || fn_buf_len(&m->waiting) || m->sends);
    fn_mux_unlock(m);
    return pending;
}

size_t fn_mux_backlog(struct fn_mux *m)
{
    fn_mux_lock(m);
    size_t n = fn_buf_len(&m->waiting) + fn1_tx_staged(&m->tx);
    fn_mux_unlock(m);
    return n;
}
