/* Theory in link.h. */
#include "fastnet/link.h"

#include <string.h>
#include <unistd.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* Read-ahead while large messages come: the next head and envelope, and little
 * of a body, which would have to be copied from the buffer. */
enum { AHEAD_SMALL = 4096 };

static int stage_preface(struct fn_link *l)
{
    const struct fn_link_options *o = &l->options;
    uint8_t ext[FN1_EXT_MAX];
    struct fn1_view name = {(const uint8_t *)o->application, strlen(o->application)};
    int64_t len = fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, name);
    if (len < 0)
        return (int)len;
    struct fn1_preface p = {
        .vmin = FN1_VERSION,
        .vmax = FN1_VERSION,
        .role = (uint8_t)o->role,
        .fragment = o->limits.fragment,
        .window = 0, /* only stream 0 is open */
        .message = o->limits.message,
        .extensions = {ext, (size_t)len},
    };
    return fn1_tx_preface(&l->tx, &p);
}

int fn_link_init(struct fn_link *l, int fd, const struct fn_link_options *options)
{
    memset(l, 0, sizeof *l);
    l->options = *options;
    l->owner = getpid();
    l->ahead_max = options->ahead_max;
    fn_stream_init(&l->stream, fd);
    fn1_rx_init(&l->rx, &options->limits, options->ahead_max);
    l->rx.ahead = fn_minz(AHEAD_SMALL, options->ahead_max);
    fn1_tx_init(&l->tx, options->fragment, options->stage_max);
    atomic_init(&l->peer_fragment, 0);
    atomic_init(&l->peer_message, UINT64_MAX);
    atomic_init(&l->messages_out, 0);
    atomic_init(&l->messages_in, 0);
    return stage_preface(l);
}

void fn_link_fini(struct fn_link *l)
{
    fn1_rx_fini(&l->rx);
    fn1_tx_fini(&l->tx);
}

int fn_link_check_owner(const struct fn_link *l)
{
    return getpid() == l->owner ? FN_OK : FN_E_FORKED;
}

int fn_link_may_send(const struct fn_link *l)
{
    if (l->closed)
        return FN_E_CLOSED;
    return l->send_poisoned ? FN_E_POISONED : FN_OK;
}

int fn_link_may_receive(const struct fn_link *l)
{
    return l->receive_poisoned ? FN_E_POISONED : FN_OK;
}

/* ------------------------------------------------------------------ sending */

int fn_link_message(struct fn_link *l, uint16_t kind, const uint64_t *sizes, uint16_t segments,
                    const struct fn1_view *meta, size_t meta_parts, struct fn_body *body)
{
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
    l->next_message++;
    atomic_fetch_add_explicit(&l->messages_out, 1, memory_order_relaxed);
    return FN_OK;
}

int fn_link_close(struct fn_link *l)
{
    if (l->closed)
        return FN_OK;
    struct fn1_head h = {.type = FN1_CLOSE};
    int st = fn1_tx_control(&l->tx, &h);
    if (st == FN_OK)
        l->closed = true;
    return st;
}

int fn_link_out(struct fn_link *l, struct iovec *iov, int max)
{
    if (!fn1_tx_pending(&l->tx))
        return 0;
    return fn1_tx_out(&l->tx, iov, max, fn_stream_chunk(&l->stream, l->tx.body_total));
}

void fn_link_sent(struct fn_link *l, size_t n)
{
    fn1_tx_sent(&l->tx, n);
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
        st = l->tx.body ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
}

bool fn_link_send_is_partial(const struct fn_link *l, uint64_t bytes_before)
{
    bool pending = fn_buf_len(&l->tx.out) || l->tx.body;
    uint64_t now = atomic_load_explicit(&l->stream.bytes_out, memory_order_relaxed);
    return pending && now != bytes_before;
}

void fn_link_unstage(struct fn_link *l)
{
    fn_buf_consume(&l->tx.out, fn_buf_len(&l->tx.out));
    l->tx.body = NULL;
    l->tx.frame_left = 0;
}

/* ---------------------------------------------------------------- receiving */

static int on_preface(struct fn_link *l)
{
    const struct fn1_preface *p = &l->rx.preface;
    struct fn1_preface mine = {.vmin = FN1_VERSION, .vmax = FN1_VERSION};
    int version = fn1_preface_version(p, &mine);
    if (version < 0)
        return version;
    if (p->role == l->options.role)
        return FN_E_FN1_ROLE;
    if (p->flags & FN1_KEYED)
        return FN_E_FN1_KEYED;
    struct fn1_view name;
    if (fn1_ext_find(p->extensions, FN1_EXT_APPLICATION, &name))
        memcpy(l->application, name.data, fn_minz(name.len, FN_LINK_APPLICATION - 1));
    atomic_store_explicit(&l->peer_message, p->message, memory_order_relaxed);
    atomic_store_explicit(&l->peer_fragment, p->fragment, memory_order_relaxed);
    return FN1_EV_PREFACE;
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
        return on_preface(l);
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

int fn_link_next(struct fn_link *l, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    int st = fn_link_check_owner(l);
    if (st < 0)
        return st;
    for (bool moved = false;; moved = true) {
        int event = fn_link_step(l);
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
    l->sink = NULL;
    fn1_rx_deliver(&l->rx, NULL);
}

bool fn_link_at_boundary(const struct fn_link *l)
{
    return fn1_rx_at_boundary(&l->rx) && !l->assembly.open;
}
