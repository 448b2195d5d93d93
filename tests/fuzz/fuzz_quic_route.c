/* What a socket hands to QUIC before anything is authenticated: sorting, tokens, Retry, a first
 * Initial, and bytes for a connection whose ID they carry. */
#include "base/err.h"
#include "base/rng.h"
#include "quic/quic.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define ALPN "pinhole-fuzz/1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct endpoint {
    struct ph_rng rng;
    struct ph_identity *id;
    struct ph_quic *q;
};

static void draw(void *user, void *out, size_t len)
{
    ph_rng_fill(user, out, len);
}

static void on_packet(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    if (len == 0 || len > PH_QUIC_PACKET_MAX)
        abort();
}

static void on_state(void *user, enum ph_quic_state state)
{
    (void)user;
    /* Nobody here has a peer's key. */
    if (state == PH_QUIC_ESTABLISHED || state == PH_QUIC_CONFIRMED)
        abort();
}

static void on_bytes(void *user, const uint8_t *data, size_t len)
{
    (void)user;
    (void)data;
    (void)len;
    abort();
}

static const uint8_t nobody[PH_FINGERPRINT_LEN];
static const struct ph_quic_conn_config config = {
    .alpn = ALPN,
    .peer_fingerprint = nobody,
    .callbacks = {.on_packet = on_packet,
                  .on_state = on_state,
                  .on_stream = on_bytes,
                  .on_datagram = on_bytes},
};

static void endpoint_init(struct endpoint *e, uint64_t seed)
{
    struct ph_quic_config c = {.random = draw, .random_user = &e->rng, .deterministic = true};
    uint8_t key[PH_SEED_LEN];

    ph_rng_seed(&e->rng, seed);
    ph_rng_fill(&e->rng, key, sizeof(key));
    if (ph_identity_new(key, &e->id) != PH_OK)
        abort();
    c.identity = e->id;
    if (ph_quic_new(&c, &e->q) != PH_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct endpoint client, server;
    static struct ph_rng client_start;
    struct ph_addr from = ph_addr_v4(192, 0, 2, 1, 1234);
    struct ph_quic_conn *conn, *routed, *accepted;
    uint8_t out[PH_QUIC_PACKET_MAX];
    bool fresh;
    int rc;

    if (client.q == NULL) {
        endpoint_init(&client, 1);
        endpoint_init(&server, 2);
        client_start = client.rng;
    }

    client.rng = client_start; /* the same connection ID each time: the corpus has it */
    if (ph_quic_connect(client.q, PH_SEC, &config, &conn) != PH_OK)
        abort();
    ph_quic_flush(conn, PH_SEC);
    routed = ph_quic_route(client.q, data, size, &fresh);
    if (routed != NULL && (routed != conn || fresh))
        abort();
    if (routed != NULL) {
        ph_quic_read(conn, PH_SEC, data, size);
        ph_quic_flush(conn, PH_SEC);
        ph_quic_on_timer(client.q, 2 * PH_SEC);
    }
    ph_quic_conn_free(conn);

    if (ph_quic_route(server.q, data, size, &fresh) != NULL)
        abort();
    if (fresh && ph_quic_is_short_header(data, size))
        abort();
    if (!fresh && ph_quic_check_token(server.q, PH_SEC, data, size, &from) != PH_QUIC_TOKEN_BAD)
        abort();
    rc = ph_quic_retry(server.q, PH_SEC, data, size, &from, out, sizeof(out));
    if (fresh ? rc <= 0 || (size_t)rc >= size : rc != PH_ERR_FORMAT)
        abort();
    rc = ph_quic_accept(server.q, PH_SEC, data, size, NULL, &config, &accepted);
    if ((rc == PH_ERR_FORMAT) == fresh)
        abort();
    if (rc == PH_OK) {
        ph_quic_flush(accepted, PH_SEC);
        ph_quic_conn_free(accepted);
    }
    return 0;
}
