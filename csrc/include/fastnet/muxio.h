/* muxio.h: a mux on a plain, connected descriptor.
 *
 * Read and write do what can be done without waiting, and no more than `budget`
 * bytes of it, so that one connection does not keep its thread from others.
 */
#ifndef FASTNET_MUXIO_H
#define FASTNET_MUXIO_H

#include "fastnet/clock.h"
#include "fastnet/mux.h"

/* 1 when fn_mux_next() has an event (or an error), 0 when nothing more is
 * there or the budget is spent, FN_E_EOF, -errno. */
int fn_mux_read(struct fn_mux *m, int fd, size_t budget);

/* 0 when all that can go has gone, 1 when the descriptor takes no more, 2 when
 * the budget is spent, or -errno. */
int fn_mux_write(struct fn_mux *m, int fd, size_t budget);

/* How a thread waits for a mux: see stream.h for the spin and for check_at. */
struct fn_mux_wait {
    fn_time deadline;
    fn_time check_at;
    fn_time spin;
    unsigned spin_skip;
    unsigned spin_wait;
    int wake_fd; /* ends the wait as soon as it can be read: FN_E_CHECK; -1 for none */
};

/* Sends what there is to send and receives, waiting as long as it must: 1 when
 * fn_mux_next() has an event, FN_E_TIMEOUT, FN_E_CHECK, FN_E_EOF, or -errno. */
int fn_mux_await(struct fn_mux *m, int fd, struct fn_mux_wait *w);

#endif
