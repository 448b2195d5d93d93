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

#define APDM PH_MAPPING_APDM, PH_FILTERING_APDF

static void test_comparison(void **state)
{
    (void)state;
    enum {
        NO = RIGHT_UNASKED,
        OK = RIGHT_YES,
        UN = RIGHT_UNKNOWN,
        BAD = RIGHT_WRONG
    };
    static const struct {
        const char *profile;
        uint32_t flows;
        struct report report;
        int mapping, filtering, allocation, step, drift, block, hairpin;
    } cases[] = {
        {"random", 0, {APDM, {.type = PH_ALLOCATION_RANDOM}, PH_NO}, OK, OK, OK, NO, NO, NO, OK},
        {"random",
         0,
         {PH_MAPPING_ADM, PH_FILTERING_ADF, {.type = PH_ALLOCATION_BLOCK}, PH_YES},
         BAD,
         BAD,
         BAD,
         NO,
         NO,
         NO,
         BAD},
        {"random", 0, {0}, UN, UN, UN, NO, NO, NO, UN},
        {"udp-blocked", 0, {0}, OK, OK, OK, NO, NO, NO, NO},
        {"udp-blocked",
         0,
         {APDM, {.type = PH_ALLOCATION_RANDOM}, PH_NO},
         BAD,
         BAD,
         BAD,
         NO,
         NO,
         NO,
         NO},
        {"open",
         0,
         {PH_MAPPING_NONE, PH_FILTERING_EIF, {.type = PH_ALLOCATION_NONE}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         NO,
         NO},
        /* A block: its size may be off by a factor of two. */
        {"block-512",
         0,
         {APDM, {.type = PH_ALLOCATION_BLOCK, .low = 1024, .high = 1024 + 1023}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         OK,
         OK},
        {"block-512",
         0,
         {APDM, {.type = PH_ALLOCATION_BLOCK, .low = 1024, .high = 1024 + 1024}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         BAD,
         OK},
        {"block-512",
         0,
         {APDM, {.type = PH_ALLOCATION_BLOCK, .low = 1024, .high = 1024 + 255}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         OK,
         OK},
        {"block-512",
         0,
         {APDM, {.type = PH_ALLOCATION_BLOCK, .low = 1024, .high = 1024 + 254}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         BAD,
         OK},
        {"block-512",
         0,
         {APDM, {.type = PH_ALLOCATION_RANDOM}, PH_NO},
         OK,
         OK,
         BAD,
         NO,
         NO,
         BAD,
         OK},
        /* A counter: its step to the sign, others' flows within their interval or a factor of 2. */
        {"sequential-down",
         20,
         {APDM,
          {.type = PH_ALLOCATION_SEQUENTIAL,
           .step = -1,
           .cross_rate = 3,
           .cross_low = 1,
           .cross_high = 20},
          PH_NO},
         OK,
         OK,
         OK,
         OK,
         OK,
         NO,
         OK},
        {"sequential-down",
         20,
         {APDM,
          {.type = PH_ALLOCATION_SEQUENTIAL,
           .step = 1,
           .cross_rate = 40,
           .cross_low = 30,
           .cross_high = 50},
          PH_NO},
         OK,
         OK,
         OK,
         BAD,
         OK,
         NO,
         OK},
        {"sequential",
         20,
         {APDM,
          {.type = PH_ALLOCATION_SEQUENTIAL,
           .step = 1,
           .cross_rate = 41,
           .cross_low = 30,
           .cross_high = 50},
          PH_NO},
         OK,
         OK,
         OK,
         OK,
         BAD,
         NO,
         OK},
        {"sequential",
         0,
         {APDM,
          {.type = PH_ALLOCATION_SEQUENTIAL,
           .step = 1,
           .cross_rate = 0,
           .cross_low = 0,
           .cross_high = 2},
          PH_NO},
         OK,
         OK,
         OK,
         OK,
         OK,
         NO,
         OK},
        {"sequential",
         0,
         {APDM, {.type = PH_ALLOCATION_SEQUENTIAL, .step = 1, .cross_rate = -1}, PH_NO},
         OK,
         OK,
         OK,
         OK,
         UN,
         NO,
         OK},
        {"sequential",
         20,
         {APDM, {.type = PH_ALLOCATION_RANDOM}, PH_NO},
         OK,
         OK,
         BAD,
         BAD,
         BAD,
         NO,
         OK},
        /* One socket cannot tell luck from habit; but it can tell the port that it has. */
        {"block-eim",
         0,
         {PH_MAPPING_EIM,
          PH_FILTERING_APDF,
          {.type = PH_ALLOCATION_PRESERVING, .last = 61000},
          PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         NO,
         OK},
        {"block-eim",
         0,
         {PH_MAPPING_EIM,
          PH_FILTERING_APDF,
          {.type = PH_ALLOCATION_PRESERVING, .last = 61001},
          PH_NO},
         OK,
         OK,
         BAD,
         NO,
         NO,
         NO,
         OK},
        {"port-preserving",
         0,
         {PH_MAPPING_EIM,
          PH_FILTERING_APDF,
          {.type = PH_ALLOCATION_ONE_PORT, .last = 61000},
          PH_NO},
         OK,
         OK,
         BAD,
         NO,
         NO,
         NO,
         OK},
        {"hairpin",
         0,
         {PH_MAPPING_EIM, PH_FILTERING_APDF, {.type = PH_ALLOCATION_PRESERVING}, PH_NO},
         OK,
         OK,
         OK,
         NO,
         NO,
         NO,
         BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct truth_verdict v;
        compare(cases[i].profile, cases[i].flows, &cases[i].report, &v);
        const int got[] = {(int)v.mapping, (int)v.filtering, (int)v.allocation, (int)v.step,
                           (int)v.drift,   (int)v.block,     (int)v.hairpin};
        const int want[] = {cases[i].mapping, cases[i].filtering, cases[i].allocation,
                            cases[i].step,    cases[i].drift,     cases[i].block,
                            cases[i].hairpin};
        for (size_t k = 0; k < 7; k++)
            if (got[k] != want[k])
                fail_msg("case %zu (%s): verdict %zu is %d", i, cases[i].profile, k, got[k]);
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
