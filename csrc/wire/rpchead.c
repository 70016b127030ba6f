/* Theory in rpchead.h. */
#include "fastnet/rpchead.h"

#include "fastnet/bytes.h"
#include "fastnet/status.h"

void fn_rpc_encode(uint8_t *out, const struct fn_rpc_head *h)
{
    out[0] = h->kind;
    out[1] = h->codec;
    fn_store16(out + 2, h->flags);
    fn_store32(out + 4, h->call);
    fn_store32(out + 8, h->value);
    fn_store16(out + 12, (uint16_t)h->name.len);
    fn_store16(out + 14, 0);
}

int fn_rpc_decode(const uint8_t *in, size_t len, struct fn_rpc_head *h)
{
    if (len < FN_RPC_HEAD)
        return FN_E_RPC_HEAD;
    size_t name = fn_load16(in + 12);
    *h = (struct fn_rpc_head){
        .kind = in[0],
        .codec = in[1],
        .flags = fn_load16(in + 2),
        .call = fn_load32(in + 4),
        .value = fn_load32(in + 8),
    };
    bool calls = h->kind == FN_RPC_CALL || h->kind == FN_RPC_NOTIFY;
    if (h->kind < FN_RPC_CALL || h->kind > FN_RPC_END || h->codec > FN_RPC_CODECS ||
        h->flags & ~(FN_RPC_OUTSIDE | FN_RPC_KWARGS) || fn_load16(in + 14) != 0 ||
        name > len - FN_RPC_HEAD || (name == 0) == calls)
        return FN_E_RPC_HEAD;
    h->name = (struct fn1_view){in + FN_RPC_HEAD, name};
    h->payload = (struct fn1_view){in + FN_RPC_HEAD + name, len - FN_RPC_HEAD - name};
    return FN_OK;
}
