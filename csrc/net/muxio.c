/* Theory in muxio.h. */
#include "fastnet/muxio.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "fastnet/bytes.h"
#include "fastnet/muxout.h"
#include "fastnet/status.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

enum { PIECES = 64, BUDGET = 2 << 20, SPIN_SKIP = 64 };

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static size_t bytes_of(const struct iovec *iov, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* One receive: bytes, 0 when there are none, FN_E_EOF, or an error. */
static int64_t receive(struct fn_mux *m, int fd, size_t *asked)
{
    struct iovec iov[PIECES];
    int n = fn_mux_want(m, iov, PIECES);
    if (n < 0)
        return n;
    *asked = bytes_of(iov, n);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
    ssize_t got = n == 1 ? recv(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT)
                         : recvmsg(fd, &msg, MSG_DONTWAIT);
    if (got < 0)
        return would_block(errno) ? 0 : -errno;
    if (got == 0)
        return FN_E_EOF;
    fn_mux_got(m, (size_t)got);
    return got;
}

int fn_mux_read(struct fn_mux *m, int fd, size_t budget)
{
    for (size_t total = 0;;) {
        int event = fn_mux_next(m);
        if (event != FN_E_MORE) {
            m->stashed = event;
            return 1;
        }
        if (total >= budget)
            return 0;
        size_t asked = 0;
        int64_t got = receive(m, fd, &asked);
        if (got <= 0)
            return (int)got;
        total += (size_t)got;
        if ((size_t)got < asked)
            budget = 0; /* that was all: what it means is looked at, no more */
    }
}

int fn_mux_write(struct fn_mux *m, int fd, size_t budget)
{
    int result = 0;
    fn_mux_lock(m);
    for (size_t total = 0;;) {
        struct iovec iov[PIECES];
        int n = fn_mux_out(m, iov, PIECES);
        if (n <= 0) {
            result = n;
            break;
        }
        if (total >= budget) {
            result = 2;
            break;
        }
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
        ssize_t sent = n == 1 ? send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT)
                              : sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            result = would_block(errno) ? 1 : -errno;
            break;
        }
        fn_mux_sent(m, (size_t)sent);
        total += (size_t)sent;
    }
    fn_mux_unlock(m);
    return result;
}

/* Looks again for a while: as fn_mux_read. */
static int spin(struct fn_mux *m, int fd, struct fn_mux_wait *w)
{
    if (!w->spin)
        return 0;
    if (w->spin_skip) {
        w->spin_skip--;
        return 0;
    }
    fn_time until = fn_now() + w->spin;
    do {
        int st = fn_mux_read(m, fd, BUDGET);
        if (st) {
            w->spin_wait = 0;
            return st;
        }
    } while (fn_now() < until);
    w->spin_wait = w->spin_wait < SPIN_SKIP / 2 ? w->spin_wait * 2 + 1 : SPIN_SKIP;
    w->spin_skip = w->spin_wait;
    return 0;
}

/* Sleeps until the descriptor is ready: 0, FN_E_CHECK, FN_E_TIMEOUT or -errno. */
static int sleep_until(int fd, bool out, const struct fn_mux_wait *w)
{
    struct pollfd fds[2] = {{.fd = fd, .events = (short)(out ? POLLIN | POLLOUT : POLLIN)},
                            {.fd = w->wake_fd, .events = POLLIN}};
    fn_time now = fn_now(), end = fn_earlier(w->deadline, w->check_at);
    fn_time left = end > now ? end - now : 0;
    struct timespec span = {.tv_sec = (time_t)(left / FN_SECOND), .tv_nsec = left % FN_SECOND};
    int found = ppoll(fds, w->wake_fd >= 0 ? 2 : 1, end == FN_NEVER ? NULL : &span, NULL);
    if (found < 0)
        return errno == EINTR ? FN_E_CHECK : -errno;
    if (fds[0].revents)
        return 0;
    if (found)
        return FN_E_CHECK;
    return w->deadline <= w->check_at ? FN_E_TIMEOUT : FN_E_CHECK;
}

int fn_mux_await(struct fn_mux *m, int fd, struct fn_mux_wait *w)
{
    for (bool fresh = true;; fresh = false) {
        int out = fn_mux_write(m, fd, BUDGET);
        if (out < 0)
            return out;
        int st = fn_mux_read(m, fd, BUDGET);
        if (st == 0 && out == 0 && fresh)
            st = spin(m, fd, w);
        if (st)
            return st;
        if (fn_mux_pending(m) && out != 1)
            continue; /* the budget was spent, or credit came */
        fn_time now = fn_now();
        if (now >= w->deadline)
            return FN_E_TIMEOUT;
        if (now >= w->check_at)
            return FN_E_CHECK;
        st = sleep_until(fd, out == 1, w);
        if (st)
            return st;
    }
}
