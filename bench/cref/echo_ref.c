/* The C reference of the echo benchmarks: one thread, level-triggered epoll, and nothing that a
 * careful programmer would leave out.
 *
 * One recv of up to 64 KiB per event, sent back at once. A message therefore costs a recv, a send
 * and its share of an epoll_wait. EPOLLOUT is armed (one epoll_ctl) only when a send was partial;
 * until the rest is gone nothing more is read from that connection, so memory is bounded by the
 * connections that are in this state: only they own a buffer.
 *
 * mode=epoll is the above; mode=pair serves one connection after another with a blocking recv and
 * send, the other half of a C ping-pong; spin= lets either look again for that many microseconds
 * before it sleeps.
 *
 * Congestion control is left alone (cc=-): replacing bbr, which pays when whole arrays go one way,
 * halves the rate of 64 connections that echo 64 KiB, and changes nothing for small messages.
 *
 * usage: echo_ref "tcp 127.0.0.1 0" [mode=epoll|pair] [spin=MICROSECONDS] [cc=auto|-|NAME]
 */
#define _GNU_SOURCE
#include "common.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, EVENTS = 512 };

struct conn {
    int fd;
    size_t start, end; /* what is left of `rest` */
    unsigned char *rest;
};

struct server {
    struct endpoint where;
    const char *cc;
    long spin_us;
    int listener, poller;
};

static unsigned char buffer[CHUNK];

static void watch(const struct server *s, struct conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(s->poller, op, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void drop(struct conn *c)
{
    close(c->fd);
    free(c->rest);
    free(c);
}

static void accept_all(const struct server *s)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        if (c == NULL)
            die("accept");
        c->fd = fd;
        tune_stream(fd, &s->where, s->cc);
        watch(s, c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* What one send did not take waits in a buffer of its own, and reading waits for it. */
static void keep_rest(const struct server *s, struct conn *c, size_t from, size_t to)
{
    c->rest = malloc(to - from);
    if (c->rest == NULL)
        die("memory");
    memcpy(c->rest, buffer + from, to - from);
    c->start = 0;
    c->end = to - from;
    watch(s, c, EPOLL_CTL_MOD, EPOLLOUT);
}

static void readable(const struct server *s, struct conn *c)
{
    ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop(c);
        return;
    }
    ssize_t sent = send(c->fd, buffer, (size_t)got, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(c);
        return;
    }
    if (sent < got)
        keep_rest(s, c, sent < 0 ? 0 : (size_t)sent, (size_t)got);
}

static void writable(const struct server *s, struct conn *c)
{
    ssize_t sent = send(c->fd, c->rest + c->start, c->end - c->start, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(c);
        return;
    }
    c->start += (size_t)sent;
    if (c->start < c->end)
        return;
    free(c->rest);
    c->rest = NULL;
    watch(s, c, EPOLL_CTL_MOD, EPOLLIN);
}

static int wait_events(const struct server *s, struct epoll_event *events)
{
    int n = 0;
    if (s->spin_us > 0) {
        double until = now() + (double)s->spin_us * 1e-6;
        while ((n = epoll_wait(s->poller, events, EVENTS, 0)) == 0 && now() < until)
            ;
    }
    return n != 0 ? n : epoll_wait(s->poller, events, EVENTS, -1);
}

static _Noreturn void serve_epoll(struct server *s)
{
    struct epoll_event events[EVENTS];
    struct epoll_event accepts = {.events = EPOLLIN, .data.ptr = NULL};
    s->poller = epoll_create1(EPOLL_CLOEXEC);
    if (s->poller < 0 || epoll_ctl(s->poller, EPOLL_CTL_ADD, s->listener, &accepts) < 0)
        die("epoll");
    for (;;) {
        int n = wait_events(s, events);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == NULL)
                accept_all(s);
            else if (c->rest != NULL)
                writable(s, c);
            else
                readable(s, c);
        }
    }
}

static ssize_t recv_some(const struct server *s, int fd)
{
    if (s->spin_us > 0) {
        double until = now() + (double)s->spin_us * 1e-6;
        do {
            ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got >= 0 || errno != EAGAIN)
                return got;
        } while (now() < until);
    }
    return recv(fd, buffer, sizeof buffer, 0);
}

static void pair_connection(const struct server *s, int fd)
{
    ssize_t got;
    while ((got = recv_some(s, fd)) > 0)
        for (ssize_t done = 0, n; done < got; done += n)
            if ((n = send(fd, buffer + done, (size_t)(got - done), MSG_NOSIGNAL)) < 0)
                return;
}

static _Noreturn void serve_pair(struct server *s)
{
    struct epoll_event event = {.events = EPOLLIN};
    s->poller = epoll_create1(EPOLL_CLOEXEC);
    if (s->poller < 0 || epoll_ctl(s->poller, EPOLL_CTL_ADD, s->listener, &event) < 0)
        die("epoll");
    for (;;) {
        (void)epoll_wait(s->poller, &event, 1, -1); /* the listener does not block */
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        tune_stream(fd, &s->where, s->cc);
        pair_connection(s, fd);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct server s = {.cc = "-"};
    int pair = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: echo_ref ENDPOINT [key=value ...]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char *value = split_option(argv[i]);
        if (strcmp(argv[i], "mode") == 0)
            pair = strcmp(value, "pair") == 0;
        else if (strcmp(argv[i], "spin") == 0)
            s.spin_us = strtol(value, NULL, 10);
        else if (strcmp(argv[i], "cc") == 0)
            s.cc = value;
        else
            fail("unknown option");
    }
    parse_endpoint(argv[1], &s.where);
    s.listener = serve_at(&s.where);
    if (pair)
        serve_pair(&s);
    serve_epoll(&s);
}
