/* Fuzzes the frames of multiprocessing.connection.
 *
 *     0  cap    1   the largest body accepted: 2 to this power
 *     1  count  1   low 3 bits + 1: how many sizes follow
 *     2  sizes  1   each: the bytes that one read brings at most, in turn
 *        bytes      what the peer sends
 *
 * Oracle: frames, and the place where decoding stops, are the same whether the
 * bytes come whole or in pieces; no more is wanted than belongs to a header;
 * what was decoded encodes to a header of the same meaning.
 */
#include "../tests/check.h"
#include "fastnet/mpframe.h"
#include "fastnet/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    uint64_t hash;
    size_t frames;
    size_t stopped;
    int status;
};

static void check_encoding(const struct fn_mpframe *f)
{
    uint8_t head[FN_MPFRAME_LONG];
    struct fn_mpframe again;
    size_t used, n = fn_mpframe_encode(head, f->length);
    fn_mpframe_init(&again, FN_MPFRAME_MAX);
    assert(fn_mpframe_feed(&again, head, n, &used) == FN_OK);
    assert(used == n && again.length == f->length);
}

/* Reads as a receiver does: as much as is wanted, if the pieces allow. */
static struct trace decode(const uint8_t *data, size_t size, uint64_t max, const uint8_t *sizes,
                           size_t count)
{
    struct trace t = {.status = FN_E_MORE};
    struct fn_mpframe f;
    size_t turn = 0;
    fn_mpframe_init(&f, max);
    while (t.stopped < size && t.status == FN_E_MORE) {
        size_t used, n = size - t.stopped;
        if (count && n > (size_t)sizes[turn % count] + 1)
            n = (size_t)sizes[turn++ % count] + 1;
        size_t wants = fn_mpframe_wants(&f);
        assert(wants > 0 && wants <= FN_MPFRAME_LONG - FN_MPFRAME_SHORT);
        int st = fn_mpframe_feed(&f, data + t.stopped, n, &used);
        assert(used <= n && (st == FN_E_MORE) == (fn_mpframe_wants(&f) > 0));
        t.stopped += used;
        if (st == FN_E_MORE)
            continue;
        t.hash = mix64(mix64(t.hash, f.length), (uint64_t)(int64_t)st);
        t.frames++;
        if (st != FN_OK) {
            t.status = st;
        } else {
            check_encoding(&f);
            if (f.length > size - t.stopped)
                t.status = FN_E_EOF;
            else
                t.stopped += (size_t)f.length;
            fn_mpframe_init(&f, max);
        }
    }
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint64_t max = (uint64_t)1 << (data[0] & 63);
    size_t count = (size_t)(data[1] & 7) + 1;
    const uint8_t *sizes = data + 2, single = 0;
    if (size < 2 + count)
        return 0;
    data += 2 + count;
    size -= 2 + count;
    struct trace whole = decode(data, size, max, NULL, 0);
    struct trace pieces = decode(data, size, max, sizes, count);
    struct trace bytes = decode(data, size, max, &single, 1);
    assert(whole.hash == pieces.hash && whole.hash == bytes.hash);
    assert(whole.frames == pieces.frames && whole.frames == bytes.frames);
    assert(whole.stopped == pieces.stopped && whole.stopped == bytes.stopped);
    assert(whole.status == pieces.status && whole.status == bytes.status);
    return 0;
}
