/* STUN from the call's own socket (RFC 8489 section 6.2.1): several servers at once, each asked up
 * to four times, for the reflexive addresses and for a server that offers a second address. */
#ifndef PH_PATH_GATHER_H
#define PH_PATH_GATHER_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/stun.h"

#define PH_GATHER_MAX 9 /* eight servers and the relay */

struct ph_gather_server {
    struct ph_addr server;
    uint8_t tid[PH_STUN_TID_LEN];
    struct ph_addr reflexive; /* family NONE: no answer yet */
    struct ph_addr other;     /* its OTHER-ADDRESS; family NONE: none */
    unsigned tries;
    ph_ns first_sent;
    ph_ns next; /* PH_NEVER: answered or given up */
    ph_ns rtt;  /* 0: none */
};

struct ph_gather {
    struct ph_gather_server servers[PH_GATHER_MAX];
    size_t count;
};

/* ids: 8 unpredictable bytes for each server. */
void ph_gather_init(struct ph_gather *g, const struct ph_addr *servers, size_t n,
                    const uint8_t *ids, ph_ns now);
/* A request that is due, written to out; its length, 0 when none is due. Call until 0. */
size_t ph_gather_next(struct ph_gather *g, ph_ns now, struct ph_addr *to, uint8_t *out, size_t cap);
/* Takes a response; true when it was for one of these requests. */
bool ph_gather_on_response(struct ph_gather *g, const struct ph_stun *msg,
                           const struct ph_addr *from, ph_ns now);
ph_ns ph_gather_deadline(const struct ph_gather *g);
bool ph_gather_done(const struct ph_gather *g);
/* The shortest round trip seen, 0 for none. */
ph_ns ph_gather_rtt(const struct ph_gather *g);

#endif
