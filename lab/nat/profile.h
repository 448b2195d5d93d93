/* A NAT profile: what one NAT does, in the terms of RFC 4787. One file of topologies/nat each. */
#ifndef LAB_NAT_PROFILE_H
#define LAB_NAT_PROFILE_H

#include "lab/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct yaml_node;

#define NAT_NAME_MAX   48
#define NAT_FAULTS_MAX 8
/* A profile as another file names it: a name, or a path. */
#define NAT_PATH_MAX 256

enum nat_mapping {
    NAT_MAPPING_NONE, /* no translation: a router */
    NAT_MAPPING_EIM,  /* endpoint-independent */
    NAT_MAPPING_ADM,  /* address-dependent */
    NAT_MAPPING_APDM, /* address-and-port-dependent */
};

enum nat_filtering {
    NAT_FILTERING_EIF,
    NAT_FILTERING_ADF,
    NAT_FILTERING_APDF,
};

enum nat_allocation_type {
    NAT_ALLOC_PRESERVING,
    NAT_ALLOC_SEQUENTIAL,
    NAT_ALLOC_RANDOM,
    NAT_ALLOC_HASH,
    NAT_ALLOC_BLOCK,
};

enum nat_gateway {
    NAT_GATEWAY_ACCEPT,
    NAT_GATEWAY_DROP,
    NAT_GATEWAY_REJECT,
};

/* What it does with IPv6, which it never translates. */
enum nat_ipv6 {
    NAT_IPV6_AS_IPV4,  /* not said: open where its IPv4 is, else a firewall: a home router is a NAT
                        * for the one and a firewall for the other */
    NAT_IPV6_OPEN,     /* a router */
    NAT_IPV6_FIREWALL, /* stateful: what nobody inside has asked for is dropped */
    NAT_IPV6_BLOCK,    /* all of it is lost: addresses are there, and nothing gets through */
};

struct nat_profile {
    char name[NAT_NAME_MAX];
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    bool firewall; /* with mapping none: stateful filtering or none at all. Set by
                    * filtering: endpoint-independent means no firewall */
    struct {
        enum nat_allocation_type type;
        int step;       /* sequential: may be negative, never 0 */
        uint16_t start; /* sequential: first port; 0: the range's */
        uint16_t block; /* block: its size */
        bool aligned;
        bool exact;     /* endpoint-independent also when two hosts want one port, or the block is
                         * crowded (nat_profile_exact says where that is so anyway) */
        bool exclusive; /* a port has one mapping at a time, whatever the destinations: no port
                         * overloading. The simulator's alone: netfilter shares ports between
                         * flows to different destinations (nat_rules refuses it) */
        uint16_t range_lo, range_hi;
    } allocation;
    enum nat_gateway gateway;
    bool hairpin;
    struct {
        uint32_t udp_s, udp_stream_s;
    } timeout;
    struct {
        uint32_t mappings; /* 0: none */
        uint32_t new_per_second;
    } limits;
    struct {
        uint32_t addresses;
        bool arbitrary; /* pairing */
    } pool;
    struct {
        uint32_t hosts;
        uint32_t flows_per_second;
    } background;
    bool udp_blocked;
    enum nat_ipv6 ipv6;
    struct {
        bool nat_pmp, pcp, upnp;
        char faults[NAT_FAULTS_MAX][NAT_NAME_MAX];
        size_t fault_count;
    } port_mapping;
    char inside[NAT_PATH_MAX]; /* the profile of a home NAT between this one and its host; empty:
                                * none */
};

/* The defaults of a file that says nothing: port-preserving. */
void nat_profile_init(struct nat_profile *p);

/* Reads a profile's file by its path, or by name out of the shipped ones; a name with a '/' in it
 * is a path too (from the current folder, when relative). On failure err says file:line:column,
 * what was read, what would be right (LAB_USAGE). */
int nat_profile_load(const char *path, struct nat_profile *out, struct lab_error *err);
int nat_profile_find(const char *name, struct nat_profile *out, struct lab_error *err);
/* A profile as a file names it: a relative path in it starts at the folder of `file`, and is made
 * to start where the command runs; names stay what they are. -1: it does not fit. */
int nat_profile_resolve(const char *name, const char *file, char *out, size_t cap);
/* The profile that a node of a file names, found; where there is none the node's place is said. The
 * name goes to `out`, resolved as above. `profile` may be NULL. */
int nat_profile_named(struct yaml_node *node, const char *what, char *out, size_t cap,
                      struct nat_profile *profile, struct lab_error *err);
/* The file of a profile's name: topologies/nat/NAME.yaml under the data folder (lab/data.h). */
int nat_profile_path(const char *name, char *out, size_t cap);

/* Sets one field by its dotted name and its text as a file would have it ("gateway", "accept";
 * "allocation.step", "-1"): for axes of a matrix. */
int nat_profile_set(struct nat_profile *p, const char *field, const char *value,
                    struct lab_error *err);
/* What a NAT with `inside` looks like through both: the stricter of each behaviour, the ports of
 * the outer one unless it keeps those of the inner. */
struct nat_profile nat_profile_compose(const struct nat_profile *outer,
                                       const struct nat_profile *inner);

/* What the port-mapping server beside the NAT speaks: bits of enum fault_protocol
 * (lab/router/fault.h). 0: there is none. */
unsigned nat_profile_protocols(const struct nat_profile *p);

/* What it does with IPv6: never AS_IPV4. */
enum nat_ipv6 nat_profile_ipv6(const struct nat_profile *p);
/* An endpoint-independent mapping that never gives one inside endpoint two ports. Only `preserving`
 * and `block` can do without, as netfilter itself does: while nobody else wants the port. */
bool nat_profile_exact(const struct nat_profile *p);
/* A mapping whose port, once chosen, no other can replace: an intruding packet to the router itself
 * would black-hole it, so its gateway rejects new UDP where the profile says `accept` (which looks
 * the same from outside: nobody listens there). */
bool nat_profile_pinned(const struct nat_profile *p);

/* Refuses what cannot be emulated (with the reason); also called by the loaders. */
int nat_profile_validate(const struct nat_profile *p, struct lab_error *err);

/* Reads a profile out of a parsed document on top of what *p says already, and validates it. */
int nat_profile_read(struct yaml_node *root, struct nat_profile *p, struct lab_error *err);

/* The names of the shipped profiles, sorted, malloc'ed each and together (free both). */
int nat_profile_list(char ***names, size_t *count, struct lab_error *err);

const char *nat_mapping_name(enum nat_mapping m);
const char *nat_filtering_name(enum nat_filtering f);
const char *nat_allocation_name(enum nat_allocation_type t);
const char *nat_gateway_name(enum nat_gateway g);
const char *nat_ipv6_name(enum nat_ipv6 v);

#endif
