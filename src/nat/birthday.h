/* The birthday move's exact chances (no approximation by exponentials): N mapped ports among S, M
 * distinct probes. Hypergeometric: nobody probes a port twice, and no two sockets share one. */
#ifndef PH_NAT_BIRTHDAY_H
#define PH_NAT_BIRTHDAY_H

#include "nat/allocation.h"
#include "nat/ports.h"

/* Linux draws 16 bits modulo 64,512 ports: the 1,024 lowest come twice as often. */
#define PH_NETFILTER_LOW     1024
#define PH_NETFILTER_DOUBLED 2047
/* Sources of 600-1023 stay there. */
#define PH_NETFILTER_PRIVILEGED_LOW  600
#define PH_NETFILTER_PRIVILEGED_HIGH 1023

/* 1 - C(S-N, M) / C(S, M). */
double ph_birthday_success(uint32_t ports, uint32_t mapped, uint32_t probes);
/* The fewest probes by which a share of all tries has hit. With nothing mapped it is one more than
 * there are ports. */
uint32_t ph_birthday_quantile(uint32_t ports, uint32_t mapped, double share);

/* The chance that `probes` ports, taken in this order, hit one of `sockets` mappings of a NAT that
 * allocates so, in the same terms: exact for uniform ranges, and for netfilter's doubled one (each
 * socket draws by weight; which ports are taken already is left out: it moves the fourth digit). */
double ph_birthday_order_success(const struct ph_allocation *a, const struct ph_port_order *order,
                                 uint32_t sockets, uint32_t probes);

/* The chance that one mapping alone is among the first `probes` ports of the order. */
double ph_birthday_share(const struct ph_allocation *a, const struct ph_port_order *order,
                         uint32_t probes);

/* The order in which to probe for the ports of such a NAT, the likeliest hypothesis first: its
 * block, netfilter's doubled range, all of what it was seen to use, then what it may use. */
void ph_birthday_order(const struct ph_allocation *a, bool privileged, uint64_t seed,
                       struct ph_port_order *out);
/* From all of 1024-65535, as netfilter draws, rather than any part of it. */
bool ph_birthday_is_netfilter(const struct ph_allocation *a);
/* How many ports a NAT that allocates so chooses among: of a block its size, else 64,512 or what
 * was seen. */
uint32_t ph_birthday_ports(const struct ph_allocation *a);

#endif
