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
/* RFC 8305 section 5: so long is a family waited for that may lead nowhere. */
#define HEAD_START (250 * PH_MS)
/* A survey that was begun so short a time ago tells what is true now. */
#define RENEW_MIN (400 * PH_MS)

/* The sockets that the two surveys and mappers are of; 0: none. */
static ph_sock first_socket(const struct ph_network *n)
{
    const struct ph_agent_socket *s = n->agent->sockets;
    return s[0].sock ? s[0].sock : s[1].sock;
}

static ph_sock second_socket(const struct ph_network *n)
{
    const struct ph_agent_socket *s = n->agent->sockets;
    return s[0].sock ? s[1].sock : 0;
}

/* The mapper of a socket that has joined the first one's. */
static void add_mapper(struct ph_network *n)
{
    struct ph_mapper_config config = {.host = n->agent->host, .sock = second_socket(n)};
    struct ph_mapper *fresh;
    if (!n->mapper || n->mapper6 || !config.sock)
        return;
    if (config.sock == n->mapped_sock)
        config.sock = first_socket(n);
    if (ph_mapper_new(&config, &fresh) != PH_OK)
        return; /* without it, as without a router */
    n->mapper6 = n->mapped_sock == first_socket(n) ? fresh : n->mapper;
    if (n->mapper6 == n->mapper)
        n->mapper = fresh;
    n->mapped_sock = first_socket(n);
}

int ph_network_init(struct ph_network *n, struct ph_agent *agent)
{
    *n = (struct ph_network){
        .agent = agent, .looked = PH_NEVER, .unused_since = PH_NEVER, .facts_of = UINT32_MAX};
    if (!(agent->config.stages & (1u << PH_STAGE_PORTMAP)) || !agent->host->ops->gateways)
        return PH_OK;
    struct ph_mapper_config config = {.host = agent->host, .sock = first_socket(n)};
    int err = ph_mapper_new(&config, &n->mapper);
    if (err != PH_OK)
        return err;
    n->mapped_sock = config.sock;
    add_mapper(n);
    return PH_OK;
}

static size_t of_family(const struct ph_addr *from, size_t n, enum ph_family family,
                        struct ph_addr out[PH_SURVEY_SERVERS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < n && count < PH_SURVEY_SERVERS_MAX; i++) {
        if (from[i].family == family)
            out[count++] = from[i];
    }
    return count;
}

/* Without STUN servers of a family it asks the relays, which answer STUN on the same port. Returns
 * how many there are. */
static size_t servers_of(const struct ph_network *n, enum ph_family family,
                         struct ph_addr out[PH_SURVEY_SERVERS_MAX])
{
    const struct ph_agent_config *c = &n->agent->config;
    size_t count = of_family(c->stuns, c->stun_count, family, out);
    return count > 0 ? count : of_family(c->relays, c->relay_count, family, out);
}

/* A survey that cannot start is one that found nothing: the relay's reflection serves. */
static struct ph_survey *start_one(struct ph_network *n, ph_ns now, ph_sock sock, bool second)
{
    struct ph_survey *survey;
    struct ph_survey_config config = {
        .host = n->agent->host, .sock = sock, .no_filtering = second, .no_hairpin = second};
    bool v6 = sock && sock == n->agent->sockets[1].sock;
    config.server_count = servers_of(n, v6 ? PH_AF_V6 : PH_AF_V4, config.servers);
    if (!sock || (second && config.server_count == 0) ||
        ph_survey_new(&config, now, &survey) != PH_OK)
        return NULL;
    return survey;
}

static void start_survey(struct ph_network *n, ph_ns now)
{
    ph_survey_free(n->survey);
    ph_survey_free(n->survey6);
    n->surveyed = now;
    n->facts_of = UINT32_MAX;
    n->survey = start_one(n, now, first_socket(n), false);
    n->survey6 = start_one(n, now, second_socket(n), true);
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
        if (n->mapper6)
            ph_mapper_discover(n->mapper6, now);
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
    ph_survey_free(n->survey6);
    n->survey = n->survey6 = NULL;
    ph_mapper_free(n->mapper);
    ph_mapper_free(n->mapper6);
    n->mapper = n->mapper6 = NULL;
}

bool ph_network_on_datagram(struct ph_network *n, ph_ns now, ph_sock sock,
                            const struct ph_datagram *in)
{
    return (n->survey && ph_survey_on_datagram(n->survey, now, sock, in)) ||
           (n->survey6 && ph_survey_on_datagram(n->survey6, now, sock, in)) ||
           (n->mapper && ph_mapper_on_datagram(n->mapper, now, sock, in)) ||
           (n->mapper6 && ph_mapper_on_datagram(n->mapper6, now, sock, in));
}

void ph_network_on_http(struct ph_network *n, ph_ns now, ph_http id,
                        const struct ph_http_answer *answer)
{
    if (n->mapper && ph_mapper_on_http(n->mapper, now, id, answer))
        return;
    if (n->mapper6)
        (void)ph_mapper_on_http(n->mapper6, now, id, answer);
}

void ph_network_on_change(struct ph_network *n, ph_ns now)
{
    if (n->closing)
        return;
    start_survey(n, now);
    if (!n->mapper)
        return;
    add_mapper(n);
    /* Between its own calls an agent that answers privately asks no router anything. */
    bool full = n->agent->config.answer_mode == PH_ANSWER_FULL;
    if (full || ph_mapper_state(n->mapper) != PH_MAPPER_IDLE)
        ph_mapper_on_network(n->mapper, now);
    if (n->mapper6 && (full || ph_mapper_state(n->mapper6) != PH_MAPPER_IDLE))
        ph_mapper_on_network(n->mapper6, now);
}

/* A mapping, or the wish for one: who failed would ask again by itself, for no call. */
static bool wants(const struct ph_mapper *m)
{
    enum ph_mapper_state state = ph_mapper_state(m);
    return state == PH_MAPPER_MAPPED || state == PH_MAPPER_ACQUIRING || state == PH_MAPPER_FAILED;
}

/* The hole is of use to every call, and no call waits for it: the address that it leads to is a
 * candidate already. A call that gives no address away is not told apart, and asks for none. */
static void pump_mapper6(struct ph_network *n, ph_ns now, size_t calls)
{
    struct ph_addr reflexive = ph_agent_reflexive(n->agent, PH_AF_V6);
    enum ph_mapper_state state = ph_mapper_state(n->mapper6);
    ph_mapper_set_reflexive(n->mapper6, &reflexive);
    ph_mapper_on_timer(n->mapper6, now);
    if (calls > 0 && !n->closing && n->agent->config.answer_mode == PH_ANSWER_FULL &&
        (state == PH_MAPPER_IDLE || state == PH_MAPPER_DISCOVERING) &&
        !ph_mapper_found_nobody(n->mapper6))
        ph_mapper_acquire(n->mapper6, now);
}

void ph_network_renew(struct ph_network *n, ph_ns now)
{
    if (n->closing || now < n->surveyed + RENEW_MIN)
        return;
    start_survey(n, now);
    if (n->mapper && ph_mapper_state(n->mapper) == PH_MAPPER_MAPPED)
        ph_mapper_on_network(n->mapper, now);
    if (n->mapper6 && ph_mapper_state(n->mapper6) == PH_MAPPER_MAPPED)
        ph_mapper_on_network(n->mapper6, now);
}

void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls)
{
    struct ph_addr reflexive;
    if (n->survey)
        ph_survey_on_timer(n->survey, now);
    if (n->survey6)
        ph_survey_on_timer(n->survey6, now);
    if (!n->mapper)
        return;
    if (n->mapper6)
        pump_mapper6(n, now, calls);
    reflexive =
        n->mapper6 ? ph_agent_reflexive(n->agent, PH_AF_V4) : n->agent->presence.home->observed;
    ph_mapper_set_reflexive(n->mapper, &reflexive);
    ph_mapper_on_timer(n->mapper, now);
    if (calls > 0 || n->closing || !(wants(n->mapper) || (n->mapper6 && wants(n->mapper6)))) {
        n->unused_since = PH_NEVER;
    } else if (n->unused_since == PH_NEVER) {
        n->unused_since = now;
    } else if (now - n->unused_since >= KEEP_MAPPING) {
        n->unused_since = PH_NEVER;
        ph_mapper_release(n->mapper, now);
        if (n->mapper6)
            ph_mapper_release(n->mapper6, now);
    }
}

ph_ns ph_network_deadline(const struct ph_network *n)
{
    ph_ns t = n->survey ? ph_survey_deadline(n->survey) : PH_NEVER;
    if (n->survey6)
        t = ph_min_ns(t, ph_survey_deadline(n->survey6));
    if (n->mapper6)
        t = ph_min_ns(t, ph_mapper_deadline(n->mapper6));
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
    if (n->mapper6)
        ph_mapper_release(n->mapper6, now);
}

static bool has_released(const struct ph_mapper *m)
{
    return !m || ph_mapper_state(m) == PH_MAPPER_IDLE;
}

bool ph_network_closed(const struct ph_network *n)
{
    return !n->mapper || (n->closing && has_released(n->mapper) && has_released(n->mapper6));
}

/* How far a survey has come with the servers that it was given. */
struct sampled {
    size_t wanted, answered;
    ph_ns slowest;
};

static void count_sampled(const struct ph_network *n, const struct ph_survey *survey,
                          enum ph_family family, struct sampled *out)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    struct ph_addr given[PH_SURVEY_SERVERS_MAX];
    if (!survey)
        return;
    size_t wanted = servers_of(n, family, given);
    size_t count = ph_survey_servers(survey, servers, PH_SURVEY_SERVERS_MAX);
    out->wanted += wanted;
    /* Those that were given stand first; behind them stand the addresses that they named. */
    for (size_t i = 0; i < count && i < wanted; i++) {
        out->answered += servers[i].answered || ph_survey_done(survey);
        out->slowest = ph_max_ns(out->slowest, servers[i].rtt);
    }
}

ph_ns ph_network_sampled_at(const struct ph_network *n)
{
    struct sampled first = {0}, second = {0};
    bool v4 = n->agent->sockets[0].sock != 0;
    count_sampled(n, n->survey, v4 ? PH_AF_V4 : PH_AF_V6, &first);
    count_sampled(n, n->survey6, PH_AF_V6, &second);
    bool all[2] = {first.answered == first.wanted, second.answered == second.wanted};
    if (all[0] && all[1])
        return 0;
    if (first.answered + second.answered == 0)
        return PH_NEVER;
    ph_ns slowest = ph_max_ns(first.slowest, second.slowest);
    ph_ns overdue = OVERDUE_RTTS * slowest + OVERDUE;
    /* One family has told all, the other nothing at all: it leads nowhere. */
    if ((all[0] && first.wanted > 0 && second.answered == 0) ||
        (all[1] && second.wanted > 0 && first.answered == 0))
        overdue = ph_min_ns(overdue, slowest + HEAD_START);
    return n->surveyed + overdue;
}

struct ph_addr ph_network_reflexive(const struct ph_network *n, enum ph_family family)
{
    const struct ph_survey *surveys[2] = {n->survey, n->survey6};
    for (size_t i = 0; i < 2; i++) {
        struct ph_addr seen = {0};
        if (surveys[i])
            seen = ph_survey_reflexive(surveys[i]);
        if (seen.family == family)
            return seen;
    }
    return (struct ph_addr){0};
}

static void reflexive_of(const struct ph_survey *survey, struct ph_candidate_set *out)
{
    struct ph_survey_server servers[PH_SURVEY_SERVERS_MAX];
    size_t count = survey ? ph_survey_servers(survey, servers, PH_SURVEY_SERVERS_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        if (servers[i].answered && !servers[i].lied && ph_addr_is_set(&servers[i].reflexive))
            ph_candidate_add(out, PH_CANDIDATE_REFLEXIVE, &servers[i].reflexive);
    }
}

void ph_network_candidates(const struct ph_network *n, struct ph_candidate_set *out)
{
    const struct ph_mapping *hole = n->mapper6 ? ph_mapper_mapping(n->mapper6) : NULL;
    if (hole && hole->reach != PH_PORTMAP_REACH_DOUBLE)
        ph_candidate_add(out, PH_CANDIDATE_MAPPED, &hole->external);
    reflexive_of(n->survey6, out);
    reflexive_of(n->survey, out);
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
