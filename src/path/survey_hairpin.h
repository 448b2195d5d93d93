/* The hairpin test of a survey (RFC 4787 section 6): does a packet from one more socket to the
 * surveyed socket's outside address come back in? */
#ifndef PH_PATH_SURVEY_HAIRPIN_H
#define PH_PATH_SURVEY_HAIRPIN_H

#include "path/survey_samples.h"

struct ph_hairpin {
    struct ph_host *host;
    struct ph_addr bind; /* port 0 */
    bool done;
    enum ph_answer answer;
    ph_sock sock; /* 0: not begun, or done */
    struct ph_addr target;
    uint8_t tid[PH_STUN_TID_LEN]; /* nobody but us knows it */
    unsigned tries;
    ph_ns next;
    /* Where the knocking socket itself appears: a NAT that filters what it turns back by address
     * and port lets it in only when the surveyed socket has sent there. */
    struct ph_query who;
    struct ph_addr outside;
};

void ph_hairpin_init(struct ph_hairpin *h, struct ph_host *host, const struct ph_addr *bind);
void ph_hairpin_step(struct ph_hairpin *h, ph_ns now, const struct ph_samples *m);
/* True when the socket is the test's, or the datagram on the surveyed one its knock. */
bool ph_hairpin_on_datagram(struct ph_hairpin *h, ph_ns now, ph_sock sock, ph_sock surveyed,
                            const struct ph_datagram *in);
ph_ns ph_hairpin_deadline(const struct ph_hairpin *h);
void ph_hairpin_stop(struct ph_hairpin *h);

#endif
