/* tune.h: the transport's choices for one TCP connection, in one place.
 *
 * Why each choice is what it is (measured on Linux 6.18, loopback, 2 cores):
 *
 *   congestion   bbr paces its packets, which caps a path whose round trip is
 *                shorter than its timer: 4 GB/s on loopback where reno and
 *                cubic reach 7 to 8.  Only bbr, and only on loopback or below
 *                a millisecond, is replaced; every other choice of the system
 *                stands.
 *   buffers      the kernel's autotuning grows them as far as the path needs,
 *                and a fixed size switches it off; hence no default.
 *   nodelay      messages are gathered here, so Nagle's wait gains nothing
 *                and costs 40 ms when it meets a delayed acknowledgement.
 *   spin         a blocked thread takes 50 us to wake; a receiver that looks
 *                again for a while first keeps up with a sender that is just
 *                as fast (7.5 -> 8.2 GB/s).  Off where there is one CPU, since
 *                then it keeps the sender from running.
 *
 * A refusal by the system is never an error: it is recorded in `refused`.
 */
#ifndef FASTNET_TUNE_H
#define FASTNET_TUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "fastnet/clock.h"
#include "fastnet/sock.h"

enum { FN_RTT_SHORT = 1000 }; /* us; below it bbr's pacing is the bottleneck */

enum fn_refusal {
    FN_REFUSED_CONGESTION = 1,
    FN_REFUSED_SEND_BUFFER = 2,
    FN_REFUSED_RECEIVE_BUFFER = 4,
    FN_REFUSED_NODELAY = 8
};

struct fn_tuning {
    char congestion[FN_CC_NAME]; /* "auto", "" for the system's, or a name */
    int send_buffer;             /* bytes; 0 leaves it to the kernel */
    int receive_buffer;
    bool nodelay;
};

struct fn_tuned {
    char congestion_default[FN_CC_NAME]; /* before; "" when not TCP */
    char congestion[FN_CC_NAME];         /* now */
    bool is_tcp;
    bool nodelay;
    int send_buffer; /* as the kernel reports them */
    int receive_buffer;
    unsigned refused; /* enum fn_refusal */
};

/* Applies t to a connected (or, for what accept() inherits, listening) socket
 * and says what holds now.  Works on Unix sockets too, where only buffers
 * apply. */
void fn_tune_apply(int fd, const struct fn_tuning *t, struct fn_tuned *now);

/* The part that a single bulk transfer on somebody else's socket wants: bbr
 * replaced where it caps the path, nothing else touched.  now comes zeroed. */
void fn_tune_congestion(int fd, const char *wanted, struct fn_tuned *now);

/* How long a receiver may spin: 150 us, or 0 where there is one CPU, or the
 * cgroup's quota is below two.  A process that is merely confined to one CPU
 * does spin, for its peer mostly has another; where both share one, spins do
 * not pay, and stream.h stops them. */
fn_time fn_tune_spin(void);

#endif
