/* Fuzzes the receiving half of fn1, alone and under the rules of a link.
 *
 *     0  flags   1   bit 0: a link; bits 1-2: read-ahead; bits 4-6: pieces - 1
 *     1  count   1   low 3 bits + 1: how many sizes follow
 *     2  sizes   1   each: the bytes, less one, that one read brings, in turn
 *        bytes       what the peer sends
 *
 * Oracle: the events, and every byte delivered, are the same whether the bytes
 * come whole, as the sizes say, or one at a time (and feed.h checks that the
 * machine never holds more than its cap).
 */
#include "../tests/feed.h"

enum { INPUT_MAX = 16384 }; /* so that the events fit in a trace */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t aheads[4] = {0, 24, 200, 4096}, single = 1;
    static struct feed_trace whole, split;
    size_t sizes[8];
    if (size < 2)
        return 0;
    size_t count = (size_t)(data[1] & 7) + 1;
    if (size < 2 + count || size > INPUT_MAX)
        return 0;
    for (size_t i = 0; i < count; i++)
        sizes[i] = (size_t)data[2 + i] + 1;
    int max = 1 + (data[0] >> 4 & 7);
    struct feed how = {
        .link = data[0] & 1,
        .ahead = aheads[data[0] >> 1 & 3],
        .limits = {.fragment = 8192, .envelope = 512, .segments = 8, .message = 8192},
    };
    data += 2 + count;
    size -= 2 + count;
    feed_bytes(&how, data, size, NULL, 0, FEED_PIECES, &whole);
    feed_bytes(&how, data, size, sizes, count, max, &split);
    assert(feed_same(&whole, &split));
    feed_bytes(&how, data, size, &single, 1, max, &split);
    assert(feed_same(&whole, &split));
    return 0;
}
