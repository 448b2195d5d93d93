/* IPv4 addresses in IPv6 ones: the table of RFC 6052 section 2.4, and RFC 7050. */
#include "base/err.h"
#include "base/nat64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ph_addr addr(const char *text)
{
    struct ph_addr a;
    assert_int_equal(ph_addr_parse(text, &a), PH_OK);
    return a;
}

static const struct {
    const char *prefix;
    unsigned bits;
    const char *embedded, *well_known; /* of 192.0.2.33 and of 192.0.0.171 */
} rows[] = {
    {"2001:db8::", 32, "2001:db8:c000:221::", "2001:db8:c000:ab::"},
    {"2001:db8:100::", 40, "2001:db8:1c0:2:21::", "2001:db8:1c0:0:ab::"},
    {"2001:db8:122::", 48, "2001:db8:122:c000:2:2100::", "2001:db8:122:c000:0:ab00::"},
    {"2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:0:ab::"},
    {"2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::", "2001:db8:122:344:c0:0:ab00::"},
    {"2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33", "2001:db8:122:344::192.0.0.171"},
    {"64:ff9b::", 96, "64:ff9b::192.0.2.33", "64:ff9b::192.0.0.171"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void test_both_ways(void **state)
{
    struct ph_addr v4 = addr("192.0.2.33:3478"), back;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct ph_nat64 n = {addr(rows[i].prefix), rows[i].bits};
        struct ph_addr want = addr(rows[i].embedded), v6 = ph_nat64_embed(&n, &v4);
        want.port = 3478;
        assert_true(ph_addr_eq(&v6, &want));
        assert_true(ph_nat64_extract(&n, &v6, &back));
        assert_true(ph_addr_eq(&back, &v4));
    }
}

static void test_others_are_not_translated(void **state)
{
    struct ph_nat64 n = {addr("64:ff9b::"), 96}, none = {{0}, 0};
    struct ph_addr other = addr("[64:ff9c::1]:1"), v4 = addr("192.0.2.33:1"), out;
    struct ph_addr inside = addr("[64:ff9b::1]:1");
    (void)state;
    assert_false(ph_nat64_extract(&n, &other, &out));
    assert_false(ph_nat64_extract(&n, &v4, &out));
    assert_false(ph_nat64_extract(&none, &inside, &out));
}

static void test_discovery(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct ph_addr answer = addr(rows[i].well_known), prefix = addr(rows[i].prefix);
        struct ph_nat64 n;
        assert_true(ph_nat64_discover(&answer, &n));
        assert_int_equal(n.bits, rows[i].bits);
        assert_true(ph_addr_ip_eq(&n.prefix, &prefix));
    }
}

/* A name server that makes nothing up gives the IPv4 addresses alone, and a liar anything. */
static void test_no_discovery(void **state)
{
    static const char *const answers[] = {"192.0.0.170", "2001:db8::1", "64:ff9b::192.0.0.172",
                                          "64:ff9b::192.0.1.170"};
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct ph_addr answer = addr(answers[i]);
        struct ph_nat64 n = {.bits = 96};
        assert_false(ph_nat64_discover(&answer, &n));
        assert_int_equal(n.bits, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_others_are_not_translated),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_no_discovery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
