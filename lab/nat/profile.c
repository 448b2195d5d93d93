#include "lab/nat/profile.h"

#include "lab/router/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mapping_names[] = {"none", "endpoint-independent", "address-dependent",
                                            "address-and-port-dependent"};
static const char *const filtering_names[] = {"endpoint-independent", "address-dependent",
                                              "address-and-port-dependent"};
static const char *const allocation_names[] = {"preserving", "sequential", "random", "hash",
                                               "block"};
static const char *const gateway_names[] = {"accept", "drop", "reject"};
static const char *const ipv6_names[] = {"as-ipv4", "open", "firewall", "block"};

const char *nat_mapping_name(enum nat_mapping m)
{
    return mapping_names[m];
}

const char *nat_filtering_name(enum nat_filtering f)
{
    return filtering_names[f];
}

const char *nat_allocation_name(enum nat_allocation_type t)
{
    return allocation_names[t];
}

const char *nat_gateway_name(enum nat_gateway g)
{
    return gateway_names[g];
}

const char *nat_ipv6_name(enum nat_ipv6 v)
{
    return ipv6_names[v];
}

enum nat_ipv6 nat_profile_ipv6(const struct nat_profile *p)
{
    if (p->ipv6 != NAT_IPV6_AS_IPV4)
        return p->ipv6;
    return p->mapping == NAT_MAPPING_NONE && !p->firewall ? NAT_IPV6_OPEN : NAT_IPV6_FIREWALL;
}

void nat_profile_init(struct nat_profile *p)
{
    memset(p, 0, sizeof(*p));
    p->mapping = NAT_MAPPING_EIM;
    p->filtering = NAT_FILTERING_APDF;
    p->allocation.type = NAT_ALLOC_PRESERVING;
    p->allocation.step = 1;
    p->allocation.block = 512;
    p->allocation.aligned = true;
    p->allocation.range_lo = 1024;
    p->allocation.range_hi = 65535;
    p->gateway = NAT_GATEWAY_DROP;
    p->timeout.udp_s = 30;
    p->timeout.udp_stream_s = 120;
    p->pool.addresses = 1;
}

unsigned nat_profile_protocols(const struct nat_profile *p)
{
    return (p->port_mapping.pcp ? FAULT_PCP : 0u) | (p->port_mapping.nat_pmp ? FAULT_NAT_PMP : 0u) |
           (p->port_mapping.upnp ? FAULT_UPNP : 0u);
}

bool nat_profile_exact(const struct nat_profile *p)
{
    if (p->mapping != NAT_MAPPING_EIM)
        return false;
    if (p->allocation.type != NAT_ALLOC_PRESERVING && p->allocation.type != NAT_ALLOC_BLOCK)
        return true;
    /* What is let in is found by the public port alone, so a port must have one owner. */
    return p->allocation.exact || p->filtering != NAT_FILTERING_APDF || p->hairpin;
}

bool nat_profile_pinned(const struct nat_profile *p)
{
    switch (p->mapping) {
    case NAT_MAPPING_NONE:
        return false;
    case NAT_MAPPING_EIM:
        return p->allocation.type != NAT_ALLOC_PRESERVING && nat_profile_exact(p);
    case NAT_MAPPING_ADM:
        return true;
    case NAT_MAPPING_APDM:
        return p->allocation.type == NAT_ALLOC_HASH;
    }
    return false;
}

struct nat_profile nat_profile_compose(const struct nat_profile *outer,
                                       const struct nat_profile *inner)
{
    struct nat_profile both = *outer;
    if (inner->mapping > both.mapping)
        both.mapping = inner->mapping;
    if (inner->filtering > both.filtering)
        both.filtering = inner->filtering;
    if (outer->mapping == NAT_MAPPING_NONE ||
        (outer->allocation.type == NAT_ALLOC_PRESERVING && inner->mapping != NAT_MAPPING_NONE))
        both.allocation = inner->allocation;
    both.firewall = outer->firewall || inner->firewall;
    /* What comes back from the outer one is a stranger to the inner one. */
    both.hairpin = outer->hairpin && inner->filtering == NAT_FILTERING_EIF;
    both.udp_blocked = outer->udp_blocked || inner->udp_blocked;
    if (inner->timeout.udp_s < both.timeout.udp_s)
        both.timeout.udp_s = inner->timeout.udp_s;
    if (inner->timeout.udp_stream_s < both.timeout.udp_stream_s)
        both.timeout.udp_stream_s = inner->timeout.udp_stream_s;
    both.inside[0] = '\0';
    return both;
}
