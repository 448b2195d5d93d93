/* A chained hash table of nodes that live inside their owners. The hash is keyed by a secret: names
 * that strangers choose cannot be made to fall into one chain. It grows, never shrinks. */
#ifndef PH_RELAY_TABLE_H
#define PH_RELAY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct ph_table_node {
    struct ph_table_node *next;
    uint64_t hash;
};

struct ph_table {
    struct ph_table_node **buckets;
    size_t mask; /* buckets - 1 */
    size_t count;
    uint64_t secret;
};

/* PH_ERR_NOMEM. */
int ph_table_init(struct ph_table *t, uint64_t secret);
/* The nodes are their owners' and stay. */
void ph_table_fini(struct ph_table *t);
uint64_t ph_table_hash(const struct ph_table *t, const void *key, size_t len);
/* Cannot fail: without memory to grow the chains only get longer. */
void ph_table_add(struct ph_table *t, struct ph_table_node *node, uint64_t hash);
void ph_table_remove(struct ph_table *t, struct ph_table_node *node);
/* The nodes of one hash, one after the other; the caller compares the keys. */
struct ph_table_node *ph_table_first(const struct ph_table *t, uint64_t hash);
struct ph_table_node *ph_table_next(const struct ph_table_node *node);

#endif
