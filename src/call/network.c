#include "call/network.h"

#include "base/err.h"
#include "call/agent.h"

/* What the routers said is not asked again sooner, for calls. */
#define LOOK_AGAIN (60 * PH_SEC)
/* The next call is often a second try of the last one. */
#define KEEP_MAPPING (30 * PH_SEC)
/* Long enough for a lost request of a server that is no farther than the others to be repeated. */
#define OVERDUE_RTTS 4
#define OVERDUE      (100 * PH_MS)
/* A survey that was begun so short a time ago tells what is true now. */
#define RENEW_MIN (400 * PH_MS)

int ph_network_init(struct ph_network *n, struct ph_agent *agent)
{
    *n = (struct ph_network){
        .agent = agent, .looked = PH_NEVER, .unused_since = PH_NEVER, .facts_of = UINT32_MAX};
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
    n->surveyed = now;
    n->facts_of = UINT32_MAX;
    if (ph_survey_new(&config, now, &n->survey) != PH_OK)
        n->survey = NULL;
}

/* Where the system cannot tell of changes, renewals and calls that fail show them. */
static void watch(struct ph_network *n, bool on)
{
    struct ph_host *h = n->agent->host;
    if (h->ops->watch_network)
        (void)h->ops->watch_network(h, on);
}

void ph_network_start(struct ph_network *n, ph_ns now)
{
    start_survey(n, now);
    watch(n, true);
    if (n->mapper && n->agent->config.answer_mode == PH_ANSWER_FULL) {
        n->looked = now;
        ph_mapper_discover(n->mapper, now);
    }
}

void ph_network_look_again(struct ph_network *n, ph_ns now)
{
    if (n->looked != PH_NEVER && now < n->looked + LOOK_AGAIN)
        return;
    n->looked = now;
    ph_mapper_discover(n->mapper, now);
}

void ph_network_fini(struct ph_network *n)
{
    watch(n, false);
    ph_survey_free(n->survey);
    n->survey = NULL;
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
    if (!n->mapper)
        return;
    /* Between its own calls an agent that answers privately asks no router anything. */
    if (n->agent->config.answer_mode == PH_ANSWER_FULL ||
        ph_mapper_state(n->mapper) != PH_MAPPER_IDLE)
        ph_mapper_on_network(n->mapper, now);
}

/* A mapping, or the wish for one: who failed would ask again by itself, for no call. */
static bool wants(const struct ph_network *n)
{
    enum ph_mapper_state state = ph_mapper_state(n->mapper);
    return state == PH_MAPPER_MAPPED || state == PH_MAPPER_ACQUIRING || state == PH_MAPPER_FAILED;
}

void ph_network_renew(struct ph_network *n, ph_ns now)
{
    if (n->closing || now < n->surveyed + RENEW_MIN)
        return;
    start_survey(n, now);
    if (n->mapper && ph_mapper_state(n->mapper) == PH_MAPPER_MAPPED)
        ph_mapper_on_network(n->mapper, now);
}

void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls)
{
    if (n->survey)
        ph_survey_on_timer(n->survey, now);
    if (!n->mapper)
        return;
    ph_mapper_set_reflexive(n->mapper, &n->agent->presence.home->observed);
    ph_mapper_on_timer(n->mapper, now);
    if (calls > 0 || n->closing || !wants(n)) {
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

ph_ns ph_network_sampled_at(const struct ph_network *n)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    const struct ph_agent_config *c = &n->agent->config;
    size_t wanted = c->stun_count > 0 ? c->stun_count : c->relay_count;
    if (!n->survey || ph_survey_done(n->survey))
        return 0;
    size_t count = ph_survey_servers(n->survey, servers, PH_SURVEY_SERVERS_MAX);
    size_t answered = 0;
    ph_ns slowest = 0;
    /* Those that were given stand first; behind them stand the addresses that they named. */
    for (size_t i = 0; i < count && i < wanted; i++) {
        answered += servers[i].answered;
        slowest = ph_max_ns(slowest, servers[i].rtt);
    }
    if (answered == 0)
        return PH_NEVER;
    return answered >= wanted ? 0 : n->surveyed + OVERDUE_RTTS * slowest + OVERDUE;
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

const struct ph_nat_facts *ph_network_facts(struct ph_network *n)
{
    if (n->facts_of == ph_network_changes(n))
        return &n->facts;
    n->facts_of = ph_network_changes(n);
    n->facts = (struct ph_nat_facts){0};
    if (n->survey)
        ph_survey_facts(n->survey, &n->facts);
    return &n->facts;
}

bool ph_network_surveyed(const struct ph_network *n)
{
    return !n->survey || ph_survey_done(n->survey);
}

bool ph_network_ports_sampled(const struct ph_network *n)
{
    return !n->survey || ph_survey_sampled(n->survey);
}

uint32_t ph_network_changes(const struct ph_network *n)
{
    return n->survey ? ph_survey_changes(n->survey) : 0;
}

bool ph_network_stun_server(const struct ph_network *n, size_t nth, struct ph_survey_server *out)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    size_t count = n->survey ? ph_survey_servers(n->survey, servers, PH_SURVEY_SERVERS_MAX) : 0;
    for (size_t rank = 0;; rank++) {
        struct ph_survey_server *best = NULL;
        for (size_t i = 0; i < count; i++) {
            struct ph_survey_server *s = &servers[i];
            if (s->answered && !s->lied && (!best || s->rtt < best->rtt))
                best = s;
        }
        if (!best)
            return false;
        if (rank == nth) {
            *out = *best;
            return true;
        }
        best->answered = false;
    }
}

ph_ns ph_network_stun_rtt(const struct ph_network *n)
{
    struct ph_survey_server nearest;
    return ph_network_stun_server(n, 0, &nearest) ? nearest.rtt : 0;
}
