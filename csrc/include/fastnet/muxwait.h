/* muxwait.h: small messages and control frames that cannot be staged yet.
 *
 * Nothing may be staged while the fragment of a large message is on its way,
 * and the staging buffer has a cap.  What comes meanwhile is copied to a buffer
 * with a cap of its own, and staged in its order as soon as there is room.
 *
 * A part of muxout.h; its callers hold the lock.
 */
#ifndef FASTNET_MUXWAIT_H
#define FASTNET_MUXWAIT_H

#include "fastnet/mux.h"

/* Stages a message on stream 0: 0, FN_E_BUF_CAP, or an error. */
int fn_mux_stage(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                 const uint64_t *sizes, uint16_t segments, struct fn_body *body);

/* Keep it for later: 0, FN_E_BUF_CAP when too much waits, or an error. */
int fn_mux_keep(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                const uint64_t *sizes, uint16_t segments, struct fn_body *body);
int fn_mux_keep_head(struct fn_mux *m, const struct fn1_head *h);
int fn_mux_keep_error(struct fn_mux *m, uint32_t code, const char *text);

/* Stages what waits, as far as there is room: 0 or an error. */
int fn_mux_replay(struct fn_mux *m);

#endif
