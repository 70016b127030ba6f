/* gate.h: whom a server admits, and what each of its connections may do.
 *
 * One gate serves all listeners of a server, in however many threads: the
 * count of connections is atomic, the counts by address lie behind a lock
 * that is taken only where there is a limit by address.  It is counted by
 * reference, since connections outlive their listener.
 *
 * A limit of 0 is none, and so is a span too long for the clock.  Why each
 * exists:
 *
 *   connections    descriptors and memory of this process
 *   per_address    one peer must not take all of the above
 *   allow, deny    networks (peers.h); deny wins, allow NULL admits everybody
 *   idle           nothing moved in either direction for so long
 *   handshake      from accept until the boundary says that it is complete;
 *                  services have none
 *   min_rate       bytes per second, over each rate_window (0: a second), at
 *                  which a peer takes what waits for it
 *   write_buffer   bytes that may wait for one peer: a service stops reading
 *                  from it there, a handler that writes on loses the connection
 *
 * With worker processes each has a gate of its own, for limits of one process.
 */
#ifndef FASTNET_GATE_H
#define FASTNET_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fastnet/clock.h"
#include "fastnet/peers.h"

enum { FN_WRITE_BUFFER = 256 * 1024 }; /* a service's, where there is no limit */

struct fn_gate_limits {
    uint32_t connections;
    uint32_t per_address;
    fn_time idle; /* spans; 0 for none */
    fn_time handshake;
    uint64_t min_rate;
    fn_time rate_window;
    uint64_t write_buffer;
    bool nodelay;
};

struct fn_gate {
    struct fn_gate_limits limits;
    struct fn_networks allow, deny; /* bytes owned by the gate; count 0: none given */
    bool has_allow;
    _Atomic uint32_t open;
    _Atomic uint64_t accepted, denied, refused;
    _Atomic uint32_t references;
    pthread_mutex_t lock; /* for peers */
    struct fn_peers peers;
};

/* With one reference, the caller's; NULL when memory is short.  Networks are
 * copied: 32 bytes a range, n ranges, allow NULL for everybody. */
struct fn_gate *fn_gate_new(const struct fn_gate_limits *limits, const uint8_t *allow,
                            size_t allows, const uint8_t *deny, size_t denies);
void fn_gate_retain(struct fn_gate *g);
void fn_gate_release(struct fn_gate *g);

/* Whether its network may speak here; who may not is counted as denied.  NULL,
 * who has no address, always may. */
bool fn_gate_welcomes(struct fn_gate *g, const struct fn_peer *peer);

/* A newcomer, with its address or NULL.  0 when admitted, and then
 * fn_gate_leave() is owed; -EACCES by its network, FN_E_CONN_LIMIT or
 * FN_E_CONN_ADDRESS when there are enough, or -ENOMEM. */
int fn_gate_enter(struct fn_gate *g, const struct fn_peer *peer);
void fn_gate_leave(struct fn_gate *g, const struct fn_peer *peer);

#endif
