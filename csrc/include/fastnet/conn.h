/* conn.h: stream connections of a reactor.
 *
 * How one ends.  The boundary either finishes it (what was written goes out,
 * then FN_EVENT_FINISHED) or closes it (at once).  When the peer or a limit
 * ends it first, FN_EVENT_FAILED brings the reason, and the boundary closes.
 * Only closing gives node and descriptor back, so an id stays good until the
 * boundary has let go of it.  Services (service.h) have no boundary and close
 * by themselves.
 */
#ifndef FASTNET_CONN_H
#define FASTNET_CONN_H

#include "fastnet/reactor.h"

/* A connected, non-blocking socket becomes a connection with that codec.  RAW
 * and READABLE ones read once fn_conn_resume() was called.  The node, or NULL
 * and *status, and then fd is still the caller's.  gate may be NULL. */
struct fn_node *fn_conn_add(struct fn_reactor *r, int fd, enum fn_codec codec, struct fn_gate *gate,
                            void *user, int *status);

/* Sends now or with the turn's end, as reactor.h says.  owner NULL: bytes are
 * copied where they have to wait; otherwise they stay put until owner comes
 * back through fn_out_take_spent(), which it does only if *kept is set.
 * 0, FN_E_WRITE_BUFFER, -EPIPE after shut or finish, -ENOMEM, or -errno. */
int fn_conn_write(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len,
                  void *owner, int *kept);
/* Sends what waits, as far as the system takes it: 0 or -errno. */
int fn_conn_flush(struct fn_reactor *r, struct fn_node *n);

void fn_conn_pause(struct fn_reactor *r, struct fn_node *n);
void fn_conn_resume(struct fn_reactor *r, struct fn_node *n);
/* Say FN_EVENT_DRAINED when no more than low_water bytes wait. */
void fn_conn_notify(struct fn_reactor *r, struct fn_node *n, size_t low_water);
/* For a boundary that writes to the descriptor itself: FN_EVENT_DRAINED, once,
 * when it takes bytes again. */
void fn_conn_want_room(struct fn_reactor *r, struct fn_node *n);
/* No more writes; the peer sees the end after what waits. */
void fn_conn_shut(struct fn_reactor *r, struct fn_node *n);
/* No more reads or writes; FN_EVENT_FINISHED when all is written. */
void fn_conn_finish(struct fn_reactor *r, struct fn_node *n);
/* At once.  keep: the descriptor is the caller's again. */
void fn_conn_close(struct fn_reactor *r, struct fn_node *n, bool keep);
/* The handshake, if its gate set a deadline, is complete. */
void fn_conn_ready(struct fn_node *n);

/* For the reactor. */
void fn_conn_event(struct fn_reactor *r, struct fn_node *n, uint32_t mask);
void fn_conn_settle(struct fn_reactor *r, struct fn_node *n);
/* One send(), counted: bytes, or -errno. */
int64_t fn_conn_send(struct fn_reactor *r, struct fn_node *n, const void *data, size_t len);
void fn_conn_fail(struct fn_reactor *r, struct fn_node *n, int reason);

#endif
