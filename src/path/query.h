/* One STUN question, asked until it is answered, refused, or has been asked often enough. Each try
 * is a transaction of its own, so that the round trip is that of the try that was answered, and
 * what comes late still counts. */
#ifndef PH_PATH_QUERY_H
#define PH_PATH_QUERY_H

#include "path/batch.h"
#include "wire/stun.h"

#define PH_QUERY_TRIES 4
/* Where no round trip is known: RFC 8489 section 6.2.1 recommends 500 ms, half of that is still
 * above the round trip of any path that a call is bearable on. */
#define PH_QUERY_RTO (250 * PH_MS)
/* Header, CHANGE-REQUEST, RESPONSE-PORT, FINGERPRINT. */
#define PH_QUERY_MAX (PH_STUN_HEADER_LEN + 3 * 8)

enum ph_query_state {
    PH_QUERY_IDLE, /* not begun */
    PH_QUERY_ASKING,
    PH_QUERY_ANSWERED, /* by a Binding success */
    PH_QUERY_REFUSED,  /* by an error response: `error` */
    PH_QUERY_SILENT,   /* asked so often in vain; an answer may still come and counts */
};

struct ph_query {
    enum ph_query_state state;
    bool steady; /* silence is a likely answer: tries follow each other quickly, at one pace.
                  * Otherwise each waits twice as long as the last */
    struct ph_addr to;
    uint32_t change; /* CHANGE-REQUEST flags */
    uint16_t response_port;
    uint8_t tid[PH_STUN_TID_LEN]; /* of the first try; the others differ in the last byte */
    unsigned tries;
    ph_ns sent[PH_QUERY_TRIES];
    ph_ns next;          /* when to try again, or to give up; PH_NEVER: never */
    struct ph_addr from; /* where the answer came from */
    uint16_t error;
    ph_ns rtt; /* of the try that was answered, never 0 then */
};

/* The wait before a try that goes unanswered is repeated: for the greatest round trip seen (0:
 * none). */
ph_ns ph_query_rto(ph_ns rtt);

/* Draws the transaction id; nothing is due before ph_query_begin. */
void ph_query_init(struct ph_query *q, struct ph_host *host, const struct ph_addr *to);
void ph_query_begin(struct ph_query *q, ph_ns now);
/* Adds the try that is due to the batch, if one is; or gives up. */
void ph_query_step(struct ph_query *q, ph_ns now, ph_ns rto, struct ph_batch *batch);
/* The wait has become shorter than it was when the last try left. */
void ph_query_hurry(struct ph_query *q, ph_ns rto);
/* Whether the message is a response to one of the tries, whoever sent it. */
bool ph_query_owns(const struct ph_query *q, const struct ph_stun *m);
/* Takes a response that is its own; only the first one counts. False: it was not the first. */
bool ph_query_take(struct ph_query *q, ph_ns now, const struct ph_stun *m,
                   const struct ph_addr *from);
/* Neither idle nor asking. */
bool ph_query_is_over(const struct ph_query *q);
void ph_query_stop(struct ph_query *q);

#endif
