/* Theory in picklescan.h. */
#include "fastnet/picklescan.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

enum {
    BINBYTES = 'B',
    FRAME = 0x95,
    BYTEARRAY8 = 0x96,
    NEXT_BUFFER = 0x97,
    BINBYTES8 = 0x8e,
    STOP = '.',
};

/* The shape of an opcode's argument. */
enum shape {
    UNKNOWN,
    NONE,
    FIXED1,
    FIXED2,
    FIXED4,
    FIXED8,
    LINE,
    TWO_LINES,
    COUNT1, /* a length of so many bytes, then the bytes */
    COUNT4,
    COUNT8,
    EXTENSION,
    BUFFER,
};

static const uint8_t shapes[256] = {
    ['('] = NONE,       ['.'] = NONE,       ['0'] = NONE,         ['1'] = NONE,
    ['2'] = NONE,       ['N'] = NONE,       ['R'] = NONE,         ['a'] = NONE,
    ['b'] = NONE,       ['d'] = NONE,       ['}'] = NONE,         ['e'] = NONE,
    ['l'] = NONE,       [']'] = NONE,       ['o'] = NONE,         ['s'] = NONE,
    ['t'] = NONE,       ['u'] = NONE,       [')'] = NONE,         ['Q'] = NONE,
    [0x81] = NONE,      [0x85] = NONE,      [0x86] = NONE,        [0x87] = NONE,
    [0x88] = NONE,      [0x89] = NONE,      [0x8f] = NONE,        [0x90] = NONE,
    [0x91] = NONE,      [0x92] = NONE,      [0x93] = NONE,        [0x94] = NONE,
    [0x98] = NONE,      ['K'] = FIXED1,     ['h'] = FIXED1,       ['q'] = FIXED1,
    [0x80] = FIXED1,    ['M'] = FIXED2,     ['J'] = FIXED4,       ['j'] = FIXED4,
    ['r'] = FIXED4,     ['G'] = FIXED8,     [FRAME] = FIXED8,     ['F'] = LINE,
    ['I'] = LINE,       ['L'] = LINE,       ['P'] = LINE,         ['S'] = LINE,
    ['V'] = LINE,       ['g'] = LINE,       ['p'] = LINE,         ['c'] = TWO_LINES,
    ['i'] = TWO_LINES,  ['U'] = COUNT1,     ['C'] = COUNT1,       [0x8c] = COUNT1,
    [0x8a] = COUNT1,    ['T'] = COUNT4,     [BINBYTES] = COUNT4,  ['X'] = COUNT4,
    [0x8b] = COUNT4,    [0x8d] = COUNT8,    [BINBYTES8] = COUNT8, [BYTEARRAY8] = COUNT8,
    [0x82] = EXTENSION, [0x83] = EXTENSION, [0x84] = EXTENSION,   [NEXT_BUFFER] = BUFFER,
};

void fn_picklescan_init(struct fn_picklescan *p, bool strict)
{
    memset(p, 0, sizeof *p);
    p->strict = strict;
}

/* Passes the rest of the argument; false when it goes on beyond the data. */
static bool pass(struct fn_picklescan *p, const uint8_t *data, size_t len)
{
    size_t take = (size_t)fn_min64(p->skip, len - p->at);
    p->at += take;
    p->skip -= take;
    while (p->lines && p->at < len) {
        const uint8_t *end = memchr(data + p->at, '\n', len - p->at);
        p->lines -= end != NULL;
        p->at = end ? (size_t)(end - data) + 1 : len;
    }
    return !p->skip && !p->lines;
}

static bool is_large(uint8_t opcode, uint64_t count)
{
    return count >= FN_PICKLE_FROM &&
           (opcode == BINBYTES || opcode == BINBYTES8 || opcode == BYTEARRAY8);
}

/* An argument with a length before it, of `width` bytes.  A length of four
 * bytes is signed for some opcodes, and the unpickler refuses negative ones. */
static int counted(struct fn_picklescan *p, const uint8_t *data, size_t len, size_t width)
{
    const uint8_t *at = data + p->at;
    if (len - p->at < 1 + width)
        return FN_E_MORE;
    uint64_t count = width == 1 ? at[1] : width == 4 ? fn_load32(at + 1) : fn_load64(at + 1);
    if (is_large(*at, count)) {
        p->opcode = p->at;
        p->size = count;
        p->writable = *at == BYTEARRAY8;
        p->at += 1 + width;
        return FN_PICKLE_LARGE;
    }
    p->at += 1 + width;
    p->skip = count;
    return FN_OK;
}

static int fixed(struct fn_picklescan *p, uint8_t *data, size_t len, size_t width)
{
    if (len - p->at < 1 + width)
        return FN_E_MORE;
    if (data[p->at] == FRAME)
        memset(data + p->at + 1, 0, width);
    p->at += 1 + width;
    return FN_OK;
}

static int unknown(struct fn_picklescan *p)
{
    if (p->strict)
        return FN_E_PICKLE_OPCODE;
    p->blind = true;
    return FN_OK;
}

static int extension(struct fn_picklescan *p, uint8_t *data, size_t len)
{
    if (p->strict)
        return FN_E_PICKLE_EXTENSION;
    return fixed(p, data, len, (size_t)1 << (data[p->at] - 0x82));
}

static int lines(struct fn_picklescan *p, int n)
{
    p->at++;
    p->lines = n;
    return FN_OK;
}

static int step(struct fn_picklescan *p, uint8_t *data, size_t len)
{
    uint8_t opcode = data[p->at];
    switch ((enum shape)shapes[opcode]) {
    case NONE:
        p->blind = opcode == STOP;
        p->at++;
        return FN_OK;
    case FIXED1:
        return fixed(p, data, len, 1);
    case FIXED2:
        return fixed(p, data, len, 2);
    case FIXED4:
        return fixed(p, data, len, 4);
    case FIXED8:
        return fixed(p, data, len, 8);
    case LINE:
        return lines(p, 1);
    case TWO_LINES:
        return lines(p, 2);
    case COUNT1:
        return counted(p, data, len, 1);
    case COUNT4:
        return counted(p, data, len, 4);
    case COUNT8:
        return counted(p, data, len, 8);
    case EXTENSION:
        return extension(p, data, len);
    case BUFFER:
        return FN_E_PICKLE_BUFFER;
    case UNKNOWN:
        break;
    }
    return unknown(p);
}

int fn_picklescan(struct fn_picklescan *p, uint8_t *data, size_t len)
{
    while (p->at < len && pass(p, data, len) && p->at < len) {
        if (p->blind) {
            p->at = len;
            break;
        }
        int st = step(p, data, len);
        if (st != FN_OK)
            return st;
    }
    return FN_E_MORE;
}

size_t fn_picklescan_cut(struct fn_picklescan *p, uint8_t *data)
{
    data[p->opcode] = NEXT_BUFFER;
    p->at = p->opcode + 1;
    return p->at;
}
