/* The rules that profiles become, held against texts that were read by a person and proved in the
 * kernel (test_check). After a wanted change: NAT_RULES_WRITE=1 writes them anew. */
#include "lab/nat/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct nat_site example(void)
{
    struct nat_site s = {.wan_if = "wan", .lan_if = "lan", .lan_prefix = 24, .seed = 7};
    s.wan[0] = ph_addr_v4(198, 51, 100, 1, 0);
    s.wan[1] = ph_addr_v4(198, 51, 100, 2, 0);
    s.wan_count = 2; /* only as many as the profile's pool are used */
    s.lan = ph_addr_v4(192, 168, 1, 1, 0);
    s.subscribers[0] = ph_addr_v4(192, 168, 1, 2, 0);
    s.subscribers[1] = ph_addr_v4(192, 168, 1, 3, 0);
    s.subscriber_count = 2;
    return s;
}

static struct nat_profile profile(const char *base, const char *field, const char *value)
{
    struct nat_profile p;
    struct lab_error err = {.text = ""};
    if (nat_profile_find(base, &p, &err) != 0 ||
        (field != NULL && nat_profile_set(&p, field, value, &err) != 0))
        fail_msg("%s", err.text);
    return p;
}

static char *rules(const struct nat_profile *p, const struct nat_site *site)
{
    struct lab_error err = {.text = ""};
    char *text = NULL;
    if (nat_rules(p, site, &text, &err) != 0)
        fail_msg("%s", err.text);
    return text;
}

static void test_golden(void **state)
{
    static const struct {
        const char *file, *base, *field, *value;
    } cases[] = {
        {"open", "open", NULL, NULL},
        {"firewall", "firewall", NULL, NULL},
        {"firewall-adf", "firewall", "filtering", "address-dependent"},
        {"full-cone", "full-cone", NULL, NULL},
        {"address-restricted", "address-restricted", NULL, NULL},
        {"port-restricted", "port-restricted", NULL, NULL},
        {"port-restricted-accept", "port-restricted", "gateway", "accept"},
        {"port-preserving", "port-preserving", NULL, NULL},
        {"port-preserving-accept", "port-preserving", "gateway", "accept"},
        {"port-preserving-reject", "port-preserving", "gateway", "reject"},
        {"port-preserving-exact", "port-preserving", "allocation.exact", "true"},
        {"hashed", "hashed", "allocation.range", "32768-32831"},
        {"sequential", "sequential", "allocation", "{start: 40100, range: 40000-40199}"},
        {"sequential-down", "sequential-down", "allocation",
         "{step: -2, start: 60000, range: 59800-60200}"},
        {"random", "random", NULL, NULL},
        {"random-range", "random", "allocation.range", "50000-50999"},
        {"random-adm", "random-adm", NULL, NULL},
        {"block-512", "block-512", NULL, NULL},
        {"block-eim", "block-eim", NULL, NULL},
        {"pool-paired", "random", "pool", "{addresses: 2, pairing: paired}"},
        {"pool-arbitrary", "full-cone", "pool", "{addresses: 2, pairing: arbitrary}"},
        {"hairpin", "hairpin", NULL, NULL},
        {"limits", "port-preserving", "limits", "{mappings: 200, new_per_second: 20}"},
        {"udp-blocked", "udp-blocked", NULL, NULL},
    };
    struct nat_site site = example();
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static char want[65536];
        char path[512];
        struct nat_profile p = profile(cases[i].base, cases[i].field, cases[i].value);
        char *got = rules(&p, &site);
        (void)snprintf(path, sizeof(path), "%s/tests/lab_nat/rules/%s.nft", LAB_SOURCE_TREE,
                       cases[i].file);
        FILE *f = fopen(path, getenv("NAT_RULES_WRITE") != NULL ? "we" : "re");
        if (f == NULL)
            fail_msg("%s is not there", path);
        if (getenv("NAT_RULES_WRITE") != NULL) {
            (void)fputs(got, f);
        } else {
            size_t n = fread(want, 1, sizeof(want) - 1, f);
            want[n] = '\0';
            if (strcmp(got, want) != 0) {
                print_error("%s differs from its text:\n%s\n", cases[i].file, got);
                wrong++;
            }
        }
        (void)fclose(f);
        free(got);
    }
    assert_int_equal(wrong, 0);
}

/* What follows the table of IPv4 where the box routes IPv6, too. */
static void test_ipv6(void **state)
{
    static const struct {
        const char *base, *field, *value, *want;
    } cases[] = {
        {"open", NULL, NULL, ""},
        {"port-preserving", "ipv6", "open", ""},
        {"port-preserving", NULL, NULL,
         "table ip6 pinhole {\n\tchain forwarding {\n"
         "\t\ttype filter hook forward priority filter\n"
         "\t\tiifname \"wan\" ct state established,related accept\n"
         "\t\tiifname \"wan\" drop\n\t}\n}\n"},
        {"firewall", "gateway", "reject",
         "table ip6 pinhole {\n\tchain forwarding {\n"
         "\t\ttype filter hook forward priority filter\n"
         "\t\tiifname \"wan\" ct state established,related accept\n"
         "\t\tiifname \"wan\" reject with icmpv6 type admin-prohibited\n\t}\n}\n"},
        {"open", "ipv6", "block",
         "table ip6 pinhole {\n\tchain forwarding {\n"
         "\t\ttype filter hook forward priority filter\n"
         "\t\tiifname \"wan\" drop\n\t\toifname \"wan\" drop\n\t}\n}\n"},
    };
    struct nat_site site = example();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nat_profile p = profile(cases[i].base, cases[i].field, cases[i].value);
        site.ipv6 = false;
        char *v4 = rules(&p, &site);
        site.ipv6 = true;
        char *both = rules(&p, &site);
        assert_memory_equal(both, v4, strlen(v4));
        assert_string_equal(both + strlen(v4), cases[i].want);
        free(v4);
        free(both);
    }
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

/* The counter of a sequence is its rule's own: a second one would count from the start again. */
static void test_a_sequence_has_one_counter(void **state)
{
    struct nat_site site = example();
    struct nat_profile p = profile("sequential", NULL, NULL);
    char *text = rules(&p, &site);
    (void)state;
    assert_int_equal(count(text, "numgen"), 1);
    assert_null(strstr(text, "offset")); /* its result would be byte-swapped as a port */
    assert_non_null(strstr(text, " 2047 : 42047\n"));
    free(text);
}

/* Big tables are most of what a world costs, and a full one stops learning. */
static void test_sets_are_small_but_large_enough(void **state)
{
    struct nat_site site = example();
    struct nat_profile p = profile("full-cone", NULL, NULL);
    char *text = rules(&p, &site);
    (void)state;
    assert_int_equal(count(text, "size 2048"), 4);
    free(text);
    p = profile("full-cone", "background", "{hosts: 2, flows_per_second: 40}");
    text = rules(&p, &site);
    assert_int_equal(count(text, "size 3248"), 4); /* 40 flows a second, alive for 30 s */
    free(text);
    p = profile("full-cone", "background", "{hosts: 2, flows_per_second: 1000}");
    text = rules(&p, &site);
    assert_int_equal(count(text, "size 4096"), 4);
    free(text);
}

/* Netfilter draws ports without knowing who has which: what it gives away twice is refused. */
static void test_exact_ports_have_one_owner(void **state)
{
    static const struct {
        const char *name;
        size_t refusals;
    } cases[] = {{"port-restricted", 1}, {"random-adm", 1}, {"full-cone", 1},
                 {"cgnat-eim", 1},       {"random", 0},     {"port-preserving", 0}};
    struct nat_site site = example();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nat_profile p = profile(cases[i].name, NULL, NULL);
        char *text = rules(&p, &site);
        assert_int_equal(count(text, "!= @owner drop\n"), cases[i].refusals);
        free(text);
    }
}

static void test_seeds(void **state)
{
    struct nat_site one = example();
    struct nat_site two = example();
    struct nat_profile p = profile("hashed", NULL, NULL);
    (void)state;
    two.seed = 8;
    char *a = rules(&p, &one);
    char *b = rules(&p, &one);
    char *c = rules(&p, &two);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    free(a);
    free(b);
    free(c);
}

/* Where a pinned mapping could be black-holed, accept is not built as accept, and says so. */
static void test_accept_of_pinned_mappings(void **state)
{
    static const struct {
        const char *name;
        bool pinned;
    } cases[] = {
        {"port-preserving", false}, {"full-cone", false},  {"address-restricted", false},
        {"random", false},          {"sequential", false}, {"block-eim", false},
        {"cgnat", false},           {"open", false},       {"port-restricted", true},
        {"random-adm", true},       {"hashed", true},      {"cgnat-eim", true},
    };
    struct nat_site site = example();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nat_profile p = profile(cases[i].name, "gateway", "accept");
        char *text = rules(&p, &site);
        assert_int_equal(nat_profile_pinned(&p), cases[i].pinned);
        assert_int_equal(strstr(text, "# gateway accept:") != NULL, cases[i].pinned);
        assert_int_equal(strstr(text, "hook input") != NULL, cases[i].pinned);
        free(text);
    }
}

static void test_bad_sites(void **state)
{
    struct nat_profile p = profile("random", "pool", "{addresses: 3}");
    struct nat_profile q = profile("random", NULL, NULL);
    struct nat_site site = example();
    struct lab_error err = {.text = ""};
    char *text = NULL;
    (void)state;
    assert_int_equal(nat_rules(&p, &site, &text, &err), -1); /* two addresses for a pool of three */
    assert_int_equal(err.code, LAB_BROKEN);
    site.wan_if = "wan\" accept; #";
    assert_int_equal(nat_rules(&q, &site, &text, &err), -1);
    site = example();
    site.wan[0] = (struct ph_addr){.family = PH_AF_V6};
    assert_int_equal(nat_rules(&q, &site, &text, &err), -1);
    site = example();
    q.allocation.step = 0;
    q.allocation.type = NAT_ALLOC_SEQUENTIAL;
    assert_int_equal(nat_rules(&q, &site, &text, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_null(text);
}

/* Netfilter gives one port to flows whose destinations differ, and no rule forbids it. */
static void test_exclusive_is_refused(void **state)
{
    struct nat_site site = example();
    struct nat_profile p = profile("random", "allocation.exclusive", "true");
    struct lab_error err = {.text = ""};
    char *text = NULL;
    (void)state;
    assert_int_equal(nat_rules(&p, &site, &text, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_non_null(strstr(err.text, "--world sim"));
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_a_sequence_has_one_counter),
        cmocka_unit_test(test_sets_are_small_but_large_enough),
        cmocka_unit_test(test_exact_ports_have_one_owner),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_accept_of_pinned_mappings),
        cmocka_unit_test(test_bad_sites),
        cmocka_unit_test(test_exclusive_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
