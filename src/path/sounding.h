/* A sounding: a STUN question from a fresh socket. It shows what a new flow gets from the own NAT:
 * which port, or, where nobody answers any more, that it gets none. */
#ifndef PH_PATH_SOUNDING_H
#define PH_PATH_SOUNDING_H

#include "path/query.h"

struct ph_sounding {
    struct ph_host *host;
    ph_sock sock; /* 0: none is out */
    struct ph_query query;
    struct ph_addr seen; /* the answer; family NONE: none yet */
    ph_ns rto;
};

void ph_sounding_init(struct ph_sounding *s, struct ph_host *host);
void ph_sounding_fini(struct ph_sounding *s);
/* Asks at once, in place of what was asked before. rtt: to the server, 0: not known. PH_ERR_SYS:
 * there is no socket to be had, which is an answer too: it failed. */
int ph_sounding_begin(struct ph_sounding *s, ph_ns now, const struct ph_addr *local,
                      const struct ph_addr *server, ph_ns rtt);
/* True when it was for this. */
bool ph_sounding_on_datagram(struct ph_sounding *s, ph_ns now, ph_sock sock,
                             const struct ph_datagram *in);
void ph_sounding_on_timer(struct ph_sounding *s, ph_ns now);
ph_ns ph_sounding_deadline(const struct ph_sounding *s);

static inline bool ph_sounding_is_over(const struct ph_sounding *s)
{
    return ph_query_is_over(&s->query);
}

#endif
