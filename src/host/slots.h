/* A table of pointers with 32-bit names. A name is never zero, and the name of something removed
 * stays invalid for the next 4,095 uses of its place, so that a stale event finds nothing. */
#ifndef PH_HOST_SLOTS_H
#define PH_HOST_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct ph_slot;

struct ph_slots {
    struct ph_slot *items;
    uint32_t count; /* places in use or used before */
    uint32_t cap;
    uint32_t free; /* the first free place + 1; 0: none */
};

void ph_slots_init(struct ph_slots *s);
void ph_slots_fini(struct ph_slots *s);
/* PH_ERR_NOMEM, PH_ERR_SPACE (2^20 - 1 places). */
int ph_slots_add(struct ph_slots *s, void *item, uint32_t *name);
/* NULL when the name is not, or no longer, one of the table. */
void *ph_slots_get(const struct ph_slots *s, uint32_t name);
void ph_slots_remove(struct ph_slots *s, uint32_t name);

#endif
