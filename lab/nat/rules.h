/* From a profile to nftables: the one place where rules are generated. */
#ifndef LAB_NAT_RULES_H
#define LAB_NAT_RULES_H

#include "base/addr.h"
#include "lab/nat/profile.h"

#define NAT_POOL_MAX        16
#define NAT_SUBSCRIBERS_MAX 8

/* Where a NAT stands. */
struct nat_site {
    const char *wan_if;
    const char *lan_if;
    struct ph_addr
        wan[NAT_POOL_MAX]; /* outside addresses (port 0); the first is the router's own */
    size_t wan_count;
    struct ph_addr lan;  /* the router's inside address (port 0) */
    unsigned lan_prefix; /* bits */
    /* Inside addresses that the allocation needs to know beforehand (block allocation gives each
     * subscriber its own block): hosts, or a home NAT's outside address. */
    struct ph_addr subscribers[NAT_SUBSCRIBERS_MAX];
    size_t subscriber_count;
    uint64_t seed; /* for hashes and for where a block lies */
    bool ipv6;     /* it routes IPv6, too */
};

/* The rules as text for libnftables (or `nft -f`), one `table ip pinhole`, and where it routes IPv6
 * and does not let all of that pass a `table ip6 pinhole`; starting from an empty ruleset,
 * malloc'ed. LAB_USAGE when the profile cannot be emulated. */
int nat_rules(const struct nat_profile *p, const struct nat_site *site, char **out,
              struct lab_error *err);

/* Applies the rules and the sysctls (forwarding, conntrack timeouts) in a namespace. */
int nat_apply(int netns_fd, const struct nat_profile *p, const struct nat_site *site,
              struct lab_error *err);

/* The same in a namespace where rules of a NAT stand already, in one transaction: its counters
 * begin anew. Conntrack is left as it is. */
int nat_reload(int netns_fd, const struct nat_profile *p, const struct nat_site *site,
               struct lab_error *err);

/* Empties what the NAT has learnt: its dynamic sets and maps and the conntrack table; counters of
 * sequential allocation go on. For use between two trials. */
int nat_flush(int netns_fd, const struct nat_profile *p, struct lab_error *err);

#endif
