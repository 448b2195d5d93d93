/* A topology: networks, NATs, hosts and links by name, as topologies/NAME.yaml has them. This is
 * the declaration alone; lab/topo/layout.h gives it addresses, lab/world makes it live. */
#ifndef LAB_TOPO_TOPOLOGY_H
#define LAB_TOPO_TOPOLOGY_H

#include "lab/error.h"
#include "lab/nat/profile.h"
#include "lab/net/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPO_NAME_MAX      32
#define TOPO_NETWORKS_MAX  4
#define TOPO_NATS_MAX      8
#define TOPO_HOSTS_MAX     16
#define TOPO_LINKS_MAX     8
#define TOPO_HOPS_MAX      16
#define TOPO_ADDRESSES_MAX 8

/* Which address families there are at a place. */
enum topo_family {
    TOPO_FAMILY_UNSET, /* as around it */
    TOPO_FAMILY_V4,
    TOPO_FAMILY_V6,
    TOPO_FAMILY_DUAL,
    TOPO_FAMILY_NAT64, /* of a NAT: IPv6 alone inside; 64:ff9b::/96 (RFC 6052) leads to IPv4 through
                        * a translator (RFC 7915) and the NAT behind it, which together are a NAT64
                        * (RFC 6146) that behaves as the NAT's profile says */
};

#define TOPO_HAS_V4(f) ((f) == TOPO_FAMILY_V4 || (f) == TOPO_FAMILY_DUAL)
#define TOPO_HAS_V6(f) ((f) != TOPO_FAMILY_V4 && (f) != TOPO_FAMILY_UNSET)

/* A named network that routers chain through: a packet between any two sites (a NAT, or a host that
 * runs no server) passes at least `hops` routers; servers stand in the middle of it. A LAN is not
 * declared: it is what lies inside a NAT. */
struct topo_network {
    char name[TOPO_NAME_MAX];
    unsigned hops;           /* at least 3 */
    enum topo_family family; /* v4 or dual; what stands on it may have less */
};

struct topo_nat {
    char name[TOPO_NAME_MAX];
    char profile[NAT_PATH_MAX];  /* a relative path in the file starts at the file's folder */
    char outside[TOPO_NAME_MAX]; /* a network, or another NAT (this one is then behind it) */
    enum topo_family family;     /* inside of it */
};

enum topo_runs {
    TOPO_RUNS_NOTHING,
    TOPO_RUNS_PEER,
    TOPO_RUNS_RELAY,
    TOPO_RUNS_STUN,
};

struct topo_host {
    char name[TOPO_NAME_MAX];
    char inside[TOPO_NAME_MAX]; /* a NAT: on its LAN; empty: `on` is set */
    char on[TOPO_NAME_MAX];     /* a network: a public address of its own */
    enum topo_runs runs;
    unsigned addresses; /* 1..TOPO_ADDRESSES_MAX, of each family */
    enum topo_family family;
};

struct topo_link {
    char name[TOPO_NAME_MAX];       /* "access" */
    char between[2][TOPO_NAME_MAX]; /* a name (of the host and the NAT that bear it), "nats",
                                     * "hosts" or a network's name */
    struct link_params params;
};

struct topology {
    char name[TOPO_NAME_MAX];
    struct topo_network networks[TOPO_NETWORKS_MAX];
    size_t network_count;
    struct topo_nat nats[TOPO_NATS_MAX];
    size_t nat_count;
    struct topo_host hosts[TOPO_HOSTS_MAX];
    size_t host_count;
    struct topo_link links[TOPO_LINKS_MAX];
    size_t link_count;
};

/* By path, or by name out of the shipped ones. Diagnostics as in lab/yaml.h. */
int topology_load(const char *path, struct topology *out, struct lab_error *err);
int topology_find(const char *name, struct topology *out, struct lab_error *err);
/* From memory; `name` stands for the file in what is complained about. */
int topology_parse(const char *name, const char *text, size_t len, struct topology *out,
                   struct lab_error *err);

/* A link's preset by name (lan, 20ms, 80ms-1%, lte, satellite) or any "NNms" or "NNms-N%". */
int link_preset(const char *name, struct link_params *out, struct lab_error *err);

bool link_params_zero(const struct link_params *p);
/* The value under a link's name in a topology file: between, and a preset or the single values. */
struct yaml_node;
int link_read(struct yaml_node *node, struct topo_link *out, struct lab_error *err);

/* One world, resolved: what the matrix's cell says about a topology. */
struct world_spec {
    struct topology topology;
    struct nat_profile profiles[TOPO_NATS_MAX]; /* one for each of the topology's NATs, in order;
                                                 * its `inside` home NAT is found by the layout */
    bool gateway_set;                           /* one gateway policy for all NATs, homes too */
    enum nat_gateway gateway;
    /* What the router of each of the topology's NATs speaks, in place of what its profile says. The
     * router is the home NAT of the profile where it has one, else the NAT itself. */
    struct {
        bool set;
        unsigned protocols;       /* 1u << PH_PORTMAP_x each (portmap/portmap.h) */
        char fault[NAT_NAME_MAX]; /* lab/router/fault.h; empty: none */
    } routers[TOPO_NATS_MAX];
    uint64_t seed; /* of loss, jitter and NAT hashes */
};

/* Loads the profiles that the topology names. */
int world_spec_init(struct world_spec *spec, const struct topology *topology,
                    struct lab_error *err);
int world_spec_set_profile(struct world_spec *spec, const char *nat, const char *profile,
                           struct lab_error *err);
int world_spec_set_gateway(struct world_spec *spec, enum nat_gateway gateway);
/* What the caller and the callee have, and the network between them as much as that needs: a value
 * of the axis `family`, v4, v6, dual or nat64 for both, or "v6-v4" for the caller and the callee.
 */
int world_spec_set_family(struct world_spec *spec, const char *value, struct lab_error *err);
/* Whether it is such a value. */
bool topo_family_pair(const char *value, enum topo_family out[2]);
/* Replaces every link's parameters by a preset's. */
int world_spec_set_link(struct world_spec *spec, const char *preset, struct lab_error *err);
/* Every link's loss in each direction, 0 to 1; the rest stays. After world_spec_set_link. */
int world_spec_set_loss(struct world_spec *spec, double loss, struct lab_error *err);
/* Protocols 0: the router of that NAT (by its index) maps nothing. fault may be NULL. */
void world_spec_set_router(struct world_spec *spec, size_t nat, unsigned protocols,
                           const char *fault);
/* The NAT that the caller (the first host that runs a peer) is inside; SIZE_MAX: none. */
size_t world_spec_caller_nat(const struct world_spec *spec);
/* The same for the router in front of the caller. Refused where the caller is inside no NAT. */
int world_spec_set_port_mapping(struct world_spec *spec, unsigned protocols, const char *fault,
                                struct lab_error *err);
/* Other people's flows behind each of the topology's NATs; 0: none. */
void world_spec_set_background(struct world_spec *spec, uint32_t flows_per_second);

#endif
