/* Theory in poller.h. */
#include "fastnet/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "fastnet/status.h"

enum { MOST_EVENTS = 1024 };

/* FN_NEVER or at most an hour, which every system's unit has room for. */
static fn_time bounded(fn_time timeout)
{
    return timeout == FN_NEVER ? FN_NEVER : fn_earlier(timeout, 3600 * FN_SECOND);
}

/* -------------------------------------------------------------------- epoll */

#ifdef __linux__

/* Beyond IN the masks differ by one shift. */
_Static_assert(EPOLLIN == (int)FN_POLL_IN, "IN");
_Static_assert(EPOLLOUT == FN_POLL_OUT << 1, "OUT");
_Static_assert(EPOLLERR == FN_POLL_ERR << 1, "ERR");
_Static_assert(EPOLLHUP == FN_POLL_HUP << 1, "HUP");

static uint32_t to_epoll(uint32_t mask)
{
    uint32_t events = (mask & FN_POLL_IN) | (mask & FN_POLL_OUT) << 1;
    return mask & FN_POLL_SHARED ? events | EPOLLEXCLUSIVE : events;
}

static uint32_t from_epoll(uint32_t events)
{
    return (events & EPOLLIN) | (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) >> 1;
}

static int open_epoll(struct fn_poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd < 0 ? -errno : 0;
}

static int change_epoll(struct fn_poller *p, int op, int fd, uint32_t mask, uint64_t tag)
{
    struct epoll_event event = {.events = to_epoll(mask), .data.u64 = tag};
    return epoll_ctl(p->fd, op, fd, &event) < 0 ? -errno : 0;
}

static int add_epoll(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    return change_epoll(p, EPOLL_CTL_ADD, fd, mask, tag);
}

static int del_epoll(struct fn_poller *p, int fd)
{
    return change_epoll(p, EPOLL_CTL_DEL, fd, 0, 0);
}

/* The kernel changes neither to EPOLLEXCLUSIVE nor from it: it says EINVAL. */
static int mod_epoll(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    int st = -EINVAL;
    if (!(mask & FN_POLL_SHARED))
        st = change_epoll(p, EPOLL_CTL_MOD, fd, mask, tag);
    if (st != -EINVAL)
        return st;
    st = del_epoll(p, fd);
    return st < 0 ? st : add_epoll(p, fd, mask, tag);
}

static int wait_epoll(struct fn_poller *p, struct fn_poll_event *events, int max, fn_time timeout)
{
    struct epoll_event ready[MOST_EVENTS];
    int room = max < MOST_EVENTS ? max : MOST_EVENTS;
    int n = epoll_wait(p->fd, ready, room, fn_poll_ms(0, bounded(timeout)));
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        events[i].tag = ready[i].data.u64;
        events[i].mask = from_epoll(ready[i].events);
    }
    return n;
}

static enum fn_poller_kind best_kind(void)
{
    return FN_POLLER_EPOLL;
}

#else /* a poller of this kind cannot be opened, so that the rest is never reached */

static int open_epoll(struct fn_poller *p)
{
    (void)p;
    return -ENOSYS;
}

static int add_epoll(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    (void)p, (void)fd, (void)mask, (void)tag;
    return -ENOSYS;
}

static int mod_epoll(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    (void)p, (void)fd, (void)mask, (void)tag;
    return -ENOSYS;
}

static int del_epoll(struct fn_poller *p, int fd)
{
    (void)p, (void)fd;
    return -ENOSYS;
}

static int wait_epoll(struct fn_poller *p, struct fn_poll_event *events, int max, fn_time timeout)
{
    (void)p, (void)events, (void)max, (void)timeout;
    return -ENOSYS;
}

static enum fn_poller_kind best_kind(void)
{
    return FN_POLLER_SELECT;
}

#endif

/* ------------------------------------------------------------------- select */

struct fn_select_set {
    fd_set in, out; /* who asks for what; each wait has copies */
    int top;        /* one more than the highest number that is known */
    int next;       /* where the next wait begins to look */
    bool known[FD_SETSIZE];
    uint64_t tag[FD_SETSIZE];
};

static int open_select(struct fn_poller *p)
{
    p->set = calloc(1, sizeof *p->set);
    if (!p->set)
        return -ENOMEM;
    FD_ZERO(&p->set->in);
    FD_ZERO(&p->set->out);
    return 0;
}

static bool is_known(const struct fn_select_set *s, int fd)
{
    return fd >= 0 && fd < s->top && s->known[fd];
}

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

static void ask(struct fn_select_set *s, int fd, uint32_t mask, uint64_t tag)
{
    FD_CLR(fd, &s->in);
    FD_CLR(fd, &s->out);
    if (mask & FN_POLL_IN)
        FD_SET(fd, &s->in);
    if (mask & FN_POLL_OUT)
        FD_SET(fd, &s->out);
    s->tag[fd] = tag;
}

static void forget(struct fn_select_set *s, int fd)
{
    ask(s, fd, 0, 0);
    s->known[fd] = false;
    while (s->top > 0 && !s->known[s->top - 1])
        s->top--;
}

static int add_select(struct fn_select_set *s, int fd, uint32_t mask, uint64_t tag)
{
    if (fd >= FD_SETSIZE)
        return FN_E_SELECT_RANGE;
    if (is_closed(fd))
        return -EBADF;
    if (is_known(s, fd))
        return -EEXIST;
    s->known[fd] = true;
    s->top = fd < s->top ? s->top : fd + 1;
    ask(s, fd, mask, tag);
    return 0;
}

static int mod_select(struct fn_select_set *s, int fd, uint32_t mask, uint64_t tag)
{
    if (!is_known(s, fd))
        return -ENOENT;
    ask(s, fd, mask, tag);
    return 0;
}

static int del_select(struct fn_select_set *s, int fd)
{
    if (!is_known(s, fd))
        return -ENOENT;
    forget(s, fd);
    return 0;
}

/* Descriptors that were closed while they were watched, which epoll forgets by
 * itself.  Their number. */
static int forget_closed(struct fn_select_set *s)
{
    int n = 0;
    for (int fd = s->top - 1; fd >= 0; fd--) {
        if (is_known(s, fd) && is_closed(fd)) {
            forget(s, fd);
            n++;
        }
    }
    return n;
}

/* How long select() may sleep; NULL for ever.  Rounded up to its microsecond. */
static struct timeval *span(fn_time timeout, struct timeval *tv)
{
    if (timeout == FN_NEVER)
        return NULL;
    fn_time us = timeout > 0 ? (bounded(timeout) + 999) / 1000 : 0;
    tv->tv_sec = (time_t)(us / 1000000);
    tv->tv_usec = (suseconds_t)(us % 1000000);
    return tv;
}

/* The descriptors' number counts each direction by itself. */
static int ask_system(struct fn_select_set *s, fd_set *in, fd_set *out, fn_time timeout)
{
    for (;;) {
        struct timeval tv;
        *in = s->in;
        *out = s->out;
        int n = select(s->top, in, out, NULL, span(timeout, &tv));
        if (n >= 0)
            return n;
        int st = -errno;
        if (st != -EBADF || !forget_closed(s))
            return st;
    }
}

static int wait_select(struct fn_select_set *s, struct fn_poll_event *events, int max,
                       fn_time timeout)
{
    fd_set in, out;
    int left = ask_system(s, &in, &out, timeout);
    if (left < 0)
        return left;
    int n = 0;
    int fd = s->next < s->top ? s->next : 0;
    while (left > 0 && n < max) {
        uint32_t mask = FD_ISSET(fd, &in) ? FN_POLL_IN : 0u;
        mask |= FD_ISSET(fd, &out) ? FN_POLL_OUT : 0u;
        if (mask) {
            events[n++] = (struct fn_poll_event){.tag = s->tag[fd], .mask = mask};
            left -= mask == (FN_POLL_IN | FN_POLL_OUT) ? 2 : 1;
        }
        fd = fd + 1 < s->top ? fd + 1 : 0;
    }
    s->next = fd;
    return n;
}

/* --------------------------------------------------------------- either kind */

int fn_poller_open(struct fn_poller *p, enum fn_poller_kind kind)
{
    p->kind = kind == FN_POLLER_DEFAULT ? best_kind() : kind;
    p->fd = -1;
    p->set = NULL;
    int st = -EINVAL;
    if (p->kind == FN_POLLER_EPOLL)
        st = open_epoll(p);
    else if (p->kind == FN_POLLER_SELECT)
        st = open_select(p);
    if (st < 0)
        p->kind = FN_POLLER_DEFAULT;
    return st;
}

void fn_poller_close(struct fn_poller *p)
{
    if (p->kind == FN_POLLER_EPOLL)
        close(p->fd);
    free(p->set);
    *p = (struct fn_poller){.kind = FN_POLLER_DEFAULT, .fd = -1};
}

int fn_poller_add(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    return p->set ? add_select(p->set, fd, mask, tag) : add_epoll(p, fd, mask, tag);
}

int fn_poller_mod(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag)
{
    return p->set ? mod_select(p->set, fd, mask, tag) : mod_epoll(p, fd, mask, tag);
}

int fn_poller_del(struct fn_poller *p, int fd)
{
    return p->set ? del_select(p->set, fd) : del_epoll(p, fd);
}

int fn_poller_wait(struct fn_poller *p, struct fn_poll_event *events, int max, fn_time timeout)
{
    return p->set ? wait_select(p->set, events, max, timeout) : wait_epoll(p, events, max, timeout);
}
