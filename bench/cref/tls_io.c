/* The load generator's TLS: OpenSSL on the socket itself, TLS 1.3, the server's certificate
 * verified. It reads ahead, so a record costs one recv and not two. */
#include "conn_io.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { READ_AHEAD = 1 << 18 };

static _Noreturn void tls_fail(const char *what)
{
    static char text[256];
    int n = snprintf(text, sizeof text, "%s: ", what);
    ERR_error_string_n(ERR_get_error(), text + n, sizeof text - (size_t)n);
    fail(text);
}

static SSL_CTX *context(const struct load *l)
{
    static SSL_CTX *made = NULL;
    if (made != NULL)
        return made;
    made = SSL_CTX_new(TLS_client_method());
    if (made == NULL || !SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) || l->opt.ca == NULL ||
        !SSL_CTX_load_verify_locations(made, l->opt.ca, NULL))
        tls_fail("TLS context");
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_default_read_buffer_len(made, READ_AHEAD);
    return made;
}

void io_start(const struct load *l, struct conn *c)
{
    SSL *ssl = SSL_new(context(l));
    if (ssl == NULL || !SSL_set_fd(ssl, c->fd) || !SSL_set1_host(ssl, "localhost") ||
        SSL_connect(ssl) != 1)
        tls_fail("TLS handshake");
    c->tls = ssl;
}

static ssize_t io_result(const struct conn *c, int n, const char *what)
{
    if (n > 0)
        return n;
    switch (SSL_get_error(c->tls, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return WOULD_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls_fail(what);
    }
}

ssize_t io_recv(struct conn *c, void *into, size_t most)
{
    ERR_clear_error();
    return io_result(c, SSL_read(c->tls, into, (int)most), "SSL_read");
}

ssize_t io_send(struct conn *c, const void *from, size_t most)
{
    ERR_clear_error();
    return io_result(c, SSL_write(c->tls, from, (int)most), "SSL_write");
}

bool io_more(const struct conn *c)
{
    (void)c;
    return true; /* until SSL_read says otherwise */
}
