/* What the shipped profiles declare, in the terms of a netcheck, and how reports compare with it.
 */
#include "lab/run/truth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BIT(type) (1u << (type))

static struct layout layout;

static void lay_out(const char *profile, uint32_t flows, unsigned protocols, const char *fault)
{
    static struct topology topology;
    static struct world_spec spec;
    struct lab_error err = {0};
    if (topology_find("two-nats", &topology, &err) != 0 ||
        world_spec_init(&spec, &topology, &err) != 0 ||
        world_spec_set_profile(&spec, "a", profile, &err) != 0)
        fail_msg("%s", err.text);
    if (flows > 0)
        world_spec_set_background(&spec, flows);
    if (protocols > 0 && world_spec_set_port_mapping(&spec, protocols, fault, &err) != 0)
        fail_msg("%s", err.text);
    if (layout_compute(&spec, &layout, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_shipped_profiles(void **state)
{
    (void)state;
    static const struct {
        const char *profile;
        enum ph_mapping_behaviour mapping;
        enum ph_filtering_behaviour filtering;
        enum ph_allocation_type allocation;
        int step;
        unsigned block, translations;
    } cases[] = {
        {"open", PH_MAPPING_NONE, PH_FILTERING_EIF, PH_ALLOCATION_NONE, 0, 0, 0},
        {"firewall", PH_MAPPING_NONE, PH_FILTERING_APDF, PH_ALLOCATION_NONE, 0, 0, 0},
        {"full-cone", PH_MAPPING_EIM, PH_FILTERING_EIF, PH_ALLOCATION_PRESERVING, 0, 0, 1},
        {"address-restricted", PH_MAPPING_EIM, PH_FILTERING_ADF, PH_ALLOCATION_PRESERVING, 0, 0, 1},
        {"port-restricted", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_ONE_PORT, 0, 0, 1},
        {"port-preserving", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_PRESERVING, 0, 0, 1},
        {"hashed", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_ONE_PORT, 0, 0, 1},
        {"block-eim", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_ONE_PORT, 0, 0, 1},
        {"sequential-down", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_SEQUENTIAL, -1, 0, 1},
        {"sequential-2", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_SEQUENTIAL, 2, 0, 1},
        {"random", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_RANDOM, 0, 0, 1},
        {"random-adm", PH_MAPPING_ADM, PH_FILTERING_APDF, PH_ALLOCATION_RANDOM, 0, 0, 1},
        {"block-512", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_BLOCK, 0, 512, 1},
        /* Through both NATs. */
        {"cgnat", PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_BLOCK, 0, 512, 2},
        {"cgnat-eim", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_ONE_PORT, 0, 0, 2},
        {"double-nat", PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_PRESERVING, 0, 0, 2},
        /* Nothing can be known. */
        {"udp-blocked", PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN, PH_ALLOCATION_UNKNOWN, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct truth t;
        lay_out(cases[i].profile, 0, 0, NULL);
        truth_of(&layout, layout_find(&layout, "a"), &t);
        if (t.mapping != cases[i].mapping || t.filtering != cases[i].filtering ||
            t.allocations != BIT(cases[i].allocation) || t.step != cases[i].step ||
            t.block != cases[i].block || t.translations != cases[i].translations)
            fail_msg("%s: mapping %d filtering %d allocations %#x step %d block %u of %u NATs",
                     cases[i].profile, t.mapping, t.filtering, t.allocations, t.step, t.block,
                     t.translations);
        assert_false(t.maps);
        assert_int_equal(t.udp_blocked, strcmp(cases[i].profile, "udp-blocked") == 0);
    }
}

static void test_background(void **state)
{
    (void)state;
    struct truth t;
    lay_out("sequential", 20, 0, NULL);
    truth_of(&layout, layout_find(&layout, "a"), &t);
    assert_true(t.background > 19.9 && t.background < 20.1); /* b's are not a's */
    lay_out("sequential-busy", 0, 0, NULL);
    truth_of(&layout, layout_find(&layout, "a"), &t);
    assert_true(t.background > 24.9 && t.background < 25.1);
}

static void test_router(void **state)
{
    (void)state;
    static const struct {
        unsigned protocols;
        const char *fault;
        bool maps;
        enum ph_portmap_protocol by;
    } cases[] = {
        {1, NULL, true, PH_PORTMAP_PCP},
        {2, NULL, true, PH_PORTMAP_NATPMP},
        {4, NULL, true, PH_PORTMAP_UPNP},
        {7, NULL, true, PH_PORTMAP_PCP},
        {1, "wrong-nonce", false, PH_PORTMAP_NONE},
        {2, "pcp-version-0", true, PH_PORTMAP_NATPMP},
        {4, "only-permanent", true, PH_PORTMAP_UPNP},
        {3, "short-lifetime", true, PH_PORTMAP_NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            struct truth t;
            lay_out(k == 0 ? "random" : "cgnat", 0, cases[i].protocols, cases[i].fault);
            truth_of(&layout, layout_find(&layout, "a"), &t);
            if (t.maps != cases[i].maps || t.by != cases[i].by)
                fail_msg("case %zu: maps %d by %d", i, t.maps, t.by);
            assert_true((t.fault != NULL) == (cases[i].fault != NULL));
            truth_of(&layout, layout_find(&layout, "b"), &t);
            assert_false(t.maps);
        }
    }
}

struct report {
    enum ph_mapping_behaviour mapping;
    enum ph_filtering_behaviour filtering;
    struct ph_allocation allocation;
    enum ph_answer hairpin;
};

static void compare(const char *profile, uint32_t flows, const struct report *r,
                    struct truth_verdict *v)
{
    struct truth t;
    struct ph_nat_facts f = {
        .mapping = r->mapping,
        .filtering = r->filtering,
        .allocation = r->allocation,
        .hairpin = r->hairpin,
    };
    lay_out(profile, flows, 0, NULL);
    truth_of(&layout, layout_find(&layout, "a"), &t);
    truth_compare(&t, &f, 61000, v);
}

/* Reports of a hard NAT, without hairpin: of a kind; of a block of n ports; of a counter. And of an
 * easy one, by its last port. */
#define APDM(kind)                                                                                 \
    {                                                                                              \
        PH_MAPPING_APDM, PH_FILTERING_APDF, {.type = PH_ALLOCATION_##kind}, PH_NO                  \
    }
#define BLOCK(n)                                                                                   \
    {                                                                                              \
        PH_MAPPING_APDM, PH_FILTERING_APDF,                                                        \
            {.type = PH_ALLOCATION_BLOCK, .low = 1024, .high = 1024 + (n)-1}, PH_NO                \
    }
#define COUNTS(by, rate, least, most)                                                              \
    {                                                                                              \
        PH_MAPPING_APDM, PH_FILTERING_APDF,                                                        \
            {.type = PH_ALLOCATION_SEQUENTIAL,                                                     \
             .step = (by),                                                                         \
             .cross_rate = (rate),                                                                 \
             .cross_low = (least),                                                                 \
             .cross_high = (most)},                                                                \
            PH_NO                                                                                  \
    }
#define EIM(kind, port)                                                                            \
    {                                                                                              \
        PH_MAPPING_EIM, PH_FILTERING_APDF, {.type = PH_ALLOCATION_##kind, .last = (port)}, PH_NO   \
    }

static void test_comparison(void **state)
{
    (void)state;
    static const char marks[] = {
        [RIGHT_UNASKED] = '.', [RIGHT_YES] = '+', [RIGHT_UNKNOWN] = '?', [RIGHT_WRONG] = '-'};
    static const struct {
        const char *profile;
        uint32_t flows;
        const char *want; /* mapping, filtering, allocation, step, drift, block, hairpin */
        struct report report;
    } cases[] = {
        {"random", 0, "+++...+", APDM(RANDOM)},
        {"random",
         0,
         "---...-",
         {PH_MAPPING_ADM, PH_FILTERING_ADF, {.type = PH_ALLOCATION_BLOCK}, PH_YES}},
        {"random", 0, "???...?", {0}},
        {"udp-blocked", 0, "+++....", {0}},
        {"udp-blocked", 0, "---....", APDM(RANDOM)},
        {"open",
         0,
         "+++....",
         {PH_MAPPING_NONE, PH_FILTERING_EIF, {.type = PH_ALLOCATION_NONE}, PH_NO}},
        /* A block: its size may be off by a factor of two. */
        {"block-512", 0, "+++..++", BLOCK(1024)},
        {"block-512", 0, "+++..-+", BLOCK(1025)},
        {"block-512", 0, "+++..++", BLOCK(256)},
        {"block-512", 0, "+++..-+", BLOCK(255)},
        {"block-512", 0, "++-..-+", APDM(RANDOM)},
        /* A counter: its step to the sign, others' flows within their interval or a factor of 2. */
        {"sequential-down", 20, "+++++.+", COUNTS(-1, 3, 1, 20)},
        {"sequential-down", 20, "+++-+.+", COUNTS(1, 40, 30, 50)},
        {"sequential", 20, "++++-.+", COUNTS(1, 41, 30, 50)},
        {"sequential", 0, "+++++.+", COUNTS(1, 0, 0, 2)},
        {"sequential", 0, "++++?.+", COUNTS(1, -1, 0, 0)},
        {"sequential", 20, "++---.+", APDM(RANDOM)},
        /* One socket cannot tell luck from habit; but it can tell the port that it has. */
        {"block-eim", 0, "+++...+", EIM(PRESERVING, 61000)},
        {"block-eim", 0, "++-...+", EIM(PRESERVING, 61001)},
        {"port-preserving", 0, "++-...+", EIM(ONE_PORT, 61000)},
        {"hairpin", 0, "+++...-", EIM(PRESERVING, 0)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct truth_verdict v;
        compare(cases[i].profile, cases[i].flows, &cases[i].report, &v);
        const enum right got[] = {v.mapping, v.filtering, v.allocation, v.step,
                                  v.drift,   v.block,     v.hairpin};
        for (size_t k = 0; k < 7; k++)
            if (marks[got[k]] != cases[i].want[k])
                fail_msg("case %zu (%s): verdict %zu is %d", i, cases[i].profile, k, (int)got[k]);
    }
    assert_null(right_name(RIGHT_UNASKED));
    assert_string_equal(right_name(RIGHT_WRONG), "wrong");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped_profiles),
        cmocka_unit_test(test_background),
        cmocka_unit_test(test_router),
        cmocka_unit_test(test_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
