/* Theory in stream.h. */
#include "fastnet/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fastnet/status.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

void fn_stream_init(struct fn_stream *s, int fd)
{
    s->fd = fd;
    s->plain = false;
    s->chunk = FN_CHUNK;
    s->spin = 0;
    s->spin_skip = s->spin_wait = 0;
    s->send_waits = s->receive_waits = 0;
    atomic_init(&s->bytes_out, 0);
    atomic_init(&s->bytes_in, 0);
}

size_t fn_stream_chunk(const struct fn_stream *s, uint64_t total)
{
    return total <= FN_SMALL && s->chunk > 1 ? s->chunk / 2 : s->chunk;
}

struct fn_wait fn_wait_forever(void)
{
    return (struct fn_wait){
        .deadline = FN_NEVER, .check_at = FN_NEVER, .stall = FN_NEVER, .wake_fd = -1};
}

/* ------------------------------------------------------------------ waiting */

static fn_time stalls_at(const struct fn_wait *wait, fn_time since)
{
    return wait->stall >= FN_NEVER - since ? FN_NEVER : since + wait->stall;
}

/* Which of the three ends of a wait has come, or 0. */
static int ended(const struct fn_wait *wait, fn_time now, fn_time since)
{
    if (now >= wait->deadline)
        return FN_E_TIMEOUT;
    if (now >= stalls_at(wait, since))
        return FN_E_STALL;
    if (now >= wait->check_at)
        return FN_E_CHECK;
    return 0;
}

/* Sleeps until fd is ready (0), or the wait ends. */
static int wait_ready(int fd, short events, const struct fn_wait *wait, fn_time since)
{
    for (;;) {
        fn_time now = fn_now();
        int st = ended(wait, now, since);
        if (st)
            return st;
        fn_time until = fn_earlier(wait->deadline, stalls_at(wait, since));
        struct pollfd p[2] = {{.fd = fd, .events = events},
                              {.fd = wait->wake_fd, .events = POLLIN}};
        int n = poll(p, 2, fn_poll_ms(now, fn_earlier(until, wait->check_at)));
        if (n > 0 && p[1].revents)
            return FN_E_CHECK;
        if (n > 0)
            return 0; /* errors and hang-ups are what the next call reports */
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 0 && wait->check_at != FN_NEVER)
            return FN_E_CHECK;
    }
}

/* Waits for one side of the stream.  "No byte moved" counts from the first
 * wait after the last byte, across calls that came back for signals. */
static int wait_side(int fd, short events, const struct fn_wait *wait, fn_time *waiting_since)
{
    if (!*waiting_since)
        *waiting_since = fn_now();
    int st = wait_ready(fd, events, wait, *waiting_since);
    if (st != 0 && st != FN_E_CHECK)
        *waiting_since = 0;
    return st;
}

static bool woken(const struct fn_wait *wait)
{
    struct pollfd p = {.fd = wait->wake_fd, .events = POLLIN};
    return wait->wake_fd >= 0 && poll(&p, 1, 0) > 0;
}

int fn_wait_over(const struct fn_wait *wait)
{
    if (woken(wait))
        return FN_E_CHECK;
    if (wait->deadline == FN_NEVER && wait->check_at == FN_NEVER)
        return 0;
    fn_time now = fn_now();
    if (now >= wait->deadline)
        return FN_E_TIMEOUT;
    return now >= wait->check_at ? FN_E_CHECK : 0;
}

static bool would_block(int64_t status)
{
    return status == -EAGAIN || status == -EWOULDBLOCK;
}

/* ------------------------------------------------------------ plain descriptors */

/* What is no socket has no MSG_DONTWAIT.  RWF_NOWAIT does the same for pipes
 * where the system has it (Linux 6.4); elsewhere poll() says whether a call
 * would wait, and a pipe that can take anything can take PIPE_BUF bytes. */

static bool ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0;
}

static int64_t plain_write(int fd, const struct iovec *iov, int n)
{
#ifdef RWF_NOWAIT
    ssize_t done = pwritev2(fd, iov, n, -1, RWF_NOWAIT);
    if (done >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return done < 0 ? -errno : done;
#else
    (void)n;
#endif
    if (!ready_now(fd, POLLOUT))
        return -EAGAIN;
    while (iov->iov_len == 0)
        iov++;
    ssize_t sent = write(fd, iov->iov_base, iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
    return sent < 0 ? -errno : sent;
}

static int64_t plain_read(int fd, const struct iovec *iov, int n)
{
#ifdef RWF_NOWAIT
    ssize_t done = preadv2(fd, iov, n, -1, RWF_NOWAIT);
    if (done >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
        return done < 0 ? -errno : done;
#endif
    if (!ready_now(fd, POLLIN))
        return -EAGAIN;
    ssize_t got = readv(fd, iov, n);
    return got < 0 ? -errno : got;
}

/* ------------------------------------------------------------------ sending */

static int64_t try_send(struct fn_stream *s, struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    if (s->plain)
        return plain_write(s->fd, iov, n);
    ssize_t sent = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    if (errno != ENOTSOCK)
        return -errno;
    s->plain = true;
    return plain_write(s->fd, iov, n);
}

int64_t fn_stream_send(struct fn_stream *s, struct iovec *iov, int n, const struct fn_wait *wait)
{
    for (;;) {
        int64_t sent = try_send(s, iov, n);
        if (sent > 0) {
            s->send_waits = 0;
            atomic_fetch_add_explicit(&s->bytes_out, (uint64_t)sent, memory_order_relaxed);
            return sent;
        }
        if (sent == -EINTR)
            continue;
        if (sent < 0 && !would_block(sent))
            return sent;
        int st = wait_side(s->fd, POLLOUT, wait, &s->send_waits);
        if (st < 0)
            return st;
    }
}

int fn_stream_send_all(struct fn_stream *s, struct fn_walk *w, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    size_t chunk = fn_stream_chunk(s, w->total);
    while (fn_walk_left(w)) {
        int n = fn_walk_out(w, iov, FN_IOV, chunk);
        if (n < 0)
            return n;
        int64_t sent = fn_stream_send(s, iov, n, wait);
        if (sent < 0)
            return (int)sent;
        fn_walk_sent(w, (size_t)sent);
        int st = fn_walk_left(w) ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
    return FN_OK;
}

/* ---------------------------------------------------------------- receiving */

static int64_t call_recv(struct fn_stream *s, struct iovec *iov, int n)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    if (s->plain)
        return plain_read(s->fd, iov, n);
    ssize_t got = n == 1 ? recv(s->fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT)
                         : recvmsg(s->fd, &msg, MSG_DONTWAIT);
    if (got >= 0)
        return got;
    if (errno != ENOTSOCK)
        return -errno;
    s->plain = true;
    return plain_read(s->fd, iov, n);
}

static int64_t try_recv(struct fn_stream *s, struct iovec *iov, int n)
{
    int64_t got = call_recv(s, iov, n);
    return got == 0 ? FN_E_EOF : got;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool may_spin(struct fn_stream *s)
{
    if (!s->spin)
        return false;
    if (!s->spin_skip)
        return true;
    s->spin_skip--;
    return false;
}

/* Looks again until something is there or the budget is spent.  A caller who
 * wants control at once leaves no time to spin, and that is no sign of whether
 * it pays. */
static int64_t spin_recv(struct fn_stream *s, struct iovec *iov, int n, const struct fn_wait *wait)
{
    fn_time now = fn_now();
    fn_time until = fn_earlier(now + s->spin, fn_earlier(wait->deadline, wait->check_at));
    if (until <= now || !may_spin(s))
        return -EAGAIN;
    while (now < until) {
        for (int i = 0; i < 8; i++)
            relax();
        int64_t got = try_recv(s, iov, n);
        if (!would_block(got)) {
            s->spin_wait = 0;
            return got;
        }
        now = fn_now();
    }
    s->spin_wait = s->spin_wait < FN_SPIN_SKIP / 2 ? s->spin_wait * 2 + 1 : FN_SPIN_SKIP;
    s->spin_skip = s->spin_wait;
    return -EAGAIN;
}

int64_t fn_stream_recv(struct fn_stream *s, struct iovec *iov, int n, const struct fn_wait *wait)
{
    for (;;) {
        int64_t got = try_recv(s, iov, n);
        if (would_block(got) && s->spin)
            got = spin_recv(s, iov, n, wait);
        if (got > 0) {
            s->receive_waits = 0;
            atomic_fetch_add_explicit(&s->bytes_in, (uint64_t)got, memory_order_relaxed);
            return got;
        }
        if (got == -EINTR)
            continue;
        if (!would_block(got))
            return got;
        int st = wait_side(s->fd, POLLIN, wait, &s->receive_waits);
        if (st < 0)
            return st;
    }
}

int fn_stream_recv_exact(struct fn_stream *s, struct fn_walk *w, const struct fn_wait *wait)
{
    struct iovec iov[FN_IOV];
    size_t chunk = fn_stream_chunk(s, w->total);
    while (fn_walk_left(w)) {
        int n = fn_walk_in(w, iov, FN_IOV, chunk);
        if (n < 0)
            return n;
        int64_t got = fn_stream_recv(s, iov, n, wait);
        if (got < 0)
            return (int)got;
        fn_walk_received(w, (size_t)got);
        int st = fn_walk_left(w) ? fn_wait_over(wait) : 0;
        if (st < 0)
            return st;
    }
    return FN_OK;
}
