#include "relay/outbox.h"

void ph_outbox_flush(struct ph_outbox *o)
{
    if (o->count > 0) {
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
