/* How long an idle mapping lives (RFC 5780 section 4.6): sockets that have each spoken once to a
 * server are left alone for different times, and then the server is asked, from yet another socket,
 * to answer to their outside ports (RESPONSE-PORT). A first one that is not left alone at all shows
 * that the server does so. */
#ifndef PH_PATH_SURVEY_LIFETIME_H
#define PH_PATH_SURVEY_LIFETIME_H

#include "path/survey_samples.h"

#define PH_LIFETIME_PROBES 8

struct ph_lifetime_socket {
    ph_sock sock;
    struct ph_query open;  /* makes the mapping */
    struct ph_addr mapped; /* as the server saw it */
    struct ph_query knock; /* from the knocking socket, to be heard on this one */
    ph_ns due;             /* when to knock; PH_NEVER: not yet, or done */
    enum ph_answer alive;
    bool over;
};

struct ph_lifetimer {
    struct ph_host *host;
    struct ph_addr bind; /* port 0 */
    bool done;
    bool tried[PH_NAT_SAMPLES_MAX];
    struct ph_addr server;
    ph_sock knocker; /* 0: not begun, or done */
    struct ph_addr knocker_seen;
    struct ph_lifetime_socket s[1 + PH_LIFETIME_PROBES]; /* the first is the one not left alone */
    size_t count;                                        /* 1 until that one was heard */
};

void ph_lifetimer_init(struct ph_lifetimer *t, struct ph_host *host, const struct ph_addr *bind);
void ph_lifetimer_step(struct ph_lifetimer *t, ph_ns now, const struct ph_samples *m);
/* True when the socket is the test's. */
bool ph_lifetimer_on_datagram(struct ph_lifetimer *t, ph_ns now, ph_sock sock,
                              const struct ph_datagram *in);
ph_ns ph_lifetimer_deadline(const struct ph_lifetimer *t);
void ph_lifetimer_stop(struct ph_lifetimer *t);
struct ph_lifetime ph_lifetimer_result(const struct ph_lifetimer *t);

#endif
