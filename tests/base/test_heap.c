#include "base/err.h"
#include "base/heap.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 500

static struct ph_heap_node *pop(struct ph_heap *h)
{
    struct ph_heap_node *node = ph_heap_peek(h);

    if (node != NULL)
        ph_heap_remove(h, node);
    return node;
}

static void test_order(void **state)
{
    static const ph_ns keys[] = {5, 3, PH_NEVER, 0, 3, 4, 1};
    static const size_t want[] = {3, 6, 1, 4, 5, 0, 2}; /* the two 3s in order of insertion */
    struct ph_heap_node nodes[7];
    struct ph_heap h = {0};

    (void)state;
    assert_null(ph_heap_peek(&h));
    for (size_t i = 0; i < 7; i++) {
        ph_heap_node_init(&nodes[i]);
        assert_false(ph_heap_contains(&nodes[i]));
        assert_int_equal(ph_heap_add(&h, &nodes[i], keys[i]), PH_OK);
        assert_true(ph_heap_contains(&nodes[i]));
    }
    for (size_t i = 0; i < 7; i++) {
        struct ph_heap_node *node = pop(&h);

        assert_ptr_equal(node, &nodes[want[i]]);
        assert_false(ph_heap_contains(node));
    }
    assert_null(ph_heap_peek(&h));
    ph_heap_fini(&h);
}

static void test_equal_keys_keep_their_order(void **state)
{
    struct ph_heap_node nodes[N];
    struct ph_heap h = {0};

    (void)state;
    for (size_t i = 0; i < N; i++) {
        ph_heap_node_init(&nodes[i]);
        assert_int_equal(ph_heap_add(&h, &nodes[i], 9), PH_OK);
    }
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(pop(&h), &nodes[i]);
    ph_heap_fini(&h);
}

/* Adding again moves a node, behind the others of its key; removing twice is nothing. */
static void test_move_and_remove(void **state)
{
    struct ph_heap_node a, b;
    struct ph_heap h = {0};

    (void)state;
    ph_heap_node_init(&a);
    ph_heap_node_init(&b);
    assert_int_equal(ph_heap_add(&h, &a, 1), PH_OK);
    assert_int_equal(ph_heap_add(&h, &b, 2), PH_OK);
    assert_int_equal(ph_heap_add(&h, &a, 2), PH_OK);
    assert_int_equal(h.count, 2);
    assert_ptr_equal(ph_heap_peek(&h), &b);
    ph_heap_remove(&h, &b);
    ph_heap_remove(&h, &b);
    assert_int_equal(h.count, 1);
    assert_ptr_equal(ph_heap_peek(&h), &a);
    ph_heap_fini(&h);
    assert_false(ph_heap_contains(&a));
    assert_null(ph_heap_peek(&h));
}

static struct ph_heap_node *slow_minimum(struct ph_heap_node *nodes)
{
    struct ph_heap_node *best = NULL;

    for (size_t i = 0; i < N; i++) {
        struct ph_heap_node *n = &nodes[i];

        if (ph_heap_contains(n) &&
            (best == NULL || n->key < best->key || (n->key == best->key && n->seq < best->seq)))
            best = n;
    }
    return best;
}

/* Random additions, moves and removals from the middle, against a search through all. */
static void test_against_search(void **state)
{
    static struct ph_heap_node nodes[N];
    struct ph_heap h = {0};
    struct ph_rng rng;

    (void)state;
    ph_rng_seed(&rng, 1);
    for (size_t i = 0; i < N; i++)
        ph_heap_node_init(&nodes[i]);
    for (int step = 0; step < 5000; step++) {
        struct ph_heap_node *n = &nodes[ph_rng_below(&rng, N)];

        if (ph_rng_below(&rng, 3) == 0)
            ph_heap_remove(&h, n);
        else
            assert_int_equal(ph_heap_add(&h, n, ph_rng_below(&rng, 100)), PH_OK);
        assert_ptr_equal(ph_heap_peek(&h), slow_minimum(nodes));
        for (size_t i = 0; i < h.count; i++)
            assert_int_equal(h.items[i]->index, i);
    }
    ph_heap_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_equal_keys_keep_their_order),
        cmocka_unit_test(test_move_and_remove),
        cmocka_unit_test(test_against_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
