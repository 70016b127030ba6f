/* Fuzzes the receiving side of a mux under its own rules.
 *
 *     0  flags   1   bits 0-1: read-ahead; bits 2-3: every so many bodies is refused
 *     1  piece   1   bytes, less one, that one read brings
 *        bytes       what the peer sends behind a right preface
 *
 * Oracle: the events, every byte delivered, and what is sent in answer are the
 * same whether the bytes come whole or in pieces.
 */
#include "../tests/muxfeed.h"

enum { INPUT_MAX = 32768, ANSWER_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t preface(uint8_t *out)
{
    uint8_t ext[64];
    int64_t n = fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, (struct fn1_view){(uint8_t *)"rpc", 3});
    struct fn1_preface p = {.vmin = 1,
                            .vmax = 1,
                            .role = FN1_CLIENT,
                            .fragment = 1 << 20,
                            .message = 1 << 20,
                            .extensions = {ext, (size_t)n}};
    return (size_t)fn1_preface_encode(out, &p);
}

struct outcome {
    uint64_t trace;
    int events, last;
    size_t answered;
};

static struct outcome play(const uint8_t *data, size_t size, size_t piece, uint8_t flags)
{
    static struct muxfeed f;
    static uint8_t answer[ANSWER_MAX], bytes[INPUT_MAX + 128];
    static const size_t aheads[4] = {0, 24, 200, 4096};
    struct fn1_limits limits = {
        .fragment = 1 << 15, .envelope = 512, .segments = 8, .message = 1 << 16};
    muxfeed_init(&f, FN1_SERVER, limits, aheads[flags & 3]);
    f.refuse_mod = flags >> 2 & 3;
    size_t n = preface(bytes);
    memcpy(bytes + n, data, size);
    muxfeed_bytes(&f, bytes, n + size, piece);
    struct outcome o = {f.trace, f.events, f.last, muxfeed_out(&f, answer, sizeof answer)};
    muxfeed_mix(&f, answer, o.answered);
    fn_mux_fail(&f.mux, FN_E_EOF);
    muxfeed_fini(&f);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    struct outcome whole = play(data + 2, size - 2, size + 128, data[0]);
    struct outcome cut = play(data + 2, size - 2, (size_t)data[1] + 1, data[0]);
    assert(whole.trace == cut.trace && whole.events == cut.events && whole.last == cut.last);
    return 0;
}
