/* Populations: what is read, what share of all calls each pair of ends is, and how a number of
 * trials is dealt out to them. */
#include "lab/run/spread.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "name: x\ntopology: two-nats\ntrials: 1000\n"
#define GROUP                                                                                      \
    "population:\n"                                                                                \
    "  home: {share: 60%, maps: true, nats: {port-preserving: 90%, open: 10%}}\n"                  \
    "  mobile: {share: 40%, nats: {random: 75%, port-preserving: 25%}}\n"
#define ENDS "a.nat: population, b.nat: same"
#define MAPS "a.port_mapping: [none, all], b.port_mapping: same"

static struct scenario *parse(const char *text)
{
    struct scenario *s = NULL;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", text, strlen(text), &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9)
        fail_msg("%.9f is not %.9f", a, b);
}

static void test_shares(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD GROUP "matrix: {" ENDS "}\n");
    const struct population *p = &s->population;
    const struct population_nat *nats[8];
    assert_int_equal(population_nats(p, nats, 8), 3);
    assert_string_equal(nats[0]->name, "port-preserving");
    assert_string_equal(nats[2]->name, "random");
    near(population_share(p, "port-preserving", false, 0.0), 0.64); /* of both groups */
    near(population_share(p, "port-preserving", true, 0.5), 0.27);  /* of home alone */
    near(population_share(p, "port-preserving", false, 0.5), 0.37);
    near(population_share(p, "open", true, 0.5), 0.0); /* it translates nothing */
    near(population_share(p, "open", false, 0.5), 0.06);
    near(population_share(p, "random", true, 1.0), 0.0); /* nobody's router */
    near(population_share(p, "full-cone", false, 0.0), 0.0);
    scenario_free(s);
}

static const struct cell *find(const struct matrix *m, const char *key)
{
    for (size_t c = 0; c < m->count; c++)
        if (strcmp(m->cells[c].key, key) == 0)
            return &m->cells[c];
    fail_msg("no cell %s", key);
    return NULL;
}

static void test_cells(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD GROUP "matrix: {gateway: [drop, accept], mapping_routers: [0%, "
                                          "50%], " ENDS ", " MAPS "}\n");
    struct matrix m;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    /* Without mapping routers 3 ends, with them 4: port-preserving in both ways. */
    assert_int_equal(m.count, 2 * (3 * 3 + 4 * 4));
    near(find(&m, "gateway=drop,mapping_routers=0%,a.nat=open,b.nat=random,a.port_mapping=none,"
                  "b.port_mapping=none")
             ->weight,
         0.06 * 0.3);
    near(find(&m, "gateway=accept,mapping_routers=50%,a.nat=port-preserving,b.nat=port-preserving,"
                  "a.port_mapping=all,b.port_mapping=none")
             ->weight,
         0.27 * 0.37);
    size_t of[64];
    assert_int_equal(spread_strata(s, &m, of), 4);
    for (size_t k = 0; k < 4; k++) {
        double sum = 0.0;
        unsigned trials = 0;
        for (size_t c = 0; c < m.count; c++) {
            sum += of[c] == k ? m.cells[c].weight : 0.0;
            trials += of[c] == k ? m.cells[c].trials : 0;
        }
        near(sum, 1.0);
        assert_int_equal(trials, 1000);
    }
    matrix_free(&m);
    scenario_free(s);
}

/* Each cell gets its share, rounded up or down; over many seeds its mean is the share itself. */
static void test_draw(void **state)
{
    enum {
        SEEDS = 4000,
        TRIALS = 37
    };
    (void)state;
    struct scenario *s = parse(HEAD GROUP "matrix: {" ENDS "}\n");
    struct matrix m;
    struct lab_error err = {0};
    double mean[16] = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 9);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        unsigned all = 0;
        assert_int_equal(spread_trials(s, &m, TRIALS, seed), 0);
        for (size_t c = 0; c < m.count; c++) {
            double share = m.cells[c].weight * TRIALS;
            assert_true(fabs((double)m.cells[c].trials - share) < 1.0 + 1e-9);
            mean[c] += (double)m.cells[c].trials / SEEDS;
            all += m.cells[c].trials;
        }
        assert_int_equal(all, TRIALS);
    }
    /* A fraction of a trial has a deviation of at most 1/2: five of the mean's. */
    for (size_t c = 0; c < m.count; c++)
        assert_true(fabs(mean[c] - m.cells[c].weight * TRIALS) < 5 * 0.5 / sqrt(SEEDS));
    unsigned first = m.cells[0].trials, second = m.cells[1].trials;
    assert_int_equal(spread_trials(s, &m, TRIALS, SEEDS - 1), 0); /* the same again */
    assert_int_equal(m.cells[0].trials, first);
    assert_int_equal(m.cells[1].trials, second);
    matrix_free(&m);
    scenario_free(s);

    /* What a file leaves out is left out of the shares. */
    s = parse(HEAD GROUP "matrix: {" ENDS "}\nexclude: [{a.nat: \"!open\"}]\n");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 3);
    assert_int_equal(m.cells[0].trials + m.cells[1].trials + m.cells[2].trials, 1000);
    assert_true(m.cells[0].trials == 640 || m.cells[0].trials == 639 || m.cells[0].trials == 641);
    matrix_free(&m);
    scenario_free(s);

    /* Without a population all cells have as many. */
    s = parse(HEAD "matrix: {a.nat: [open, random], b.nat: [open]}\n");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.cells[1].trials, 1000);
    matrix_free(&m);
    scenario_free(s);
}

static void test_bad(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {HEAD "population: home\nmatrix: {" ENDS "}\n",
         "s.yaml:4:13: population must be a mapping of groups"},
        {HEAD "population: {home: 60%}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:20: home must be a mapping such as {share: 60%, nats:"},
        {HEAD "population: {home: {share: 60%}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:20: home has no nats"},
        {HEAD "population: {home: {share: 60%, nat: {}}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:33: unknown key \"nat\"; did you mean \"nats\"?"},
        {HEAD "population: {home: {share: 60, nats: {open: 100%}}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:28: share is \"60\"; it must be a percentage such as 1%"},
        {HEAD "population: {home: {share: 60%, nats: {open: 100%}}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:13: the shares of the groups come to 60%; they must come to 100%"},
        {HEAD "population: {home: {share: 100%, nats: {open: 90%}}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:40: the shares of home come to 90%; they must come to 100%"},
        {HEAD "population: {home: {share: 100%, nats: {opne: 100%}}}\nmatrix: {" ENDS "}\n",
         "s.yaml:4:41: nats: no NAT profile is named \"opne\": did you mean \"open\"?"},
        {HEAD "matrix: {" ENDS "}\n",
         "s.yaml:4:17: a.nat is \"population\", but the scenario has none"},
        {HEAD "matrix: {a.nat: [open], mapping_routers: [0%]}\n",
         "s.yaml:4:25: the axis mapping_routers is of a population's routers, and the scenario has "
         "no population"},
        {HEAD GROUP "matrix: {mapping_routers: [half], " ENDS "}\n",
         "s.yaml:7:28: mapping_routers is \"half\"; it must be a percentage"},
        {HEAD GROUP "matrix: {mapping_routers: [50%], " ENDS "}\n",
         "s.yaml:5:3: the cells of the matrix are 53.3% of all calls; a.nat and b.nat must be"},
        {HEAD GROUP "matrix: {a.nat: population, b.nat: [open]}\n",
         "s.yaml:5:3: the cells of the matrix are 6% of all calls"},
        {HEAD GROUP "matrix: {" ENDS "}\npairs: unordered\n",
         "s.yaml:5:3: who calls and who is called are drawn from the population; leave out pairs"},
        {HEAD GROUP "matrix: {" ENDS "}\ninclude: [{a.nat: open, b.nat: open}]\n",
         "s.yaml:5:3: who calls and who is called are drawn from the population; leave out incl"},
        {"name: x\ntopology: two-nats\nsubject: map\n" GROUP "matrix: {a.nat: population}\n",
         "s.yaml:5:3: population means nothing to subject map; leave it out"},
        /* A cell by itself may have no trial at all. */
        {HEAD GROUP "matrix: {" ENDS "}\nexpect:\n  - {rate: direct, at_least: 0.9}\n",
         "s.yaml:9:5: at_least 0.9 cannot be reached: the 95% interval of "},
        {HEAD GROUP "matrix: {" ENDS
                    "}\nexpect:\n  - {rate: direct, at_least: 0.999, pool: true}\n",
         "s.yaml:9:5: at_least 0.999 cannot be reached: the 95% interval of 1000 trials"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario *s = NULL;
        struct lab_error err = {0};
        if (scenario_parse("s.yaml", cases[i].text, strlen(cases[i].text), &s, &err) == 0)
            fail_msg("case %zu was taken", i);
        if (strncmp(err.text, cases[i].said, strlen(cases[i].said)) != 0)
            fail_msg("case %zu: %s\n not: %s", i, err.text, cases[i].said);
    }
}

/* "!x" is everything but x. */
static void test_everything_but(void **state)
{
    (void)state;
    struct scenario *s =
        parse(HEAD GROUP "matrix: {" ENDS "}\nexpect:\n"
                         "  - {when: {a.nat: \"!open\"}, rate: direct, is: all}\n");
    struct matrix m;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    size_t n = 0;
    for (size_t c = 0; c < m.count; c++) {
        bool open = strcmp(matrix_value(s, &m.cells[c], "a.nat"), "open") == 0;
        bool held = scenario_match(s, &s->expects[0].when, m.cells[c].values);
        assert_int_equal(held, !open);
        n += held ? 1 : 0;
    }
    assert_int_equal(n, 6);
    matrix_free(&m);
    scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),         cmocka_unit_test(test_cells),
        cmocka_unit_test(test_draw),           cmocka_unit_test(test_bad),
        cmocka_unit_test(test_everything_but),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
