/* The endpoint: what its connections share. */
#include "quic/quic.h"

#include "base/err.h"
#include "quic/conn.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

int ph_quic_new(const struct ph_quic_config *config, struct ph_quic **out)
{
    struct ph_quic *q = calloc(1, sizeof(*q));
    OSSL_LIB_CTX *lib = NULL;
    const struct ph_draw *before;
    uint8_t key[16];

    *out = NULL;
    if (q == NULL)
        return PH_ERR_NOMEM;
    q->draw = (struct ph_draw){config->random, config->random_user};
    q->deterministic = config->deterministic;
    q->initial_rtt = config->initial_rtt;
    q->draw.random(q->draw.user, key, sizeof(key));
    q->draw.random(q->draw.user, q->token_secret, sizeof(q->token_secret));
    q->draw.random(q->draw.user, q->reset_secret, sizeof(q->reset_secret));
    q->resets = config->reset_key != NULL;
    if (q->resets)
        memcpy(q->reset_secret, config->reset_key, sizeof(q->reset_secret));
    ph_cid_map_init(&q->cids, key);

    before = ph_quic_enter(q);
    if (q->deterministic)
        lib = ph_draw_lib();
    if (!q->deterministic || lib != NULL)
        q->tls = ph_tls_ctx_new(config->identity, lib);
    ph_quic_leave(before);
    if (q->tls == NULL) {
        ph_quic_free(q);
        return PH_ERR_CRYPTO;
    }
    *out = q;
    return PH_OK;
}

void ph_quic_free(struct ph_quic *q)
{
    if (q == NULL)
        return;
    while (q->conns != NULL)
        ph_quic_conn_free(q->conns);
    ph_heap_fini(&q->deadlines);
    ph_cid_map_fini(&q->cids);
    SSL_CTX_free(q->tls);
    OPENSSL_cleanse(q->token_secret, sizeof(q->token_secret));
    OPENSSL_cleanse(q->reset_secret, sizeof(q->reset_secret));
    free(q);
}

int ph_quic_connect(struct ph_quic *q, ph_ns now, const struct ph_quic_conn_config *config,
                    struct ph_quic_conn **out)
{
    const struct ph_draw *before = ph_quic_enter(q);
    int rc = ph_quic_conn_new(q, now, config, NULL, NULL, out);

    ph_quic_leave(before);
    return rc;
}

struct ph_quic_conn *ph_quic_route(struct ph_quic *q, const uint8_t *data, size_t len,
                                   bool *new_initial)
{
    struct ph_quic_conn *c;
    ngtcp2_version_cid cid;
    ngtcp2_pkt_hd initial;

    *new_initial = false;
    if (len == 0 || (data[0] & 0x40) == 0 ||
        ngtcp2_pkt_decode_version_cid(&cid, data, len, PH_QUIC_CID_LEN) != 0)
        return NULL;
    c = ph_cid_map_find(&q->cids, cid.dcid, cid.dcidlen);
    if (c == NULL)
        *new_initial = ph_quic_parse_initial(data, len, &initial);
    return c;
}

int ph_quic_accept(struct ph_quic *q, ph_ns now, const uint8_t *data, size_t len,
                   const struct ph_addr *from, const struct ph_quic_conn_config *config,
                   struct ph_quic_conn **out)
{
    const struct ph_draw *before;
    struct ph_quic_conn *c = NULL;
    ngtcp2_pkt_hd initial;
    ngtcp2_cid original_dcid;
    int rc, rv;

    *out = NULL;
    if (!ph_quic_parse_initial(data, len, &initial))
        return PH_ERR_FORMAT;
    before = ph_quic_enter(q);
    original_dcid = initial.dcid;
    rc = from == NULL ? PH_OK : ph_quic_token_verify(q, now, &initial, from, &original_dcid);
    if (rc == PH_OK)
        rc = ph_quic_conn_new(q, now, config, &initial, &original_dcid, &c);
    if (rc != PH_OK)
        goto cleanup;
    rv = ph_quic_conn_input(c, data, len);
    switch (rv) {
    case 0:
        break;
    case NGTCP2_ERR_DROP_CONN: /* not even a client that deserves an answer */
    case NGTCP2_ERR_RETRY:
    case NGTCP2_ERR_DRAINING:
        ph_quic_conn_free(c);
        rc = PH_ERR_PROTO;
        goto cleanup;
    default:
        c->failure = rv; /* the owner does not have the connection yet: told at the next flush */
        break;
    }
    ph_quic_conn_settle(c);
    *out = c;
cleanup:
    ph_quic_leave(before);
    return rc;
}

static struct ph_quic_conn *first_due(const struct ph_quic *q)
{
    struct ph_heap_node *node = ph_heap_peek(&q->deadlines);

    return node == NULL
               ? NULL
               : (struct ph_quic_conn *)((char *)node - offsetof(struct ph_quic_conn, deadline));
}

ph_ns ph_quic_deadline(const struct ph_quic *q)
{
    struct ph_quic_conn *c = first_due(q);

    return c != NULL ? c->deadline.key : PH_NEVER;
}

void ph_quic_on_timer(struct ph_quic *q, ph_ns now)
{
    struct ph_quic_conn *c;

    while ((c = first_due(q)) != NULL && c->deadline.key <= now) {
        ph_quic_conn_expire(c, now);
        /* Whatever it wants next, each gets one turn in one call. */
        if (c->deadline.key <= now)
            (void)ph_heap_add(&q->deadlines, &c->deadline, now + 1);
    }
}

bool ph_quic_is_short_header(const uint8_t *data, size_t len)
{
    return len > 0 && (data[0] & 0xc0) == 0x40;
}
