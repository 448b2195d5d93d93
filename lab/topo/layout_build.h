/* A layout being worked out: what layout.c, layout_parts.c and layout_path.c share. */
#ifndef LAB_TOPO_LAYOUT_BUILD_H
#define LAB_TOPO_LAYOUT_BUILD_H

#include "lab/topo/layout.h"

#define LAYOUT_REGIONS_MAX 64

/* A block of addresses out of which LANs are taken. */
struct layout_region {
    uint32_t base;
    uint32_t next; /* number of the next /24 */
    size_t holder; /* the NAT in front of it, SIZE_MAX: the site's arm */
};

struct layout_build {
    const struct world_spec *spec;
    struct layout *l;
    struct lab_error *err;
    bool full; /* something did not fit: reported once, at the end */
    struct layout_region regions[LAYOUT_REGIONS_MAX];
    size_t region_count;
    size_t region_of[LAYOUT_NODES_MAX]; /* that a node's own address is out of */
    size_t nat_node[TOPO_NATS_MAX], home_node[TOPO_NATS_MAX], access_node[TOPO_NATS_MAX];
    bool attached[TOPO_NATS_MAX];
    unsigned sites[TOPO_NETWORKS_MAX];
    unsigned arms[TOPO_NETWORKS_MAX];
    unsigned routers[TOPO_NETWORKS_MAX];
    uint32_t wires[TOPO_NETWORKS_MAX]; /* numbered /30s between routers */
    size_t core[TOPO_NETWORKS_MAX];
};

/* layout_parts.c: appending. What does not fit sets b->full and gives a place that may be written
 * to, so that the caller checks once, at the end. */
struct ph_addr layout_v4(uint32_t ip);
__attribute__((format(printf, 3, 4))) size_t layout_add_node(struct layout_build *b,
                                                             enum layout_kind kind, const char *fmt,
                                                             ...);
/* ip 0: without an address. */
size_t layout_add_if(struct layout_build *b, size_t node, const char *name, uint32_t ip,
                     unsigned prefix);
void layout_add_link(struct layout_build *b, size_t lower, size_t lower_if, size_t upper,
                     size_t upper_if);
void layout_add_route(struct layout_build *b, size_t node, uint32_t to, unsigned prefix,
                      uint32_t via, size_t iface);
size_t layout_add_region(struct layout_build *b, uint32_t base, size_t holder);
/* The next /24 of a region. */
uint32_t layout_take_lan(struct layout_build *b, size_t region);

/* layout_v6.c: IPv6 for all that has it, when everything else stands; and takes IPv4 from what has
 * IPv6 alone. LAB_USAGE where a host would have neither. */
int layout_add_ipv6(struct layout_build *b);

/* layout_path.c */
/* Gives each wire the parameters of the topology's links. LAB_USAGE when one of them has no wire.
 */
int layout_apply_links(const struct topology *t, struct layout *l, struct lab_error *err);

#endif
