/* The table of faults: it can be searched, every row of it is known to the scripted router, and
 * every one changes what a good router says or does. */
#include "lab/router/fault.h"
#include "lab/router/scripted_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_table(void **state)
{
    size_t count;
    const struct fault *all = fault_list(&count);
    (void)state;
    assert_int_equal(count, F_COUNT);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(all[i - 1].name, all[i].name) >= 0)
            fail_msg("%s is out of order", all[i].name);
        assert_ptr_equal(fault_find(all[i].name), &all[i]);
        assert_true(strlen(all[i].name) < NAT_NAME_MAX);
        assert_true(all[i].protocols > 0 && all[i].protocols <= 7);
        assert_true(strlen(all[i].row) > 10 && strlen(all[i].seen_in) > 3);
        if (all[i].outcome == FAULT_NONE)
            assert_null(all[i].by);
        else if (all[i].by != NULL && strcmp(all[i].by, "pcp") != 0 &&
                 strcmp(all[i].by, "nat-pmp") != 0 && strcmp(all[i].by, "upnp") != 0)
            fail_msg("%s: by %s?", all[i].name, all[i].by);
    }
    assert_null(fault_find("no-such-fault"));
    assert_null(fault_find(""));
}

/* The enum follows the table: two of its ends and its middle. */
static void test_bits(void **state)
{
    static const struct {
        const char *name;
        enum scripted_fault bit;
    } cases[] = {
        {"address-mismatch", F_ADDRESS_MISMATCH},
        {"chunked", F_CHUNKED},
        {"conflict", F_CONFLICT},
        {"conflict-mechanism", F_CONFLICT_MECHANISM},
        {"content-length-bare", F_CONTENT_LENGTH_BARE},
        {"dnat-without-snat", F_DNAT_WITHOUT_SNAT},
        {"entry-is-foreign", F_ENTRY_IS_FOREIGN},
        {"entry-is-ours", F_ENTRY_IS_OURS},
        {"epoch-reset", F_EPOCH_RESET},
        {"epoch-stuck", F_EPOCH_STUCK},
        {"first-lost", F_FIRST_LOST},
        {"foreign-answers", F_FOREIGN_ANSWERS},
        {"host-without-port-refused", F_HOST_WITHOUT_PORT_REFUSED},
        {"huge-answers", F_HUGE_ANSWERS},
        {"igd2-any-port", F_IGD2_ANY_PORT},
        {"igd2-transport-error", F_IGD2_TRANSPORT_ERROR},
        {"invalid-args-on-lease", F_INVALID_ARGS_ON_LEASE},
        {"location-elsewhere", F_LOCATION_ELSEWHERE},
        {"lower-case-refused", F_LOWER_CASE_REFUSED},
        {"mismatched-tags", F_MISMATCHED_TAGS},
        {"multicast-only", F_MULTICAST_ONLY},
        {"namespaces", F_NAMESPACES},
        {"never-ending", F_NEVER_ENDING},
        {"not-authorized", F_NOT_AUTHORIZED},
        {"odd-source-port", F_ODD_SOURCE_PORT},
        {"only-permanent", F_ONLY_PERMANENT},
        {"other-port", F_OTHER_PORT},
        {"over-16k", F_OVER_16K},
        {"padded-answers", F_PADDED_ANSWERS},
        {"pcp-silent", F_PCP_SILENT},
        {"pcp-version-0", F_PCP_VERSION_0},
        {"port-zero-wildcard", F_PORT_ZERO_WILDCARD},
        {"ppp-connection", F_PPP_CONNECTION},
        {"pretty-printed-refused", F_PRETTY_PRINTED_REFUSED},
        {"private-external", F_PRIVATE_EXTERNAL},
        {"raw-ampersand", F_RAW_AMPERSAND},
        {"reboot-new-http-port", F_REBOOT_NEW_HTTP_PORT},
        {"refuses-all", F_REFUSES_ALL},
        {"refuses-permanent", F_REFUSES_PERMANENT},
        {"renewal-refused", F_RENEWAL_REFUSED},
        {"scpd-hangs", F_SCPD_HANGS},
        {"several-igds", F_SEVERAL_IGDS},
        {"shared-external", F_SHARED_EXTERNAL},
        {"short-lifetime", F_SHORT_LIFETIME},
        {"slow-drip", F_SLOW_DRIP},
        {"ssdp-all-first-only", F_SSDP_ALL_FIRST_ONLY},
        {"stale-answers", F_STALE_ANSWERS},
        {"stray-bytes", F_STRAY_BYTES},
        {"truncated-answers", F_TRUNCATED_ANSWERS},
        {"undeclared-prefix", F_UNDECLARED_PREFIX},
        {"unicast-only", F_UNICAST_ONLY},
        {"unquoted-soapaction-refused", F_UNQUOTED_SOAPACTION_REFUSED},
        {"white-space-control-url", F_WHITE_SPACE_CONTROL_URL},
        {"wrong-nonce", F_WRONG_NONCE},
        {"zero-external", F_ZERO_EXTERNAL},
    };
    size_t count;
    const struct fault *all = fault_list(&count);
    (void)state;
    assert_int_equal(sizeof(cases) / sizeof(cases[0]), F_COUNT);
    for (size_t i = 0; i < F_COUNT; i++) {
        const struct fault *f = fault_find(cases[i].name);
        if (f == NULL || f - all != (ptrdiff_t)cases[i].bit)
            fail_msg("%s has another bit", cases[i].name);
    }
}

/* Who writes a profile looks them up in the manual. */
static void test_the_manual_has_them(void **state)
{
    static char text[65536];
    FILE *f = fopen(LAB_SOURCE_TREE "/lab/cli/natlab.1.scd", "r");
    size_t count, len;
    const struct fault *all = fault_list(&count);
    (void)state;
    assert_non_null(f);
    len = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    text[len] = '\0';
    for (size_t i = 0; i < count; i++) {
        char head[96];
        const char *at;
        (void)snprintf(head, sizeof(head), "\n*%s* (", all[i].name);
        at = strstr(text, head);
        if (at == NULL)
            fail_msg("%s is not in the manual", all[i].name);
        at = strchr(at + 1, ')');
        assert_int_equal(strncmp(at, "), *no mapping*\n", 16) == 0, all[i].outcome == FAULT_NONE);
    }
}

static void on_send(void *user, const struct scripted_datagram *d)
{
    (void)user;
    (void)d;
}

static void test_the_scripted_router_knows_all(void **state)
{
    static const struct scripted_ops ops = {.send = on_send};
    size_t count;
    const struct fault *all = fault_list(&count);
    struct nat_profile p;
    struct scripted_config config = {.profile = &p};
    struct scripted *s;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        nat_profile_init(&p);
        p.port_mapping.fault_count = 1;
        (void)snprintf(p.port_mapping.faults[0], NAT_NAME_MAX, "%s", all[i].name);
        assert_int_equal(scripted_new(&config, &ops, NULL, 1, &s), 0);
        assert_true(has(s, (enum scripted_fault)i));
        scripted_free(s);
    }
    (void)snprintf(p.port_mapping.faults[0], NAT_NAME_MAX, "no-such-fault");
    assert_int_not_equal(scripted_new(&config, &ops, NULL, 1, &s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_the_manual_has_them),
        cmocka_unit_test(test_the_scripted_router_knows_all),
    };
    return cmocka_run_group_tests_name("lab/router/fault", tests, NULL, NULL);
}
