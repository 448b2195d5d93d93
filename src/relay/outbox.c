#include "relay/outbox.h"

#include <string.h>

/* Those to one peer one behind the other, in their order: a host may make one of them. */
static void group(struct ph_outbox *o)
{
    for (size_t i = 0; i + 1 < o->count; i++) {
        size_t to = i + 1;

        for (size_t k = i + 1; k < o->count; k++) {
            struct ph_datagram d = o->datagrams[k];

            if (!ph_addr_eq(&d.peer, &o->datagrams[i].peer)) {
                continue;
            }
            memmove(&o->datagrams[to + 1], &o->datagrams[to], (k - to) * sizeof(d));
            o->datagrams[to++] = d;
        }
        i = to - 1;
    }
}

void ph_outbox_flush(struct ph_outbox *o)
{
    if (o->count > 0) {
        if (o->count > 2) {
            group(o);
        }
        o->host->ops->udp_send(o->host, o->sock, o->datagrams, o->count);
        o->count = 0;
    }
}

uint8_t *ph_outbox_add(struct ph_outbox *o, ph_sock sock, const struct ph_addr *to, size_t len)
{
    struct ph_datagram *d;

    if (len > PH_DATAGRAM_MAX) {
        return NULL;
    }
    if (o->count == PH_OUTBOX_MAX || o->sock != sock) {
        ph_outbox_flush(o);
    }
    o->sock = sock;
    d = &o->datagrams[o->count];
    d->peer = *to;
    d->data = o->bytes[o->count];
    d->len = len;
    d->ttl = 0;
    return o->bytes[o->count++];
}
