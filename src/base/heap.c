#include "base/heap.h"

#include "base/err.h"

#include <stdlib.h>

void ph_heap_node_init(struct ph_heap_node *node)
{
    *node = (struct ph_heap_node){.index = SIZE_MAX};
}

bool ph_heap_contains(const struct ph_heap_node *node)
{
    return node->index != SIZE_MAX;
}

static bool before(const struct ph_heap_node *a, const struct ph_heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct ph_heap *h, size_t at, struct ph_heap_node *node)
{
    h->items[at] = node;
    node->index = at;
}

static void sift_up(struct ph_heap *h, size_t at, struct ph_heap_node *node)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;

        if (!before(node, h->items[parent]))
            break;
        place(h, at, h->items[parent]);
        at = parent;
    }
    place(h, at, node);
}

static void sift_down(struct ph_heap *h, size_t at, struct ph_heap_node *node)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h->items[child + 1], h->items[child]))
            child++;
        if (!before(h->items[child], node))
            break;
        place(h, at, h->items[child]);
        at = child;
    }
    place(h, at, node);
}

int ph_heap_add(struct ph_heap *h, struct ph_heap_node *node, ph_ns key)
{
    ph_heap_remove(h, node); /* leaves its room in the array */
    if (h->count == h->cap) {
        size_t cap = h->cap != 0 ? 2 * h->cap : 16;
        struct ph_heap_node **items = reallocarray(h->items, cap, sizeof(*items));

        if (items == NULL)
            return PH_ERR_NOMEM;
        h->items = items;
        h->cap = cap;
    }
    node->key = key;
    node->seq = h->next_seq++;
    sift_up(h, h->count++, node);
    return PH_OK;
}

void ph_heap_remove(struct ph_heap *h, struct ph_heap_node *node)
{
    size_t at = node->index;
    struct ph_heap_node *last;

    if (at == SIZE_MAX)
        return;
    node->index = SIZE_MAX;
    last = h->items[--h->count];
    if (last == node)
        return;
    if (at > 0 && before(last, h->items[(at - 1) / 2]))
        sift_up(h, at, last);
    else
        sift_down(h, at, last);
}

struct ph_heap_node *ph_heap_peek(const struct ph_heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

void ph_heap_fini(struct ph_heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->items[i]->index = SIZE_MAX;
    free(h->items);
    *h = (struct ph_heap){0};
}
