/* The sweeps: the scenarios that they are, and what they make of made-up trials. */
#include "lab/bench/sweep.h"
#include "nat/birthday.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct made {
    struct sweep sweep;
    struct scenario *scenario;
    struct run run;
    struct sheet *sheet;
};

static struct made begin(enum sweep_kind kind, unsigned trials)
{
    struct made m = {0};
    sweep_init(&m.sweep, kind);
    m.sweep.trials = trials;
    return m;
}

static void set(struct made *m, enum sweep_of of, const char *values)
{
    assert_true(sweep_parse(values, &m->sweep.lists[of]));
}

static void make_run(struct made *m)
{
    struct matrix matrix;
    struct lab_error err = {0};
    char *text = sweep_scenario(&m->sweep);
    assert_non_null(text);
    if (scenario_parse("made", text, strlen(text), &m->scenario, &err) != 0)
        fail_msg("%s\n%s", err.text, text);
    free(text);
    assert_int_equal(matrix_expand(m->scenario, &matrix, &err), 0);
    assert_int_equal(run_init(&m->run, m->scenario, &matrix, m->sweep.trials, &err), 0);
    m->run.world = "sim";
}

static void make_sheet(struct made *m)
{
    struct lab_error err = {0};
    m->sheet = sheet_new("made");
    assert_non_null(m->sheet);
    if (sweep_sheet(&m->sweep, &m->run, m->sheet, &err) != 0)
        fail_msg("%s", err.text);
}

static void drop(struct made *m)
{
    sheet_free(m->sheet);
    run_fini(&m->run);
    scenario_free(m->scenario);
}

static const char *cell(const struct sheet *s, size_t table, size_t row, size_t column)
{
    assert_true(table < s->table_count && row < s->tables[table].rows);
    return s->tables[table].cells[row * SHEET_COLUMNS_MAX + column];
}

/* A call that a stage joined after so many probes; 0: none did. */
static void add(struct made *m, size_t at, unsigned trial, enum ph_stage stage, unsigned hit,
                unsigned sockets)
{
    struct trial_result r;
    run_lab_error(&r, "made");
    r.status = TRIAL_OK;
    r.connected = true;
    r.direct = hit > 0;
    r.stage = hit > 0 ? stage : PH_STAGE_RELAY;
    r.setup_direct = hit > 0 ? hit * PH_MS : PH_NEVER;
    r.stages[stage].probes = r.stages[stage].probes_to_hit = hit;
    r.stages[stage].sockets = sockets;
    r.stages[stage].packets = hit + sockets;
    r.stages[stage].mappings = sockets + 3;
    run_add(&m->run, at, trial, &r);
}

static void test_lists(void **state)
{
    (void)state;
    struct sweep_list l;
    assert_true(sweep_parse("64", &l));
    assert_int_equal(l.count, 1);
    assert_true(sweep_parse("20ms,80ms-1%", &l));
    assert_int_equal(l.count, 2);
    assert_string_equal(l.values[1], "80ms-1%");
    assert_false(sweep_parse("", &l));
    assert_false(sweep_parse("1,,2", &l));
    assert_false(sweep_parse("1,2,", &l));
    assert_false(sweep_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", &l));
}

/* Each kind's own sweep is a scenario that loads, and all that it has can be swept. */
static void test_scenarios(void **state)
{
    static const size_t cells[SWEEP_KINDS] = {3, 3 * 6, 7 * 2 * 2};
    (void)state;
    for (int kind = 0; kind < SWEEP_KINDS; kind++) {
        struct made m = begin((enum sweep_kind)kind, 2);
        make_run(&m);
        assert_int_equal(m.run.matrix.count, cells[kind]);
        for (int of = 0; of < SWEEP_OF_COUNT; of++)
            if (m.sweep.lists[of].count > 0)
                assert_true(sweep_has((enum sweep_kind)kind, (enum sweep_of)of));
        make_sheet(&m); /* of no trial at all */
        drop(&m);
    }
    struct made m = {0};
    sweep_init(&m.sweep, SWEEP_BIRTHDAY);
    set(&m, SWEEP_RANGE, "1024-65535,30000-34095");
    set(&m, SWEEP_RATE, "10,200");
    set(&m, SWEEP_PROBE, "check,quic-initial");
    make_run(&m);
    assert_int_equal(m.run.matrix.count, 3 * 2 * 2 * 2);
    assert_true(m.scenario->give_up >= 1200 / 10 * PH_SEC); /* the slowest may end */
    drop(&m);
}

/* 100 trials, of which the t-th hits at its 10 (t + 1)th probe, if that is at most 800. */
static void test_birthday(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_BIRTHDAY, 100);
    char text[32];
    set(&m, SWEEP_OPENERS, "64,256");
    set(&m, SWEEP_PROBES, "800");
    set(&m, SWEEP_GATEWAY, "drop,accept");
    make_run(&m);
    assert_int_equal(m.run.matrix.count, 4);
    for (unsigned t = 0; t < 100; t++)
        add(&m, 0, t, PH_STAGE_BIRTHDAY, t < 80 ? 10 * (t + 1) : 0, 60);
    make_sheet(&m);
    /* A table and a chart for each gateway, a row and three series for each number of openers. */
    assert_int_equal(m.sheet->table_count, 2);
    assert_int_equal(m.sheet->chart_count, 2);
    assert_string_equal(m.sheet->tables[0].title,
                        "a.nat=port-restricted b.nat=random gateway=drop");
    assert_int_equal(m.sheet->tables[0].rows, 2);
    assert_int_equal(m.sheet->charts[0].count, 6);
    assert_string_equal(cell(m.sheet, 0, 0, 0), "64");
    uint32_t planned = (uint32_t)strtoul(cell(m.sheet, 0, 0, 1), NULL, 10);
    assert_in_range(planned, 32, 64);                  /* some may be kept back */
    assert_string_equal(cell(m.sheet, 0, 0, 2), "60"); /* what they had */
    assert_string_equal(cell(m.sheet, 0, 0, 3), "64512");
    assert_string_equal(cell(m.sheet, 0, 0, 4), "100");
    assert_string_equal(cell(m.sheet, 0, 0, 5), "500");
    assert_string_equal(cell(m.sheet, 0, 0, 7), "10.0% (5.5-17.4)"); /* by 100 */
    /* The likeliest ports come first: netfilter draws them twice as often. */
    const struct ph_allocation random = {.type = PH_ALLOCATION_RANDOM};
    struct ph_port_order order;
    ph_birthday_order(&random, false, 1, &order);
    snprintf(text, sizeof(text), "%.1f%%",
             100.0 * ph_birthday_order_success(&random, &order, planned, 100));
    assert_string_equal(cell(m.sheet, 0, 0, 8), text);
    assert_string_equal(cell(m.sheet, 0, 0, 13), "80.0% (71.1-86.7)"); /* by 800 */
    /* The exact curve is another one than this made-up line. */
    assert_string_not_equal(cell(m.sheet, 0, 0, 15), "0 of 12");
    const struct chart_series *points = &m.sheet->charts[0].series[0];
    assert_int_equal(points->count, 12);
    assert_true(points->points[11].x > 799.9 && points->points[11].y > 0.7999);
    assert_true(points->points[11].low < 0.72 && points->points[11].high > 0.86);
    assert_true(m.sheet->charts[0].series[1].line && !m.sheet->charts[0].series[1].dashed);
    assert_true(m.sheet->charts[0].series[2].dashed);
    /* Nothing was run there. */
    assert_string_equal(cell(m.sheet, 0, 1, 2), "0");
    assert_string_equal(cell(m.sheet, 0, 1, 7), "-");
    drop(&m);
}

/* Trials that are drawn from the exact chances lie on the line. */
static void test_birthday_on_the_line(void **state)
{
    enum {
        TRIALS = 1000,
        OPENERS = 32
    };
    (void)state;
    struct made m = begin(SWEEP_BIRTHDAY, TRIALS);
    set(&m, SWEEP_OPENERS, "32");
    make_run(&m);
    make_sheet(&m);
    const struct chart_series *line = &m.sheet->charts[0].series[1];
    for (unsigned t = 0; t < TRIALS; t++) {
        /* The first probe by which so many have hit, between two of the line's points. */
        double share = (t + 0.5) / TRIALS;
        unsigned hit = 0;
        for (size_t i = 1; i < line->count && hit == 0; i++) {
            const struct chart_point *a = &line->points[i - 1], *b = &line->points[i];
            if (b->y > share)
                hit = 1 + (unsigned)(a->x + (b->x - a->x) * (share - a->y) / (b->y - a->y));
        }
        add(&m, 0, t, PH_STAGE_BIRTHDAY, hit, OPENERS);
    }
    sheet_free(m.sheet);
    make_sheet(&m);
    assert_string_equal(cell(m.sheet, 0, 0, 15), "0 of 12");
    drop(&m);
}

/* What another move hit after the fan had failed is no hit of the fan's. */
static void test_birthday_second_move(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_BIRTHDAY, 2);
    set(&m, SWEEP_OPENERS, "64");
    make_run(&m);
    for (unsigned t = 0; t < 2; t++) {
        struct trial_result r;
        run_lab_error(&r, "made");
        r.status = TRIAL_OK;
        r.connected = r.direct = true;
        r.stage = PH_STAGE_BIRTHDAY;
        r.stages[PH_STAGE_BIRTHDAY] = (struct ph_stage_report){
            .state = PH_STAGE_WON, .sockets = 48, .openers = t == 0 ? 48 : 348, .probes_to_hit = 5};
        run_add(&m.run, 0, t, &r);
    }
    make_sheet(&m);
    assert_string_equal(cell(m.sheet, 0, 0, 13), "50.0% (9.5-90.5)");
    drop(&m);
}

static void test_birthday_blocks(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_BIRTHDAY, 1);
    set(&m, SWEEP_CALLEE, "block-512");
    set(&m, SWEEP_BLOCK, "512,1024");
    set(&m, SWEEP_OPENERS, "32");
    make_run(&m);
    make_sheet(&m);
    assert_int_equal(m.sheet->table_count, 2);
    assert_string_equal(cell(m.sheet, 0, 0, 3), "512");
    assert_string_equal(cell(m.sheet, 1, 0, 3), "1024");
    drop(&m);
}

static void test_strategies(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_STRATEGIES, 10);
    set(&m, SWEEP_CALLEE, "random");
    set(&m, SWEEP_STRATEGY, "pinhole,frp");
    make_run(&m);
    for (unsigned t = 0; t < 10; t++) {
        add(&m, 0, t, PH_STAGE_BIRTHDAY, 100 + t, 256);
        add(&m, 2, t, PH_STAGE_BIRTHDAY, t < 5 ? 500 : 0, 256);
    }
    make_sheet(&m);
    assert_int_equal(m.sheet->table_count, 3); /* one for each gateway, and the moves */
    assert_string_equal(cell(m.sheet, 0, 0, 0), "pinhole");
    assert_string_equal(cell(m.sheet, 0, 0, 2), "100.0% (72.2-100.0)");
    assert_string_equal(cell(m.sheet, 0, 0, 3), "104");
    assert_string_equal(cell(m.sheet, 0, 0, 4), "360");
    assert_string_equal(cell(m.sheet, 0, 0, 5), "365");
    assert_string_equal(cell(m.sheet, 0, 0, 6), "259");
    assert_string_equal(cell(m.sheet, 0, 0, 8), "104");
    assert_string_equal(cell(m.sheet, 0, 1, 0), "frp");
    assert_string_equal(cell(m.sheet, 0, 1, 2), "50.0% (23.7-76.3)");
    assert_string_equal(cell(m.sheet, 1, 0, 2), "-"); /* gateway accept was not run */
    assert_string_equal(cell(m.sheet, 2, 1, 0), "frp");
    assert_true(m.sheet->charts[0].bars);
    drop(&m);
}

static void test_predict(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_PREDICT, 20);
    set(&m, SWEEP_OPENERS, "64,256");
    set(&m, SWEEP_DRIFT, "0,20");
    make_run(&m);
    assert_int_equal(m.run.matrix.count, 4);
    for (size_t c = 0; c < 4; c++)
        for (unsigned t = 0; t < 20; t++)
            add(&m, c, t, PH_STAGE_PREDICT, c == 0 && t == 0 ? 0 : 5, 64);
    make_sheet(&m);
    assert_int_equal(m.sheet->table_count, 1);
    assert_int_equal(m.sheet->chart_count, 1);
    const struct chart *c = &m.sheet->charts[0];
    assert_int_equal(c->count, 4);
    assert_true(c->x_max > 19.9 && c->x_max < 20.1);
    assert_string_equal(c->series[0].name, "up to 64 sockets, measured");
    assert_int_equal(c->series[0].count, 2);
    assert_string_equal(cell(m.sheet, 0, 0, 0), "64");
    assert_string_equal(cell(m.sheet, 0, 0, 3), "95.0% (76.4-99.1)");
    assert_string_equal(cell(m.sheet, 0, 1, 1), "20");
    assert_string_equal(cell(m.sheet, 0, 3, 0), "256");
    assert_string_equal(cell(m.sheet, 0, 3, 3), "100.0% (83.9-100.0)");
    /* The plan has such a move for a counter against an easy side, and calls it likely. */
    assert_true(c->series[1].line);
    assert_int_equal(c->series[1].count, 2);
    assert_true(c->series[1].points[0].y > 0.5);
    drop(&m);
}

/* More groups than a page holds: said, not left out. */
static void test_too_many(void **state)
{
    (void)state;
    struct made m = begin(SWEEP_BIRTHDAY, 1);
    struct lab_error err = {0};
    set(&m, SWEEP_OPENERS, "64");
    set(&m, SWEEP_RATE, "10,20,30,40,50,60,70,80,90,100,110");
    set(&m, SWEEP_LINK, "0ms,10ms,20ms");
    make_run(&m);
    m.sheet = sheet_new("made");
    assert_int_equal(sweep_sheet(&m.sweep, &m.run, m.sheet, &err), -1);
    assert_int_equal(err.code, LAB_CANNOT);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_birthday),
        cmocka_unit_test(test_birthday_on_the_line),
        cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_birthday_blocks),
        cmocka_unit_test(test_birthday_second_move),
        cmocka_unit_test(test_predict),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
