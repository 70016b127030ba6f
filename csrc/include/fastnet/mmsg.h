/* mmsg.h: many datagrams in one system call.
 *
 * FN_DGRAMS slots of the largest size, memory that is only touched as far as
 * datagrams are long.  Slots a power of two apart would share a few sets of
 * every cache, hence the odd stride.  Where there is no recvmmsg() the same is
 * done one by one.
 */
#ifndef FASTNET_MMSG_H
#define FASTNET_MMSG_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    FN_DGRAMS = 64,
    FN_DGRAM_MOST = 65536, /* bytes; a UDP datagram has at most 65,507 */
    FN_MMSG_STRIDE = FN_DGRAM_MOST + 192,
    FN_MMSG_BYTES = FN_MMSG_STRIDE * FN_DGRAMS
};

#ifndef __linux__
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned int msg_len;
};
#endif

struct fn_from {
    socklen_t len;
    struct sockaddr_storage addr;
};

struct fn_mmsg {
    uint8_t *slots;
    int used; /* by events of this turn */
    struct fn_from from[FN_DGRAMS];
    struct iovec iov[FN_DGRAMS];
    struct mmsghdr msgs[FN_DGRAMS];
};

struct fn_mmsg *fn_mmsg_new(void); /* NULL when memory is short */
void fn_mmsg_free(struct fn_mmsg *m);
/* A new turn: all slots are free.  m may be NULL. */
void fn_mmsg_reset(struct fn_mmsg *m);
/* At most room free slots made ready to receive; their number. */
int fn_mmsg_prepare(struct fn_mmsg *m, int room);

/* Datagrams received or sent, or -errno of the first. */
int fn_mmsg_receive(int fd, struct mmsghdr *msgs, int n);
int fn_mmsg_send(int fd, struct mmsghdr *msgs, int n);

/* Bytes of n datagrams that were received or sent. */
uint64_t fn_mmsg_bytes(const struct mmsghdr *msgs, int n);

#endif
