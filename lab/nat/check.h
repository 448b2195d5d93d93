/* Proof that a NAT is what it declares: probes from outside in and inside out, that share no code
 * and no knowledge with the generator of the rules. */
#ifndef LAB_NAT_CHECK_H
#define LAB_NAT_CHECK_H

#include "base/addr.h"
#include "lab/nat/profile.h"

#define NAT_CHECK_OUTSIDE_MAX 8

/* Where to probe from. Between inside and outside stand the NAT and whatever it has `inside`. */
struct nat_check_site {
    int inside_fd;         /* namespace of a host behind the NAT */
    struct ph_addr inside; /* its address */
    int inside2_fd;        /* a second host there, or -1 (no clash test then) */
    struct ph_addr inside2;
    int outside_fd;                                /* namespace of a host in the internet */
    struct ph_addr outside[NAT_CHECK_OUTSIDE_MAX]; /* its addresses, at least 3 */
    size_t outside_count;
    int nat_fd;             /* the NAT's own namespace (to clean up after), or -1 */
    unsigned round_trip_ms; /* of the links between, without the NAT; 0 in a lab
                             * whose delays are not on yet */
};

#define NAT_CHECK_TIMEOUT 0x1u /* also wait for the UDP timeout to pass (takes that long) */

struct nat_check_result {
    bool ok;
    /* What was observed; unknown ones say so in `text`. */
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    enum nat_allocation_type allocation;
    char observed[512]; /* one line for people: what was seen */
    char mismatch[512]; /* what differs from the declaration; empty when ok */
};

/* Returns 0 when it could probe (the result says what it saw), -1 with err when it could not. */
int nat_check(const struct nat_profile *declared, const struct nat_check_site *site, unsigned flags,
              struct nat_check_result *out, struct lab_error *err);

#endif
