/* Theory in mux.h. */
#include "fastnet/mux.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/muxout.h"
#include "fastnet/pid.h"
#include "fastnet/status.h"

/* Read-ahead while large bodies come: heads, and little of a body, which would
 * have to be copied from the buffer. */
enum { AHEAD_SMALL = 4096 };

static int begin_session(struct fn_mux *m, const struct fn_mux_options *o)
{
    uint8_t ext[FN1_EXT_MAX];
    struct fn1_view name = {(const uint8_t *)o->application, strlen(o->application)};
    int64_t len = fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, name);
    if (len < 0)
        return (int)len;
    struct fn1_session_options so = {
        .role = o->role,
        .preface = {.fragment = o->limits.fragment,
                    .window = 0,
                    .message = o->limits.message,
                    .extensions = {ext, (size_t)len}},
        .keyed = o->keyed,
        .key = o->key,
        .key_id = o->key_id,
        .suites = o->suites,
    };
    int st = fn1_session_init(&m->session, &so);
    return st < 0 ? st : fn1_session_begin(&m->session, &m->tx);
}

int fn_mux_init(struct fn_mux *m, const struct fn_mux_options *options)
{
    memset(m, 0, sizeof *m);
    m->options = *options;
    m->options.key = m->options.key_id = m->options.suites = (struct fn1_view){NULL, 0};
    m->owner = fn_pid();
    m->peer_message = UINT64_MAX;
    fn1_rx_init(&m->rx, &options->limits, options->ahead_max);
    fn1_tx_init(&m->tx, (uint32_t)fn_minz(options->fragment, FN1_FRAGMENT_MIN), options->stage_max);
    fn_buf_init(&m->waiting, options->waiting_max);
    int st = pthread_mutex_init(&m->lock, NULL);
    return st ? -st : begin_session(m, options);
}

void fn_mux_fini(struct fn_mux *m)
{
    fn1_rx_fini(&m->rx);
    fn1_tx_fini(&m->tx);
    fn_buf_fini(&m->waiting);
    fn1_session_fini(&m->session);
    pthread_mutex_destroy(&m->lock);
}

int fn_mux_check_owner(const struct fn_mux *m)
{
    return fn_pid() == m->owner ? FN_OK : FN_E_FORKED;
}

/* ------------------------------------------------------------------- credit */

static int grant(struct fn_mux *m, uint32_t at)
{
    struct fn_mux_in *in = &m->in[at];
    uint64_t window = m->options.window;
    uint64_t left = in->assembly.total - in->assembly.received;
    uint64_t until = in->assembly.received + fn_min64(window, left);
    uint64_t more = until - in->granted;
    /* in steps of half a window, and at once where that is the end */
    if (more == 0 || (in->granted && more < window / 2 && until < in->assembly.total))
        return FN_OK;
    in->granted = until;
    struct fn1_head h = {.type = FN1_CREDIT, .stream = at, .offset = more};
    return fn_mux_control(m, &h);
}

int fn_mux_place(struct fn_mux *m, uint32_t at, struct fn_body *body, void *token)
{
    struct fn_mux_in *in = &m->in[at];
    if (in->state != FN_MUX_UNPLACED)
        return FN_E_ARGUMENT;
    in->state = FN_MUX_FILLING;
    in->body = body;
    in->token = token;
    if (at == 0) {
        fn1_rx_deliver(&m->rx, body);
        return FN_OK;
    }
    m->filling++;
    return grant(m, at);
}

int fn_mux_refuse(struct fn_mux *m, uint32_t at)
{
    struct fn_mux_in *in = &m->in[at];
    if (in->state != FN_MUX_UNPLACED && in->state != FN_MUX_FILLING)
        return FN_OK;
    if (in->state == FN_MUX_FILLING && at)
        m->filling--;
    in->state = FN_MUX_REFUSED;
    if (m->rx.body && m->rx.body == in->body)
        fn1_rx_deliver(&m->rx, NULL);
    in->body = NULL;
    in->token = NULL;
    if (at == 0)
        return FN_OK;
    struct fn1_head h = {.type = FN1_CANCEL,
                         .flags = FN1_BY_RECEIVER,
                         .stream = at,
                         .message = in->assembly.message};
    return fn_mux_control(m, &h);
}

/* ------------------------------------------------------- events, one by one */

/* What the session says, as an event of the mux; with the lock. */
static int on_session(struct fn_mux *m, int event)
{
    if (event != FN1_EV_PREFACE)
        return event;
    if (strcmp(m->session.application, m->options.application) != 0)
        return FN_E_FN1_APPLICATION;
    m->peer_known = true;
    m->peer_message = m->session.peer.message;
    m->tx.fragment = (uint32_t)fn_min64(m->session.peer.fragment, m->options.fragment);
    return FN1_EV_PREFACE;
}

static int on_preface(struct fn_mux *m, int event)
{
    fn_mux_lock(m);
    int st = on_session(m, fn1_session_event(&m->session, &m->rx, &m->tx, event));
    fn_mux_unlock(m);
    return st;
}

int fn_mux_key(struct fn_mux *m, struct fn1_view key)
{
    fn_mux_lock(m);
    int st = on_session(m, fn1_session_key(&m->session, &m->rx, &m->tx, key));
    fn_mux_unlock(m);
    return st;
}

static struct fn_mux_in *known(struct fn_mux *m)
{
    uint32_t at = m->rx.head.stream;
    m->at = at;
    return at <= FN_MUX_STREAMS ? &m->in[at] : NULL;
}

static int on_message(struct fn_mux *m)
{
    struct fn_mux_in *in = known(m);
    const struct fn1_envelope *e = &m->rx.envelope;
    bool whole = e->body == 0 || m->rx.head.flags & FN1_INLINE;
    if (!in || (!whole && m->at == 0))
        return FN_E_FN1_STREAM;
    if (e->body && whole && m->at != 0)
        return FN_E_FN1_WINDOW; /* nothing was granted */
    if (in->state != FN_MUX_IDLE)
        return FN_E_FN1_ORDER;
    atomic_fetch_add_explicit(&m->messages_in, 1, memory_order_relaxed);
    if (e->body == 0)
        return FN_MUX_MESSAGE;
    int st = fn1_assembly_begin(&in->assembly, &m->rx.head, e);
    if (st < 0)
        return st;
    in->state = FN_MUX_UNPLACED;
    in->granted = 0;
    return FN_MUX_OPEN;
}

static int on_data(struct fn_mux *m)
{
    struct fn_mux_in *in = known(m);
    if (!in || m->at == 0 || in->state == FN_MUX_IDLE)
        return FN_E_FN1_STREAM;
    int st = fn1_assembly_data(&in->assembly, &m->rx.head);
    if (st < 0)
        return st;
    if (in->assembly.received > in->granted)
        return FN_E_FN1_WINDOW;
    fn1_rx_deliver(&m->rx, in->body);
    return 0;
}

static int on_payload(struct fn_mux *m)
{
    struct fn_mux_in *in = known(m);
    bool refused = in->state == FN_MUX_REFUSED;
    if (!fn1_assembly_end(&in->assembly))
        return refused ? 0 : grant(m, m->at);
    m->filling -= in->state == FN_MUX_FILLING && m->at;
    in->state = FN_MUX_IDLE;
    m->token = in->token;
    in->token = NULL;
    in->body = NULL;
    return refused ? 0 : FN_MUX_BODY;
}

static int on_cancel(struct fn_mux *m)
{
    struct fn_mux_in *in = known(m);
    if (!in || m->at == 0)
        return FN_E_FN1_STREAM;
    if (m->rx.head.flags & FN1_BY_RECEIVER) {
        fn_mux_unwanted(m, m->at, m->rx.head.message);
        return 0;
    }
    if (in->state == FN_MUX_IDLE || m->rx.head.message != in->assembly.message)
        return FN_E_FN1_ORDER;
    bool refused = in->state == FN_MUX_REFUSED;
    m->filling -= in->state == FN_MUX_FILLING;
    m->token = in->token;
    memset(in, 0, sizeof *in);
    return refused ? 0 : FN_MUX_GONE;
}

static bool bodies_open(const struct fn_mux *m)
{
    for (uint32_t i = 0; i <= FN_MUX_STREAMS; i++)
        if (m->in[i].state != FN_MUX_IDLE)
            return true;
    return false;
}

/* An event of the machine as one of the mux; 0 goes on. */
static int translate(struct fn_mux *m, int event)
{
    switch (event) {
    case FN1_EV_PREFACE:
    case FN1_EV_AUTH:
        return on_preface(m, event);
    case FN1_EV_MESSAGE:
        return on_message(m);
    case FN1_EV_DATA:
        return on_data(m);
    case FN1_EV_PAYLOAD:
        return on_payload(m);
    case FN1_EV_CREDIT:
        if (m->rx.head.stream == 0 || m->rx.head.stream > FN_MUX_STREAMS)
            return FN_E_FN1_STREAM;
        return fn_mux_credit(m, m->rx.head.stream, m->rx.head.offset);
    case FN1_EV_CANCEL:
        return on_cancel(m);
    case FN1_EV_PING:
        fn1_tx_answer_ping(&m->tx, m->rx.head.offset);
        return 0;
    case FN1_EV_CLOSE:
        m->peer_closed = true;
        return bodies_open(m) ? FN_E_FN1_ORDER : event;
    default:
        return event;
    }
}

int fn_mux_next(struct fn_mux *m)
{
    int event = m->stashed;
    m->stashed = 0;
    while (event == 0) {
        /* a body's place must be known before more of its frame is looked at */
        if (m->in[0].state == FN_MUX_UNPLACED)
            return FN_E_ARGUMENT;
        event = fn1_rx_next(&m->rx);
        if (event > 0)
            event = translate(m, event);
    }
    if (event == FN_E_FN1_TAG && m->rx.body)
        fn_body_wipe(m->rx.body);
    return event;
}

int fn_mux_want(struct fn_mux *m, struct iovec *iov, int max)
{
    bool large = m->filling != 0;
    if (m->options.keyed && !fn1_session_is_open(&m->session))
        m->rx.ahead = 0; /* of a stranger no more is read than a preface */
    else
        m->rx.ahead = large ? fn_minz(AHEAD_SMALL, m->options.ahead_max) : m->options.ahead_max;
    return fn1_rx_want(&m->rx, iov, max);
}

void fn_mux_got(struct fn_mux *m, size_t n)
{
    atomic_fetch_add_explicit(&m->bytes_in, n, memory_order_relaxed);
    fn1_rx_got(&m->rx, n);
}

bool fn_mux_at_boundary(const struct fn_mux *m)
{
    return fn1_rx_at_boundary(&m->rx) && !bodies_open(m);
}
