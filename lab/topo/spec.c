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

static const char *const family_words[] = {"", "v4", "v6", "dual", "nat64"};

static bool family_of(const char *text, size_t len, enum topo_family *out)
{
    for (int i = TOPO_FAMILY_V4; i <= TOPO_FAMILY_NAT64; i++) {
        if (strlen(family_words[i]) == len && strncmp(family_words[i], text, len) == 0) {
            *out = (enum topo_family)i;
            return true;
        }
    }
    return false;
}

bool topo_family_pair(const char *value, enum topo_family out[2])
{
    size_t first = strcspn(value, "-");
    const char *second = value[first] == '-' ? value + first + 1 : value;

    return family_of(value, first, &out[0]) && family_of(second, strlen(second), &out[1]);
}

/* The family of one peer: of the NAT that it is inside, or of the host itself. */
static int set_peer_family(struct topology *t, struct topo_host *h, enum topo_family family,
                           struct lab_error *err)
{
    if (h->inside[0] == '\0' && family == TOPO_FAMILY_NAT64) {
        return lab_fail(err, LAB_USAGE,
                        "topology %s: host %s is inside no NAT, so no NAT64 stands before it",
                        t->name, h->name);
    }
    h->family = h->inside[0] == '\0' ? family : TOPO_FAMILY_UNSET;
    for (size_t i = 0; i < t->nat_count; i++) {
        struct topo_nat *n = &t->nats[i];

        if (strcmp(n->name, h->inside) != 0) {
            continue;
        }
        if (n->family != TOPO_FAMILY_UNSET && n->family != family) {
            return lab_fail(err, LAB_USAGE,
                            "topology %s: both peers are inside NAT %s, which cannot be %s and %s",
                            t->name, n->name, family_words[n->family], family_words[family]);
        }
        n->family = family;
    }
    return 0;
}

int world_spec_set_family(struct world_spec *spec, const char *value, struct lab_error *err)
{
    struct topology *t = &spec->topology;
    enum topo_family families[2];
    size_t peer = 0;

    if (!topo_family_pair(value, families)) {
        return lab_fail(err, LAB_USAGE,
                        "family \"%.40s\" must be v4, v6, dual or nat64, or two of these for the "
                        "caller and the callee (v6-v4)",
                        value);
    }
    bool v4 = families[0] == TOPO_FAMILY_V4 && families[1] == TOPO_FAMILY_V4;
    for (size_t i = 0; i < t->network_count; i++) {
        t->networks[i].family = v4 ? TOPO_FAMILY_V4 : TOPO_FAMILY_DUAL;
    }
    for (size_t i = 0; i < t->nat_count; i++) {
        t->nats[i].family = TOPO_FAMILY_UNSET;
    }
    for (size_t i = 0; i < t->host_count && peer < 2; i++) {
        if (t->hosts[i].runs == TOPO_RUNS_PEER &&
            set_peer_family(t, &t->hosts[i], families[peer++], err) != 0) {
            return -1;
        }
    }
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
