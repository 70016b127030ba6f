/* Theory in buf.h. */
#include "fastnet/buf.h"

#include <stdlib.h>
#include <string.h>

#include "fastnet/status.h"

enum { FIRST_ALLOCATION = 512 };

void fn_buf_init(struct fn_buf *b, size_t cap)
{
    memset(b, 0, sizeof *b);
    b->cap = cap;
}

void fn_buf_fini(struct fn_buf *b)
{
    free(b->data);
    b->data = NULL;
    b->read = b->write = b->capacity = 0;
}

static void compact(struct fn_buf *b)
{
    size_t len = fn_buf_len(b);
    if (b->read && len)
        memmove(b->data, b->data + b->read, len);
    b->read = 0;
    b->write = len;
}

int fn_buf_reserve(struct fn_buf *b, size_t more)
{
    if (fn_buf_room(b) >= more)
        return FN_OK;
    size_t len = fn_buf_len(b);
    if (more > b->cap - len)
        return FN_E_BUF_CAP;
    compact(b);
    if (fn_buf_room(b) >= more)
        return FN_OK;
    size_t want = b->capacity ? b->capacity : FIRST_ALLOCATION;
    while (want < len + more && want < b->cap)
        want = want > b->cap / 2 ? b->cap : want * 2;
    if (want > b->cap)
        want = b->cap;
    uint8_t *data = realloc(b->data, want);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->capacity = want;
    return FN_OK;
}

int fn_buf_append(struct fn_buf *b, const void *bytes, size_t len)
{
    int st = fn_buf_reserve(b, len);
    if (st < 0)
        return st;
    if (len)
        memcpy(fn_buf_tail(b), bytes, len);
    fn_buf_commit(b, len);
    return FN_OK;
}

void fn_buf_shrink(struct fn_buf *b, size_t keep)
{
    if (fn_buf_len(b) || b->capacity <= keep)
        return;
    size_t cap = b->cap;
    fn_buf_fini(b);
    fn_buf_init(b, cap);
}
