/* bytes.h: bytes on the wire, and sizes that cannot overflow.
 *
 * fn1 is little-endian, as the machines that move arrays are.  Fields are
 * loaded and stored bytewise, so alignment and the host's own order never
 * matter; compilers turn each of these into one instruction.
 *
 * A size that came from the wire is added and multiplied only through the
 * checked functions: they return false on overflow and leave *out alone.
 */
#ifndef FASTNET_BYTES_H
#define FASTNET_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t fn_load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t fn_load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t fn_load64(const uint8_t *p)
{
    return (uint64_t)fn_load32(p) | (uint64_t)fn_load32(p + 4) << 32;
}

static inline void fn_store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void fn_store32(uint8_t *p, uint32_t v)
{
    fn_store16(p, (uint16_t)v);
    fn_store16(p + 2, (uint16_t)(v >> 16));
}

static inline void fn_store64(uint8_t *p, uint64_t v)
{
    fn_store32(p, (uint32_t)v);
    fn_store32(p + 4, (uint32_t)(v >> 32));
}

static inline bool fn_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool fn_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline uint64_t fn_min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline size_t fn_minz(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
