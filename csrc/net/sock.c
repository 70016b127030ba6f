/* Theory in sock.h. */
#include "fastnet/sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int get_int(int fd, int level, int option)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, option, &value, &len) < 0 ? -errno : value;
}

bool fn_sock_is_tcp(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return false;
    if (addr.ss_family != AF_INET && addr.ss_family != AF_INET6)
        return false;
    return get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

bool fn_sock_peer_is_loopback(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0)
        return false;
    if (addr.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    if (addr.ss_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)&addr)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
    }
    return false;
}

int fn_sock_set_nodelay(int fd, bool on)
{
    return set_int(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int fn_sock_nodelay(int fd)
{
    int value = get_int(fd, IPPROTO_TCP, TCP_NODELAY);
    return value < 0 ? value : value != 0;
}

int fn_sock_set_send_buffer(int fd, int bytes)
{
    return set_int(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

int fn_sock_set_receive_buffer(int fd, int bytes)
{
    return set_int(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

int fn_sock_send_buffer(int fd)
{
    return get_int(fd, SOL_SOCKET, SO_SNDBUF);
}

int fn_sock_receive_buffer(int fd)
{
    return get_int(fd, SOL_SOCKET, SO_RCVBUF);
}

int fn_sock_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

#ifdef __linux__

int fn_sock_set_congestion(int fd, const char *name)
{
    socklen_t len = (socklen_t)strnlen(name, FN_CC_NAME);
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, len) < 0 ? -errno : 0;
}

int fn_sock_congestion(int fd, char name[FN_CC_NAME])
{
    socklen_t len = FN_CC_NAME;
    memset(name, 0, FN_CC_NAME);
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) < 0)
        return -errno;
    name[FN_CC_NAME - 1] = 0;
    return 0;
}

int64_t fn_sock_rtt(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return -errno;
    return info.tcpi_rtt;
}

int fn_sock_unconfirmed(int fd)
{
    int bytes = 0;
    return ioctl(fd, TIOCOUTQ, &bytes) < 0 ? -errno : bytes; /* SIOCOUTQ, by its older name */
}

#else /* other POSIX systems have none of these; the callers treat that as a refusal */

int fn_sock_set_congestion(int fd, const char *name)
{
    (void)fd, (void)name;
    return -ENOPROTOOPT;
}

int fn_sock_congestion(int fd, char name[FN_CC_NAME])
{
    (void)fd;
    memset(name, 0, FN_CC_NAME);
    return -ENOPROTOOPT;
}

int64_t fn_sock_rtt(int fd)
{
    (void)fd;
    return -ENOPROTOOPT;
}

int fn_sock_unconfirmed(int fd)
{
    (void)fd;
    return -ENOPROTOOPT;
}

#endif
