/* Theory in mmsg.h. */
#include "fastnet/mmsg.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* ----------------------------------------------------------------- system calls */

int fn_mmsg_receive(int fd, struct mmsghdr *msgs, int n)
{
#ifdef __linux__
    int got = recvmmsg(fd, msgs, (unsigned)n, MSG_DONTWAIT, NULL);
    return got < 0 ? -errno : got;
#else
    int i;
    for (i = 0; i < n; i++) {
        ssize_t got = recvmsg(fd, &msgs[i].msg_hdr, MSG_DONTWAIT);
        if (got < 0)
            return i ? i : -errno;
        msgs[i].msg_len = (unsigned)got;
    }
    return i;
#endif
}

int fn_mmsg_send(int fd, struct mmsghdr *msgs, int n)
{
#ifdef __linux__
    int sent = sendmmsg(fd, msgs, (unsigned)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
#else
    int i;
    for (i = 0; i < n; i++) {
        ssize_t sent = sendmsg(fd, &msgs[i].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
            return i ? i : -errno;
        msgs[i].msg_len = (unsigned)sent;
    }
    return i;
#endif
}

/* ---------------------------------------------------------------------- slots */

struct fn_mmsg *fn_mmsg_new(void)
{
    struct fn_mmsg *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    void *map = mmap(NULL, FN_MMSG_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        free(m);
        return NULL;
    }
    m->slots = map;
    return m;
}

void fn_mmsg_free(struct fn_mmsg *m)
{
    if (m)
        munmap(m->slots, FN_MMSG_BYTES);
    free(m);
}

void fn_mmsg_reset(struct fn_mmsg *m)
{
    if (m)
        m->used = 0;
}

int fn_mmsg_prepare(struct fn_mmsg *m, int room)
{
    int n = FN_DGRAMS - m->used;
    n = n < room ? n : room;
    for (int i = 0; i < n; i++) {
        int slot = m->used + i;
        m->iov[slot] = (struct iovec){m->slots + (size_t)slot * FN_MMSG_STRIDE, FN_DGRAM_MOST};
        m->msgs[slot].msg_hdr = (struct msghdr){
            .msg_name = &m->from[slot].addr,
            .msg_namelen = sizeof m->from[slot].addr,
            .msg_iov = &m->iov[slot],
            .msg_iovlen = 1,
        };
    }
    return n;
}

uint64_t fn_mmsg_bytes(const struct mmsghdr *msgs, int n)
{
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += msgs[i].msg_len;
    return bytes;
}
