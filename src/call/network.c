#include "call/network.h"

#include "base/err.h"
#include "call/agent.h"

/* The next call is often a second try of the last one. */
#define KEEP_MAPPING (30 * PH_SEC)

int ph_network_init(struct ph_network *n, struct ph_agent *agent)
{
    *n = (struct ph_network){.agent = agent, .unused_since = PH_NEVER};
    if (!(agent->config.stages & (1u << PH_STAGE_PORTMAP)) || !agent->host->ops->gateways)
        return PH_OK;
    struct ph_mapper_config config = {.host = agent->host, .sock = agent->sock};
    return ph_mapper_new(&config, &n->mapper);
}

/* Without STUN servers of its own it asks the relays, which answer STUN on the same port. A survey
 * that cannot start is one that found nothing: the relay's reflection serves. */
static void start_survey(struct ph_network *n, ph_ns now)
{
    const struct ph_agent_config *c = &n->agent->config;
    const struct ph_addr *from = c->stun_count > 0 ? c->stuns : c->relays;
    size_t count = c->stun_count > 0 ? c->stun_count : c->relay_count;
    struct ph_survey_config config = {.host = n->agent->host, .sock = n->agent->sock};
    while (config.server_count < count && config.server_count < PH_SURVEY_SERVERS_MAX) {
        config.servers[config.server_count] = from[config.server_count];
        config.server_count++;
    }
    ph_survey_free(n->survey);
    if (ph_survey_new(&config, now, &n->survey) != PH_OK)
        n->survey = NULL;
}

void ph_network_start(struct ph_network *n, ph_ns now)
{
    start_survey(n, now);
    if (!n->mapper)
        return;
    /* Where the system cannot tell of changes, renewals and calls that fail show them. */
    if (n->agent->host->ops->watch_network)
        (void)n->agent->host->ops->watch_network(n->agent->host, true);
    if (n->agent->config.answer_mode == PH_ANSWER_FULL)
        ph_mapper_discover(n->mapper, now);
}

void ph_network_fini(struct ph_network *n)
{
    ph_survey_free(n->survey);
    n->survey = NULL;
    if (!n->mapper)
        return;
    if (n->agent->host->ops->watch_network)
        (void)n->agent->host->ops->watch_network(n->agent->host, false);
    ph_mapper_free(n->mapper);
    n->mapper = NULL;
}

bool ph_network_on_datagram(struct ph_network *n, ph_ns now, ph_sock sock,
                            const struct ph_datagram *in)
{
    return (n->survey && ph_survey_on_datagram(n->survey, now, sock, in)) ||
           (n->mapper && ph_mapper_on_datagram(n->mapper, now, sock, in));
}

void ph_network_on_http(struct ph_network *n, ph_ns now, ph_http id,
                        const struct ph_http_answer *answer)
{
    if (n->mapper)
        (void)ph_mapper_on_http(n->mapper, now, id, answer);
}

void ph_network_on_change(struct ph_network *n, ph_ns now)
{
    if (n->closing)
        return;
    start_survey(n, now);
    if (n->mapper)
        ph_mapper_on_network(n->mapper, now);
}

static bool holds(const struct ph_network *n)
{
    enum ph_mapper_state state = ph_mapper_state(n->mapper);
    return state == PH_MAPPER_MAPPED || state == PH_MAPPER_ACQUIRING;
}

void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls)
{
    if (n->survey)
        ph_survey_on_timer(n->survey, now);
    if (!n->mapper)
        return;
    ph_mapper_set_reflexive(n->mapper, &n->agent->presence.home->observed);
    ph_mapper_on_timer(n->mapper, now);
    if (calls > 0 || n->closing || !holds(n)) {
        n->unused_since = PH_NEVER;
    } else if (n->unused_since == PH_NEVER) {
        n->unused_since = now;
    } else if (now - n->unused_since >= KEEP_MAPPING) {
        n->unused_since = PH_NEVER;
        ph_mapper_release(n->mapper, now);
    }
}

ph_ns ph_network_deadline(const struct ph_network *n)
{
    ph_ns t = n->survey ? ph_survey_deadline(n->survey) : PH_NEVER;
    if (!n->mapper)
        return t;
    t = ph_min_ns(t, ph_mapper_deadline(n->mapper));
    return n->unused_since == PH_NEVER ? t : ph_min_ns(t, n->unused_since + KEEP_MAPPING);
}

void ph_network_close(struct ph_network *n, ph_ns now)
{
    n->closing = true;
    if (n->mapper)
        ph_mapper_release(n->mapper, now);
}

bool ph_network_closed(const struct ph_network *n)
{
    return !n->mapper || (n->closing && ph_mapper_state(n->mapper) == PH_MAPPER_IDLE);
}

bool ph_network_sampled(const struct ph_network *n)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    const struct ph_agent_config *c = &n->agent->config;
    size_t wanted = c->stun_count > 0 ? c->stun_count : c->relay_count;
    if (!n->survey || ph_survey_done(n->survey))
        return true;
    size_t count = ph_survey_servers(n->survey, servers, PH_SURVEY_SERVERS_MAX);
    size_t answered = 0, late = 0;
    for (size_t i = 0; i < count; i++) {
        answered += servers[i].answered;
        late += servers[i].late;
    }
    /* One dead server does not hold up those who have another. */
    return answered + (answered > 0 ? late : 0) >= wanted;
}

void ph_network_candidates(const struct ph_network *n, struct ph_candidate_set *out)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    size_t count = n->survey ? ph_survey_servers(n->survey, servers, PH_SURVEY_SERVERS_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        if (servers[i].answered && !servers[i].lied && ph_addr_is_set(&servers[i].reflexive))
            ph_candidate_add(out, PH_CANDIDATE_REFLEXIVE, &servers[i].reflexive);
    }
}

bool ph_network_second_address(const struct ph_network *n, struct ph_addr *server,
                               struct ph_addr *other, ph_ns *rtt)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    size_t count = n->survey ? ph_survey_servers(n->survey, servers, PH_SURVEY_SERVERS_MAX) : 0;
    bool found = false;
    *rtt = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ph_survey_server *s = &servers[i];
        if (s->rtt > 0 && (*rtt == 0 || s->rtt < *rtt))
            *rtt = s->rtt;
        if (!found && s->answered && !s->lied && ph_addr_is_set(&s->other)) {
            found = true;
            *server = s->addr;
            *other = s->other;
        }
    }
    return found;
}
