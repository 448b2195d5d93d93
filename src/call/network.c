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

void ph_network_start(struct ph_network *n, ph_ns now)
{
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
    return n->mapper && ph_mapper_on_datagram(n->mapper, now, sock, in);
}

void ph_network_on_http(struct ph_network *n, ph_ns now, ph_http id,
                        const struct ph_http_answer *answer)
{
    if (n->mapper)
        (void)ph_mapper_on_http(n->mapper, now, id, answer);
}

void ph_network_on_change(struct ph_network *n, ph_ns now)
{
    if (n->mapper && !n->closing)
        ph_mapper_on_network(n->mapper, now);
}

static bool holds(const struct ph_network *n)
{
    enum ph_mapper_state state = ph_mapper_state(n->mapper);
    return state == PH_MAPPER_MAPPED || state == PH_MAPPER_ACQUIRING;
}

void ph_network_pump(struct ph_network *n, ph_ns now, size_t calls)
{
    if (!n->mapper)
        return;
    ph_mapper_set_reflexive(n->mapper, &n->agent->registrar.observed);
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
    if (!n->mapper)
        return PH_NEVER;
    ph_ns t = ph_mapper_deadline(n->mapper);
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
