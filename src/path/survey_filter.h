/* The filtering test of a survey (RFC 5780 section 4.4): one fresh socket speaks to one server
 * alone, and asks it to answer from elsewhere. Were that socket to send to the server's other
 * address, or had it been a sample's, the NAT would have a hole there already. */
#ifndef PH_PATH_SURVEY_FILTER_H
#define PH_PATH_SURVEY_FILTER_H

#include "path/survey_samples.h"

struct ph_filter {
    struct ph_host *host;
    struct ph_addr bind; /* port 0 */
    bool done;
    ph_sock sock; /* 0: no server is being asked */
    size_t server;
    bool tried[PH_NAT_SAMPLES_MAX];
    bool lied[PH_NAT_SAMPLES_MAX]; /* answered from where it had not said, or as if not asked */
    /* A plain question, one that the other address is to answer, and one for the other port. */
    struct ph_query control, both, port;
    /* The last two again, from the surveyed socket, which has spoken to both addresses itself: they
     * show, where the mapping is endpoint-independent, that the server does what it is asked. */
    struct ph_query vouch_both, vouch_port;
    uint32_t weighed; /* the samples' changes when `easy` was worked out, and one; 0: never */
    bool easy;        /* the NAT has given the surveyed socket one mapping for all */
    struct ph_filter_observation seen; /* of the last server that was asked to the end */
};

void ph_filter_init(struct ph_filter *f, struct ph_host *host, const struct ph_addr *bind);
/* Does what is due: also to be called when a sample was answered. */
void ph_filter_step(struct ph_filter *f, ph_ns now, struct ph_samples *m);
/* True when the socket is the test's, or the datagram on the surveyed one its answer. */
bool ph_filter_on_datagram(struct ph_filter *f, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in, const struct ph_samples *m);
ph_ns ph_filter_deadline(const struct ph_filter *f);
/* Closes the socket; what is known stays. */
void ph_filter_stop(struct ph_filter *f);

#endif
