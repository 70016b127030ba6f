/* poller.h: which descriptors are ready, by epoll or by select.
 *
 * Both are level-triggered: what was not read or written is reported again.
 * A descriptor is added with a tag, 64 bits that come back with its events
 * and mean nothing here.  A descriptor must be removed before it is closed;
 * the tag, not the number, says whose an event is.  Where that was forgotten,
 * both drop the closed descriptor by themselves: epoll at once, select in the
 * first wait that trips over it.
 *
 * epoll is the default on Linux.  select exists everywhere, and keeps the
 * rest honest: every test runs on both.  Its descriptors end at FD_SETSIZE,
 * beyond which adding one is FN_E_SELECT_RANGE.  An array of interest by
 * descriptor number is all its state; each wait looks at every one of them,
 * and where more are ready than the caller has room for, the next wait goes
 * on behind the last one reported.  It knows no ERR and no HUP: there, what
 * was asked for is reported instead, and reading or writing tells the rest.
 *
 * SHARED is for a listener that several pollers watch, so that one connection
 * does not wake all of them.  Those that epoll passes over are not told later
 * either: while one that was told leaves a connection in the queue (because it
 * is full, or ends), the others hear of it with the next connection, or when
 * they call fn_poller_mod() for it with SHARED again, which looks.
 *
 * A poller belongs to one thread at a time, and to the process that opened
 * it: an epoll descriptor inherited by a child would change its parent's set.
 */
#ifndef FASTNET_POLLER_H
#define FASTNET_POLLER_H

#include <stdint.h>

#include "fastnet/clock.h"

enum fn_poll_mask {
    FN_POLL_IN = 1,
    FN_POLL_OUT = 2,
    FN_POLL_ERR = 4,    /* reported always, never asked for */
    FN_POLL_HUP = 8,    /* likewise: both directions are shut */
    FN_POLL_SHARED = 16 /* asked for only: of several pollers that ask for it, epoll wakes not
                         * all but at least one (EPOLLEXCLUSIVE); select takes no notice */
};

enum fn_poller_kind { FN_POLLER_DEFAULT, FN_POLLER_EPOLL, FN_POLLER_SELECT };

struct fn_poll_event {
    uint64_t tag;
    uint32_t mask;
};

struct fn_select_set; /* select's interest, private to poller.c */

struct fn_poller {
    enum fn_poller_kind kind; /* never DEFAULT once open */
    int fd;                   /* epoll's own descriptor; -1 for select */
    struct fn_select_set *set;
};

/* 0, -ENOSYS for epoll where there is none, or -errno.  DEFAULT is epoll where
 * there is one. */
int fn_poller_open(struct fn_poller *p, enum fn_poller_kind kind);
/* May be called twice. */
void fn_poller_close(struct fn_poller *p);

/* mask: of IN, OUT, SHARED; 0 keeps the descriptor known and silent but for
 * ERR and HUP (select, which cannot report those alone, stays silent).
 * 0, FN_E_SELECT_RANGE, or -errno: -EEXIST when added twice, -ENOENT when not
 * there.  Changing to or from SHARED removes the descriptor and adds it again;
 * should the system refuse the second, it is no longer there. */
int fn_poller_add(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag);
int fn_poller_mod(struct fn_poller *p, int fd, uint32_t mask, uint64_t tag);
int fn_poller_del(struct fn_poller *p, int fd);

/* Up to `max` (>= 1) events, 1024 at most, waiting no longer than `timeout` (a
 * span; 0 does not wait, FN_NEVER waits for ever).  The span is rounded up to
 * the system's unit, epoll's milliseconds or select's microseconds, and cut to
 * an hour.  Their number, 0 when none came in time, -EINTR, or -errno. */
int fn_poller_wait(struct fn_poller *p, struct fn_poll_event *events, int max, fn_time timeout);

#endif
