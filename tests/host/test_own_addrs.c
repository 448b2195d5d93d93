/* Which of this machine's addresses are told, and in which order. */
#include "base/err.h"
#include "host/own_addrs.h"

#include <linux/if_addr.h>
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

static void test_lines(void **state)
{
    struct ph_addr want = addr("2001:db8::a00:27ff:fe4e:66a1");
    struct ph_own_addr a;
    (void)state;

    assert_true(ph_own_addr_parse("20010db8000000000a0027fffe4e66a1 02 40 00 21     eth0\n", &a));
    assert_true(ph_addr_eq(&a.addr, &want));
    assert_int_equal(a.flags, IFA_F_DEPRECATED | IFA_F_TEMPORARY);
    assert_false(ph_own_addr_parse("", &a));
    assert_false(ph_own_addr_parse("20010db8", &a));
    assert_false(ph_own_addr_parse("20010db8000000000a0027fffe4e66ag 02 40 00 80 eth0\n", &a));
    assert_false(ph_own_addr_parse("20010db8000000000a0027fffe4e66a1 02 40\n", &a));
}

static void test_choice(void **state)
{
    const struct ph_own_addr in[] = {
        {addr("127.0.0.1"), 0},
        {addr("10.0.0.2"), IFA_F_PERMANENT},
        {addr("10.0.0.3"), IFA_F_SECONDARY}, /* the bit of a temporary one */
        {addr("2001:db8::1"), IFA_F_PERMANENT},
        {addr("2001:db8::d"), IFA_F_DEPRECATED},
        {addr("2001:db8::7"), IFA_F_TEMPORARY},
        {addr("2001:db8::8"), IFA_F_TEMPORARY | IFA_F_DEPRECATED},
        {addr("2001:db8::e"), IFA_F_TENTATIVE},
        {addr("2001:db8::f"), IFA_F_TENTATIVE | IFA_F_OPTIMISTIC},
        {addr("2001:db8::c"), IFA_F_DADFAILED | IFA_F_TENTATIVE},
        {addr("fe80::1"), IFA_F_PERMANENT},
        {addr("fd00::1"), IFA_F_PERMANENT},
    };
    static const char *const want[] = {"2001:db8::7", "10.0.0.2",    "10.0.0.3",
                                       "2001:db8::1", "2001:db8::f", "fd00::1"};
    struct ph_addr out[16];
    size_t n = ph_own_addrs_choose(in, sizeof(in) / sizeof(in[0]), out, 16);
    (void)state;

    assert_int_equal(n, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < n; i++) {
        struct ph_addr a = addr(want[i]);

        assert_true(ph_addr_eq(&out[i], &a));
    }
    assert_int_equal(ph_own_addrs_choose(in, sizeof(in) / sizeof(in[0]), out, 2), 2);
    assert_int_equal(ph_own_addrs_choose(in, sizeof(in) / sizeof(in[0]), out, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
