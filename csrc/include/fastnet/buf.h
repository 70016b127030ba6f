/* buf.h: a byte buffer that knows how large it may become.
 *
 *     0 <= read <= write <= capacity <= cap
 *
 * Bytes between read and write are there to be read; bytes between write and
 * capacity may be filled.  Nothing grows beyond the cap given at init, so a
 * length from the wire can never become an allocation of its own size.
 *
 * One thread at a time.  The struct is embedded by its owner; fn_buf_fini may
 * be called twice.
 */
#ifndef FASTNET_BUF_H
#define FASTNET_BUF_H

#include <stddef.h>
#include <stdint.h>

struct fn_buf {
    uint8_t *data;
    size_t read;
    size_t write;
    size_t capacity;
    size_t cap;
};

/* Allocates nothing yet.  cap in bytes, at least 1. */
void fn_buf_init(struct fn_buf *b, size_t cap);
void fn_buf_fini(struct fn_buf *b);

/* Makes room for `more` bytes after write, moving what is unread to the front
 * first.  0, FN_E_BUF_CAP, or -ENOMEM; the content is unharmed either way. */
int fn_buf_reserve(struct fn_buf *b, size_t more);

/* Copies len bytes in: reserve, copy, commit. */
int fn_buf_append(struct fn_buf *b, const void *bytes, size_t len);

/* Gives memory back when nothing is unread and capacity is above `keep`. */
void fn_buf_shrink(struct fn_buf *b, size_t keep);

static inline size_t fn_buf_len(const struct fn_buf *b)
{
    return b->write - b->read;
}

static inline size_t fn_buf_room(const struct fn_buf *b)
{
    return b->capacity - b->write;
}

static inline uint8_t *fn_buf_head(const struct fn_buf *b)
{
    return b->data ? b->data + b->read : NULL;
}

static inline uint8_t *fn_buf_tail(const struct fn_buf *b)
{
    return b->data + b->write;
}

/* n <= room: bytes were written at the tail. */
static inline void fn_buf_commit(struct fn_buf *b, size_t n)
{
    b->write += n;
}

/* n <= len: bytes at the head were used up. */
static inline void fn_buf_consume(struct fn_buf *b, size_t n)
{
    b->read += n;
    if (b->read == b->write)
        b->read = b->write = 0;
}

#endif
