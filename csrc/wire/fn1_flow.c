/* Theory in fn1_flow.h. */
#include "fastnet/fn1_flow.h"

#include "fastnet/bytes.h"
#include "fastnet/status.h"

/* ----------------------------------------------------------------- assembly */

int fn1_assembly_begin(struct fn1_assembly *a, const struct fn1_head *h,
                       const struct fn1_envelope *e)
{
    if (a->open)
        return FN_E_FN1_ORDER;
    a->open = true;
    a->message = h->message;
    a->total = e->body;
    a->received = h->flags & FN1_INLINE ? e->body : 0;
    return FN_OK;
}

int fn1_assembly_data(struct fn1_assembly *a, const struct fn1_head *h)
{
    if (!a->open || h->message != a->message)
        return FN_E_FN1_ORDER;
    if (h->offset != a->received)
        return FN_E_FN1_OFFSET;
    if (h->length > a->total - a->received)
        return FN_E_FN1_LENGTH;
    a->received += h->length;
    return FN_OK;
}

bool fn1_assembly_end(struct fn1_assembly *a)
{
    if (!a->open || a->received < a->total)
        return false;
    a->open = false;
    return true;
}

/* ------------------------------------------------------------------- credit */

void fn1_window_init(struct fn1_window *w, uint64_t window)
{
    w->credit = window;
}

uint64_t fn1_window_take(struct fn1_window *w, uint64_t want)
{
    if (w->credit == FN1_NO_WINDOW)
        return want;
    uint64_t n = fn_min64(want, w->credit);
    w->credit -= n;
    return n;
}

int fn1_window_grant(struct fn1_window *w, uint64_t bytes)
{
    if (w->credit == FN1_NO_WINDOW)
        return FN_OK;
    uint64_t sum;
    if (!fn_add(w->credit, bytes, &sum) || sum == FN1_NO_WINDOW)
        return FN_E_OVERFLOW;
    w->credit = sum;
    return FN_OK;
}

void fn1_credit_init(struct fn1_credit *c, uint64_t window)
{
    c->window = c->granted = window;
    c->used = 0;
}

int fn1_credit_receive(struct fn1_credit *c, uint64_t bytes)
{
    if (c->window == FN1_NO_WINDOW)
        return FN_OK;
    if (bytes > c->granted)
        return FN_E_FN1_WINDOW;
    c->granted -= bytes;
    return FN_OK;
}

uint64_t fn1_credit_use(struct fn1_credit *c, uint64_t bytes)
{
    if (c->window == FN1_NO_WINDOW)
        return 0;
    c->used += bytes;
    if (c->used < c->window / 2 || c->used == 0)
        return 0;
    uint64_t grant = c->used;
    c->used = 0;
    c->granted += grant;
    return grant;
}
