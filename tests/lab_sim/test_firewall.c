/* The simulator's IPv6 firewall: who comes in, and for how long. */
#include "base/err.h"
#include "lab/world/sim/firewall.h"

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

static struct sim_firewall *firewall(const char *profile, const char *ipv6)
{
    struct nat_profile p;
    struct sim_firewall *f;
    struct lab_error err = {.text = ""};
    if (nat_profile_find(profile, &p, &err) != 0 ||
        (ipv6 != NULL && nat_profile_set(&p, "ipv6", ipv6, &err) != 0))
        fail_msg("%s", err.text);
    assert_int_equal(sim_firewall_new(&p, &f), PH_OK);
    return f;
}

static void test_kinds(void **state)
{
    static const struct {
        const char *profile, *ipv6;
        bool out, in; /* the first packet of a flow */
    } rows[] = {
        {"open", NULL, true, true},
        {"firewall", NULL, true, false},
        {"port-preserving", NULL, true, false},
        {"random", "open", true, true},
        {"open", "firewall", true, false},
        {"open", "block", false, false},
        {"udp-blocked", "open", false, false},
    };
    struct ph_addr in = addr("[2001:db8::1]:4000"), out = addr("[2001:db8:1::1]:5000");
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_firewall *f = firewall(rows[i].profile, rows[i].ipv6);
        assert_int_equal(sim_firewall_inbound(f, 1, &out, &in, false), rows[i].in);
        assert_int_equal(sim_firewall_outbound(f, 1, &in, &out, false), rows[i].out);
        assert_int_equal(sim_firewall_inbound(f, 1, &out, &in, false), rows[i].out);
        sim_firewall_free(f);
    }
}

static void test_only_whom_was_spoken_to(void **state)
{
    struct sim_firewall *f = firewall("firewall", NULL);
    struct ph_addr in = addr("[2001:db8::1]:4000"), out = addr("[2001:db8:1::1]:5000");
    struct ph_addr other = addr("[2001:db8:1::1]:5001"), inside = addr("[2001:db8::1]:4001");
    (void)state;
    assert_false(sim_firewall_outbound(f, 1, &in, &out, true)); /* it dies here: no hole */
    assert_false(sim_firewall_inbound(f, 1, &out, &in, false));
    assert_true(sim_firewall_outbound(f, 1, &in, &out, false));
    assert_false(sim_firewall_inbound(f, 1, &other, &in, false));
    assert_false(sim_firewall_inbound(f, 1, &out, &inside, false));
    assert_true(sim_firewall_inbound(f, 1, &out, &in, false));
    sim_firewall_flush(f);
    assert_false(sim_firewall_inbound(f, 1, &out, &in, false));
    sim_firewall_free(f);
}

/* 30 s, and 120 s for a stream: a flow with an answer that is older than two seconds. */
static void test_timeouts(void **state)
{
    struct sim_firewall *f = firewall("firewall", NULL);
    struct ph_addr in = addr("[2001:db8::1]:4000"), out = addr("[2001:db8:1::1]:5000");
    ph_ns t = PH_SEC;
    (void)state;
    assert_true(sim_firewall_outbound(f, t, &in, &out, false));
    assert_false(sim_firewall_inbound(f, t + 30 * PH_SEC, &out, &in, false));
    t += 40 * PH_SEC;
    assert_true(sim_firewall_outbound(f, t, &in, &out, false));
    t += 30 * PH_SEC - 1;
    assert_true(sim_firewall_inbound(f, t, &out, &in, false));
    t += 120 * PH_SEC - 1; /* that answer made it a stream */
    assert_true(sim_firewall_inbound(f, t, &out, &in, false));
    t += 120 * PH_SEC;
    assert_false(sim_firewall_inbound(f, t, &out, &in, false));
    sim_firewall_free(f);
}

static void test_full(void **state)
{
    struct sim_firewall *f = firewall("firewall", NULL);
    struct ph_addr in = addr("[2001:db8::1]:4000"), out = addr("[2001:db8:1::1]:1");
    (void)state;
    for (unsigned i = 0; i < SIM_FIREWALL_FLOWS; i++) {
        out.port = (uint16_t)(i + 1);
        assert_true(sim_firewall_outbound(f, 1, &in, &out, false));
    }
    out.port = 60000;
    assert_false(sim_firewall_outbound(f, 1, &in, &out, false));
    out.port = 1;
    assert_true(sim_firewall_outbound(f, 1, &in, &out, false));
    sim_firewall_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_only_whom_was_spoken_to),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
