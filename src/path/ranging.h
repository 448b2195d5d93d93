/* Round trips to several servers at once, by STUN Binding requests (RFC 8489) from the call's own
 * socket. Each server gets up to three, each with a transaction of its own, so that a lost one does
 * not lengthen what is measured; two answers are enough, and the shortest counts, for the others
 * stood in a queue somewhere. They ask for vouchers, too (wire/stun.h). All is over PH_RANGING_TIME
 * after the start. */
#ifndef PH_PATH_RANGING_H
#define PH_PATH_RANGING_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/stun.h"

#include <stdbool.h>

#define PH_RANGING_MAX      16
#define PH_RANGING_REQUESTS 3
#define PH_RANGING_TIME     (1500 * PH_MS)

/* Better by so much that it is worth a change: more than 20% and more than 5 ms. */
static inline bool ph_rtt_clearly_nearer(ph_ns rtt, ph_ns than)
{
    return rtt + 5 * PH_MS < than && rtt < than - than / 5;
}

struct ph_ranging_server {
    struct ph_addr addr;
    uint8_t id[8];
    unsigned sent;
    unsigned answers; /* bits, of which requests */
    ph_ns sent_at[PH_RANGING_REQUESTS];
    ph_ns next;  /* request; PH_NEVER: enough */
    ph_ns least; /* 0: no answer yet */
};

/* All zero is one that is over. */
struct ph_ranging {
    struct ph_ranging_server servers[PH_RANGING_MAX];
    size_t count;
    ph_ns end; /* when it is over at the latest */
};

/* ids: 8 unpredictable bytes for each server. What is more than PH_RANGING_MAX is left out. */
void ph_ranging_start(struct ph_ranging *g, const struct ph_addr *servers, size_t n,
                      const uint8_t *ids, ph_ns now);
/* A request that is due, written to out; its length, 0 when none is due. Call until 0. */
size_t ph_ranging_next(struct ph_ranging *g, ph_ns now, struct ph_addr *to, uint8_t *out,
                       size_t cap);
/* Takes a response; true when it was for one of these requests. */
bool ph_ranging_on_response(struct ph_ranging *g, const struct ph_stun *msg,
                            const struct ph_addr *from, ph_ns now);
/* Whether no more answers are waited for. */
bool ph_ranging_over(const struct ph_ranging *g, ph_ns now);
/* PH_NEVER once nothing is waited for. */
ph_ns ph_ranging_deadline(const struct ph_ranging *g);

#endif
