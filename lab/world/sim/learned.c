#include "lab/world/sim/learned.h"

#include "lab/world/sim/hash.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS_MIN 64u
/* A bound, and no more: what a profile's flows need is less, also less than the kernel's tables
 * hold (lab/nat/rules.c). */
#define ITEMS_MAX 65536u

struct learned_item {
    uint64_t a, b, value;
    ph_ns expires;
    uint32_t next; /* in its chain, or of the free ones; 0: none, item 0 is not used */
};

void learned_fini(struct learned *l)
{
    free(l->items);
    free(l->heads);
    *l = (struct learned){0};
}

void learned_flush(struct learned *l)
{
    if (l->heads != NULL)
        memset(l->heads, 0, l->cap * sizeof(*l->heads));
    l->used = l->free = 0;
}

static uint32_t *head_of(const struct learned *l, uint64_t a, uint64_t b)
{
    return &l->heads[sim_hash(a, b) & (l->cap - 1)];
}

/* Takes an item out of its chain; *at comes to be the next one. */
static void drop(struct learned *l, uint32_t *at)
{
    uint32_t i = *at;
    *at = l->items[i].next;
    l->items[i].next = l->free;
    l->free = i;
}

/* Drops what has expired from a chain on the way. */
static struct learned_item *find(struct learned *l, ph_ns now, uint64_t a, uint64_t b)
{
    if (l->cap == 0)
        return NULL;
    for (uint32_t *at = head_of(l, a, b); *at != 0;) {
        struct learned_item *item = &l->items[*at];
        if (now >= item->expires) {
            drop(l, at);
            continue;
        }
        if (item->a == a && item->b == b)
            return item;
        at = &item->next;
    }
    return NULL;
}

bool learned_find(struct learned *l, ph_ns now, uint64_t a, uint64_t b, uint64_t *value)
{
    const struct learned_item *item = find(l, now, a, b);
    if (item != NULL && value != NULL)
        *value = item->value;
    return item != NULL;
}

static void sweep(struct learned *l, ph_ns now)
{
    for (uint32_t c = 0; c < l->cap; c++)
        for (uint32_t *at = &l->heads[c]; *at != 0;) {
            struct learned_item *item = &l->items[*at];
            if (now < item->expires)
                at = &item->next;
            else
                drop(l, at);
        }
}

static bool grow(struct learned *l)
{
    uint32_t cap = l->cap == 0 ? ITEMS_MIN : 2 * l->cap;
    uint32_t *heads = calloc(cap, sizeof(*heads));
    struct learned_item *items =
        heads == NULL ? NULL : reallocarray(l->items, (size_t)cap + 1, sizeof(*items));
    if (items == NULL) {
        free(heads);
        return false;
    }
    free(l->heads);
    l->heads = heads;
    l->items = items;
    l->cap = cap;
    /* It was full: every item is in use. */
    for (uint32_t i = 1; i <= l->used; i++) {
        uint32_t *head = head_of(l, items[i].a, items[i].b);
        items[i].next = *head;
        *head = i;
    }
    return true;
}

void learned_update(struct learned *l, ph_ns now, uint64_t a, uint64_t b, uint64_t value,
                    ph_ns expires)
{
    struct learned_item *item = find(l, now, a, b);
    if (item != NULL) {
        item->expires = expires;
        return;
    }
    if (l->free == 0 && l->used == l->cap) {
        sweep(l, now);
        if (l->free == 0 && (l->cap == ITEMS_MAX || !grow(l)))
            return;
    }
    uint32_t i = l->free;
    if (i != 0)
        l->free = l->items[i].next;
    else
        i = ++l->used;
    uint32_t *head = head_of(l, a, b);
    l->items[i] =
        (struct learned_item){.a = a, .b = b, .value = value, .expires = expires, .next = *head};
    *head = i;
}
