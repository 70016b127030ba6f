/* Theory in mpio.h. */
#include "fastnet/mpio.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* ------------------------------------------------------------------ sending */

int fn_mp_out_init(struct fn_mp_out *out, const struct iovec *pieces, size_t count)
{
    uint64_t body = 0;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < count; i++)
        if (!fn_add(body, pieces[i].iov_len, &body))
            return FN_E_OVERFLOW;
    if (body > FN_MPFRAME_MAX)
        return FN_E_OVERFLOW;
    out->head_size = fn_mpframe_encode(out->head, body);
    out->total = body + out->head_size;
    out->pieces = pieces;
    out->count = count;
    return FN_OK;
}

/* What comes next, as at most FN_IOV pieces of `limit` bytes together. */
static int show(const struct fn_mp_out *out, struct iovec *iov, size_t limit)
{
    int n = 0;
    size_t skip = out->in_piece;
    if (out->sent < out->head_size) {
        size_t sent = (size_t)out->sent;
        iov[n++] = (struct iovec){(uint8_t *)out->head + sent, out->head_size - sent};
        limit -= out->head_size - sent;
    }
    for (size_t i = out->at; i < out->count && n < FN_IOV && limit; i++, skip = 0) {
        size_t take = fn_minz(out->pieces[i].iov_len - skip, limit);
        if (!take)
            continue;
        iov[n++] = (struct iovec){(uint8_t *)out->pieces[i].iov_base + skip, take};
        limit -= take;
    }
    return n;
}

static void passed(struct fn_mp_out *out, size_t n)
{
    if (out->sent < out->head_size) {
        size_t take = fn_minz(n, out->head_size - (size_t)out->sent);
        out->sent += take;
        n -= take;
    }
    out->sent += n;
    while (n) {
        size_t take = fn_minz(n, out->pieces[out->at].iov_len - out->in_piece);
        n -= take;
        out->in_piece += take;
        if (out->in_piece == out->pieces[out->at].iov_len) {
            out->at++;
            out->in_piece = 0;
        }
    }
}

/* Linux copies what TCP sends into pieces of 32 KiB, and begins a new piece
 * where less than 32 bytes are left.  On loopback the receiver copies out of
 * the same pieces.  A body that lies 4 bytes behind a header in them, and 16
 * behind a page in an array, is the worst case of the processor's copy (stores
 * just ahead of the loads, modulo a page: 2 GB/s instead of 12 and more).  So a
 * large message begins with four sends that each leave 31 bytes of a piece
 * unused: 4 + 4 * 31 = 128 bytes between header and body, and both copies have
 * their distance and their alignment. */
enum {
    LEAD = 32 * 1024 - 31,
    LEADS = 4,
    LEAD_FROM = 1 << 20, /* bytes; below, the calls cost more than they save */
};

static size_t limit_of(const struct fn_mp_out *out, size_t chunk)
{
    if (out->total < LEAD_FROM || out->sent >= (uint64_t)LEAD * LEADS || chunk < LEAD)
        return chunk > FN_MPFRAME_LONG ? chunk : FN_MPFRAME_LONG;
    return LEAD - (size_t)(out->sent % LEAD);
}

int fn_mp_send(struct fn_stream *s, struct fn_mp_out *out, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    size_t chunk = fn_stream_chunk(s, out->total);
    while (out->sent < out->total) {
        int n = show(out, iov, limit_of(out, chunk));
        int64_t sent = fn_stream_send(s, iov, n, wait);
        if (sent < 0)
            return (int)sent;
        passed(out, (size_t)sent);
        int st = out->sent < out->total ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
    return FN_OK;
}

/* ---------------------------------------------------------------- receiving */

void fn_mp_in_init(struct fn_mp_in *in, uint64_t max)
{
    fn_mpframe_init(&in->frame, max);
    in->complete = false;
    in->got = 0;
}

bool fn_mp_at_unit(const struct fn_mp_in *in)
{
    return in->complete ? in->got == 0 : fn_mpframe_at_unit(&in->frame);
}

bool fn_mp_whole(const struct fn_mp_in *in)
{
    return in->complete ? in->got == in->frame.length : in->frame.have == 0;
}

static int recv_head(struct fn_stream *s, struct fn_mp_in *in, const struct fn_wait *wait)
{
    struct fn_mpframe *f = &in->frame;
    for (;;) {
        struct iovec iov = {f->head + f->have, fn_mpframe_wants(f)};
        int64_t got = fn_stream_recv(s, &iov, 1, wait);
        if (got < 0)
            return (int)got;
        int st = fn_mpframe_got(f, (size_t)got);
        if (st != FN_E_MORE) {
            in->complete = st == FN_OK;
            return st;
        }
    }
}

int fn_mp_recv_body(struct fn_stream *s, struct fn_mp_in *in, uint8_t *at, uint64_t until,
                    const struct fn_wait *wait)
{
    size_t chunk = fn_stream_chunk(s, in->frame.length);
    while (in->got < until) {
        struct iovec iov = {at, (size_t)fn_min64(until - in->got, chunk)};
        int64_t got = fn_stream_recv(s, &iov, 1, wait);
        if (got < 0)
            return (int)got;
        at += got;
        in->got += (uint64_t)got;
        int st = in->got < until ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
    return FN_OK;
}

int fn_mp_recv(struct fn_stream *s, struct fn_mp_in *in, uint8_t *room, size_t size,
               const struct fn_wait *wait)
{
    int st = in->complete ? FN_OK : recv_head(s, in, wait);
    if (st < 0 || in->frame.length > size)
        return st;
    return fn_mp_recv_body(s, in, room + in->got, in->frame.length, wait);
}

/* ------------------------------------------------------------------ polling */

int fn_mp_poll(struct fn_stream *s, const struct fn_wait *wait)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    for (;;) {
        fn_time now = fn_now();
        int n = poll(&p, 1, fn_poll_ms(now, fn_earlier(wait->deadline, wait->check_at)));
        if (n > 0)
            return p.revents & POLLNVAL ? -EBADF : FN_OK;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 0 && wait->check_at != FN_NEVER)
            return FN_E_CHECK;
        int st = fn_wait_over(wait);
        if (st < 0)
            return st;
    }
}
