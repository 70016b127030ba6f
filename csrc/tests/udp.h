/* udp.h: datagram sockets for the core's tests. */
#ifndef FASTNET_TESTS_UDP_H
#define FASTNET_TESTS_UDP_H

#include <sys/un.h>

#include "rig.h"

struct place { /* an address */
    struct sockaddr_storage addr;
    socklen_t len;
};

static inline struct place place_of(int fd)
{
    struct place p = {.len = sizeof p.addr};
    assert(getsockname(fd, (struct sockaddr *)&p.addr, &p.len) == 0);
    return p;
}

/* On a loopback port of its own; -1 where the family is not there. */
static inline int try_udp(int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = loopback(0);
    int fd = socket(family, SOCK_DGRAM, 0);
    int st = family == AF_INET ? bind(fd, (struct sockaddr *)&four, sizeof four)
                               : bind(fd, (struct sockaddr *)&six, sizeof six);
    if (fd >= 0 && st < 0) {
        close(fd);
        return -1;
    }
    if (fd >= 0)
        no_wait(fd);
    return fd;
}

static inline int new_udp(void)
{
    int fd = try_udp(AF_INET);
    assert(fd >= 0);
    return fd;
}

static inline void connect_to(int fd, struct place p)
{
    assert(connect(fd, (struct sockaddr *)&p.addr, p.len) == 0);
}

static inline void unix_dgrams(int fd[2])
{
    assert(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
    no_wait(fd[0]);
    no_wait(fd[1]);
}

static inline struct fn_node *add_dgram(struct fn_reactor *r, int fd, enum fn_codec codec,
                                        struct fn_gate *gate, struct seen *seen)
{
    int st;
    struct fn_node *n = fn_dgram_add(r, fd, codec, gate, seen, &st);
    assert(n && st == 0);
    if (codec == FN_CODEC_RAW)
        fn_dgram_pause(r, n, false);
    return n;
}

/* The next datagram, turns until it is there; its length. */
static inline size_t next_datagram(struct fn_reactor *r, int fd, void *to, size_t room)
{
    for (fn_time end = fn_now() + RIG_PATIENCE;;) {
        ssize_t n = recv(fd, to, room, MSG_DONTWAIT);
        if (n >= 0)
            return (size_t)n;
        assert(errno == EAGAIN && fn_now() < end);
        turn(r, FN_MS);
    }
}

#endif
