/* turn.h: what a reactor does, again and again.
 *
 * fn_reactor_poll() does one turn:
 *
 *   settle   what was written since the last turn is sent, and the poller is
 *            told of what changed: once, however often it changed
 *   wait     for events, spinning first where that pays
 *   serve    accept, read, decode.  Codecs that need nobody finish here;
 *            for the others there are events
 *   expire   timers that are due, last: who let this thread wait for long
 *            has not made its peers idle
 *
 * and returns how many events there are.  The boundary takes them one by one
 * with fn_reactor_next(), which skips those whose node was closed in between,
 * and what a paused node would only be told (READABLE; bytes that were read
 * come all the same); a turn that begins while events are left returns at once.  Bytes of
 * an event lie in the reactor's arena until the next turn.  A turn is bounded:
 * at most FN_TURN events of the poller, each one read, and as many bytes as
 * the arena has; what is left over is reported again, since the poller is
 * level-triggered.
 *
 * Writes: between a turn and the next (`dispatching`), small writes are only
 * copied, and all of a connection's go out in one system call when the next
 * turn begins.  Outside, and when they are large, they are sent at once; what
 * the system does not take waits in the node's queue, and only then is the
 * poller asked for room to write.
 *
 * Spinning: a thread that sleeps takes 50 us to wake.  A reactor with a `spin`
 * looks again for so long before it sleeps; after spins that found nothing it
 * sleeps at once for twice as many turns as the time before.
 */
#ifndef FASTNET_TURN_H
#define FASTNET_TURN_H

#include "fastnet/reactor.h"

/* One turn; timeout is a span.  The number of events, -EINTR, or -errno. */
int fn_reactor_poll(struct fn_reactor *r, fn_time timeout);

/* The first part of a turn alone: what waits is sent, for an owner that will
 * make no more turns for a while. */
void fn_reactor_settle(struct fn_reactor *r);

/* Turns until an event waits for the boundary (1), asked to stop (0), a turn
 * was interrupted (-EINTR), or check_at has come (FN_E_CHECK). */
int fn_reactor_run(struct fn_reactor *r, fn_time check_at);

/* A descriptor that is only watched; it stays its owner's.  mask of IN and
 * OUT.  The node, or NULL and *status. */
struct fn_node *fn_watch_add(struct fn_reactor *r, int fd, uint32_t mask, void *user, int *status);
/* 0 or -errno.  A watch ends with fn_reactor_remove(r, n, true). */
int fn_watch_set(struct fn_reactor *r, struct fn_node *n, uint32_t mask);

#endif
