/* stream.h: blocking transfers on one socket or pipe.
 *
 * The descriptor may be in blocking or non-blocking mode: every call asks for
 * what is ready (MSG_DONTWAIT) and waits in poll(), so neither a deadline nor
 * a signal is ever stuck behind the system.
 *
 * A wait says until when:
 *
 *   deadline   ends the whole transfer                    -> FN_E_TIMEOUT
 *   stall      longest time in which no byte moves        -> FN_E_STALL
 *   check_at   the caller wants control for a moment      -> FN_E_CHECK
 *   wake_fd    likewise, as soon as it can be read        -> FN_E_CHECK
 *
 * FN_E_CHECK is how signals are honoured without the core knowing of Python:
 * on the main thread the boundary sets check_at 50 ms ahead, looks for signals
 * when the call comes back, and calls again; what was transferred stays
 * transferred, since the position lives in the caller's walk.  A long transfer
 * is not interrupted so often: it gets a wake_fd that signal handlers write to,
 * for taking the GIL back from a busy thread costs 5 ms each time.  With
 * check_at set, EINTR comes back as FN_E_CHECK at once; without it, it is
 * retried.
 *
 * A receiver that finds nothing looks again for up to `spin` before it sleeps.
 * Spins that find nothing are taken as a sign that they do not pay: after each
 * the stream sleeps at once for twice as many waits as before, until one pays.
 *
 * One thread may send while another receives; the two sides share no field
 * but the byte counters, which are written by one side each, and `plain`, which
 * a pipe's one side sets.  Writing to a pipe without a reader raises SIGPIPE,
 * which the caller ignores.
 */
#ifndef FASTNET_STREAM_H
#define FASTNET_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "fastnet/clock.h"
#include "fastnet/walk.h"

enum {
    FN_IOV = 256,       /* pieces in one system call */
    FN_CHUNK = 1 << 20, /* bytes in one system call, by default */
    FN_SMALL = 4 << 20, /* transfers up to here go in halves of a chunk, so that */
                        /* the receiver copies while the sender does (+20 % at 1 MiB) */
    FN_SPIN_SKIP = 64   /* longest run of waits that do not spin */
};

struct fn_wait {
    fn_time deadline;
    fn_time check_at;
    fn_time stall; /* a span, not a time; FN_NEVER for none */
    int wake_fd;   /* -1 for none */
};

struct fn_stream {
    int fd;
    bool plain;   /* found to be no socket: a pipe, a FIFO */
    size_t chunk; /* bytes asked of one system call */
    fn_time spin; /* a span; 0 never spins */
    unsigned spin_skip;
    unsigned spin_wait;
    fn_time send_waits; /* since when no byte moved, 0 while bytes move */
    fn_time receive_waits;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t bytes_in;
};

void fn_stream_init(struct fn_stream *s, int fd);

/* Bytes to ask of one system call in a transfer of `total` bytes. */
size_t fn_stream_chunk(const struct fn_stream *s, uint64_t total);

/* A wait without any end. */
struct fn_wait fn_wait_forever(void);

/* For loops in which bytes always move: FN_E_TIMEOUT, FN_E_CHECK, or 0. */
int fn_wait_over(const struct fn_wait *wait);

/* One transfer of at least one byte, waiting as long as `wait` allows.
 * Returns the bytes moved (> 0), FN_E_EOF (receive), FN_E_TIMEOUT,
 * FN_E_STALL, FN_E_CHECK, or -errno. */
int64_t fn_stream_send(struct fn_stream *s, struct iovec *iov, int n, const struct fn_wait *wait);
int64_t fn_stream_recv(struct fn_stream *s, struct iovec *iov, int n, const struct fn_wait *wait);

/* Moves all that is left of w; 0 when done, or as above.  w says how far it
 * came in every case. */
int fn_stream_send_all(struct fn_stream *s, struct fn_walk *w, const struct fn_wait *wait);
int fn_stream_recv_exact(struct fn_stream *s, struct fn_walk *w, const struct fn_wait *wait);

#endif
