/* Stream loads: many connections in one epoll loop, or one blocking pair. */
#define _GNU_SOURCE
#include "conn_io.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

enum { EVENTS = 512, PATIENCE_S = 10, GREETING = 1024 };

struct streams {
    struct conn *conns;
    int poller;
};

/* ---- connecting -------------------------------------------------------------------------- */

/* When ports run short on 127.0.0.1 there are others: 127.0.0.2 and on. */
static int connect_socket(const struct load *l)
{
    static uint32_t source = 0;
    for (;;) {
        int fd = socket(l->where.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            die("socket");
        tune_stream(fd, &l->where, l->opt.cc);
        if (source != 0) {
            struct sockaddr_in from = {.sin_family = AF_INET,
                                       .sin_addr = {htonl(INADDR_LOOPBACK + source)}};
            if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0)
                die("bind");
        }
        if (connect(fd, (const struct sockaddr *)&l->where.address, l->where.length) == 0)
            return fd;
        if (errno != EADDRNOTAVAIL || l->where.address.ss_family != AF_INET || source > 200)
            die("connect");
        close(fd);
        source++;
    }
}

/* One message there and back while the socket still blocks: the server has accepted it. */
static void greet(const struct load *l, struct conn *c, unsigned number)
{
    size_t size = l->opt.size < GREETING ? l->opt.size : GREETING;
    const unsigned char *message = slice(l, number, 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    for (size_t done = 0; done < size;) {
        ssize_t n = io_send(c, message + done, size - done);
        if (n <= 0)
            fail("greeting: cannot send");
        done += (size_t)n;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = io_recv(c, l->scratch + done, size - done);
        if (n <= 0)
            fail("greeting: no answer");
        done += (size_t)n;
    }
    if (memcmp(l->scratch, message, size) != 0)
        fail("greeting: wrong bytes");
}

static void open_conn(const struct load *l, struct conn *c, unsigned number)
{
    *c = (struct conn){.fd = connect_socket(l)};
    io_start(l, c);
    greet(l, c, number);
}

static void connect_all(struct load *l)
{
    struct streams *s = calloc(1, sizeof *s);
    if (s == NULL || (s->conns = calloc((size_t)l->opt.connections, sizeof *s->conns)) == NULL)
        die("memory");
    s->poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < l->opt.connections; i++) {
        struct conn *c = &s->conns[i];
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        open_conn(l, c, (unsigned)i);
        fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
        if (epoll_ctl(s->poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
            die("epoll_ctl");
    }
    l->state = s;
}

static void open_idle(struct load *l, int count)
{
    struct conn c;
    for (int i = 0; i < count; i++)
        open_conn(l, &c, (unsigned)i); /* stays open until the process ends */
}

/* ---- the closed loop ---------------------------------------------------------------------- */

static void arm(const struct streams *s, unsigned number, bool out)
{
    struct conn *c = &s->conns[number];
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.u32 = number};
    if (c->armed == out)
        return;
    c->armed = out;
    if (epoll_ctl(s->poller, EPOLL_CTL_MOD, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void go_on_sending(const struct load *l, unsigned number)
{
    const struct streams *s = l->state;
    struct conn *c = &s->conns[number];
    const unsigned char *message = slice(l, number, c->turn);
    while (c->sent < l->opt.size) {
        ssize_t n = io_send(c, message + c->sent, l->opt.size - c->sent);
        if (n == WOULD_WAIT)
            break;
        c->sent += (size_t)n;
        if (c->sent < l->opt.size && c->tls == NULL)
            break;
    }
    arm(s, number, c->sent < l->opt.size);
}

static void start_message(const struct load *l, unsigned number, uint64_t at)
{
    const struct streams *s = l->state;
    struct conn *c = &s->conns[number];
    c->turn++;
    c->sent = c->got = 0;
    c->since = at;
    go_on_sending(l, number);
}

/* Takes what came; true when that completes the message. */
static bool take(const struct load *l, unsigned number, bool check, uint64_t *bytes)
{
    const struct streams *s = l->state;
    struct conn *c = &s->conns[number];
    const unsigned char *message = slice(l, number, c->turn);
    do {
        ssize_t n = io_recv(c, l->scratch, SCRATCH);
        if (n == WOULD_WAIT)
            return false;
        if (n == 0)
            fail("the server closed a connection");
        if (c->got + (size_t)n > c->sent)
            fail("more came back than was sent");
        if (check && memcmp(l->scratch, message + c->got, (size_t)n) != 0)
            fail("wrong bytes came back");
        c->got += (size_t)n;
        *bytes += (uint64_t)n;
    } while (c->got < l->opt.size && io_more(c));
    return c->got == l->opt.size;
}

static int wait_events(const struct load *l, struct epoll_event *events)
{
    const struct streams *s = l->state;
    int n = 0;
    if (l->opt.spin_us > 0) {
        uint64_t until = now_ns() + (uint64_t)l->opt.spin_us * 1000;
        while ((n = epoll_wait(s->poller, events, EVENTS, 0)) == 0 && now_ns() < until)
            ;
    }
    if (n == 0)
        n = epoll_wait(s->poller, events, EVENTS, PATIENCE_S * 1000);
    if (n == 0)
        fail("no answer for 10 seconds");
    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    return n;
}

static void run_streams(struct load *l, const struct span *span, struct result *r)
{
    const struct streams *s = l->state;
    struct epoll_event events[EVENTS];
    unsigned connections = (unsigned)l->opt.connections;
    unsigned busy = l->opt.single ? 1 : connections;
    for (unsigned i = 0; i < busy; i++)
        start_message(l, i, now_ns());
    while (busy > 0) {
        int n = wait_events(l, events);
        uint64_t at = now_ns();
        for (int i = 0; i < n; i++) {
            unsigned number = events[i].data.u32;
            struct conn *c = &s->conns[number];
            bool counts = at >= span->counted_from && at < span->end;
            uint64_t bytes = 0;
            if ((events[i].events & EPOLLOUT) && c->sent < l->opt.size)
                go_on_sending(l, number);
            if (!(events[i].events & ~(uint32_t)EPOLLOUT))
                continue;
            bool whole = take(l, number, !counts, &bytes);
            r->bytes += counts ? bytes : 0;
            if (!whole)
                continue;
            at = now_ns();
            arrived(r, span, c->since, at);
            if (at < span->end)
                start_message(l, l->opt.single ? (number + 1) % connections : number, at);
            else
                busy--;
        }
    }
}

const struct kind stream_kind = {connect_all, open_idle, run_streams};

/* ---- the blocking pair -------------------------------------------------------------------- */

static void connect_pair(struct load *l)
{
    struct conn *c = malloc(sizeof *c);
    if (c == NULL)
        die("memory");
    open_conn(l, c, 0);
    l->state = c;
}

static ssize_t recv_blocking(const struct load *l, struct conn *c, size_t most)
{
    if (l->opt.spin_us > 0) {
        uint64_t until = now_ns() + (uint64_t)l->opt.spin_us * 1000;
        do {
            ssize_t n = recv(c->fd, l->scratch, most, MSG_DONTWAIT);
            if (n >= 0 || errno != EAGAIN)
                return n;
        } while (now_ns() < until);
    }
    return recv(c->fd, l->scratch, most, 0);
}

static void run_pair(struct load *l, const struct span *span, struct result *r)
{
    struct conn *c = l->state;
    uint64_t at = now_ns();
    if (l->opt.size > SCRATCH)
        fail("a pair's message is at most 256 KiB");
    while (at < span->end) {
        const unsigned char *message = slice(l, 0, ++c->turn);
        uint64_t since = at;
        if (send(c->fd, message, l->opt.size, MSG_NOSIGNAL) != (ssize_t)l->opt.size)
            die("send");
        for (size_t got = 0; got < l->opt.size;) {
            ssize_t n = recv_blocking(l, c, l->opt.size - got);
            if (n <= 0)
                die("recv");
            if (since < span->counted_from && memcmp(l->scratch, message + got, (size_t)n) != 0)
                fail("wrong bytes came back");
            got += (size_t)n;
        }
        at = now_ns();
        arrived(r, span, since, at);
        if (at >= span->counted_from && at < span->end)
            r->bytes += l->opt.size;
    }
}

const struct kind pair_kind = {connect_pair, NULL, run_pair};
