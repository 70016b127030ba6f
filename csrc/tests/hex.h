/* hex.h: byte strings of published test vectors. */
#ifndef FASTNET_TESTS_HEX_H
#define FASTNET_TESTS_HEX_H

#include "check.h"

static inline uint8_t hex_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Up to `max` bytes from hexadecimal digits; how many. */
static inline size_t unhex(uint8_t *out, size_t max, const char *text)
{
    size_t n = strlen(text) / 2;
    assert(n <= max && strlen(text) % 2 == 0);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    return n;
}

static inline bool equals_hex(const uint8_t *bytes, size_t n, const char *text)
{
    uint8_t expected[2048];
    return unhex(expected, sizeof expected, text) == n && memcmp(bytes, expected, n) == 0;
}

#endif
