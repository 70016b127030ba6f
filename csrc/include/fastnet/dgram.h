/* dgram.h: datagram sockets of a reactor, many datagrams a system call.
 *
 * Reads fill the slots of mmsg.h, which all sockets of a reactor share: who
 * finds them taken is served in the next turn.
 *
 * Writes go into one buffer of records, sent with sendmmsg() when the turn
 * ends or, outside of one, at once.  What the system does not take waits, up
 * to the gate's write_buffer; a datagram that cannot be sent at all is
 * dropped and, for the boundary, FN_EVENT_TROUBLE.  The services (echo, time)
 * drop what the system does not take at once: that is what datagrams are.
 * Their descriptors stay their owners', who may share them among reactors.
 *
 * A datagram longer than FN_DGRAM_MOST, which only Unix sockets have, is lost,
 * and trouble (EMSGSIZE) for the boundary: a part of it would be worse.
 */
#ifndef FASTNET_DGRAM_H
#define FASTNET_DGRAM_H

#include "fastnet/buf.h"
#include "fastnet/reactor.h"

enum { FN_DGRAM_QUEUE = 1 << 30 }; /* bytes that may wait, where no limit says less */

struct fn_dgram {
    struct fn_buf queue; /* records: fn_from cut to size, length, bytes */
    size_t payload;      /* bytes of datagrams in it */
    size_t waiting;      /* datagrams in it */
};

/* A bound or connected, non-blocking datagram socket. */
struct fn_node *fn_dgram_add(struct fn_reactor *r, int fd, enum fn_codec codec,
                             struct fn_gate *gate, void *user, int *status);
/* to NULL: the connected peer.  0, FN_E_WRITE_BUFFER, -ENOMEM; what the system
 * refuses comes back as -errno only when it is sent at once. */
int fn_dgram_send(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len,
                  const struct sockaddr *to, socklen_t tolen);
int fn_dgram_flush(struct fn_reactor *r, struct fn_node *n);
void fn_dgram_pause(struct fn_reactor *r, struct fn_node *n, bool paused);
void fn_dgram_notify(struct fn_reactor *r, struct fn_node *n, size_t low_water);
void fn_dgram_finish(struct fn_reactor *r, struct fn_node *n);
void fn_dgram_close(struct fn_reactor *r, struct fn_node *n, bool keep);

/* For the reactor. */
void fn_dgram_event(struct fn_reactor *r, struct fn_node *n, uint32_t mask);
void fn_dgram_settle(struct fn_reactor *r, struct fn_node *n);
void fn_dgram_free(struct fn_node *n);
void fn_dgram_drain(struct fn_reactor *r, struct fn_node *n);

#endif
