/* Datagrams that leave from one socket, back to back: one system call for many. */
#ifndef PH_PATH_BATCH_H
#define PH_PATH_BATCH_H

#include "host/host.h"

#define PH_BATCH_DATAGRAMS 32
/* The longest that is copied: any check, any question. */
#define PH_BATCH_BYTES 128

struct ph_batch {
    struct ph_host *host;
    ph_sock sock;
    size_t count;
    struct ph_datagram d[PH_BATCH_DATAGRAMS];
    uint8_t bytes[PH_BATCH_DATAGRAMS][PH_BATCH_BYTES];
};

/* What is added from now on leaves from this socket; what was added before is sent, if it leaves
 * from another. */
void ph_batch_from(struct ph_batch *b, ph_sock sock);
/* Adds a datagram, at a TTL (0: the system's); what is empty or longer than PH_BATCH_BYTES is left
 * out. A batch that is full is sent before. */
void ph_batch_add(struct ph_batch *b, const struct ph_addr *to, uint8_t ttl, const uint8_t *data,
                  size_t len);
/* The same of any length, without a copy: data stays as it is until the batch is sent. */
void ph_batch_lend(struct ph_batch *b, const struct ph_addr *to, uint8_t ttl, const uint8_t *data,
                   size_t len);
void ph_batch_send(struct ph_batch *b);

#endif
