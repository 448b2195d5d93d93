/* The section `faults` of scenarios, what is said of bad ones, and what a seed makes of a plan. */
#include "lab/run/fault_schedule.h"
#include "lab/run/matrix.h"
#include "lab/run/trial.h"
#include "lab/topo/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "name: x\ntopology: two-nats\n"

static struct scenario *parse(const char *text)
{
    struct scenario *s = NULL;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", text, strlen(text), &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static const struct fault_step *step(const struct scenario *s, const char *name, size_t i)
{
    const struct fault_plan *plan = fault_plan_find(&s->faults, name);
    assert_non_null(plan);
    assert_true(i < plan->step_count);
    return &plan->steps[i];
}

static void test_plans(void **state)
{
    (void)state;
    struct scenario *s = parse(
        HEAD "matrix: {fault: [none, one, several, storm]}\n"
             "faults:\n"
             "  one: {do: blackhole, direction: up, at: 2s-6s}\n"
             "  several:\n"
             "    - {do: reboot-nat, where: both, at: 1s}\n"
             "    - {do: link-down, where: b, at: 1500ms}\n"
             "  storm: {do: [reboot-nat, blackout, kill-relay], where: any, at: 0s-5s, every: 5s,\n"
             "          until: 30m, for: 1s}\n");
    assert_int_equal(s->faults.count, 3);
    const struct fault_step *f = step(s, "one", 0);
    assert_int_equal(f->kinds[0], INCIDENT_BLACKHOLE);
    assert_int_equal(f->direction, INCIDENT_UP);
    assert_true(f->from == 2 * PH_SEC && f->to == 6 * PH_SEC && f->times == 1);
    assert_true(fault_step_lasts(f, INCIDENT_BLACKHOLE) == PH_NEVER);
    f = step(s, "several", 0);
    assert_int_equal(f->where, FAULT_AT_BOTH);
    assert_true(f->from == PH_SEC && f->to == PH_SEC);
    assert_true(fault_step_lasts(f, INCIDENT_REBOOT_NAT) == 0);
    f = step(s, "several", 1);
    assert_int_equal(f->where, FAULT_AT_B);
    assert_true(fault_step_lasts(f, INCIDENT_LINK_DOWN) == 2 * PH_SEC);
    f = step(s, "storm", 0);
    assert_int_equal(f->kind_count, 3);
    assert_int_equal(f->where, FAULT_AT_ANY);
    assert_int_equal(f->times, 360);
    assert_true(f->every == 5 * PH_SEC);
    assert_true(fault_step_lasts(f, INCIDENT_BLACKOUT) == PH_SEC);
    assert_true(fault_step_lasts(f, INCIDENT_KILL_RELAY) == 0);
    assert_true(fault_plan_over(fault_plan_find(&s->faults, "one")) == 6 * PH_SEC);
    assert_true(fault_plan_over(fault_plan_find(&s->faults, "several")) == 3500 * PH_MS);
    assert_true(fault_plan_over(fault_plan_find(&s->faults, "storm")) == 1801 * PH_SEC);
    assert_false(fault_plan_moves_hosts(fault_plan_find(&s->faults, "one")));
    assert_true(fault_plan_moves_hosts(fault_plan_find(&s->faults, "several")));
    assert_null(fault_plan_find(&s->faults, "none"));
    scenario_free(s);
}

/* The axis has both meanings; a plan's name says nothing of the router. */
static void test_axis(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD "matrix: {port_mapping: [none, upnp], "
                                    "fault: [none, dies, wrong-nonce]}\n"
                                    "exclude: [{port_mapping: upnp, fault: wrong-nonce}]\n"
                                    "faults: {dies: {do: blackhole, at: 1s}}\n");
    struct matrix m;
    static struct world_spec spec;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 5);
    for (size_t i = 0; i < m.count; i++) {
        const char *fault = matrix_value(s, &m.cells[i], "fault");
        bool upnp = strcmp(matrix_value(s, &m.cells[i], "port_mapping"), "upnp") == 0;
        bool dies = strcmp(fault, "dies") == 0, bad = strcmp(fault, "wrong-nonce") == 0;
        struct trial_spec ts;
        matrix_trial(s, &m.cells[i], &ts);
        assert_int_equal(ts.faults != NULL, dies);
        if (dies)
            assert_string_equal(ts.faults->name, "dies");
        if (matrix_world(s, &m.cells[i], 1, &spec, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(spec.routers[0].fault, bad ? "wrong-nonce" : "");
        assert_int_equal(spec.routers[0].protocols != 0, upnp || bad);
    }
    matrix_free(&m);
    scenario_free(s);
    /* Without the axis port_mapping the router is what its profile says. */
    s = parse(HEAD "matrix: {fault: [none, dies]}\nfaults: {dies: {do: blackhole, at: 1s}}\n");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    for (size_t i = 0; i < m.count; i++) {
        assert_int_equal(matrix_world(s, &m.cells[i], 1, &spec, &err), 0);
        assert_false(spec.routers[0].set);
    }
    matrix_free(&m);
    scenario_free(s);
}

#define ONE(text) HEAD "matrix: {fault: [f]}\nfaults:\n  f: " text "\n"

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {HEAD "matrix: {link: 0ms}\nfaults: []\n",
         "s.yaml:4:9: faults must be a mapping of names, such as {path-dies: {do: blackhole, at: "
         "3s}}"},
        {HEAD "matrix: {link: 0ms}\nfaults:\n  f: {do: blackhole, at: 1s}\n",
         "s.yaml:5:3: \"f\" is no value of the axis fault: no cell has it"},
        {HEAD "matrix: {fault: [g]}\nfaults:\n  gg: {do: blackhole, at: 1s}\n",
         "s.yaml:3:18: no router has the fault \"g\", and `faults` names none so: did you mean "
         "\"gg\"? (man natlab has the table)"},
        {HEAD "matrix: {fault: [f]}\nfaults:\n  wrong-nonce: {do: blackhole, at: 1s}\n",
         "s.yaml:5:3: \"wrong-nonce\" is a fault that a router has (man natlab has the table); "
         "choose another name"},
        {HEAD "matrix: {fault: [f]}\nfaults:\n  none: {do: blackhole, at: 1s}\n",
         "s.yaml:5:3: \"none\" is the value of no fault; choose another name"},
        {HEAD "matrix: {fault: [f]}\nfaults:\n  \"a b\": {do: blackhole, at: 1s}\n",
         "s.yaml:5:4: a fault is named \"a b\"; a name may have a-z, 0-9, - _ . and at most 47 of "
         "them"},
        {ONE("3s"), "s.yaml:5:6: a fault must be a mapping such as {do: blackhole, at: 3s}"},
        {ONE("[]"), "s.yaml:5:6: a list of faults has from 1 to 16"},
        {ONE("{at: 1s}"), "s.yaml:5:6: a fault must say what happens, such as do: blackhole"},
        {ONE("{do: blackhole}"),
         "s.yaml:5:6: a fault must say when it happens, such as at: 3s or at: 2s-6s, counted from "
         "the first media in both directions"},
        {ONE("{do: blackholes, at: 1s}"),
         "s.yaml:5:11: do is \"blackholes\"; did you mean \"blackhole\"? Known are: "
         "flush-conntrack, reboot-nat, renumber-wan, change-interface, link-down, block-udp, "
         "blackhole, blackout, kill-relay, restart-relay"},
        {ONE("{do: [blackout, blackout], at: 1s}"),
         "s.yaml:5:22: do: \"blackout\" stands in the list a second time"},
        {ONE("{do: blackout, at: 1s, were: a}"), "s.yaml:5:29: "},
        {ONE("{do: blackhole, at: 1s, where: a}"),
         "s.yaml:5:37: where means nothing to blackhole; leave it out"},
        {ONE("{do: blackout, at: 1s, direction: up}"),
         "s.yaml:5:40: direction means nothing to blackout; leave it out"},
        {ONE("{do: reboot-nat, at: 1s, for: 1s}"),
         "s.yaml:5:36: for means nothing to reboot-nat; leave it out"},
        {ONE("{do: blackout, at: soon}"),
         "s.yaml:5:25: at is \"soon\"; it must be a time such as 20ms, 1.5s, 2m (a week at the "
         "most)"},
        {ONE("{do: blackout, at: 1s-soon}"), "s.yaml:5:25: at is \"soon\"; it must be a time"},
        {ONE("{do: blackout, at: 6s-2s}"),
         "s.yaml:5:25: at is \"6s-2s\"; the first moment must be before the last"},
        {ONE("{do: blackout, at: 2h}"), "s.yaml:5:25: at is \"2h\"; an hour is the most"},
        {ONE("{do: blackout, at: 1s, for: 0}"),
         "s.yaml:5:34: for is \"0\"; it must be from 1ms to 1h"},
        {ONE("{do: blackout, at: 1s, until: 9s}"),
         "s.yaml:5:36: until needs every: how far are the times apart?"},
        {ONE("{do: blackout, at: 1s, every: 5s}"),
         "s.yaml:5:36: every needs either until: 30m or times: 20"},
        {ONE("{do: blackout, at: 1s, every: 5s, times: 2, until: 9s}"),
         "s.yaml:5:36: every needs either until: 30m or times: 20"},
        {ONE("{do: blackout, at: 5s, every: 5s, until: 2s}"),
         "s.yaml:5:47: until is \"2s\", but the first time is later"},
        {ONE("{do: blackout, at: 1s, every: 1ms, times: 2}"),
         "s.yaml:5:36: every is \"1ms\"; it must be from 10ms to 1h"},
        {ONE("{do: blackout, at: 1s, every: 1s, until: 1h}"),
         "s.yaml:5:36: that is 3599 times; 2048 in an hour are the most"},
        {HEAD "media: 500ms\nmatrix: {fault: [f]}\nfaults:\n  f: {do: blackout, at: 1s}\n",
         "s.yaml:6:3: whether a call goes on after a fault shows when media has had 600 ms to be "
         "heard; let `media` be as much at least"},
        {HEAD "subject: map\nmatrix: {fault: [f]}\nfaults:\n  f: {do: blackout, at: 1s}\n",
         "s.yaml:6:3: faults means nothing to subject map; leave it out"},
        {"name: x\ntopology: no-nat\nmatrix: {fault: [f]}\nfaults:\n"
         "  f: {do: reboot-nat, at: 1s}\n",
         "s.yaml:3:9: the cell fault=f cannot be: reboot-nat: no NAT stands before a"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario *s = NULL;
        struct lab_error err = {0};
        if (scenario_parse("s.yaml", cases[i].text, strlen(cases[i].text), &s, &err) == 0)
            fail_msg("case %zu was taken: %s", i, cases[i].text);
        assert_int_equal(err.code, LAB_USAGE);
        if (strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("case %zu\n  said   %s\n  wanted %s", i, err.text, cases[i].says);
    }
}

static struct fault_schedule schedule(const struct scenario *s, const char *name, uint64_t seed)
{
    struct fault_schedule out;
    assert_int_equal(fault_schedule_make(fault_plan_find(&s->faults, name), seed, &out), 0);
    return out;
}

static void test_schedule(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD "matrix: {fault: [some]}\nfaults:\n  some:\n"
                                    "    - {do: blackout, where: both, at: 2s, for: 1s}\n"
                                    "    - {do: blackhole, direction: down, at: 3s}\n"
                                    "    - {do: restart-relay, at: 500ms, for: 250ms}\n");
    struct fault_schedule f = schedule(s, "some", 1);
    static const struct {
        ph_ns when;
        enum incident_kind kind;
        uint8_t side;
        bool over;
        size_t fault;
    } wanted[] = {
        {500 * PH_MS, INCIDENT_RESTART_RELAY, 0, false, 2},
        {750 * PH_MS, INCIDENT_RESTART_RELAY, 0, true, 2},
        {2 * PH_SEC, INCIDENT_BLACKOUT, 0, false, 0},
        {2 * PH_SEC, INCIDENT_BLACKOUT, 1, false, 0},
        /* What ends in a moment ends before what begins in it. */
        {3 * PH_SEC, INCIDENT_BLACKOUT, 0, true, 0},
        {3 * PH_SEC, INCIDENT_BLACKOUT, 1, true, 0},
        {3 * PH_SEC, INCIDENT_BLACKHOLE, 0, false, 1},
    };
    assert_int_equal(f.fault_count, 3);
    assert_int_equal(f.event_count, 7);
    assert_true(f.over == 3 * PH_SEC);
    for (size_t i = 0; i < 7; i++) {
        assert_true(f.events[i].when == wanted[i].when);
        assert_int_equal(f.events[i].what.kind, wanted[i].kind);
        assert_int_equal(f.events[i].what.side, wanted[i].side);
        assert_int_equal(f.events[i].what.over, wanted[i].over);
        assert_int_equal(f.events[i].fault, wanted[i].fault);
    }
    assert_int_equal(f.events[6].what.direction, INCIDENT_DOWN);
    fault_schedule_free(&f);
    scenario_free(s);
}

static void test_seeds(void **state)
{
    (void)state;
    struct scenario *s = parse(
        HEAD
        "matrix: {fault: [once, storm]}\nfaults:\n"
        "  once: {do: blackhole, at: 2s-6s}\n"
        "  storm: {do: [reboot-nat, blackout], where: any, at: 0s-4s, every: 5s, times: 200}\n");
    ph_ns low = PH_NEVER, high = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fault_schedule one = schedule(s, "once", seed), same = schedule(s, "once", seed);
        assert_true(one.faults[0].when == same.faults[0].when);
        assert_true(one.faults[0].when >= 2 * PH_SEC && one.faults[0].when <= 6 * PH_SEC);
        low = ph_min_ns(low, one.faults[0].when);
        high = ph_max_ns(high, one.faults[0].when);
        fault_schedule_free(&one);
        fault_schedule_free(&same);
    }
    /* All of it is used: 200 uniform draws leave a tenth at either end empty once in 10^9. */
    assert_true(low < 2400 * PH_MS && high > 5600 * PH_MS);

    struct fault_schedule storm = schedule(s, "storm", 3), other = schedule(s, "storm", 4);
    unsigned kinds[INCIDENT_KINDS] = {0}, wheres[4] = {0}, differ = 0;
    assert_int_equal(storm.fault_count, 200);
    for (size_t i = 0; i < 200; i++) {
        const struct fault_item *f = &storm.faults[i];
        assert_true(f->when >= i * 5 * PH_SEC && f->when <= i * 5 * PH_SEC + 4 * PH_SEC);
        kinds[f->kind]++;
        wheres[f->where]++;
        differ += f->when != other.faults[i].when ? 1 : 0;
    }
    assert_in_range(kinds[INCIDENT_REBOOT_NAT], 60, 140);
    assert_int_equal(kinds[INCIDENT_REBOOT_NAT] + kinds[INCIDENT_BLACKOUT], 200);
    assert_in_range(wheres[FAULT_AT_A], 60, 140);
    assert_int_equal(wheres[FAULT_AT_A] + wheres[FAULT_AT_B], 200);
    assert_true(differ > 190);
    fault_schedule_free(&storm);
    fault_schedule_free(&other);
    scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),    cmocka_unit_test(test_axis),  cmocka_unit_test(test_bad),
        cmocka_unit_test(test_schedule), cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
