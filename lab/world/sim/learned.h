/* A dynamic set or map of nftables, as the rules of a NAT keep what they learn: elements that go by
 * themselves when their time is over. Pure: time comes in. */
#ifndef LAB_WORLD_SIM_LEARNED_H
#define LAB_WORLD_SIM_LEARNED_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct learned_item;

/* All zero is an empty one. */
struct learned {
    struct learned_item *items;
    uint32_t *heads;
    uint32_t cap, used, free;
};

void learned_fini(struct learned *l);
/* Forgets everything, and keeps the memory. */
void learned_flush(struct learned *l);

/* value may be NULL. */
bool learned_find(struct learned *l, ph_ns now, uint64_t a, uint64_t b, uint64_t *value);
/* `update`: adds the element, or only gives the one that is there (with the value that it has)
 * until `expires`. A full one stops learning in silence, as nftables' do. */
void learned_update(struct learned *l, ph_ns now, uint64_t a, uint64_t b, uint64_t value,
                    ph_ns expires);

#endif
