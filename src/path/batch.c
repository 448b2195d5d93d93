#include "path/batch.h"

#include <string.h>

void ph_batch_send(struct ph_batch *b)
{
    if (b->count > 0)
        b->host->ops->udp_send(b->host, b->sock, b->d, b->count);
    b->count = 0;
}

void ph_batch_from(struct ph_batch *b, ph_sock sock)
{
    if (b->sock != sock)
        ph_batch_send(b);
    b->sock = sock;
}

void ph_batch_lend(struct ph_batch *b, const struct ph_addr *to, uint8_t ttl, const uint8_t *data,
                   size_t len)
{
    if (b->count == PH_BATCH_DATAGRAMS)
        ph_batch_send(b);
    b->d[b->count++] = (struct ph_datagram){.peer = *to, .data = data, .len = len, .ttl = ttl};
}

void ph_batch_add(struct ph_batch *b, const struct ph_addr *to, uint8_t ttl, const uint8_t *data,
                  size_t len)
{
    if (len == 0 || len > PH_BATCH_BYTES)
        return;
    if (b->count == PH_BATCH_DATAGRAMS)
        ph_batch_send(b);
    memcpy(b->bytes[b->count], data, len);
    ph_batch_lend(b, to, ttl, b->bytes[b->count], len);
}
