/* What a cell of a matrix makes of a topology. */
#include "lab/topo/topology.h"

#include <stdio.h>
#include <string.h>

static int load(struct world_spec *spec, size_t i, const char *profile, struct lab_error *err)
{
    if (nat_profile_find(profile, &spec->profiles[i], err) != 0) {
        return -1;
    }
    if (spec->gateway_set) {
        spec->profiles[i].gateway = spec->gateway;
    }
    return 0;
}

int world_spec_init(struct world_spec *spec, const struct topology *topology, struct lab_error *err)
{
    memset(spec, 0, sizeof(*spec));
    spec->topology = *topology;
    for (size_t i = 0; i < topology->nat_count; i++) {
        if (load(spec, i, topology->nats[i].profile, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int world_spec_set_profile(struct world_spec *spec, const char *nat, const char *profile,
                           struct lab_error *err)
{
    struct topology *t = &spec->topology;
    char list[TOPO_NATS_MAX * (TOPO_NAME_MAX + 2)] = "";
    size_t used = 0;

    for (size_t i = 0; i < t->nat_count; i++) {
        if (strcmp(t->nats[i].name, nat) == 0) {
            if (load(spec, i, profile, err) != 0) {
                return -1;
            }
            snprintf(t->nats[i].profile, sizeof(t->nats[i].profile), "%s", profile);
            return 0;
        }
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ",
                                 t->nats[i].name);
    }
    return lab_fail(err, LAB_USAGE, "topology %s has no NAT named \"%s\"; it has: %s", t->name, nat,
                    t->nat_count == 0 ? "(none)" : list);
}

int world_spec_set_gateway(struct world_spec *spec, enum nat_gateway gateway)
{
    spec->gateway_set = true;
    spec->gateway = gateway;
    for (size_t i = 0; i < spec->topology.nat_count; i++) {
        spec->profiles[i].gateway = gateway;
    }
    return 0;
}

/* Four people behind one NAT are enough for any rate; what counts is the flows. */
#define BACKGROUND_HOSTS 4

void world_spec_set_background(struct world_spec *spec, uint32_t flows_per_second)
{
    for (size_t i = 0; i < spec->topology.nat_count; i++) {
        spec->profiles[i].background.hosts = flows_per_second > 0 ? BACKGROUND_HOSTS : 0;
        spec->profiles[i].background.flows_per_second = flows_per_second;
    }
}

size_t world_spec_caller_nat(const struct world_spec *spec)
{
    const struct topology *t = &spec->topology;
    size_t host = 0;

    while (host < t->host_count && t->hosts[host].runs != TOPO_RUNS_PEER) {
        host++;
    }
    for (size_t i = 0; host < t->host_count && i < t->nat_count; i++) {
        if (strcmp(t->nats[i].name, t->hosts[host].inside) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

void world_spec_set_router(struct world_spec *spec, size_t nat, unsigned protocols,
                           const char *fault)
{
    spec->routers[nat].set = true;
    spec->routers[nat].protocols = protocols;
    snprintf(spec->routers[nat].fault, sizeof(spec->routers[nat].fault), "%s",
             fault != NULL ? fault : "");
}

int world_spec_set_port_mapping(struct world_spec *spec, unsigned protocols, const char *fault,
                                struct lab_error *err)
{
    size_t nat = world_spec_caller_nat(spec);

    if (nat == SIZE_MAX) {
        return lab_fail(err, LAB_USAGE,
                        "topology %s: the first host that runs peer is inside no NAT, so no router "
                        "stands before it that could map ports",
                        spec->topology.name);
    }
    world_spec_set_router(spec, nat, protocols, fault);
    return 0;
}

int world_spec_set_link(struct world_spec *spec, const char *preset, struct lab_error *err)
{
    struct link_params params;

    if (link_preset(preset, &params, err) != 0) {
        return -1;
    }
    if (spec->topology.link_count == 0 && !link_params_zero(&params)) {
        return lab_fail(err, LAB_USAGE,
                        "topology %s has no links: section, so link \"%.60s\" has no place",
                        spec->topology.name, preset);
    }
    for (size_t i = 0; i < spec->topology.link_count; i++) {
        spec->topology.links[i].params = params;
    }
    return 0;
}

int world_spec_set_loss(struct world_spec *spec, double loss, struct lab_error *err)
{
    if (spec->topology.link_count == 0 && loss > 0) {
        return lab_fail(err, LAB_USAGE,
                        "topology %s has no links: section, so there is nothing to lose packets",
                        spec->topology.name);
    }
    for (size_t i = 0; i < spec->topology.link_count; i++) {
        spec->topology.links[i].params.up.loss = loss;
        spec->topology.links[i].params.down.loss = loss;
    }
    return 0;
}
