#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bucket.h"
#include "base/err.h"
#include "relay/table.h"

struct item {
    struct ph_table_node node; /* first */
    uint64_t key;
};

static struct item *find(const struct ph_table *t, uint64_t key)
{
    uint64_t hash = ph_table_hash(t, &key, sizeof(key));

    for (struct ph_table_node *n = ph_table_first(t, hash); n; n = ph_table_next(n)) {
        if (((struct item *)n)->key == key) {
            return (struct item *)n;
        }
    }
    return NULL;
}

static void items_are_found_while_it_grows(void **state)
{
    static struct item items[5000];
    struct ph_table t;

    (void)state;
    assert_int_equal(ph_table_init(&t, 99), PH_OK);
    for (uint64_t i = 0; i < 5000; i++) {
        items[i].key = i * i;
        ph_table_add(&t, &items[i].node, ph_table_hash(&t, &items[i].key, sizeof(items[i].key)));
    }
    assert_int_equal(t.count, 5000);
    assert_true(t.mask >= 4095);
    for (uint64_t i = 0; i < 5000; i += 2) {
        ph_table_remove(&t, &items[i].node);
    }
    ph_table_remove(&t, &items[0].node); /* twice does no harm */
    assert_int_equal(t.count, 2500);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_ptr_equal(find(&t, i * i), i % 2 ? &items[i] : NULL);
    }
    ph_table_fini(&t);
}

static void equal_hashes_are_told_apart(void **state)
{
    struct item a = {.key = 1}, b = {.key = 2}, c = {.key = 3};
    struct ph_table t;
    struct ph_table_node *n;

    (void)state;
    assert_int_equal(ph_table_init(&t, 0), PH_OK);
    ph_table_add(&t, &a.node, 5);
    ph_table_add(&t, &b.node, 5 + 64); /* the same chain, another hash */
    ph_table_add(&t, &c.node, 5);
    n = ph_table_first(&t, 5);
    assert_ptr_equal(n, &c.node);
    n = ph_table_next(n);
    assert_ptr_equal(n, &a.node);
    assert_null(ph_table_next(n));
    assert_null(ph_table_first(&t, 6));
    ph_table_fini(&t);
}

static void the_secret_changes_the_hash(void **state)
{
    struct ph_table a = {.secret = 1}, b = {.secret = 2};

    (void)state;
    assert_true(ph_table_hash(&a, "tag", 3) != ph_table_hash(&b, "tag", 3));
}

static void a_bucket_fills_at_its_rate(void **state)
{
    struct ph_bucket b = {0};
    ph_ns now = 7 * PH_SEC;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(ph_bucket_take(&b, now, 10, 5));
    }
    assert_false(ph_bucket_take(&b, now, 10, 5));
    assert_false(ph_bucket_take(&b, now + 100 * PH_MS - 1, 10, 5));
    assert_true(ph_bucket_take(&b, now + 100 * PH_MS, 10, 5));
    assert_false(ph_bucket_take(&b, now + 100 * PH_MS, 10, 5));
    /* Never more than the burst, however long it rested. */
    for (int i = 0; i < 5; i++) {
        assert_true(ph_bucket_take(&b, now + PH_SEC * 1000, 10, 5));
    }
    assert_false(ph_bucket_take(&b, now + PH_SEC * 1000, 10, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_found_while_it_grows),
        cmocka_unit_test(equal_hashes_are_told_apart),
        cmocka_unit_test(the_secret_changes_the_hash),
        cmocka_unit_test(a_bucket_fills_at_its_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
