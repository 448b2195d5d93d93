/* The plain STUN server of pinhole.h. */
#include "base/err.h"
#include "pinhole.h"
#include "relay/outbox.h"
#include "relay/stun_responder.h"

#include <stdlib.h>
#include <string.h>

struct ph_stun_server {
    struct ph_endpoint ep; /* first */
    struct ph_host *host;
    ph_sock socks[PH_STUN_ADDRESSES_MAX];
    size_t count;
    struct ph_stun_responder responder;
    struct ph_outbox outbox;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct ph_stun_server *s = (struct ph_stun_server *)ep;
    size_t at = 0;

    while (at < s->count && s->socks[at] != sock) {
        at++;
    }
    if (at == s->count) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t answer[PH_STUN_ANSWER_MAX];
        struct ph_addr to;
        size_t from;
        size_t len = ph_stun_answer(&s->responder, now, at, &in[i].peer, in[i].data, in[i].len,
                                    answer, &from, &to);

        if (len > 0) {
            memcpy(ph_outbox_add(&s->outbox, s->socks[from], &to, len), answer, len);
        }
    }
    ph_outbox_flush(&s->outbox);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

int ph_stun_server_new(struct ph_host *host, const struct ph_addr *addrs, size_t n,
                       struct ph_stun_server **out)
{
    struct ph_stun_server *s;
    struct ph_addr bound[PH_STUN_ADDRESSES_MAX];
    uint64_t secret;
    int err;

    if (n == 0 || n > PH_STUN_ADDRESSES_MAX) {
        return PH_ERR_INVAL;
    }
    s = calloc(1, sizeof(*s));
    if (!s) {
        return PH_ERR_NOMEM;
    }
    s->ep.on_datagrams = on_datagrams;
    s->ep.on_timer = on_timer;
    s->host = host;
    s->outbox.host = host;
    for (size_t i = 0; i < n; i++) {
        err = host->ops->udp_open(host, &addrs[i], &s->socks[i]);
        if (err) {
            ph_stun_server_free(s);
            return err;
        }
        s->count++;
        bound[i] = host->ops->udp_local(host, s->socks[i]);
    }
    ph_host_random(host, &secret, sizeof(secret));
    ph_stun_responder_init(&s->responder, bound, n, secret);
    host->endpoint = &s->ep;
    *out = s;
    return PH_OK;
}

void ph_stun_server_free(struct ph_stun_server *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        s->host->ops->udp_close(s->host, s->socks[i]);
    }
    if (s->host->endpoint == &s->ep) {
        s->host->endpoint = NULL;
    }
    free(s);
}
