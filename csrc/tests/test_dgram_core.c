/* Datagram services: echo, discard and time, in batches, of every size, to every family. */
#include <time.h>

#include "udp.h"

static uint64_t counted(_Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

static void echo_over(enum fn_poller_kind kind, int server, int client)
{
    static uint8_t sent[FN_DGRAM_MOST], got[FN_DGRAM_MOST];
    static const size_t size[] = {1, 0, 2, 1000, 1472, 9000, 65507};
    struct fn_reactor *r = open_reactor(kind);
    add_dgram(r, server, FN_CODEC_ECHO, NULL, NULL);
    connect_to(client, place_of(server));
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        fill_pattern(sent, size[i], i);
        assert(send(client, sent, size[i], 0) == (ssize_t)size[i]);
        assert(next_datagram(r, client, got, sizeof got) == size[i]);
        assert(memcmp(sent, got, size[i]) == 0);
    }
    assert(counted(&r->counters.datagrams_in) == sizeof size / sizeof *size);
    assert(counted(&r->counters.datagrams_out) == sizeof size / sizeof *size);
    assert(counted(&r->counters.datagrams_lost) == 0);
    close_reactor(r);
    assert(fcntl(server, F_GETFD) >= 0); /* it stays its owner's */
    close(server);
    close(client);
}

static void test_echo(enum fn_poller_kind kind)
{
    echo_over(kind, new_udp(), new_udp());
    int server = try_udp(AF_INET6);
    if (server >= 0)
        echo_over(kind, server, try_udp(AF_INET6));
    int fd[2]; /* Unix sockets with names that the system chose */
    for (int i = 0; i < 2; i++) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        fd[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
        no_wait(fd[i]);
        assert(bind(fd[i], (struct sockaddr *)&un, sizeof un.sun_family) == 0);
    }
    echo_over(kind, fd[0], fd[1]);
}

/* Many at once, from several clients: each gets its own back. */
static void test_batches(enum fn_poller_kind kind)
{
    enum { CLIENTS = 5, EACH = 40 };
    struct fn_reactor *r = open_reactor(kind);
    int server = new_udp(), client[CLIENTS], room = 1 << 20;
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    add_dgram(r, server, FN_CODEC_ECHO, NULL, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        client[i] = new_udp();
        connect_to(client[i], place_of(server));
    }
    for (int j = 0; j < EACH; j++)
        for (int i = 0; i < CLIENTS; i++)
            assert(send(client[i], (int[2]){i, j}, sizeof(int[2]), 0) == sizeof(int[2]));
    for (int i = 0; i < CLIENTS; i++) {
        for (int j = 0; j < EACH; j++) {
            int got[2];
            assert(next_datagram(r, client[i], got, sizeof got) == sizeof got);
            assert(got[0] == i && got[1] == j);
        }
        close(client[i]);
    }
    assert(counted(&r->counters.reads) <= CLIENTS * EACH / FN_DGRAMS + 2);
    close_reactor(r);
    close(server);
}

static void test_time(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    int server = new_udp(), client = new_udp();
    char got[100], text[32];
    add_dgram(r, server, FN_CODEC_TIME, NULL, NULL);
    connect_to(client, place_of(server));
    for (int i = 0; i < 100; i++)
        assert(send(client, "?", (size_t)i % 2, 0) == i % 2);
    for (int i = 0; i < 100; i++) {
        time_t before = time(NULL) - 1;
        assert(next_datagram(r, client, got, sizeof got) == 24);
        got[24] = '\n';
        got[25] = 0;
        bool right = false;
        for (time_t at = before; at <= time(NULL); at++)
            right |= strcmp(got, ctime_r(&at, text)) == 0;
        assert(right);
    }
    close_reactor(r);
    close(server);
    close(client);
}

static void test_discard(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    int server = new_udp(), client = new_udp();
    char byte;
    add_dgram(r, server, FN_CODEC_DISCARD, NULL, NULL);
    connect_to(client, place_of(server));
    for (int i = 0; i < 100; i++)
        assert(send(client, "abc", 3, 0) == 3);
    UNTIL(r, counted(&r->counters.datagrams_in) == 100);
    assert(counted(&r->counters.bytes_in) == 300 && counted(&r->counters.datagrams_out) == 0);
    assert(recv(client, &byte, 1, 0) < 0);
    close_reactor(r);
    close(server);
    close(client);
}

/* Who may not ask is not answered; who has no name cannot be. */
static void test_who_is_answered(enum fn_poller_kind kind)
{
    uint8_t deny[32] = {0};
    struct fn_gate_limits limits = {0};
    struct fn_peer peer;
    struct sockaddr_in in = loopback(0);
    fn_peer_of((struct sockaddr *)&in, &peer);
    memcpy(deny, peer.addr, 16);
    memcpy(deny + 16, peer.addr, 16);
    struct fn_gate *gate = fn_gate_new(&limits, NULL, 0, deny, 1);
    struct fn_reactor *r = open_reactor(kind);
    int server = new_udp(), client = new_udp(), pair[2];
    char byte;
    add_dgram(r, server, FN_CODEC_ECHO, gate, NULL);
    connect_to(client, place_of(server));
    assert(send(client, "x", 1, 0) == 1);
    UNTIL(r, counted(&r->counters.datagrams_in) == 1);
    assert(recv(client, &byte, 1, 0) < 0 && counted(&r->counters.datagrams_out) == 0);
    unix_dgrams(pair);
    add_dgram(r, pair[0], FN_CODEC_ECHO, gate, NULL);
    assert(send(pair[1], "x", 1, 0) == 1);
    UNTIL(r, counted(&r->counters.datagrams_in) == 2);
    assert(recv(pair[1], &byte, 1, 0) < 0);
    close_reactor(r);
    fn_gate_release(gate);
    close_pair(pair);
    close(server);
    close(client);
}

/* A client that reads nothing: what the system does not hold for it is lost, and the service goes
 * on.  (Unread datagrams of a Unix socket use up the room of who sent them: until they are read
 * nobody else has an answer, either.) */
static void test_a_client_that_does_not_read(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char got[4];
    int fd[2];
    for (int i = 0; i < 2; i++) {
        fd[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
        no_wait(fd[i]);
        assert(bind(fd[i], (struct sockaddr *)&un, sizeof un.sun_family) == 0);
    }
    struct fn_node *n = add_dgram(r, fd[0], FN_CODEC_ECHO, NULL, NULL);
    connect_to(fd[1], place_of(fd[0]));
    for (int i = 0; counted(&r->counters.datagrams_lost) == 0; i++) {
        assert(i < 100000);
        (void)!send(fd[1], "x", 1, 0);
        turn(r, 0);
    }
    assert(n->dgram->waiting == 0);
    while (recv(fd[1], got, 4, 0) == 1)
        ;
    assert(send(fd[1], "hey", 3, 0) == 3);
    assert(next_datagram(r, fd[1], got, 4) == 3);
    close_reactor(r);
    close_pair(fd);
}

/* All that came before is answered; who goes on sending does not keep the service. */
static void test_drain(enum fn_poller_kind kind)
{
    struct fn_reactor *r = open_reactor(kind);
    int server = new_udp(), client = new_udp(), got, room = 1 << 20;
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    add_dgram(r, server, FN_CODEC_ECHO, NULL, NULL);
    connect_to(client, place_of(server));
    for (int i = 0; i < 150; i++)
        assert(send(client, &i, sizeof i, 0) == sizeof i);
    fn_reactor_ask(r, FN_ASK_DRAIN);
    assert(fn_reactor_run(r, FN_NEVER) == 0);
    for (int i = 0; i < 150; i++)
        assert(recv(client, &got, sizeof got, 0) == sizeof got && got == i);
    assert(r->nodes == 1 && send(client, "late", 4, 0) == 4);
    idle_turns(r, 3);
    assert(recv(client, &got, sizeof got, 0) < 0);
    close_reactor(r);
    close(server);
    close(client);
}

/* Longer than a slot, which only Unix sockets allow: a part of it is not echoed. */
static void test_too_long(enum fn_poller_kind kind)
{
    static uint8_t bytes[FN_DGRAM_MOST + 1];
    struct fn_reactor *r = open_reactor(kind);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd[2];
    for (int i = 0; i < 2; i++) {
        fd[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
        no_wait(fd[i]);
        assert(bind(fd[i], (struct sockaddr *)&un, sizeof un.sun_family) == 0);
    }
    add_dgram(r, fd[0], FN_CODEC_ECHO, NULL, NULL);
    connect_to(fd[1], place_of(fd[0]));
    assert(send(fd[1], bytes, FN_DGRAM_MOST + 1, 0) == FN_DGRAM_MOST + 1);
    UNTIL(r, counted(&r->counters.datagrams_lost) == 1);
    assert(send(fd[1], bytes, FN_DGRAM_MOST, 0) == FN_DGRAM_MOST);
    assert(next_datagram(r, fd[1], bytes, sizeof bytes) == FN_DGRAM_MOST);
    close_reactor(r);
    close_pair(fd);
}

static void test_kind(enum fn_poller_kind kind)
{
    test_echo(kind);
    test_batches(kind);
    test_time(kind);
    test_discard(kind);
    test_who_is_answered(kind);
    test_a_client_that_does_not_read(kind);
    test_drain(kind);
    test_too_long(kind);
}

int main(void)
{
    on_both(test_kind);
    return 0;
}
