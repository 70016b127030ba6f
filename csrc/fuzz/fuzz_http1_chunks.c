/* Fuzzes chunked bodies.
 *
 *     0  most   1   the most bytes of data: 2 to this power, less one
 *     1  first  1   bytes that come at first
 *     2  piece  1   bytes that come each time after that, less one
 *        bytes      the body
 *
 * Oracle: the data, and where the body ends or is refused, are the same whole, in pieces and byte
 * by byte; what was decoded is no longer than what was read.
 */
#include "../tests/http1feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    uint64_t most = data[0] & 64 ? UINT64_MAX : ((uint64_t)1 << (data[0] & 63)) - 1;
    size_t first = data[1], piece = (size_t)data[2] + 1;
    data += 3;
    size -= 3;
    struct http1_body whole = http1_chunks(data, size, most, size, 1);
    assert(http1_same_body(whole, http1_chunks(data, size, most, first, piece)));
    assert(http1_same_body(whole, http1_chunks(data, size, most, 0, 1)));
    if (whole.status == FN_HTTP_DONE) {
        assert(whole.used >= 5 && memcmp(data + whole.used - 2, "\r\n", 2) == 0);
        assert(whole.size + 5 <= whole.used);
    }
    return 0;
}
