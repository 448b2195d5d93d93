/* The ports that a NAT gave to one socket, in the order in which it was asked for them: samples of
 * one mapping count once. Inside the room. */
#ifndef PH_NAT_DRAWS_H
#define PH_NAT_DRAWS_H

#include "nat/nat.h"

struct ph_nat_draw {
    ph_ns at;
    uint16_t port;   /* 0: every answer was lost; the NAT most likely gave one all the same */
    uint8_t address; /* of the NAT, by its first appearance; without meaning when the port is 0 */
};

struct ph_nat_draws {
    struct ph_nat_draw items[PH_NAT_SAMPLES_MAX];
    size_t count, known; /* all of them, and those with a port */
    size_t addresses;
};

/* At most the first PH_NAT_SAMPLES_MAX samples are looked at. An unknown mapping is taken for
 * address-dependent where each server IP with two ports saw one port, for address- and
 * port-dependent otherwise. */
void ph_nat_draws(const struct ph_nat_sample *samples, size_t n, enum ph_mapping_behaviour mapping,
                  struct ph_nat_draws *out);

#endif
