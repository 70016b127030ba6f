/* muxturn.h: a turn of the reactor for connections that are muxes.
 *
 * A server's connections are READABLE nodes whose `user` is a fn_mux_node.  A
 * turn sends what their muxes have to send, waits, and reads from those that
 * can be read, all of it without coming back to the boundary: there is one
 * hand-over of the interpreter's lock for all connections together.
 *
 * A READABLE event then means: `status` is what fn_mux_read() returned, and
 * where that is 0 there is nothing to do.  A node that is `external` (TLS) is
 * left to the boundary.
 *
 * A node whose descriptor takes no more is watched for room; FN_EVENT_DRAINED
 * puts it back in the list of those who have something to send.
 */
#ifndef FASTNET_MUXTURN_H
#define FASTNET_MUXTURN_H

#include "fastnet/mux.h"
#include "fastnet/reactor.h"

enum { FN_MUX_BUDGET = 2 << 20 }; /* bytes of one connection, each way, in a turn */

struct fn_mux_node {
    struct fn_mux *mux;
    uint64_t id; /* of its node */
    int fd;
    int status;    /* of the last read */
    bool external; /* its bytes are moved by the boundary */
    bool queued;
    bool stuck; /* its descriptor takes no more for now */
    struct fn_mux_node *next;
};

struct fn_mux_queue {
    struct fn_mux_node *first, *last;
};

/* It has something to send.  For the reactor's owner. */
void fn_mux_queue_add(struct fn_mux_queue *q, struct fn_mux_node *n);
/* It is going. */
void fn_mux_queue_remove(struct fn_mux_queue *q, struct fn_mux_node *n);

/* As fn_reactor_poll(). */
int fn_mux_turn(struct fn_reactor *r, struct fn_mux_queue *q, fn_time timeout);

#endif
