/* Theory in link.h. */
#include "fastnet/link.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/pid.h"
#include "fastnet/status.h"

/* Read-ahead while large messages come: the next head and envelope, and little
 * of a body, which would have to be copied from the buffer. */
enum { AHEAD_SMALL = 4096 };

static int begin_session(struct fn_link *l, const struct fn_link_options *o)
{
    uint8_t ext[FN1_EXT_MAX];
    struct fn1_view name = {(const uint8_t *)o->application, strlen(o->application)};
    int64_t len = fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, name);
    if (len < 0)
        return (int)len;
    struct fn1_session_options so = {
        .role = o->role,
        .preface = {.fragment = o->limits.fragment,
                    .window = 0, /* only stream 0 is open */
                    .message = o->limits.message,
                    .extensions = {ext, (size_t)len}},
        .keyed = o->keyed,
        .key = o->key,
        .key_id = o->key_id,
        .suites = o->suites,
    };
    int st = fn1_session_init(&l->session, &so);
    return st < 0 ? st : fn1_session_begin(&l->session, &l->tx);
}

int fn_link_init(struct fn_link *l, int fd, const struct fn_link_options *options)
{
    memset(l, 0, sizeof *l);
    l->options = *options;
    l->options.key = l->options.key_id = l->options.suites = (struct fn1_view){NULL, 0};
    l->owner = fn_pid();
    l->ahead_max = options->ahead_max;
    fn_stream_init(&l->stream, fd);
    fn1_rx_init(&l->rx, &options->limits, options->ahead_max);
    /* of a stranger no more is read than a preface */
    l->rx.ahead = options->keyed ? 0 : fn_minz(AHEAD_SMALL, options->ahead_max);
    fn1_tx_init(&l->tx, options->fragment, options->stage_max);
    atomic_init(&l->peer_fragment, 0);
    atomic_init(&l->peer_message, UINT64_MAX);
    atomic_init(&l->messages_out, 0);
    atomic_init(&l->messages_in, 0);
    return begin_session(l, options);
}

void fn_link_fini(struct fn_link *l)
{
    fn1_rx_fini(&l->rx);
    fn1_tx_fini(&l->tx);
    fn1_session_fini(&l->session);
}

int fn_link_check_owner(const struct fn_link *l)
{
    return fn_pid() == l->owner ? FN_OK : FN_E_FORKED;
}

int fn_link_may_send(const struct fn_link *l)
{
    if (l->closed)
        return FN_E_CLOSED;
    if (l->send_poisoned)
        return FN_E_POISONED;
    return fn1_session_is_open(&l->session) ? FN_OK : FN_E_FN1_EARLY;
}

int fn_link_may_receive(const struct fn_link *l)
{
    return l->receive_poisoned ? FN_E_POISONED : FN_OK;
}

/* ------------------------------------------------------------------ sending */

int fn_link_message(struct fn_link *l, uint16_t kind, const uint64_t *sizes, uint16_t segments,
                    const struct fn1_view *meta, size_t meta_parts, struct fn_body *body)
{
    if (!fn1_session_is_open(&l->session))
        return FN_E_FN1_EARLY;
    if (body->left > atomic_load_explicit(&l->peer_message, memory_order_relaxed))
        return FN_E_FN1_MESSAGE;
    uint32_t fragment = atomic_load_explicit(&l->peer_fragment, memory_order_relaxed);
    if (!fragment)
        fragment = FN1_FRAGMENT_MIN;
    l->tx.fragment = fragment < l->options.fragment ? fragment : l->options.fragment;
    struct fn1_outgoing m = {
        .message = l->next_message,
        .kind = kind,
        .segments = segments,
        .sizes = sizes,
        .meta = meta,
        .meta_parts = meta_parts,
    };
    int st = fn1_tx_message(&l->tx, &m, body);
    if (st < 0)
        return st;
    l->body = body->left ? body : NULL;
    l->body_total = body->left;
    l->next_message++;
    atomic_fetch_add_explicit(&l->messages_out, 1, memory_order_relaxed);
    return FN_OK;
}

int fn_link_close(struct fn_link *l)
{
    if (l->closed)
        return FN_OK;
    if (!fn1_session_is_open(&l->session))
        return FN_E_FN1_EARLY;
    struct fn1_head h = {.type = FN1_CLOSE};
    int st = fn1_tx_control(&l->tx, &h);
    if (st == FN_OK)
        l->closed = true;
    return st;
}

int fn_link_error(struct fn_link *l, uint32_t code, const char *text)
{
    int st = fn1_session_is_open(&l->session) ? fn1_tx_error(&l->tx, code, text)
                                              : fn1_session_refuse(&l->session, &l->tx, code);
    if (st == FN_OK)
        l->closed = true;
    return st;
}

/* The next fragment of the message under way. */
static int stage_fragment(struct fn_link *l)
{
    uint32_t length = (uint32_t)fn_min64(l->tx.fragment, l->body->left);
    uint64_t offset = l->body_total - l->body->left;
    int st = fn1_tx_data(&l->tx, 0, l->next_message - 1, offset, l->body, length);
    if (!l->body->left)
        l->body = NULL; /* a short one was copied */
    return st;
}

int fn_link_out(struct fn_link *l, struct iovec *iov, int max)
{
    if (l->body && !fn1_tx_busy(&l->tx)) {
        int st = stage_fragment(l);
        if (st < 0)
            return st;
    }
    if (!fn1_tx_pending(&l->tx))
        return 0;
    return fn1_tx_out(&l->tx, iov, max, fn_stream_chunk(&l->stream, l->body_total));
}

void fn_link_sent(struct fn_link *l, size_t n)
{
    fn1_tx_sent(&l->tx, n);
    if (l->body && !l->body->left)
        l->body = NULL;
}

int fn_link_flush(struct fn_link *l, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    int st = fn_link_check_owner(l);
    if (st < 0)
        return st;
    for (;;) {
        int n = fn_link_out(l, iov, FN_IOV);
        if (n <= 0)
            return n;
        int64_t sent = fn_stream_send(&l->stream, iov, n, wait);
        if (sent < 0)
            return (int)sent;
        fn_link_sent(l, (size_t)sent);
        st = l->body ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
}

bool fn_link_send_is_partial(const struct fn_link *l, uint64_t bytes_before)
{
    bool pending = fn_buf_len(&l->tx.out) || l->body;
    uint64_t now = atomic_load_explicit(&l->stream.bytes_out, memory_order_relaxed);
    return pending && now != bytes_before;
}

void fn_link_unstage(struct fn_link *l)
{
    if (fn1_tx_unstage(&l->tx) < 0)
        l->send_poisoned = true;
    l->body = NULL;
}

/* ---------------------------------------------------------------- receiving */

/* What the session says, as an event of the link. */
static int on_session(struct fn_link *l, int event)
{
    if (event != FN1_EV_PREFACE)
        return event == 0 ? FN_LINK_REPLY : event;
    const struct fn1_preface *p = &l->session.peer;
    l->rx.ahead = fn_minz(AHEAD_SMALL, l->ahead_max);
    atomic_store_explicit(&l->peer_message, p->message, memory_order_relaxed);
    atomic_store_explicit(&l->peer_fragment, p->fragment, memory_order_relaxed);
    return FN1_EV_PREFACE;
}

int fn_link_key(struct fn_link *l, struct fn1_view key)
{
    return on_session(l, fn1_session_key(&l->session, &l->rx, &l->tx, key));
}

/* Small messages come in swarms: read many at once.  A large one fills the
 * caller's memory directly, so nothing of it should land in the buffer. */
static void adapt_ahead(struct fn_link *l)
{
    bool small = l->rx.envelope.body < l->ahead_max / 4;
    l->rx.ahead = small ? l->ahead_max : fn_minz(AHEAD_SMALL, l->ahead_max);
}

static int on_message(struct fn_link *l)
{
    if (l->rx.head.stream != 0)
        return FN_E_FN1_STREAM;
    int st = fn1_assembly_begin(&l->assembly, &l->rx.head, &l->rx.envelope);
    if (st < 0)
        return st;
    adapt_ahead(l);
    l->sink = NULL;
    return FN1_EV_MESSAGE;
}

static int on_data(struct fn_link *l)
{
    if (l->rx.head.stream != 0)
        return FN_E_FN1_STREAM;
    int st = fn1_assembly_data(&l->assembly, &l->rx.head);
    if (st < 0)
        return st;
    fn1_rx_deliver(&l->rx, l->sink);
    return 0;
}

static int complete(struct fn_link *l)
{
    if (!fn1_assembly_end(&l->assembly))
        return 0;
    l->sink = NULL;
    atomic_fetch_add_explicit(&l->messages_in, 1, memory_order_relaxed);
    return FN_LINK_BODY;
}

static int on_cancel(struct fn_link *l)
{
    if (l->rx.head.stream != 0)
        return FN_E_FN1_STREAM;
    if (l->rx.head.flags & FN1_BY_RECEIVER)
        return 0; /* on stream 0 a message goes out whole: there is nothing to stop */
    if (!l->assembly.open || l->rx.head.message != l->assembly.message)
        return FN_E_FN1_ORDER;
    l->assembly.open = false;
    l->sink = NULL;
    return FN1_EV_CANCEL;
}

/* An event of the machine as an event of the link; 0 goes on. */
static int translate(struct fn_link *l, int event)
{
    switch (event) {
    case FN1_EV_PREFACE:
    case FN1_EV_AUTH:
        return on_session(l, fn1_session_event(&l->session, &l->rx, &l->tx, event));
    case FN1_EV_MESSAGE:
        return on_message(l);
    case FN1_EV_DATA:
        return on_data(l);
    case FN1_EV_PAYLOAD:
        return complete(l);
    case FN1_EV_CREDIT:
        return FN_E_FN1_STREAM; /* stream 0 has no window, and no other is open */
    case FN1_EV_CANCEL:
        return on_cancel(l);
    case FN1_EV_PING:
        fn1_tx_answer_ping(&l->tx, l->rx.head.offset);
        return event;
    case FN1_EV_CLOSE:
        l->peer_closed = true;
        return l->assembly.open ? FN_E_FN1_ORDER : event;
    default:
        return event;
    }
}

int fn_link_step(struct fn_link *l)
{
    int event;
    do {
        event = fn1_rx_next(&l->rx);
        if (event > 0)
            event = translate(l, event);
    } while (event == 0);
    if (event == FN_E_FN1_TAG && l->sink)
        fn_body_wipe(l->sink);
    return event;
}

int fn_link_want(struct fn_link *l, struct iovec *iov, int max)
{
    return fn1_rx_want(&l->rx, iov, max);
}

void fn_link_got(struct fn_link *l, size_t n)
{
    fn1_rx_got(&l->rx, n);
}

static bool is_shaking(const struct fn_link *l)
{
    return l->session.keyed && !fn1_session_is_open(&l->session);
}

int fn_link_next(struct fn_link *l, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    int st = fn_link_check_owner(l);
    if (st < 0)
        return st;
    for (bool moved = false;; moved = true) {
        int event = fn_link_step(l);
        if (event == FN_LINK_REPLY || (event == FN_E_MORE && is_shaking(l)))
            st = fn_link_flush(l, wait);
        if (st < 0)
            return st;
        if (event == FN_LINK_REPLY)
            continue;
        if (event != FN_E_MORE)
            return event;
        st = moved ? fn_wait_over(wait) : 0; /* also while bytes keep coming */
        if (st < 0)
            return st;
        int n = fn_link_want(l, iov, FN_IOV);
        if (n < 0)
            return n;
        int64_t got = fn_stream_recv(&l->stream, iov, n, wait);
        if (got < 0)
            return (int)got;
        fn_link_got(l, (size_t)got);
    }
}

bool fn_link_deliver(struct fn_link *l, struct fn_body *body)
{
    l->sink = body;
    fn1_rx_deliver(&l->rx, body);
    return l->assembly.total == 0 && complete(l) == FN_LINK_BODY;
}

void fn_link_forget(struct fn_link *l)
{
    if (l->session.keyed && l->sink) {
        if (l->sink->left != l->assembly.total)
            l->receive_poisoned = true; /* what comes next belongs in the middle of it */
        fn_body_wipe(l->sink);
    }
    l->sink = NULL;
    fn1_rx_deliver(&l->rx, NULL);
}

bool fn_link_at_boundary(const struct fn_link *l)
{
    return fn1_rx_at_boundary(&l->rx) && !l->assembly.open;
}
