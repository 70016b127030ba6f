/* UDP load: one socket with a window of requests under way against a time service.
 *
 * Replies carry nothing that names their request, but one server answers one socket in order, so
 * the oldest request is the one that was answered. What has had no answer for 50 ms is lost: it is
 * counted, and sent again.
 */
#define _GNU_SOURCE
#include "load.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1024, REQUEST = 4, REPLY = 64, LOST_AFTER_MS = 50, PATIENCE = 100 };

struct datagrams {
    int fd;
    struct mmsghdr in[MOST], out[MOST];
    struct iovec in_vec[MOST], out_vec;
    char replies[MOST][REPLY];
    uint64_t sent_at[MOST]; /* ring: the window's oldest is at `first` */
    unsigned first, under_way;
};

static void connect_udp(struct load *l)
{
    struct datagrams *d = calloc(1, sizeof *d);
    if (d == NULL || l->opt.window < 1 || l->opt.window > MOST)
        fail("window");
    d->fd = socket(l->where.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (d->fd < 0 ||
        connect(d->fd, (const struct sockaddr *)&l->where.address, l->where.length) < 0)
        die("connect");
    d->out_vec = (struct iovec){.iov_base = "time", .iov_len = REQUEST};
    for (int i = 0; i < MOST; i++) {
        d->in_vec[i] = (struct iovec){.iov_base = d->replies[i], .iov_len = REPLY};
        d->in[i].msg_hdr = (struct msghdr){.msg_iov = &d->in_vec[i], .msg_iovlen = 1};
        d->out[i].msg_hdr = (struct msghdr){.msg_iov = &d->out_vec, .msg_iovlen = 1};
    }
    l->state = d;
}

static void send_requests(struct datagrams *d, unsigned count)
{
    uint64_t at = now_ns();
    for (unsigned done = 0; done < count;) {
        int n = sendmmsg(d->fd, d->out, count - done, 0);
        if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
            die("sendmmsg");
        for (int i = 0; i < n; i++)
            d->sent_at[(d->first + d->under_way++) % MOST] = at;
        done += n > 0 ? (unsigned)n : 0;
    }
}

/* The text of a second that is no more than two away. */
static bool right_time(const char *text, size_t length)
{
    char expected[32];
    struct tm local;
    time_t current = time(NULL);
    for (time_t t = current + 1; t >= current - 2; t--) {
        localtime_r(&t, &local);
        size_t n = strftime(expected, sizeof expected, "%a %b %e %H:%M:%S %Y", &local);
        if (n == length && memcmp(expected, text, n) == 0)
            return true;
    }
    return false;
}

static int receive(struct datagrams *d, const struct load *l)
{
    int n = recvmmsg(d->fd, d->in, (unsigned)l->opt.window, MSG_DONTWAIT, NULL);
    if (n >= 0 || errno != EAGAIN)
        return n;
    struct pollfd p = {.fd = d->fd, .events = POLLIN};
    if (poll(&p, 1, LOST_AFTER_MS) <= 0)
        return 0;
    return recvmmsg(d->fd, d->in, (unsigned)l->opt.window, MSG_DONTWAIT, NULL);
}

static void count_replies(struct datagrams *d, int n, const struct span *span, struct result *r)
{
    uint64_t at = now_ns();
    bool counts = at >= span->counted_from && at < span->end;
    for (int i = 0; i < n; i++) {
        size_t length = d->in[i].msg_len;
        if (counts ? length != 24 : !right_time(d->replies[i], length))
            fail("not the time of day");
        if (d->under_way == 0)
            continue; /* it came after it was given up */
        arrived(r, span, d->sent_at[d->first], at);
        r->bytes += counts ? length : 0;
        d->first = (d->first + 1) % MOST;
        d->under_way--;
    }
}

static void run_udp(struct load *l, const struct span *span, struct result *r)
{
    struct datagrams *d = l->state;
    int silent = 0;
    send_requests(d, (unsigned)l->opt.window);
    while (d->under_way > 0) {
        int n = receive(d, l);
        if (n < 0 && errno != EINTR)
            die("recvmmsg");
        if (n == 0) {
            if (++silent > PATIENCE)
                fail("no answer");
            r->lost += d->under_way;
            d->under_way = 0;
        } else if (n > 0) {
            silent = 0;
            count_replies(d, n, span, r);
        }
        if (now_ns() < span->end)
            send_requests(d, (unsigned)l->opt.window - d->under_way);
    }
}

const struct kind udp_kind = {connect_udp, NULL, run_udp};
