/* Fuzzes the search for large buffers in a pickle.
 *
 *     0  flags  1   bit 0: strict; bits 1-7: the piece of the second run, less one
 *        bytes      the pickle; the byte 0xf0 and two more stand for a run of
 *                   (second * 1024) times the third, so that small inputs hold
 *                   large buffers
 *
 * Oracle: what is left of the pickle, and what was taken out, are the same
 * whether it comes whole, in pieces or a byte at a time.
 */
#include "../tests/picklefeed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pickled whole, split;
    static uint8_t pickle[PICKLE_MAX];
    size_t n = 0;
    if (size < 1)
        return 0;
    bool strict = data[0] & 1;
    size_t piece = (size_t)(data[0] >> 1) + 1;
    for (size_t i = 1; i < size && n < PICKLE_MAX; i++) {
        size_t run = 1;
        uint8_t byte = data[i];
        if (byte == 0xf0 && size - i > 2) {
            run = (size_t)data[i + 1] * 1024;
            byte = data[i + 2];
            i += 2;
        }
        if (run > PICKLE_MAX - n)
            run = PICKLE_MAX - n;
        memset(pickle + n, byte, run);
        n += run;
    }
    pickle_feed(pickle, n, n, strict, &whole);
    pickle_feed(pickle, n, piece * (n > 100000 ? 512 : 1), strict, &split);
    assert(pickle_same(&whole, &split));
    if (n <= 4096) {
        pickle_feed(pickle, n, 1, strict, &split);
        assert(pickle_same(&whole, &split));
    }
    return 0;
}
