/* What one packet brought for a connection's owner, in order. ngtcp2 must not be called from inside
 * its own callbacks, but the owner may send whenever it is told something: so it is told once
 * ngtcp2 has returned. */
#ifndef PH_QUIC_INBOX_H
#define PH_QUIC_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes waiting. One packet that fills a gap may bring all that both streams' windows let through.
 */
#define PH_INBOX_MAX 524288

enum ph_inbox_kind {
    PH_INBOX_STATE,
    PH_INBOX_STREAM,
    PH_INBOX_DATAGRAM,
    PH_INBOX_PIPE,
    PH_INBOX_PIPE_EVENT,
};

struct ph_inbox_item {
    struct ph_inbox_item *next;
    enum ph_inbox_kind kind;
    int state;
    size_t len;
    uint8_t data[];
};

/* All zero is empty. */
struct ph_inbox {
    struct ph_inbox_item *first, *last;
    size_t bytes;
};

/* PH_ERR_SPACE (never for a state or an event), PH_ERR_NOMEM. */
int ph_inbox_add(struct ph_inbox *in, enum ph_inbox_kind kind, int state, const uint8_t *data,
                 size_t len);
/* Takes the oldest out; the caller frees it with free(). NULL when empty. */
struct ph_inbox_item *ph_inbox_take(struct ph_inbox *in);
void ph_inbox_fini(struct ph_inbox *in);

#endif
