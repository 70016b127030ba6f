/* picklescan.h: finds the large buffers inside a pickle while it arrives.
 *
 * A pickle is a program of one-byte opcodes with arguments (CPython's
 * pickletools describes them).  Protocol 5 writes the memory of an array as
 * BYTEARRAY8 or BINBYTES8, a length and the bytes; unpickled from memory, each
 * is copied once more.  This scanner walks the opcodes without executing any,
 * stops at such a buffer when it is large, and lets the caller receive it
 * straight into its final place; in the pickle a NEXT_BUFFER stays behind,
 * which makes the unpickler take the object from a list.
 *
 *     scan -> FN_PICKLE_LARGE: payload of `size` bytes begins at `at`
 *             move what of it has come, then fn_pickle_cut() and go on
 *     scan -> FN_E_MORE: all that is there has been looked at
 *
 * FRAME lengths are set to 0 in passing, since cutting would make them lie
 * and nothing needs them: the unpickler then reads without frames.
 *
 * A pickle from the wire may not bring a NEXT_BUFFER of its own.  In strict
 * mode, for allow-lists, the extension registry is refused as well (its
 * look-ups by-pass find_class when they are cached), and so are opcodes that
 * this scanner does not know; otherwise those are left to the unpickler, and
 * what follows them is not looked at.
 *
 * No I/O, no allocation; the buffer is the caller's, in one piece, and may
 * move between calls.
 */
#ifndef FASTNET_PICKLESCAN_H
#define FASTNET_PICKLESCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FN_PICKLE_LARGE = 1,
    FN_PICKLE_FROM = 64 * 1024 /* bytes; smaller buffers are not worth a stop */
};

struct fn_picklescan {
    bool strict;
    bool blind;    /* after STOP, or an unknown opcode: the rest is not looked at */
    size_t at;     /* looked at up to here */
    uint64_t skip; /* bytes of an argument that are still to be passed */
    int lines;     /* newlines that end the argument */
    size_t opcode; /* LARGE: where its opcode is */
    uint64_t size; /* LARGE: bytes of its payload */
    bool writable; /* LARGE: a bytearray, not bytes */
};

void fn_picklescan_init(struct fn_picklescan *p, bool strict);

/* data[0..len) is the pickle so far, with cuts applied.  FN_PICKLE_LARGE,
 * FN_E_MORE, FN_E_PICKLE_BUFFER, FN_E_PICKLE_EXTENSION or FN_E_PICKLE_OPCODE. */
int fn_picklescan(struct fn_picklescan *p, uint8_t *data, size_t len);

/* After LARGE: puts the opcode in the buffer's place and returns the length
 * that data has now. */
size_t fn_picklescan_cut(struct fn_picklescan *p, uint8_t *data);

#endif
