#include "relay/table.h"

#include "base/err.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_FIRST 64

int ph_table_init(struct ph_table *t, uint64_t secret)
{
    t->buckets = calloc(BUCKETS_FIRST, sizeof(struct ph_table_node *));
    t->mask = BUCKETS_FIRST - 1;
    t->count = 0;
    t->secret = secret;
    return t->buckets ? PH_OK : PH_ERR_NOMEM;
}

void ph_table_fini(struct ph_table *t)
{
    free(t->buckets);
    memset(t, 0, sizeof(*t));
}

uint64_t ph_table_hash(const struct ph_table *t, const void *key, size_t len)
{
    return ph_hash64(t->secret, key, len);
}

static void push(struct ph_table_node **bucket, struct ph_table_node *node)
{
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct ph_table *t)
{
    size_t mask = t->mask * 2 + 1;
    struct ph_table_node **buckets = calloc(mask + 1, sizeof(struct ph_table_node *));

    if (!buckets) {
        return;
    }
    for (size_t i = 0; i <= t->mask; i++) {
        while (t->buckets[i]) {
            struct ph_table_node *node = t->buckets[i];

            t->buckets[i] = node->next;
            push(&buckets[node->hash & mask], node);
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

void ph_table_add(struct ph_table *t, struct ph_table_node *node, uint64_t hash)
{
    if (t->count > t->mask) {
        grow(t);
    }
    node->hash = hash;
    push(&t->buckets[hash & t->mask], node);
    t->count++;
}

void ph_table_remove(struct ph_table *t, struct ph_table_node *node)
{
    struct ph_table_node **at = &t->buckets[node->hash & t->mask];

    while (*at && *at != node) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = node->next;
        t->count--;
    }
}

static struct ph_table_node *same(struct ph_table_node *node, uint64_t hash)
{
    while (node && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct ph_table_node *ph_table_first(const struct ph_table *t, uint64_t hash)
{
    return same(t->buckets[hash & t->mask], hash);
}

struct ph_table_node *ph_table_next(const struct ph_table_node *node)
{
    return same(node->next, node->hash);
}
