/* All that is known of the way from one socket to the world. */
#ifndef PH_NAT_FACTS_H
#define PH_NAT_FACTS_H

#include "nat/allocation.h"
#include "nat/behaviour.h"

struct ph_nat_facts {
    enum ph_answer udp; /* any server answered */
    enum ph_mapping_behaviour mapping;
    bool mapping_guessed; /* see ph_nat_mapping */
    enum ph_filtering_behaviour filtering;
    enum ph_answer hairpin;
    struct ph_allocation allocation;
    struct ph_lifetime lifetime; /* 0, PH_NEVER: not measured */
    struct ph_addr reflexive;    /* what most servers saw; family NONE: none answered */
    struct ph_nat_sample samples[PH_NAT_SAMPLES_MAX];
    size_t sample_count;
    size_t liars; /* servers whose word on their other address, or on ours, did not hold */
};

/* Endpoint-independent mapping: a peer needs no guess to reach it. */
static inline bool ph_nat_is_easy(const struct ph_nat_facts *f)
{
    return f->mapping == PH_MAPPING_NONE || f->mapping == PH_MAPPING_EIM;
}

#endif
