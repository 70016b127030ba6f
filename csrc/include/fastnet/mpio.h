/* mpio.h: whole messages of multiprocessing.connection on a blocking stream.
 *
 * Sending gathers the header and any number of pieces of memory into as few
 * system calls as there can be; receiving takes the header exactly, and the
 * body exactly, into memory of the caller, and never asks for a byte beyond.
 * A small body comes in the same call as its header, since each return to the
 * interpreter may cost a wait for its lock.
 *
 * Positions live in the caller's structs: a call that comes back with
 * FN_E_CHECK, FN_E_TIMEOUT or FN_E_STALL (stream.h) goes on where it was.
 * Pieces belong to the caller and stay where they are meanwhile.
 */
#ifndef FASTNET_MPIO_H
#define FASTNET_MPIO_H

#include "fastnet/mpframe.h"
#include "fastnet/stream.h"

struct fn_mp_out {
    uint8_t head[FN_MPFRAME_LONG];
    size_t head_size;
    const struct iovec *pieces;
    size_t count;
    uint64_t total;  /* bytes of header and pieces together */
    uint64_t sent;   /* of those; 0 while the peer has seen nothing */
    size_t at;       /* the piece that comes next */
    size_t in_piece; /* bytes of it that are sent */
};

struct fn_mp_in {
    struct fn_mpframe frame;
    bool complete; /* the header is, so frame.length is known */
    uint64_t got;  /* bytes of the body */
};

/* FN_OK, or FN_E_OVERFLOW where the pieces are larger together than memory. */
int fn_mp_out_init(struct fn_mp_out *out, const struct iovec *pieces, size_t count);

/* FN_OK when all is sent, or as fn_stream_send. */
int fn_mp_send(struct fn_stream *s, struct fn_mp_out *out, const struct fn_wait *wait);

void fn_mp_in_init(struct fn_mp_in *in, uint64_t max);

/* Receives the header, and then the body into `room` if it has at most `size`
 * bytes.  FN_OK; FN_E_EOF, FN_E_MP_LENGTH, FN_E_MP_SIZE, or as fn_stream_recv. */
int fn_mp_recv(struct fn_stream *s, struct fn_mp_in *in, uint8_t *room, size_t size,
               const struct fn_wait *wait);

/* Receives the body's bytes from in->got up to `until` (at most its length);
 * `at` is where byte in->got belongs. */
int fn_mp_recv_body(struct fn_stream *s, struct fn_mp_in *in, uint8_t *at, uint64_t until,
                    const struct fn_wait *wait);

/* Whether an end of the stream here is between two units (mpframe.h). */
bool fn_mp_at_unit(const struct fn_mp_in *in);

/* Whether the stream stands between two messages: nothing of this one has
 * come, or all of it. */
bool fn_mp_whole(const struct fn_mp_in *in);

/* Waits until something can be read, or the stream has ended: FN_OK, or what
 * ended the wait. */
int fn_mp_poll(struct fn_stream *s, const struct fn_wait *wait);

#endif
