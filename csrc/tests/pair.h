/* pair.h: connected pairs of sockets for the core's tests. */
#ifndef FASTNET_TESTS_PAIR_H
#define FASTNET_TESTS_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"

static inline void unix_pair(int fd[2])
{
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
}

/* Over loopback; false where the family is not there (IPv6 may be off). */
static inline bool try_tcp_pair(int family, int fd[2])
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr *addr = (struct sockaddr *)&four;
    socklen_t len = sizeof four;
    if (family == AF_INET6) {
        addr = (struct sockaddr *)&six;
        len = sizeof six;
    }
    int listener = socket(family, SOCK_STREAM, 0);
    if (listener < 0)
        return false;
    if (bind(listener, addr, len) < 0) {
        close(listener);
        return false;
    }
    assert(listen(listener, 1) == 0);
    assert(getsockname(listener, addr, &len) == 0);
    fd[0] = socket(family, SOCK_STREAM, 0);
    assert(fd[0] >= 0 && connect(fd[0], addr, len) == 0);
    fd[1] = accept(listener, NULL, NULL);
    assert(fd[1] >= 0);
    close(listener);
    return true;
}

static inline void tcp_pair(int fd[2])
{
    assert(try_tcp_pair(AF_INET, fd));
}

static inline void close_pair(const int fd[2])
{
    close(fd[0]);
    close(fd[1]);
}

/* Writes all of it, however long that takes. */
static inline void write_all(int fd, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        assert(sent > 0);
        p += sent;
        n -= (size_t)sent;
    }
}

static inline void read_all(int fd, void *bytes, size_t n)
{
    uint8_t *p = bytes;
    while (n) {
        ssize_t got = recv(fd, p, n, 0);
        assert(got > 0);
        p += got;
        n -= (size_t)got;
    }
}

#endif
