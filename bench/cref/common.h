/* What the references and the load generators share: errors, clock, addresses, congestion control.
 *
 * An *endpoint* is what a server says after "ready" and what a client is told to connect to, in
 * words: "tcp HOST PORT", "udp HOST PORT" (numeric hosts, IPv4 or IPv6) or "unix PATH".
 */
#ifndef FASTNET_BENCH_COMMON_H
#define FASTNET_BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
    int type; /* SOCK_STREAM or SOCK_DGRAM */
};

/* Prints "error WHAT: ..." where the harness reads it, and ends the process. */
_Noreturn void die(const char *what);
/* The same for a condition that errno knows nothing about. */
_Noreturn void fail(const char *what);

double now(void);      /* seconds, monotonic */
uint64_t now_ns(void); /* nanoseconds, monotonic */

/* CRC-32 as zlib computes it, so that a Python end could be paired with a C one. */
uint32_t checksum(const unsigned char *bytes, size_t length);
void fill_random(unsigned char *bytes, size_t length);

socklen_t make_address(const char *host, int port, struct sockaddr_storage *out);
int port_of(const struct sockaddr_storage *address);

/* bbr paces, and its pacing is what limits loopback: "auto" replaces it and leaves every other
 * choice to the system, "-" leaves all alone, a name is set. */
void set_congestion(int fd, const char *wanted);
/* TCP_NODELAY and congestion control, where the socket is TCP. */
void tune_stream(int fd, const struct endpoint *where, const char *congestion);

/* Words as above; PORT 0 lets the system choose. Ends the process when they make no sense. */
void parse_endpoint(const char *words, struct endpoint *out);
/* Binds, and listens where that is how it works; then prints "ready " and the endpoint. */
int serve_at(struct endpoint *where);

/* Splits "key=value" in place and returns the value; ends the process when there is none. */
char *split_option(char *word);

#endif
