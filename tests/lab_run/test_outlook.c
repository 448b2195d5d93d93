/* What the plan makes of the shipped scenarios' pairs, by what their profiles declare. */
#include "lab/data.h"
#include "lab/run/matrix.h"
#include "lab/run/outlook.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct loaded {
    struct scenario *s;
    struct matrix m;
    struct world_spec *spec;
    struct layout *layout;
};

static void load(struct loaded *l, const char *name)
{
    char relative[64], path[PATH_MAX];
    struct lab_error err = {0};
    memset(l, 0, sizeof(*l));
    snprintf(relative, sizeof(relative), "scenarios/%s.yaml", name);
    if (scenario_load(lab_data_path(relative, path, sizeof(path)), &l->s, &err) != 0 ||
        matrix_expand(l->s, &l->m, &err) != 0)
        fail_msg("%s", err.text);
    l->spec = calloc(1, sizeof(*l->spec));
    l->layout = calloc(1, sizeof(*l->layout));
    assert_non_null(l->spec);
    assert_non_null(l->layout);
}

static const struct layout *layout_of(struct loaded *l, size_t cell)
{
    struct lab_error err = {0};
    if (matrix_world(l->s, &l->m.cells[cell], 0, l->spec, &err) != 0 ||
        layout_compute(l->spec, l->layout, &err) != 0)
        fail_msg("%s", err.text);
    return l->layout;
}

static void drop(struct loaded *l)
{
    free(l->layout);
    free(l->spec);
    matrix_free(&l->m);
    scenario_free(l->s);
}

static void test_scenarios(void **state)
{
    static const struct {
        const char *name;
        enum outlook outlook; /* of all its cells */
    } cases[] = {
        {"hopeless", OUTLOOK_HOPELESS},        {"predict", OUTLOOK_JOINABLE},
        {"birthday", OUTLOOK_JOINABLE},        {"easy", OUTLOOK_JOINABLE},
        {"birthday-blocks", OUTLOOK_JOINABLE}, {"strategies", OUTLOOK_JOINABLE},
        {"small-router", OUTLOOK_JOINABLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded l;
        load(&l, cases[i].name);
        for (size_t c = 0; c < l.m.count; c++)
            if (outlook_of(layout_of(&l, c)) != cases[i].outlook)
                fail_msg("%s: %s", cases[i].name, l.m.cells[c].key);
        drop(&l);
    }
}

/* A router that maps joins what nothing else does; one behind a carrier does not. */
static void test_mapped(void **state)
{
    (void)state;
    struct loaded l;
    load(&l, "portmap");
    for (size_t c = 0; c < l.m.count; c++) {
        const char *nat = matrix_value(l.s, &l.m.cells[c], "a.nat");
        const char *mapping = matrix_value(l.s, &l.m.cells[c], "port_mapping");
        bool mapped = strcmp(mapping, "none") != 0 && strcmp(mapping, "off") != 0 &&
                      strcmp(nat, "cgnat") != 0;
        enum outlook o = outlook_of(layout_of(&l, c));
        if (mapped)
            assert_int_equal(o, OUTLOOK_JOINABLE);
        else if (strcmp(nat, "port-preserving") != 0)
            assert_int_equal(o, OUTLOOK_HOPELESS);
    }
    drop(&l);
}

/* The ceiling of the field mix, worked out by hand: 1.2% of all ends have no UDP, 4.35% random
 * ports, 0.48% count, 5% draw from blocks, which random ones cannot be joined with. */
static void test_field(void **state)
{
    (void)state;
    struct loaded l;
    double all = 0.0, udp = 0.0, joinable = 0.0;
    load(&l, "field");
    for (size_t c = 0; c < l.m.count; c++) {
        const char *share = matrix_value(l.s, &l.m.cells[c], "mapping_routers");
        const char *gateway = matrix_value(l.s, &l.m.cells[c], "gateway");
        if (strcmp(share, "0%") != 0 || strcmp(gateway, "drop") != 0)
            continue;
        enum outlook o = outlook_of(layout_of(&l, c));
        all += l.m.cells[c].weight;
        udp += o != OUTLOOK_NO_UDP ? l.m.cells[c].weight : 0.0;
        joinable += o == OUTLOOK_JOINABLE ? l.m.cells[c].weight : 0.0;
    }
    assert_true(fabs(all - 1.0) < 1e-9);
    assert_true(fabs(udp - 0.988 * 0.988) < 1e-9);
    double hopeless = 0.0435 * 0.0435 + 2 * 0.0435 * (0.0048 + 0.05);
    assert_true(fabs(joinable - (udp - hopeless)) < 1e-9);
    assert_true(fabs(joinable - 0.9695) < 0.0001);
    drop(&l);
}

/* The facts are what the profiles declare. */
static void test_facts(void **state)
{
    (void)state;
    struct loaded l;
    struct ph_plan_input in;
    load(&l, "birthday-blocks");
    assert_true(outlook_facts(layout_of(&l, l.m.count - 1), &in));
    assert_int_equal(in.side[0].mapping, PH_MAPPING_APDM);
    assert_int_equal(in.side[0].allocation.type, PH_ALLOCATION_BLOCK);
    assert_int_equal(in.side[0].allocation.high - in.side[0].allocation.low + 1, 1024);
    assert_int_equal(in.side[1].mapping, PH_MAPPING_EIM);
    assert_int_equal(in.side[1].filtering, PH_FILTERING_APDF);
    assert_int_equal(in.side[0].gateway, PH_GATEWAY_UNKNOWN); /* nobody can see it */
    assert_int_equal(in.direct, 80 * PH_MS);
    assert_int_equal(in.signalling, 40 * PH_MS);
    drop(&l);
    load(&l, "predict");
    for (size_t c = 0; c < l.m.count; c++) {
        assert_true(outlook_facts(layout_of(&l, c), &in));
        const char *nat = matrix_value(l.s, &l.m.cells[c], "a.nat");
        const char *flows = matrix_value(l.s, &l.m.cells[c], "background");
        if (strcmp(nat, "sequential-down") != 0)
            continue;
        assert_int_equal(in.side[0].allocation.type, PH_ALLOCATION_SEQUENTIAL);
        assert_int_equal(in.side[0].allocation.step, -1);
        assert_true(fabs(in.side[0].allocation.cross_rate - strtod(flows, NULL)) < 1e-9);
    }
    drop(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_field),
        cmocka_unit_test(test_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
