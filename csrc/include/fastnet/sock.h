/* sock.h: socket options as verbs.
 *
 * Each returns 0 or a count, or -errno; none changes anything on failure.
 * Units are bytes and microseconds.
 */
#ifndef FASTNET_SOCK_H
#define FASTNET_SOCK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call that may simply be made again when the socket is ready. */
static inline bool fn_sock_again(int64_t status)
{
    return status == -EAGAIN || status == -EWOULDBLOCK || status == -EINTR;
}

enum { FN_CC_NAME = 16 }; /* TCP_CA_NAME_MAX, with its NUL */

/* True for TCP over IPv4 or IPv6. */
bool fn_sock_is_tcp(int fd);

/* True for a connected peer on a loopback address of either family. */
bool fn_sock_peer_is_loopback(int fd);

int fn_sock_set_nodelay(int fd, bool on);
int fn_sock_nodelay(int fd); /* 0 or 1 */
int fn_sock_set_congestion(int fd, const char *name);
int fn_sock_congestion(int fd, char name[FN_CC_NAME]);

/* The kernel doubles what is set and reports the doubled figure (socket(7)). */
int fn_sock_set_send_buffer(int fd, int bytes);
int fn_sock_set_receive_buffer(int fd, int bytes);
int fn_sock_send_buffer(int fd);
int fn_sock_receive_buffer(int fd);

/* The smoothed round-trip time, in microseconds (tcp(7), TCP_INFO). */
int64_t fn_sock_rtt(int fd);

/* Bytes that were written and that the peer's system has not confirmed, or for a
 * Unix socket the peer not read (tcp(7), SIOCOUTQ). */
int fn_sock_unconfirmed(int fd);

int fn_sock_shutdown_write(int fd);

#endif
