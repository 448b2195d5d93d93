/* What one event makes an endpoint send, gathered and handed to the host in one call. */
#ifndef PH_RELAY_OUTBOX_H
#define PH_RELAY_OUTBOX_H

#include "host/host.h"

#define PH_OUTBOX_MAX 64

struct ph_outbox {
    struct ph_host *host;
    ph_sock sock; /* of all that is in it */
    size_t count;
    struct ph_datagram datagrams[PH_OUTBOX_MAX];
    uint8_t bytes[PH_OUTBOX_MAX][PH_DATAGRAM_MAX];
};

/* Room for a datagram of len bytes, which the caller fills before the next call; NULL when it is
 * longer than PH_DATAGRAM_MAX. The order of those to one peer is kept. */
uint8_t *ph_outbox_add(struct ph_outbox *o, ph_sock sock, const struct ph_addr *to, size_t len);
void ph_outbox_flush(struct ph_outbox *o);

#endif
