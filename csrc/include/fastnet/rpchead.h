/* rpchead.h: the metadata of an rpc message (fn1's envelope kind 2).
 *
 *     0  kind     1
 *     1  codec    1   of the payload: 0 none, 1 json, 2 msgpack, 3 pickle
 *     2  flags    2   bit 0: the payload is the message's first segment
 *                     bit 1: the payload is [args, kwargs], not args alone
 *     4  call     4   chosen by the client, unique among its open calls
 *     8  value    4   CALL, NOTIFY: milliseconds that the caller waits, 0 for ever
 *                     ITEM: its place in the stream, from 0
 *                     END, and ERROR after ITEMs: how many there were
 *                     MORE: bytes that were used up
 *    12  name     2   bytes of UTF-8 that follow: CALL and NOTIFY only
 *    14  zero     2
 *        name, payload
 *
 *     CALL    client: answered by RESULT or ERROR, or by ITEMs and END or ERROR
 *     NOTIFY  client: answered by nothing
 *     CANCEL  client: nobody waits for that call any more; unknown ones are
 *             passed over, since the answer may be on its way
 *     MORE    client: credit for a stream of items
 *     RESULT, ERROR, ITEM, END   server
 *
 * docs/protocol-rpc.md tells the rest.  No I/O, no allocation.
 */
#ifndef FASTNET_RPCHEAD_H
#define FASTNET_RPCHEAD_H

#include "fastnet/fn1.h"

enum { FN_RPC_HEAD = 16 };

enum fn_rpc_kind {
    FN_RPC_CALL = 1,
    FN_RPC_NOTIFY = 2,
    FN_RPC_CANCEL = 3,
    FN_RPC_MORE = 4,
    FN_RPC_RESULT = 5,
    FN_RPC_ERROR = 6,
    FN_RPC_ITEM = 7,
    FN_RPC_END = 8
};

enum { FN_RPC_OUTSIDE = 1, FN_RPC_KWARGS = 2 };
enum { FN_RPC_CODECS = 3 };

struct fn_rpc_head {
    uint8_t kind;
    uint8_t codec;
    uint16_t flags;
    uint32_t call;
    uint32_t value;
    struct fn1_view name; /* into the bytes decoded */
    struct fn1_view payload;
};

/* out has FN_RPC_HEAD bytes; name and payload follow it. */
void fn_rpc_encode(uint8_t *out, const struct fn_rpc_head *h);
/* 0 or FN_E_RPC_HEAD. */
int fn_rpc_decode(const uint8_t *in, size_t len, struct fn_rpc_head *h);

#endif
