/* fn1.h: the fn1 protocol, version 1: what stands on the wire.
 *
 * docs/protocol-fn1.md tells the whole protocol; this header is its layout.
 * All integers are little-endian; "zero" fields must be zero.
 *
 * PREFACE, once in each direction, before anything else
 *
 *     0  magic      4   93 46 4E 31 ("\x93" "FN1")
 *     4  vmin       1   lowest and
 *     5  vmax       1   highest version the sender speaks
 *     6  role       1   'C' connects, 'S' listens
 *     7  flags      1   bit 0: the sender has a key
 *     8  ext_len    2   bytes of extensions that follow, at most 992
 *    10  zero       2
 *    12  fragment   4   largest frame payload the sender accepts, >= 1 MiB
 *    16  window     8   credit, in bytes, that each stream but 0 starts with
 *    24  message    8   largest message body the sender accepts
 *    32  extensions     type u16, length u16, bytes; unknown types are skipped
 *
 * The version in use is the highest that both ranges hold.  Without a key the
 * client's frames may follow its preface at once: until the server's preface
 * has come, the client assumes the smallest fragment and no window.  (Payloads
 * go where the array lies, so a large fragment costs its receiver no memory.)
 *
 * FRAME
 *
 *     0  type       1
 *     1  flags      1
 *     2  zero       2
 *     4  stream     4   0 for the connection's own stream
 *     8  length     4   bytes of payload that follow
 *    12  message    4   which message of the stream, counted by its sender
 *    16  offset     8   DATA: where in the body the payload belongs
 *
 *     MESSAGE  opens a message.  Payload: an envelope; with INLINE the whole
 *              body follows in the same frame.
 *     DATA     the next bytes of a message's body
 *     CREDIT   offset more bytes of body may be sent on the stream; no payload
 *     CANCEL   the sender of the message gives it up; with BY_RECEIVER, its
 *              receiver does not want the rest, which its sender may heed or
 *              not; no payload
 *     PING     answered with a PONG of the same offset; no payload
 *     PONG
 *     ERROR    code u32, then UTF-8 text of at most 512 bytes; nothing follows
 *     CLOSE    the sender will send no more; no payload
 *     AUTH     32 bytes: the first frame of a client with a key (fn1_auth.h)
 *
 *     Types from 128 on are skipped when unknown, so that later versions can
 *     add what older ends may ignore.
 *
 * TAGS, of ends with keys, on every frame after the prefaces (fn1_seal.h)
 *
 *     payload up to FN1_SHORT_MAX    head | payload | tag of both
 *     longer, MESSAGE                head | tag | payload | tag
 *     longer, others                 head | tag | (up to FN1_CHUNK bytes | tag) ...
 *
 *     A tag has 16 bytes and is not counted in the frame's length.  A MESSAGE
 *     with INLINE has a payload of at most FN1_SHORT_MAX bytes here.
 *
 * ENVELOPE
 *
 *     0  meta_len   4   bytes of opaque metadata
 *     4  segments   2   how many segments the body has
 *     6  kind       2   what the metadata is: 1 arrays, 2 rpc
 *     8  sizes      8   each segment's bytes
 *        metadata
 *
 * Stream 0 carries whole messages in order and is held back by the transport
 * alone; the other streams have windows, so that none can block another.
 *
 * The functions here do no I/O and allocate nothing.  Decoders return the
 * bytes used, FN_E_MORE, or an error.
 */
#ifndef FASTNET_FN1_H
#define FASTNET_FN1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FN1_VERSION = 1,
    FN1_PREFACE_SIZE = 32,
    FN1_PREFACE_MAX = 1024,
    FN1_EXT_MAX = FN1_PREFACE_MAX - FN1_PREFACE_SIZE,
    FN1_HEAD_SIZE = 24,
    FN1_ENVELOPE_SIZE = 8,
    FN1_SEGMENTS_MAX = 1024,
    FN1_FRAGMENT_MIN = 1 << 20,
    FN1_ERROR_TEXT = 512,
    FN1_AUTH_SIZE = 32,
    FN1_SKIPPABLE = 128,
    FN1_SHORT_MAX = 16 * 1024, /* bytes of payload that share one tag with their head */
    FN1_CHUNK = 256 * 1024     /* bytes of a longer payload that share one tag */
};

#define FN1_NO_WINDOW UINT64_MAX /* a window that needs no credit */

enum fn1_role { FN1_CLIENT = 'C', FN1_SERVER = 'S' };
enum { FN1_KEYED = 1 };

enum fn1_type {
    FN1_MESSAGE = 1,
    FN1_DATA = 2,
    FN1_CREDIT = 3,
    FN1_CANCEL = 4,
    FN1_PING = 5,
    FN1_PONG = 6,
    FN1_ERROR = 7,
    FN1_CLOSE = 8,
    FN1_AUTH = 9
};

enum { FN1_INLINE = 1 };      /* flag of MESSAGE */
enum { FN1_BY_RECEIVER = 1 }; /* flag of CANCEL */

enum fn1_kind { FN1_KIND_ARRAY = 1, FN1_KIND_RPC = 2 };

enum fn1_error_code {
    FN1_ERR_PROTOCOL = 1, /* the peer broke the format */
    FN1_ERR_LIMIT = 2,    /* the peer asked for too much */
    FN1_ERR_BUSY = 3,     /* too many connections */
    FN1_ERR_TIMEOUT = 4,  /* the peer was too slow */
    FN1_ERR_APPLICATION = 5,
    FN1_ERR_SHUTDOWN = 6,
    FN1_ERR_AUTHENTICATION = 7 /* the peer has not the key, or a tag was wrong */
};

enum fn1_extension {
    FN1_EXT_APPLICATION = 1, /* ASCII name of what speaks, e.g. "arrays" */
    FN1_EXT_KEY_ID = 2,      /* of keyed ends, see fn1_auth.h */
    FN1_EXT_SUITES = 3,
    FN1_EXT_NONCE = 4,
    FN1_EXT_PROOF = 5,
    FN1_EXT_REFUSED = 6
};

struct fn1_view {
    const uint8_t *data;
    size_t len;
};

struct fn1_preface {
    uint8_t vmin, vmax;
    uint8_t role;
    uint8_t flags;
    uint32_t fragment;
    uint64_t window;
    uint64_t message;
    struct fn1_view extensions; /* into the bytes decoded */
    struct fn1_view raw;        /* all of them; not used for encoding */
};

/* out has FN1_PREFACE_MAX bytes; returns the bytes written, or FN_E_ARGUMENT. */
int64_t fn1_preface_encode(uint8_t *out, const struct fn1_preface *p);
/* Wrong magic is reported from the first byte that shows it. */
int64_t fn1_preface_decode(const uint8_t *in, size_t len, struct fn1_preface *p);
/* The version both ends speak, or FN_E_FN1_VERSION. */
int fn1_preface_version(const struct fn1_preface *a, const struct fn1_preface *b);

/* Finds an extension: true with its value, false when absent. */
bool fn1_ext_find(struct fn1_view extensions, uint16_t type, struct fn1_view *value);
/* Appends one; returns the new length, or FN_E_ARGUMENT when it does not fit
 * in FN1_EXT_MAX bytes. */
int64_t fn1_ext_append(uint8_t *out, size_t len, uint16_t type, struct fn1_view value);

struct fn1_head {
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint32_t length;
    uint32_t message;
    uint64_t offset;
};

/* out has FN1_HEAD_SIZE bytes. */
void fn1_head_encode(uint8_t *out, const struct fn1_head *h);
/* Checks type, flags, zero fields and the lengths that types fix. */
int64_t fn1_head_decode(const uint8_t *in, size_t len, struct fn1_head *h);

struct fn1_envelope {
    uint16_t kind;
    uint16_t segments;
    struct fn1_view sizes; /* 8 bytes each, into the bytes decoded */
    struct fn1_view meta;
    uint64_t body; /* the sum of the sizes */
};

struct fn1_limits {
    uint32_t fragment; /* bytes of one frame's payload */
    uint32_t envelope; /* bytes */
    uint32_t segments;
    uint64_t message; /* bytes of body */
};

uint64_t fn1_envelope_segment(const struct fn1_envelope *e, size_t i);
/* Writes the fixed part and the sizes, 8 + 8 * segments bytes; the metadata
 * follows.  Returns the bytes written. */
size_t fn1_envelope_encode(uint8_t *out, uint16_t kind, uint32_t meta_len, const uint64_t *sizes,
                           uint16_t segments);
/* Bytes that an envelope takes, from its first 8: FN_E_MORE, a limit, or the
 * length. */
int64_t fn1_envelope_length(const uint8_t *in, size_t len, const struct fn1_limits *limits);
int64_t fn1_envelope_decode(const uint8_t *in, size_t len, const struct fn1_limits *limits,
                            struct fn1_envelope *e);

#endif
