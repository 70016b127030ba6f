/* service.h: codecs that need nobody: echo, discard, time.
 *
 * Bytes go from one read straight into one send; only what the system does
 * not take is copied.  A peer that does not take its echo is not read from
 * once the write buffer is full, and read again when half of it has gone.
 *
 * After its last byte a service shuts writing and reads on to the peer's end,
 * for at most FN_LINGER: a descriptor closed over unread bytes resets the
 * connection and destroys what is still under way.
 */
#ifndef FASTNET_SERVICE_H
#define FASTNET_SERVICE_H

#include "fastnet/reactor.h"

enum { FN_CTIME = 25 }; /* "Thu Nov 20 22:00:00 2026\n" */

static inline bool fn_is_service(const struct fn_node *n)
{
    return n->codec >= FN_CODEC_ECHO;
}

/* The local time as time.ctime() gives it, with a newline, as of this second;
 * FN_CTIME bytes, or 0 when the system cannot tell. */
const char *fn_service_ctime(struct fn_reactor *r, size_t *len);

/* A connection is there. */
void fn_service_begin(struct fn_reactor *r, struct fn_node *n);
/* One read and what follows from it; false when nothing was there or the
 * connection has ended: then n may be gone. */
bool fn_service_read(struct fn_reactor *r, struct fn_node *n);
/* All is written; n may be gone afterwards. */
void fn_service_written(struct fn_reactor *r, struct fn_node *n);
/* Reads again if enough of what waited has gone. */
void fn_service_unhold(struct fn_node *n);
/* Serves as many bytes as have come already, then leaves; n may be gone afterwards. */
void fn_service_drain(struct fn_reactor *r, struct fn_node *n);

#endif
