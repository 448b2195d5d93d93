/* Surveys the way from one socket to the world (RFC 5780, and S4 and S5 of RFC 4787's terms): every
 * mapping and allocation sample leaves the surveyed socket itself, for from a fresh socket each a
 * port-preserving NAT looks symmetric. Filtering has one fresh socket, which never sends to a
 * server's second address; hairpin has another.
 *
 *   SAMPLING   first burst: one request to each of 5 server endpoints or more, back to back
 *              second burst, where allocation needs it: the other endpoints (second ports and
 *              addresses), some time later, so that other people's flows show between the two
 *   FILTERING  when the last burst is out, so that no flow of ours comes between samples: with the
 *              first server that named a second address; a silence counts where that address has
 *              answered a sample, and (endpoint-independent mapping) the server has answered the
 *              surveyed socket from it
 *   HAIRPIN    beside it, as soon as there is a reflexive address
 *
 * Nothing is random but transaction ids, nothing is longer than ph_survey_config.timeout. */
#ifndef PH_PATH_SURVEY_H
#define PH_PATH_SURVEY_H

#include "host/host.h"
#include "nat/facts.h"
#include "wire/stun.h"

#define PH_SURVEY_SERVERS_MAX 16

struct ph_survey_config {
    struct ph_host *host;
    ph_sock sock;
    struct ph_addr servers[PH_SURVEY_SERVERS_MAX]; /* of the socket's family */
    size_t server_count;
    ph_ns timeout; /* 0: 2500 ms */
    bool no_filtering, no_hairpin;
    bool lifetime; /* also measure how long an idle mapping lives: takes minutes */
};

/* What one server was like: latencies of relays come from here too. */
struct ph_survey_server {
    struct ph_addr addr;
    struct ph_addr reflexive;
    struct ph_addr other; /* as it claims; family NONE: none */
    bool answered;
    bool lied;
    ph_ns rtt; /* the least that was seen; 0: none */
};

struct ph_survey;

/* Starts at once. PH_ERR_NOMEM, PH_ERR_INVAL. */
int ph_survey_new(const struct ph_survey_config *config, ph_ns now, struct ph_survey **out);
void ph_survey_free(struct ph_survey *s);
/* True when it was the survey's: a datagram of one of its own sockets, or on the surveyed one an
 * answer to one of its requests (or its own hairpin knock). */
bool ph_survey_on_datagram(struct ph_survey *s, ph_ns now, ph_sock sock,
                           const struct ph_datagram *in);
void ph_survey_on_timer(struct ph_survey *s, ph_ns now);
ph_ns ph_survey_deadline(const struct ph_survey *s);
/* Nothing more will come. */
bool ph_survey_done(const struct ph_survey *s);
/* Nothing more will come of the ports; and what counts the changes of all that facts are made of.
 */
bool ph_survey_sampled(const struct ph_survey *s);
uint32_t ph_survey_changes(const struct ph_survey *s);
/* The reflexive address that most servers saw so far; family NONE: none has answered. */
struct ph_addr ph_survey_reflexive(const struct ph_survey *s);
/* What is known so far. Dear to work out where ports differ: not for every event. */
void ph_survey_facts(const struct ph_survey *s, struct ph_nat_facts *out);
size_t ph_survey_servers(const struct ph_survey *s, struct ph_survey_server *out, size_t cap);

#endif
