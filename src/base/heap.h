/* A binary min-heap of instants, for timers and event queues. Nodes are the caller's and stand
 * inside what they time; the heap owns only its array of pointers. Equal keys come out in the order
 * in which they were added. */
#ifndef PH_BASE_HEAP_H
#define PH_BASE_HEAP_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ph_heap_node {
    ph_ns key;
    uint64_t seq;
    size_t index; /* SIZE_MAX: in no heap */
};

/* All zero is an empty heap. */
struct ph_heap {
    struct ph_heap_node **items;
    size_t count, cap;
    uint64_t next_seq;
};

void ph_heap_node_init(struct ph_heap_node *node);
bool ph_heap_contains(const struct ph_heap_node *node);

/* Adds the node, or moves it when it is in this heap already (it is then the newest of its key).
 * PH_ERR_NOMEM; never for a node that is in already. */
int ph_heap_add(struct ph_heap *h, struct ph_heap_node *node, ph_ns key);
/* Nothing happens when the node is not in. */
void ph_heap_remove(struct ph_heap *h, struct ph_heap_node *node);
/* The node with the smallest key, left in its place; NULL when empty. */
struct ph_heap_node *ph_heap_peek(const struct ph_heap *h);
/* Takes every node out, without touching what the nodes stand in, and frees the array. */
void ph_heap_fini(struct ph_heap *h);

#endif
