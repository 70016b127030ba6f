/* How a connection of the load generator moves bytes: recv and send, or with WITH_TLS, OpenSSL.
 *
 * Results are a count, 0 at the end of the stream, or WOULD_WAIT; anything else ends the process.
 * OpenSSL reads ahead and keeps records, so after a TLS read `io_more` says whether to read again
 * without waiting: epoll knows nothing of bytes that OpenSSL holds.
 */
#ifndef FASTNET_BENCH_CONN_IO_H
#define FASTNET_BENCH_CONN_IO_H

#include "load.h"
#include <errno.h>

enum { WOULD_WAIT = -1 };

struct conn {
    int fd;
    bool armed;       /* EPOLLOUT too */
    unsigned turn;    /* messages so far */
    size_t sent, got; /* of the message under way */
    uint64_t since;
    void *tls;
};

#ifdef WITH_TLS
void io_start(const struct load *l, struct conn *c); /* handshake, on a blocking socket */
ssize_t io_recv(struct conn *c, void *into, size_t most);
ssize_t io_send(struct conn *c, const void *from, size_t most);
bool io_more(const struct conn *c);
#else
static inline void io_start(const struct load *l, struct conn *c)
{
    (void)l;
    (void)c;
}

static inline ssize_t io_result(ssize_t n, const char *what)
{
    if (n >= 0)
        return n;
    if (errno != EAGAIN && errno != EINTR)
        die(what);
    return WOULD_WAIT;
}

static inline ssize_t io_recv(struct conn *c, void *into, size_t most)
{
    return io_result(recv(c->fd, into, most, 0), "recv");
}

static inline ssize_t io_send(struct conn *c, const void *from, size_t most)
{
    return io_result(send(c->fd, from, most, MSG_NOSIGNAL), "send");
}

static inline bool io_more(const struct conn *c)
{
    (void)c;
    return false;
}
#endif

#endif
