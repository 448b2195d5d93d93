/* What an agent knows of the network before it, beside the relay: what its NAT does (a survey from
 * the one socket, which is also where reflexive candidates come from), and the routers that might
 * map a port. The mapping belongs to the one socket, so all calls share it: it is made when the
 * first call wants it, kept for a while after the last one, and given back. */
#ifndef PH_CALL_NETWORK_H
#define PH_CALL_NETWORK_H

#include "host/host.h"
#include "path/candidate.h"
#include "path/survey.h"
#include "portmap/portmap.h"

struct ph_agent;

struct ph_network {
    struct ph_agent *agent;
    struct ph_survey *survey;  /* NULL: no memory for one */
    struct ph_mapper *mapper;  /* NULL: the stage is off */
    struct ph_nat_facts facts; /* as of `facts_of` changes of this survey */
    uint32_t facts_of;         /* UINT32_MAX: of none yet */
    ph_ns surveyed;            /* since when; of the survey that runs, or of the last one */
    ph_ns looked;              /* when the routers were last asked who they are; PH_NEVER: never */
    ph_ns unused_since;        /* when the last call ended; PH_NEVER: there is one, or no mapping */
    bool closing;
};

/* The agent's socket is open. PH_ERR_NOMEM, PH_ERR_INVAL. */
int ph_network_init(struct ph_network *n, struct ph_agent *agent);
/* Surveys, and asks which routers there are, unless this agent answers privately: then nobody is to
 * hear of it, and a router hears of it when it makes a call itself. */
void ph_network_start(struct ph_network *n, ph_ns now);
void ph_network_fini(struct ph_network *n);
/* True: it was for this. */
bool ph_network_on_datagram(struct ph_network *n, ph_ns now, ph_sock sock,
                            const struct ph_datagram *in);
void ph_network_on_http(struct ph_network *n, ph_ns now, ph_http id,
                        const struct ph_http_answer *answer);
/* Looks at the NAT again, and asks the router whether it still maps, for a call whose path has
 * died: unless that was begun a moment ago. */
void ph_network_renew(struct ph_network *n, ph_ns now);
void ph_network_on_change(struct ph_network *n, ph_ns now);
/* No router maps, as was found out before. Asks again where that was long ago: for the next call.
 */
void ph_network_look_again(struct ph_network *n, ph_ns now);
/* calls: how many there are now. */
void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls);
ph_ns ph_network_deadline(const struct ph_network *n);
/* Gives back what routers hold; then nothing is asked for any more. */
void ph_network_close(struct ph_network *n, ph_ns now);
bool ph_network_closed(const struct ph_network *n);
/* When no more reflexive candidates are worth waiting for: every server has said what it sees of
 * us, or those that have not are overdue, compared with those that have. PH_NEVER: nobody has yet.
 */
ph_ns ph_network_sampled_at(const struct ph_network *n);
/* What is known of the NAT. Worked out anew only when something has changed. */
const struct ph_nat_facts *ph_network_facts(struct ph_network *n);
/* Nothing more is being measured; and of the ports alone. */
bool ph_network_surveyed(const struct ph_network *n);
bool ph_network_ports_sampled(const struct ph_network *n);
/* Counts what may change the facts. */
uint32_t ph_network_changes(const struct ph_network *n);
/* A STUN server that can be relied on, the nearest first; false: there are no more than `nth`. */
bool ph_network_stun_server(const struct ph_network *n, size_t nth, struct ph_survey_server *out);
/* The round trip to the nearest of them; 0: there is none. */
ph_ns ph_network_stun_rtt(const struct ph_network *n);
/* The reflexive addresses so far. */
void ph_network_candidates(const struct ph_network *n, struct ph_candidate_set *out);
/* A server with a second address, for the opener's TTL; false: none is known. rtt: the shortest to
 * any server. */
bool ph_network_second_address(const struct ph_network *n, struct ph_addr *server,
                               struct ph_addr *other, ph_ns *rtt);

#endif
