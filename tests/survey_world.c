#include "tests/survey_world.h"

#include "lab/nat/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STUN_PORT 3478

static size_t node_of(const struct layout *l, enum topo_runs runs)
{
    size_t node = layout_find_host(l, runs, 0);

    if (node == SIZE_MAX)
        fail_msg("the topology has no such node");
    return node;
}

static void build(struct survey_world *w, const struct survey_world_config *config)
{
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct topology topology;
    struct lab_error err;

    assert_non_null(spec);
    if (topology_find("two-nats", &topology, &err) != 0 ||
        world_spec_init(spec, &topology, &err) != 0 ||
        (config->nat && world_spec_set_profile(spec, "a", config->nat, &err) != 0) ||
        world_spec_set_link(spec, config->link ? config->link : "20ms", &err) != 0)
        fail_msg("%s", err.text);
    if (layout_compute(spec, &w->layout, &err) != 0 ||
        sim_world_new(&w->layout, config->seed, &w->world, &err) != 0)
        fail_msg("%s", err.text);
    free(spec);
}

struct survey_world *survey_world_new(const struct survey_world_config *config)
{
    struct survey_world *w = calloc(1, sizeof(*w));
    struct ph_addr addrs[2 * TOPO_ADDRESSES_MAX];
    size_t ports = config->ports ? config->ports : 2;

    assert_non_null(w);
    build(w, config);
    w->node = node_of(&w->layout, TOPO_RUNS_PEER);
    w->stun_node = node_of(&w->layout, TOPO_RUNS_STUN);
    w->relay_node = node_of(&w->layout, TOPO_RUNS_RELAY);
    w->ips = config->ips ? config->ips : w->layout.nodes[w->stun_node].addr_count;
    assert_in_range(w->ips, 1, w->layout.nodes[w->stun_node].addr_count);
    for (size_t i = 0; i < ports * w->ips; i++) {
        addrs[i] = w->layout.nodes[w->stun_node].addrs[i % w->ips];
        addrs[i].port = (uint16_t)(STUN_PORT + i / w->ips);
    }
    memcpy(w->server, addrs, w->ips * sizeof(addrs[0]));
    const struct world_ops *ops = w->world->ops;
    assert_int_equal(ops->host_new(w->world, w->stun_node, NULL, NULL, &w->stun_host), PH_OK);
    if (!config->no_servers)
        assert_int_equal(ph_stun_server_new(w->stun_host, addrs, ports * w->ips, &w->stun), PH_OK);
    assert_int_equal(ops->host_new(w->world, w->node, NULL, NULL, &w->host), PH_OK);
    return w;
}

void survey_world_free(struct survey_world *w)
{
    ph_survey_free(w->survey);
    ph_stun_server_free(w->stun);
    w->world->ops->host_free(w->world, w->stun_host);
    w->world->ops->host_free(w->world, w->host);
    w->world->ops->free(w->world);
    free(w);
}

static struct survey_world *world_of(struct ph_endpoint *ep)
{
    return (struct survey_world *)(void *)((char *)ep - offsetof(struct survey_world, ep));
}

static void wake(struct survey_world *w, ph_ns now)
{
    if (ph_survey_done(w->survey) && w->done_at == PH_NEVER)
        w->done_at = now;
    w->host->ops->wake_at(w->host, ph_survey_deadline(w->survey));
}

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct survey_world *w = world_of(ep);

    for (size_t i = 0; i < n; i++)
        w->strays += ph_survey_on_datagram(w->survey, now, sock, &in[i]) ? 0 : 1;
    wake(w, now);
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    struct survey_world *w = world_of(ep);

    ph_survey_on_timer(w->survey, now);
    wake(w, now);
}

void survey_start(struct survey_world *w, const struct ph_survey_config *config)
{
    struct ph_survey_config c = config ? *config : (struct ph_survey_config){0};
    const struct ph_addr any = {.family = PH_AF_V4};

    assert_int_equal(w->host->ops->udp_open(w->host, &any, &w->sock), PH_OK);
    c.host = w->host;
    c.sock = w->sock;
    if (c.server_count == 0) {
        memcpy(c.servers, w->server, w->ips * sizeof(w->server[0]));
        c.server_count = w->ips;
    }
    w->ep.on_datagrams = on_datagrams;
    w->ep.on_timer = on_timer;
    w->host->endpoint = &w->ep;
    w->started = w->world->ops->now(w->world);
    w->done_at = PH_NEVER;
    assert_int_equal(ph_survey_new(&c, w->started, &w->survey), PH_OK);
    wake(w, w->started);
}

static bool is_done(void *user)
{
    struct survey_world *w = user;

    return ph_survey_done(w->survey);
}

void survey_run(struct survey_world *w, ph_ns limit, struct ph_nat_facts *out)
{
    if (!ph_survey_done(w->survey))
        assert_true(sim_run_while(w->world, w->started + limit, is_done, w));
    ph_survey_facts(w->survey, out);
}

struct survey_wanted survey_wanted_of(const char *nat)
{
    struct nat_profile p, home;
    struct lab_error err;
    struct survey_wanted w = {0};

    if (nat_profile_find(nat, &p, &err) != 0)
        fail_msg("%s", err.text);
    if (p.inside[0] != '\0') {
        if (nat_profile_find(p.inside, &home, &err) != 0)
            fail_msg("%s", err.text);
        p = nat_profile_compose(&p, &home);
    }
    static const enum ph_mapping_behaviour mappings[] = {
        [NAT_MAPPING_NONE] = PH_MAPPING_NONE,
        [NAT_MAPPING_EIM] = PH_MAPPING_EIM,
        [NAT_MAPPING_ADM] = PH_MAPPING_ADM,
        [NAT_MAPPING_APDM] = PH_MAPPING_APDM,
    };
    static const enum ph_filtering_behaviour filterings[] = {
        [NAT_FILTERING_EIF] = PH_FILTERING_EIF,
        [NAT_FILTERING_ADF] = PH_FILTERING_ADF,
        [NAT_FILTERING_APDF] = PH_FILTERING_APDF,
    };
    static const enum ph_allocation_type types[] = {
        [NAT_ALLOC_PRESERVING] = PH_ALLOCATION_PRESERVING,
        [NAT_ALLOC_SEQUENTIAL] = PH_ALLOCATION_SEQUENTIAL,
        [NAT_ALLOC_RANDOM] = PH_ALLOCATION_RANDOM,
        [NAT_ALLOC_HASH] = PH_ALLOCATION_RANDOM,
        [NAT_ALLOC_BLOCK] = PH_ALLOCATION_BLOCK,
    };
    w.mapping = mappings[p.mapping];
    w.filtering = filterings[p.filtering];
    w.allocation = types[p.allocation.type];
    if (p.mapping == NAT_MAPPING_NONE)
        w.allocation = PH_ALLOCATION_NONE;
    else if (p.mapping == NAT_MAPPING_EIM && w.allocation != PH_ALLOCATION_PRESERVING)
        w.allocation = PH_ALLOCATION_ONE_PORT;
    w.step = p.allocation.type == NAT_ALLOC_SEQUENTIAL ? p.allocation.step : 0;
    w.hairpin = p.hairpin;
    return w;
}
