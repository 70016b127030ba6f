/* The C reference of the UDP benchmark: recipe 11.3's time service, 64 datagrams per system call.
 *
 * Whatever comes in is answered with the text that Python's time.ctime() gives, "Thu Nov 20
 * 22:00:00 2026". The text is made anew when the second changes, which a cached clock (a
 * coarse one, without a system call) tells once per batch. recvmmsg takes what there is and waits
 * only when there is nothing, so a message costs two system calls divided by the batch.
 *
 * usage: udp_ref "udp 127.0.0.1 0"
 */
#define _GNU_SOURCE
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, REQUEST = 512, TEXT = 24 };

static struct sockaddr_storage peers[BATCH];
static unsigned char requests[BATCH][REQUEST];
static char text[TEXT + 1];
static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_vec[BATCH], out_vec;

static void prepare(void)
{
    out_vec = (struct iovec){.iov_base = text, .iov_len = TEXT};
    for (int i = 0; i < BATCH; i++) {
        in_vec[i] = (struct iovec){.iov_base = requests[i], .iov_len = REQUEST};
        in[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                        .msg_namelen = sizeof peers[i],
                                        .msg_iov = &in_vec[i],
                                        .msg_iovlen = 1};
        out[i].msg_hdr =
            (struct msghdr){.msg_name = &peers[i], .msg_iov = &out_vec, .msg_iovlen = 1};
    }
}

static void refresh_text(void)
{
    static time_t shown = -1;
    struct timespec t;
    struct tm local;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    if (t.tv_sec == shown)
        return;
    localtime_r(&t.tv_sec, &local);
    strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &local);
    shown = t.tv_sec;
}

static void answer(int fd, int n)
{
    for (int i = 0; i < n; i++) {
        out[i].msg_hdr.msg_namelen = in[i].msg_hdr.msg_namelen;
        in[i].msg_hdr.msg_namelen = sizeof peers[i];
    }
    for (int done = 0; done < n;) {
        int sent = sendmmsg(fd, out + done, (unsigned)(n - done), 0);
        if (sent < 0 && errno == EINTR)
            continue;
        done += sent > 0 ? sent : 1; /* a peer that cannot be reached loses its answer */
    }
}

int main(int argc, char **argv)
{
    struct endpoint where;
    if (argc != 2) {
        fprintf(stderr, "usage: udp_ref \"udp HOST PORT\"\n");
        return 2;
    }
    parse_endpoint(argv[1], &where);
    int fd = serve_at(&where);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    prepare();
    for (;;) {
        int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0 && errno != EINTR)
            die("recvmmsg");
        refresh_text();
        answer(fd, n);
    }
}
