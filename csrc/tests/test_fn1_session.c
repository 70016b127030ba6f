/* Who is let in, and what a keyed connection does at its edges. */
#include "keyed.h"

#include <sys/wait.h>

static struct fn_link_options options_of(enum fn1_role role, bool keyed, struct fn1_view key)
{
    return (struct fn_link_options){
        .role = role,
        .limits = {.fragment = 2 << 20, .envelope = 65536, .segments = 64, .message = 1 << 30},
        .fragment = 1 << 20,
        .ahead_max = 4096,
        .stage_max = 65536,
        .application = "tests",
        .keyed = keyed,
        .key = key};
}

static const struct fn1_view right = {keyed_key, sizeof keyed_key};
static const struct fn1_view none = {NULL, 0};

static void open_with(struct party *p, enum fn1_role role, bool keyed, struct fn1_view key)
{
    struct fn_link_options o = options_of(role, keyed, key);
    memset(p, 0, sizeof *p);
    assert(fn_link_init(&p->l, -1, &o) == FN_OK);
    p->memory = calloc(1, keyed_body);
}

/* All that one has to send, to the other; what the other answers. */
static int pass(struct party *from, struct party *to)
{
    struct passing p = passing_new();
    party_take(from, &p, SIZE_MAX);
    int st = party_hear(to, p.bytes, p.len, 3);
    free(p.bytes);
    return st;
}

static void shake(struct party *client, struct party *server)
{
    assert(pass(client, server) == FN_LINK_REPLY);
    assert(!fn1_session_is_open(&server->l.session));
    assert(pass(server, client) == FN_E_MORE && fn1_session_is_open(&client->l.session));
    assert(pass(client, server) == FN_E_MORE && fn1_session_is_open(&server->l.session));
    assert(client->l.session.hand == NULL && server->l.session.hand == NULL);
    assert(client->l.session.suite == server->l.session.suite);
    assert(strcmp(server->l.session.application, "tests") == 0);
    assert(atomic_load(&client->l.peer_fragment) && atomic_load(&server->l.peer_fragment));
}

static void open_pair(struct party *client, struct party *server)
{
    party_open(client, FN1_CLIENT, NULL);
    party_open(server, FN1_SERVER, NULL);
    shake(client, server);
}

static void close_pair_of(struct party *client, struct party *server)
{
    party_close(client);
    party_close(server);
}

/* The server refuses; the client hears the code and nothing else. */
static void refuse(struct party *server, struct party *client, uint32_t code, int expected)
{
    struct passing p = passing_new();
    assert(fn_link_error(&server->l, code, "words that a stranger must not see") == FN_OK);
    party_take(server, &p, SIZE_MAX);
    assert(p.len == FN1_PREFACE_SIZE + 4 + 5 + 8); /* the application's name, and the code */
    assert(party_hear(client, p.bytes, p.len, 1) == expected);
    if (expected == FN_E_FN1_REFUSED)
        assert(client->l.session.refusal == code);
    assert(fn_link_error(&server->l, code, "once") == FN_E_ARGUMENT);
    free(p.bytes);
}

static void test_wrong_keys(void)
{
    static const uint8_t wrong[32] = "the key of the tests, 33 bytes.";
    struct party client, server;
    open_with(&client, FN1_CLIENT, true, (struct fn1_view){wrong, 32});
    open_with(&server, FN1_SERVER, true, right);
    assert(pass(&client, &server) == FN_E_FN1_PROOF);
    refuse(&server, &client, FN1_ERR_AUTHENTICATION, FN_E_FN1_REFUSED);
    close_pair_of(&client, &server);

    open_with(&client, FN1_CLIENT, false, none); /* without a key */
    open_with(&server, FN1_SERVER, true, right);
    assert(pass(&client, &server) == FN_E_FN1_KEYLESS);
    refuse(&server, &client, FN1_ERR_AUTHENTICATION, FN_E_FN1_KEYED);
    close_pair_of(&client, &server);

    open_with(&client, FN1_CLIENT, true, right);
    open_with(&server, FN1_SERVER, false, none);
    assert(pass(&server, &client) == FN_E_FN1_KEYLESS); /* a server without one speaks first */
    assert(pass(&client, &server) == FN_E_FN1_KEYED);
    assert(fn_link_error(&server.l, FN1_ERR_AUTHENTICATION, "why") == FN_OK);
    assert(fn1_tx_staged(&server.l.tx) == FN1_HEAD_SIZE + 4 + 3); /* it may say why */
    struct fn_body empty = {.n = 0};
    assert(fn_link_message(&client.l, 1, NULL, 0, NULL, 0, &empty) == FN_E_FN1_EARLY);
    close_pair_of(&client, &server);

    struct fn_link l;
    struct fn_link_options o = options_of(FN1_CLIENT, true, (struct fn1_view){wrong, 15});
    assert(fn_link_init(&l, -1, &o) == FN_E_ARGUMENT);
    fn_link_fini(&l);
    o = options_of(FN1_CLIENT, true, none); /* a client cannot look keys up */
    assert(fn_link_init(&l, -1, &o) == FN_E_ARGUMENT);
    fn_link_fini(&l);
    o = options_of(FN1_SERVER, true, right);
    o.suites = (struct fn1_view){(const uint8_t *)"\x09", 1};
    assert(fn_link_init(&l, -1, &o) == FN_E_ARGUMENT);
    fn_link_fini(&l);
}

static void test_keys_by_id(void)
{
    static const char longest[] =
        "a key id of sixty-four bytes, which is as long as any may be here.";
    static const char *const ids[] = {"", "n", longest};
    for (size_t i = 0; i < 3; i++)
        for (int known = 0; known < 2; known++) {
            struct party client, server;
            struct passing p = passing_new();
            struct fn_link_options o = options_of(FN1_CLIENT, true, right);
            size_t len = fn_minz(strlen(ids[i]), FN1_KEY_ID_MAX);
            o.key_id = (struct fn1_view){(const uint8_t *)ids[i], len};
            memset(&client, 0, sizeof client);
            assert(fn_link_init(&client.l, -1, &o) == FN_OK);
            open_with(&server, FN1_SERVER, true, none);
            assert(fn_link_key(&server.l, right) == FN_E_ARGUMENT); /* nobody has asked */
            party_take(&client, &p, SIZE_MAX);
            assert(party_hear(&server, p.bytes, p.len, SIZE_MAX) == FN1_EV_KEY);
            assert(server.heard.events == 1);
            assert(server.l.session.key_id_len == len);
            assert(memcmp(server.l.session.key_id, ids[i], len) == 0);
            int st = fn_link_key(&server.l, known ? right : none);
            assert(st == (known ? FN_LINK_REPLY : FN_E_FN1_PROOF));
            if (known) {
                assert(pass(&server, &client) == FN_E_MORE && pass(&client, &server) == FN_E_MORE);
                assert(fn1_session_is_open(&server.l.session));
            } else {
                refuse(&server, &client, FN1_ERR_AUTHENTICATION, FN_E_FN1_REFUSED);
            }
            close_pair_of(&client, &server);
            free(p.bytes);
        }
}

/* AUTH comes first, once, and says what it must; a right tag is not enough. */
static void test_auth_has_its_place(void)
{
    static const uint8_t wrong[FN1_AUTH_SIZE] = {1};
    enum { WRONG, ANOTHER, TWICE, BACK };
    for (int what = WRONG; what <= BACK; what++) {
        struct party client, server;
        party_open(&client, FN1_CLIENT, NULL);
        party_open(&server, FN1_SERVER, NULL);
        assert(pass(&client, &server) == FN_LINK_REPLY && pass(&server, &client) == FN_E_MORE);
        struct party *from = what == BACK ? &server : &client;
        struct party *to = what == BACK ? &client : &server;
        if (what == WRONG || what == ANOTHER)
            fn_link_unstage(&client.l);
        else
            assert(pass(&client, &server) == FN_E_MORE);
        if (what == ANOTHER) /* of the same length */
            assert(fn1_tx_error(&client.l.tx, 1, "twenty-eight bytes of words.") == FN_OK);
        else
            assert(fn1_tx_auth(&from->l.tx, wrong) == FN_OK);
        assert(pass(from, to) == (what == WRONG ? FN_E_FN1_PROOF : FN_E_FN1_ORDER));
        assert(fn1_session_is_open(&server.l.session) == (what == TWICE || what == BACK));
        close_pair_of(&client, &server);
    }
}

/* Whoever goes on without a key, or after an error, is told nothing more: what
 * stands behind the preface is without a tag, and not looked at. */
static void test_nothing_before_the_key(void)
{
    static const uint8_t error[FN1_HEAD_SIZE + 4] = {FN1_ERROR, [8] = 4};
    enum { NOT_GIVEN, WRONG, KEYLESS };
    for (int why = NOT_GIVEN; why <= KEYLESS; why++) {
        struct party client, server;
        struct passing p = passing_new();
        open_with(&client, FN1_CLIENT, why != KEYLESS, why != KEYLESS ? right : none);
        open_with(&server, FN1_SERVER, true, none);
        party_take(&client, &p, SIZE_MAX);
        memcpy(p.bytes + p.len, error, sizeof error);
        int st = party_hear(&server, p.bytes, p.len + sizeof error, 1000);
        assert(st == (why == KEYLESS ? FN_E_FN1_KEYLESS : FN1_EV_KEY));
        if (why == NOT_GIVEN)
            st = FN_E_FN1_EARLY;
        if (why == WRONG)
            assert(fn_link_key(&server.l, none) == (st = FN_E_FN1_PROOF));
        size_t events = server.heard.events;
        for (int again = 0; again < 2; again++)
            assert(party_hear(&server, error, sizeof error, 1000) == st);
        assert(server.heard.events == events);
        close_pair_of(&client, &server);
        free(p.bytes);
    }
}

/* A stranger costs no more than a preface, whatever it sends. */
static void test_limits_before_the_key(void)
{
    struct party server;
    struct iovec iov[4];
    uint8_t long_head[FN1_HEAD_SIZE] = {FN1_DATA};
    party_open(&server, FN1_SERVER, NULL);
    assert(fn_link_step(&server.l) == FN_E_MORE);
    assert(fn_link_want(&server.l, iov, 4) == 1 && iov[0].iov_len <= FN1_PREFACE_MAX);
    party_close(&server);
    struct party client;
    for (uint32_t length = 0; length < 4; length++) {
        struct passing p = passing_new();
        party_open(&client, FN1_CLIENT, NULL);
        party_open(&server, FN1_SERVER, NULL);
        assert(pass(&client, &server) == FN_LINK_REPLY);
        party_take(&server, &p, SIZE_MAX);
        /* instead of AUTH, a frame of another length: refused before it is read */
        fn_store32(long_head + 8, (uint32_t[]){0, 31, 16384, UINT32_MAX}[length]);
        assert(party_hear(&server, long_head, sizeof long_head, 1) == FN_E_FN1_TAG);
        assert(server.l.rx.in.capacity <= 2048);
        assert(fn_link_error(&server.l, FN1_ERR_AUTHENTICATION, "") == FN_E_ARGUMENT);
        close_pair_of(&client, &server);
        free(p.bytes);
    }
}

static void test_choice_of_suite(void)
{
    static const uint8_t both[2][2] = {{FN_HMAC_SHA256, FN_AES_256_GMAC},
                                       {FN_AES_256_GMAC, FN_HMAC_SHA256}};
    for (size_t c = 0; c < 6; c++)
        for (size_t v = 0; v < 6; v++) {
            struct party client, server;
            struct fn_link_options o = options_of(FN1_CLIENT, true, right);
            const uint8_t *of_client = both[c % 2] + c / 4, *of_server = both[v % 2] + v / 4;
            size_t n = c < 4 && c >= 2 ? 2 : 1, m = v < 4 && v >= 2 ? 2 : 1;
            o.suites = (struct fn1_view){of_client, n};
            memset(&client, 0, sizeof client);
            memset(&server, 0, sizeof server);
            assert(fn_link_init(&client.l, -1, &o) == FN_OK);
            o = options_of(FN1_SERVER, true, right);
            o.suites = (struct fn1_view){of_server, m};
            assert(fn_link_init(&server.l, -1, &o) == FN_OK);
            bool common = n + m > 2 || of_client[0] == of_server[0];
            if (common) {
                shake(&client, &server);
                uint8_t expected = m == 2 && n == 2 ? of_server[0]
                                   : n == 1         ? of_client[0]
                                                    : of_server[0];
                assert(client.l.session.suite == expected);
            } else {
                assert(pass(&client, &server) == FN_E_FN1_SUITE);
                refuse(&server, &client, FN1_ERR_AUTHENTICATION, FN_E_FN1_REFUSED);
            }
            close_pair_of(&client, &server);
        }
}

static void test_rekeying(void)
{
    static const uint64_t tags[] = {1, 2, 3, 1 << 20}, bytes[] = {1, 300, 20000, 1 << 30};
    keyed_stream = 4 << 20;
    keyed_body = 350000;
    for (size_t i = 0; i < 8; i++) {
        struct party client, server;
        struct passing p = passing_new();
        open_pair(&client, &server);
        struct fn1_seal *seals[] = {client.l.tx.seal, server.l.rx.seal};
        for (size_t k = 0; k < 2; k++) {
            seals[k]->rekey_tags = i < 4 ? tags[i] : FN1_REKEY_TAGS;
            seals[k]->rekey_bytes = i < 4 ? FN1_REKEY_BYTES : bytes[i - 4];
        }
        for (size_t n = 0; n < 12; n++)
            party_say(&client, n % 3 == 2 ? 300000 : 100, n % 2, &p);
        assert(party_hear(&server, p.bytes, p.len, 50000) == FN_E_MORE);
        assert(atomic_load(&server.l.messages_in) == 12);
        assert(seals[0]->rekeys == seals[1]->rekeys && seals[0]->counter == seals[1]->counter);
        assert((i % 4 == 3) == (seals[0]->rekeys == 0));
        seals[1]->rekey_tags = 5; /* ends that count differently do not understand each other */
        seals[1]->rekey_bytes = 1;
        p.len = 0;
        party_say(&client, 100, false, &p);
        party_say(&client, 100, false, &p);
        if (i % 4) /* not where both take a new key for every tag */
            assert(party_hear(&server, p.bytes, p.len, 50000) == FN_E_FN1_TAG);
        close_pair_of(&client, &server);
        free(p.bytes);
    }
}

/* What was staged and not sent can be taken back, and then the next tag is as
 * if it had never been; but not when something went, or the key is another. */
static void test_taking_back(void)
{
    struct party client, server;
    struct passing p = passing_new();
    struct iovec iov[4];
    open_pair(&client, &server);
    struct fn1_head ping = {.type = FN1_PING};
    fn_link_unstage(&client.l); /* nothing is there */
    for (int i = 0; i < 3; i++) {
        party_say(&client, 50, false, &p);
        assert(fn1_tx_control(&client.l.tx, &ping) == FN_OK);
        assert(fn_link_out(&client.l, iov, 4) > 0); /* shown, but not sent */
        fn_link_unstage(&client.l);
        assert(fn_link_may_send(&client.l) == FN_OK);
        fn_link_unstage(&client.l);
    }
    assert(party_hear(&server, p.bytes, p.len, 1000) == FN_E_MORE);
    assert(atomic_load(&server.l.messages_in) == 3);
    assert(fn1_tx_control(&client.l.tx, &ping) == FN_OK);
    assert(fn1_tx_control(&client.l.tx, &ping) == FN_OK);
    assert(fn_link_out(&client.l, iov, 4) > 0);
    fn_link_sent(&client.l, 1);
    fn_link_unstage(&client.l);
    assert(fn_link_may_send(&client.l) == FN_E_POISONED);
    close_pair_of(&client, &server);

    open_pair(&client, &server);
    client.l.tx.seal->rekey_tags = 2;
    for (int i = 0; i < 4; i++)
        assert(fn1_tx_control(&client.l.tx, &ping) == FN_OK);
    fn_link_unstage(&client.l);
    assert(fn_link_may_send(&client.l) == FN_E_POISONED);
    close_pair_of(&client, &server);
    free(p.bytes);
}

/* A long envelope is refused by its head, before any of it is waited for. */
static void test_long_envelopes(void)
{
    const struct fn1_head heads[] = {{.type = FN1_MESSAGE, .length = 65537},
                                     {.type = FN1_MESSAGE, .flags = FN1_INLINE, .length = 20000}};
    for (size_t i = 0; i < 2; i++) {
        struct party client, server;
        uint8_t frame[FN1_HEAD_SIZE + FN_MAC_TAG];
        open_pair(&client, &server);
        fn1_head_encode(frame, &heads[i]);
        assert(fn1_seal_begin(client.l.tx.seal, FN1_TAG_HEAD) == FN_OK);
        fn1_seal_update(client.l.tx.seal, frame, FN1_HEAD_SIZE);
        assert(fn1_seal_tag(client.l.tx.seal, frame + FN1_HEAD_SIZE) == FN_OK);
        assert(party_hear(&server, frame, sizeof frame, 7) ==
               (i ? FN_E_FN1_LENGTH : FN_E_FN1_ENVELOPE));
        close_pair_of(&client, &server);
    }
}

/* Two processes that went on counting under one key would give it away. */
static void test_no_tags_after_fork(void)
{
    struct party client, server;
    open_pair(&client, &server);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        struct fn1_head ping = {.type = FN1_PING};
        struct fn_walk walk;
        struct fn_body body;
        static char bytes[300000];
        uint64_t size = sizeof bytes;
        fn_walk_init_flat(&walk, bytes, sizeof bytes);
        bool refused = fn_body_init(&body, &walk, 1) == FN_OK;
        refused = refused && fn1_tx_control(&client.l.tx, &ping) == FN_E_FORKED;
        refused = refused && fn_link_message(&client.l, 1, &size, 1, NULL, 0, &body) == FN_E_FORKED;
        refused = refused && fn_link_close(&client.l) == FN_E_FORKED;
        refused = refused && fn1_tx_staged(&client.l.tx) == 0;
        _exit(refused ? 0 : 1);
    }
    int status;
    assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct passing p = passing_new();
    party_say(&client, 5, false, &p); /* the parent goes on */
    assert(party_hear(&server, p.bytes, p.len, 1000) == FN_E_MORE);
    assert(atomic_load(&server.l.messages_in) == 1);
    close_pair_of(&client, &server);
    free(p.bytes);
}

int main(void)
{
    test_wrong_keys();
    test_keys_by_id();
    test_auth_has_its_place();
    test_nothing_before_the_key();
    test_limits_before_the_key();
    test_choice_of_suite();
    test_rekeying();
    test_taking_back();
    test_long_envelopes();
    test_no_tags_after_fork();
    return 0;
}
