/* accept.h: listeners of a reactor.
 *
 * A listener takes at most FN_ACCEPTS connections in a turn, so that those
 * who are in go on.  Each newcomer passes the gate; who is refused is closed
 * without a byte.  What a single newcomer does wrong (it has gone already) is
 * passed over; what the system lacks (descriptors, memory) makes the listener
 * shed or rest, never end.
 */
#ifndef FASTNET_ACCEPT_H
#define FASTNET_ACCEPT_H

#include "fastnet/reactor.h"

/* A listening, non-blocking socket.  shared: other reactors watch it as well,
 * one of them is woken for each connection.  One that ends by itself takes
 * what is queued first; where its process is killed between being woken and
 * accepting, the system wakes no other: the connection is taken with the next
 * that comes, or by the next reactor that joins, which finds what waits.
 * keep: the descriptor stays open when the listener is closed, for it is
 * somebody else's.  The node, or NULL and *status. */
struct fn_node *fn_listener_add(struct fn_reactor *r, int fd, enum fn_codec codec,
                                struct fn_gate *gate, bool shared, void *user, int *status);
/* Accepts no more; the descriptor stays open and its owner's. */
void fn_listener_close(struct fn_reactor *r, struct fn_node *n);

/* For the reactor. */
void fn_listener_event(struct fn_reactor *r, struct fn_node *n);
void fn_listener_timer(struct fn_reactor *r, struct fn_node *n);

#endif
