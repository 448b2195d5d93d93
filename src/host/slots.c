#include "host/slots.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define PLACE_BITS 20u
#define PLACE_MASK ((1u << PLACE_BITS) - 1u)
#define PLACES_MAX PLACE_MASK

struct ph_slot {
    void *item; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

void ph_slots_init(struct ph_slots *s)
{
    memset(s, 0, sizeof(*s));
}

void ph_slots_fini(struct ph_slots *s)
{
    free(s->items);
    ph_slots_init(s);
}

static int grow(struct ph_slots *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : 64;
    struct ph_slot *items;

    if (s->cap >= PLACES_MAX) {
        return PH_ERR_SPACE;
    }
    if (cap > PLACES_MAX) {
        cap = PLACES_MAX;
    }
    items = realloc(s->items, cap * sizeof(*items));
    if (!items) {
        return PH_ERR_NOMEM;
    }
    memset(items + s->cap, 0, (cap - s->cap) * sizeof(*items));
    s->items = items;
    s->cap = cap;
    return PH_OK;
}

int ph_slots_add(struct ph_slots *s, void *item, uint32_t *name)
{
    uint32_t place;

    if (s->free) {
        place = s->free - 1;
        s->free = s->items[place].next_free;
    } else {
        if (s->count == s->cap) {
            int err = grow(s);

            if (err) {
                return err;
            }
        }
        place = s->count++;
    }
    s->items[place].item = item;
    *name = s->items[place].generation << PLACE_BITS | (place + 1);
    return PH_OK;
}

static struct ph_slot *find(const struct ph_slots *s, uint32_t name)
{
    uint32_t place = name & PLACE_MASK;
    struct ph_slot *slot;

    if (place == 0 || place > s->count) {
        return NULL;
    }
    slot = &s->items[place - 1];
    return slot->item && slot->generation == name >> PLACE_BITS ? slot : NULL;
}

void *ph_slots_get(const struct ph_slots *s, uint32_t name)
{
    struct ph_slot *slot = find(s, name);

    return slot ? slot->item : NULL;
}

void ph_slots_remove(struct ph_slots *s, uint32_t name)
{
    struct ph_slot *slot = find(s, name);

    if (slot) {
        slot->item = NULL;
        slot->generation = (slot->generation + 1) & (UINT32_MAX >> PLACE_BITS);
        slot->next_free = s->free;
        s->free = name & PLACE_MASK;
    }
}
