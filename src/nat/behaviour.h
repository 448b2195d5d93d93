/* Mapping, filtering and lifetime of a NAT (RFC 4787 sections 4 and 5, RFC 5780 section 4) out of
 * what was observed. */
#ifndef PH_NAT_BEHAVIOUR_H
#define PH_NAT_BEHAVIOUR_H

#include "nat/nat.h"

/* From samples of one socket. local: the socket's own addresses (those of the host with the
 * socket's port), to know whether there is any translation. Endpoint-independent needs two server
 * IPs that agree; address-dependent needs two ports of one IP that agree and two IPs that do not;
 * address- and port-dependent needs two ports of one IP that do not. Two IPs that disagree and no
 * IP with two ports: APDM where ports differ (the usual case by far) only when `n` IPs all differ,
 * and *guessed says that it is the likelier of two; otherwise unknown. Samples whose server lied
 * (behaviour of its reflexive address out of line with a majority of at least three others) are
 * left out. Where there are fewer, nothing is told that a lie explains nearly as well, nor where
 * all but one endpoint saw one port. Different mapped IPs (a pool) do not count as different
 * mappings of the port. */
enum ph_mapping_behaviour ph_nat_mapping(const struct ph_nat_sample *samples, size_t n,
                                         const struct ph_addr *local, size_t local_count,
                                         bool *guessed);

/* What one fresh socket heard. Each of the questions is asked several times before it is no. */
struct ph_filter_observation {
    bool control;              /* the server's own address answers that socket at all */
    enum ph_answer other_ip;   /* a packet from another IP came in, unasked for */
    enum ph_answer other_port; /* one from the same IP and another port */
};

enum ph_filtering_behaviour ph_nat_filtering(const struct ph_filter_observation *o);

/* Lifetime of an idle mapping: sockets that were left alone for some time, and then knocked on. */
struct ph_lifetime_probe {
    ph_ns idle;
    enum ph_answer alive;
};
struct ph_lifetime {
    ph_ns at_least, less_than; /* 0 and PH_NEVER: not bounded on that side */
};
/* Contradictions (alive for longer than dead) give the widest bounds that hold. */
struct ph_lifetime ph_nat_lifetime(const struct ph_lifetime_probe *probes, size_t n);

#endif
