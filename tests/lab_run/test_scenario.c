/* Scenario files: what they become, and what is said of bad ones, to the letter. */
#include "lab/data.h"
#include "lab/run/matrix.h"
#include "lab/run/strategy.h"
#include "lab/run/trial.h"
#include "lab/topo/layout.h"
#include "pinhole.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct scenario *parse(const char *text)
{
    struct scenario *s = NULL;
    struct lab_error err = {0};
    if (scenario_parse("s.yaml", text, strlen(text), &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static struct scenario *load_shipped(const char *name)
{
    char relative[64], path[PATH_MAX];
    struct scenario *s = NULL;
    struct lab_error err = {0};
    snprintf(relative, sizeof(relative), "scenarios/%s.yaml", name);
    if (scenario_load(lab_data_path(relative, path, sizeof(path)), &s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static size_t count_cells(const struct scenario *s)
{
    struct matrix m;
    struct lab_error err = {0};
    if (matrix_expand(s, &m, &err) != 0)
        fail_msg("%s", err.text);
    size_t n = m.count;
    matrix_free(&m);
    return n;
}

static void test_quick(void **state)
{
    (void)state;
    struct scenario *s = load_shipped("quick");
    assert_string_equal(s->name, "quick");
    assert_string_equal(s->topology.name, "two-nats");
    assert_int_equal(s->trials, 3);
    assert_true(s->unordered);
    assert_int_equal(s->stages, 31);
    assert_int_equal(s->give_up, 15 * PH_SEC);
    assert_int_equal(s->media, PH_SEC);
    assert_int_equal(s->axes.count, 4);
    struct matrix m;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 36);
    assert_string_equal(m.cells[0].key, "a.nat=open,b.nat=open,gateway=drop,link=20ms");
    assert_string_equal(m.cells[1].key, "a.nat=open,b.nat=full-cone,gateway=drop,link=20ms");
    assert_string_equal(m.cells[35].key, "a.nat=cgnat,b.nat=cgnat,gateway=drop,link=20ms");
    matrix_free(&m);
    scenario_free(s);
}

static void test_easy_and_hard_are_all_pairs(void **state)
{
    (void)state;
    struct scenario *easy = load_shipped("easy"), *hard = load_shipped("hard");
    /* 12 profiles map one port for all destinations, 8 do not; of the 12, 3 filter by no port. */
    assert_int_equal(count_cells(easy), (12 * 13 / 2 + 3 * 8) * 2 * 3);
    assert_int_equal(count_cells(hard), 8 * 9 / 2 + 9 * 8);
    assert_true(easy->trials >= 20);
    scenario_free(easy);
    scenario_free(hard);
}

#define HEAD   "name: x\ntopology: two-nats\n"
#define MATRIX "matrix: {a.nat: [open, random], b.nat: [open, cgnat], link: [0ms]}\n"
#define PAIRS  "matrix: {a.nat: [open, cgnat, random], b.nat: same, link: [0ms]}\npairs: unordered\n"

static void test_matrix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t cells;
        const char *last;
    } cases[] = {
        {HEAD MATRIX, 4, "a.nat=random,b.nat=cgnat,link=0ms"},
        {HEAD "matrix: {link: 20ms}\n", 1, "link=20ms"},
        {HEAD PAIRS, 6, "a.nat=random,b.nat=random,link=0ms"},
        {HEAD "matrix: {a.nat: [open, cgnat, random], b.nat: same, link: [0ms]}\n", 9,
         "a.nat=random,b.nat=random,link=0ms"},
        {HEAD MATRIX "exclude: [{a.nat: random}]\n", 2, "a.nat=open,b.nat=cgnat,link=0ms"},
        {HEAD MATRIX "exclude: [{a.nat: \"r*\", b.nat: [cgnat]}]\n", 3,
         "a.nat=random,b.nat=open,link=0ms"},
        /* A pair is the same pair with its sides exchanged. */
        {HEAD PAIRS "exclude: [{a.nat: random, b.nat: cgnat}]\n", 5,
         "a.nat=random,b.nat=random,link=0ms"},
        {HEAD MATRIX "include: [{a.nat: block-512, b.nat: open, link: 20ms}]\n", 5,
         "a.nat=block-512,b.nat=open,link=20ms"},
        /* An included cell that is there already is not there twice. */
        {HEAD MATRIX "include: [{a.nat: open, b.nat: open, link: 0ms}]\n", 4,
         "a.nat=random,b.nat=cgnat,link=0ms"},
        {HEAD "matrix: {a.nat: [sequential], a.nat.allocation.step: [1, -2]}\n", 2,
         "a.nat=sequential,a.nat.allocation.step=-2"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scenario *s = parse(cases[i].text);
        struct matrix m;
        struct lab_error err = {0};
        assert_int_equal(matrix_expand(s, &m, &err), 0);
        if (m.count != cases[i].cells)
            fail_msg("case %zu: %zu cells", i, m.count);
        assert_string_equal(m.cells[m.count - 1].key, cases[i].last);
        matrix_free(&m);
        scenario_free(s);
    }
}

static void test_world_of_a_cell(void **state)
{
    (void)state;
    struct scenario *s =
        parse(HEAD "matrix: {gateway: [accept], link: [80ms-1%], a.nat: [sequential], "
                   "b.nat: [cgnat], a.nat.allocation.step: [-2]}\n");
    struct matrix m;
    struct world_spec spec;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(matrix_world(s, &m.cells[0], 77, &spec, &err), 0);
    assert_int_equal(spec.seed, 77);
    assert_string_equal(spec.profiles[0].name, "sequential");
    assert_int_equal(spec.profiles[0].allocation.step, -2);
    assert_int_equal(spec.profiles[0].gateway, NAT_GATEWAY_ACCEPT);
    assert_string_equal(spec.profiles[1].name, "cgnat");
    assert_int_equal(spec.profiles[1].gateway, NAT_GATEWAY_ACCEPT);
    assert_int_equal(spec.topology.links[0].params.up.delay_ns, 80 * PH_MS);
    assert_true(spec.topology.links[0].params.up.loss > 0.009);
    matrix_free(&m);
    scenario_free(s);
}

/* What each value makes of the router in front of the caller, and of its peers. */
static void test_axes_of_the_network(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD "subject: pinhole\nmatrix: {a.nat: [random, cgnat], "
                                    "port_mapping: [none, off], background: [0, 20]}\n");
    struct matrix m;
    struct world_spec spec;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 8);
    for (size_t i = 0; i < m.count; i++) {
        const struct cell *c = &m.cells[i];
        bool off = strcmp(matrix_value(s, c, "port_mapping"), "off") == 0;
        uint32_t flows = strcmp(matrix_value(s, c, "background"), "20") == 0 ? 20 : 0;
        assert_null(matrix_value(s, c, "link"));
        assert_int_equal(matrix_world(s, c, 1, &spec, &err), 0);
        assert_true(spec.routers[0].set && !spec.routers[1].set);
        assert_int_equal(world_spec_caller_nat(&spec), 0);
        assert_int_equal(spec.routers[0].protocols, 0);
        assert_int_equal(matrix_stages(s, c), off ? 31 & ~(1u << PH_STAGE_PORTMAP) : 31);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(spec.profiles[k].background.flows_per_second, flows);
            assert_true((spec.profiles[k].background.hosts > 0) == (flows > 0));
        }
    }
    matrix_free(&m);
    scenario_free(s);

    /* Behind a carrier the router is the home NAT, and the carrier's maps nothing. */
    static struct layout layout;
    s = parse(HEAD "matrix: {a.nat: [cgnat, random], port_mapping: [upnp, none], "
                   "fault: [none, wrong-nonce]}\n"
                   "exclude: [{port_mapping: upnp, fault: wrong-nonce}]\n");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 6);
    for (size_t i = 0; i < m.count; i++) {
        const struct cell *c = &m.cells[i];
        bool upnp = strcmp(matrix_value(s, c, "port_mapping"), "upnp") == 0;
        bool fault = strcmp(matrix_value(s, c, "fault"), "none") != 0;
        bool cgnat = strcmp(matrix_value(s, c, "a.nat"), "cgnat") == 0;
        assert_int_equal(matrix_world(s, c, 1, &spec, &err), 0);
        if (layout_compute(&spec, &layout, &err) != 0)
            fail_msg("%s", err.text);
        const struct nat_profile *outer = &layout.nodes[layout_find(&layout, "a.nat")].profile;
        const struct nat_profile *router =
            cgnat ? &layout.nodes[layout_find(&layout, "a.home")].profile : outer;
        assert_int_equal(router->port_mapping.upnp, upnp);
        assert_int_equal(router->port_mapping.pcp, fault);
        assert_int_equal(router->port_mapping.fault_count, fault ? 1 : 0);
        assert_string_equal(router->port_mapping.faults[0], fault ? "wrong-nonce" : "");
        if (cgnat)
            assert_false(outer->port_mapping.upnp || outer->port_mapping.pcp);
        const struct nat_profile *other = &layout.nodes[layout_find(&layout, "b.nat")].profile;
        assert_false(other->port_mapping.upnp || other->port_mapping.pcp);
    }
    matrix_free(&m);
    scenario_free(s);
    assert_int_equal(axis_port_mapping("pcp")->protocols, 1);
    assert_int_equal(axis_port_mapping("nat_pmp")->protocols, 2);
    assert_int_equal(axis_port_mapping("upnp")->protocols, 4);
    assert_int_equal(axis_port_mapping("all")->protocols, 7);
    assert_null(axis_port_mapping("natpmp"));
}

/* What the peers of a cell are told. */
static void test_axes_of_the_peers(void **state)
{
    (void)state;
    struct scenario *s = parse(HEAD "matrix: {strategy: [pinhole], probe: [check, quic-initial], "
                                    "canary: [on, off], openers: [64], probes: [400], "
                                    "rate: [150]}\n");
    struct matrix m;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 4);
    for (size_t i = 0; i < m.count; i++) {
        struct trial_spec spec;
        matrix_trial(s, &m.cells[i], &spec);
        assert_null(spec.plan);
        assert_int_equal(spec.probe, i < 2 ? PH_PROBE_CHECK : PH_PROBE_QUIC_INITIAL);
        assert_int_equal(spec.no_canary, i % 2 == 1);
        assert_int_equal(spec.budget.openers, 64);
        assert_int_equal(spec.budget.probes, 400);
        assert_int_equal(spec.budget.rate, 150);
        assert_int_equal(spec.budget.burst, 0);
    }
    matrix_free(&m);
    scenario_free(s);

    /* A strategy brings what it spends; without any axis all is as in a call of ours. */
    s = parse(HEAD "matrix: {strategy: [gonc, pinhole]}\n");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    struct trial_spec spec;
    matrix_trial(s, &m.cells[0], &spec);
    assert_true(spec.plan == strategy_find("gonc")->plan);
    assert_true(spec.no_canary);
    assert_int_equal(spec.budget.openers, 600);
    matrix_trial(s, &m.cells[1], &spec);
    assert_null(spec.plan);
    assert_false(spec.no_canary);
    assert_int_equal(spec.budget.openers, 0);
    matrix_free(&m);
    scenario_free(s);
}

static void test_expected_counts(void **state)
{
    (void)state;
    struct scenario *s =
        parse(HEAD MATRIX "expect:\n  - {count: probes, at_most: 1200, p95: 800}\n"
                          "  - {when: {a.nat: open}, count: probes-to-hit, p50: 90, pool: true}\n"
                          "  - {count: punch-probes, at_most: 0}\n");
    const struct expectation *e = s->expects;
    assert_int_equal(e[0].kind, EXPECTATION_COUNT);
    assert_int_equal(e[0].count, SUBJECT_COUNT_PROBES);
    assert_true(e[0].limits.each == 1200 && e[0].limits.p95 == 800);
    assert_true(e[0].limits.p50 == EXPECTATION_NO_LIMIT);
    assert_string_equal(e[0].text, "probes at most 1200 in each trial p95 at most 800");
    assert_string_equal(e[1].text, "a.nat=open: probes-to-hit p50 at most 90, pooled");
    assert_true(e[2].limits.each == 0 && e[2].limits.p99 == EXPECTATION_NO_LIMIT);
    scenario_free(s);
}

static void test_counterparts(void **state)
{
    (void)state;
    struct scenario *s = parse(
        HEAD "matrix: {a.nat: [random, cgnat], port_mapping: [none, off], link: [0ms, 20ms]}\n"
             "expect:\n  - {when: {port_mapping: none}, time: media, "
             "not_slower_than: {port_mapping: off}, within: 2ms, or: 2%}\n"
             "  - {rate: connected, observed_at_most: 0.25, at_least: 0.1}\n");
    struct matrix m;
    struct lab_error err = {0};
    const struct expectation *e = &s->expects[0];
    assert_true(expectation_is_comparison(e));
    assert_int_equal(e->within, 2 * PH_MS);
    assert_true(e->or_share > 0.0199 && e->or_share < 0.0201);
    assert_string_equal(e->text, "port_mapping=none: time to media p50 not above that of "
                                 "port_mapping=off by more than 2ms and 2%");
    assert_false(expectation_is_comparison(&s->expects[1]));
    assert_string_equal(s->expects[1].text,
                        "connected at least 0.1 observed at most 0.25 in each cell");
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    assert_int_equal(m.count, 8);
    /* a.nat=cgnat,port_mapping=none,link=20ms */
    size_t other = matrix_counterpart(&m, 5, &e->not_slower_than);
    assert_int_equal(other, 7);
    assert_string_equal(m.cells[other].key, "a.nat=cgnat,port_mapping=off,link=20ms");
    m.count = 7; /* what was not run is not there */
    assert_true(matrix_counterpart(&m, 5, &e->not_slower_than) == SIZE_MAX);
    matrix_free(&m);
    scenario_free(s);
}

static void test_cell_globs(void **state)
{
    (void)state;
    static const struct {
        const char *glob;
        size_t matches;
    } cases[] = {
        {"*", 36},
        {"a.nat=open,b.nat=open,gateway=drop,link=20ms", 1},
        {"a.nat=open*", 8},
        {"*random*", 8},
        {"b.nat=random", 7},
        {"link=20ms,a.nat=r*", 2},
        {"b.nat=nothing", 0},
        {"c.nat=open", 0},
        {"open", 0},
        {"", 0},
    };
    struct scenario *s = load_shipped("quick");
    struct matrix m;
    struct lab_error err = {0};
    assert_int_equal(matrix_expand(s, &m, &err), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = 0;
        for (size_t c = 0; c < m.count; c++)
            n += matrix_cell_matches(s, &m.cells[c], cases[i].glob) ? 1 : 0;
        if (n != cases[i].matches)
            fail_msg("%s: %zu", cases[i].glob, n);
    }
    matrix_free(&m);
    scenario_free(s);
}

/* Each: the file, and the beginning of what is said. */
static const struct {
    const char *text, *said;
} bad[] = {
    {"", "s.yaml:1:1: the file is empty"},
    {"- 1\n", "s.yaml:1:1: a scenario is a mapping"},
    {"name: x\ntopolgy: two-nats\n",
     "s.yaml:2:1: unknown key \"topolgy\"; did you mean \"topology\"?"},
    {"topology: two-nats\n" MATRIX, "s.yaml:1:1: the scenario has no name"},
    {"name: A b\ntopology: two-nats\n" MATRIX, "s.yaml:1:7: name is \"A b\"; it may have a-z"},
    {"name: x\n" MATRIX, "s.yaml:1:1: the scenario names no topology"},
    {"name: x\ntopology: two-nast\n" MATRIX, "s.yaml:2:11: topology \"two-nast\": "},
    {HEAD, "s.yaml:1:1: the scenario has no matrix"},
    {HEAD "matrix: [a]\n", "s.yaml:3:9: matrix must be a mapping of axes to lists of values"},
    {HEAD "matrix: {a.nat: []}\n", "s.yaml:3:17: a.nat has no values"},
    {HEAD "matrix: {a.nat: {x: 1}}\n", "s.yaml:3:17: a.nat is a mapping; it must be a list"},
    {HEAD "matrix: {a.nat: [opne]}\n",
     "s.yaml:3:18: a.nat: no NAT profile is named \"opne\": did you mean \"open\"?"},
    {HEAD "matrix: {a.nat: [open, xyzzy-9000]}\n",
     "s.yaml:3:24: a.nat: no NAT profile is named \"xyzzy-9000\" (natlab nat list shows them)"},
    {HEAD "matrix: {a.nat: [../nat/open]}\n", "s.yaml:3:18: a.nat: ../nat/open: No such file"},
    {HEAD "matrix: {a.nat: [open, open]}\n",
     "s.yaml:3:24: a.nat: \"open\" stands in the list a second time"},
    {HEAD "matrix: {a.nat: [\"a,b\"]}\n", "s.yaml:3:19: a.nat \"a,b\": a value has no blanks"},
    {HEAD "matrix: {c.nat: [open]}\n",
     "s.yaml:3:10: axis \"c.nat\": the topology \"two-nats\" has no NAT \"c\""},
    {HEAD "matrix: {b.nat: same}\n",
     "s.yaml:3:17: b.nat is \"same\", but no axis of that kind stands before it"},
    {HEAD "matrix: {gatway: [drop]}\n",
     "s.yaml:3:10: unknown axis \"gatway\"; did you mean \"gateway\"?"},
    {HEAD "matrix: {gateway: [open]}\n",
     "s.yaml:3:20: gateway is \"open\"; it must be one of: accept, drop, reject"},
    {HEAD "matrix: {family: [v6, ipv4]}\n", "s.yaml:3:23: family \"ipv4\" must be v4, v6, dual or "
                                            "nat64, or two of these for the caller and "
                                            "the callee (v6-v4)"},
    {HEAD "matrix: {strategy: [pinhole, easytear]}\n",
     "s.yaml:3:30: strategy is \"easytear\"; did you mean \"easytier\"?"},
    {HEAD "matrix: {probe: [quic]}\n",
     "s.yaml:3:18: probe is \"quic\"; did you mean \"quic-initial\"?"},
    {HEAD "matrix: {canary: [yes]}\n",
     "s.yaml:3:19: canary is \"yes\"; it must be one of: on, off"},
    {HEAD "matrix: {openers: [0]}\n",
     "s.yaml:3:20: openers is \"0\"; it must be a whole number from 1 to 1024"},
    {HEAD "matrix: {probes: [8193]}\n",
     "s.yaml:3:19: probes is \"8193\"; it must be a whole number from 1 to 8192"},
    {HEAD "matrix: {rate: [fast]}\n",
     "s.yaml:3:17: rate is \"fast\"; it must be a whole number from 1 to 2000"},
    {HEAD "matrix: {strategy: [frp, pinhole], openers: [64]}\n",
     "s.yaml:3:9: the cell strategy=frp,openers=64 cannot be: the strategy frp is what was "
     "published of it, and so openers means nothing to it; leave out that axis"},
    {HEAD "subject: netcheck\nmatrix: {link: [0ms], strategy: [pinhole]}\n",
     "s.yaml:4:23: the axis strategy is of calls, and means nothing to subject netcheck"},
    {HEAD "matrix: {port_mapping: [pcp, natpmp]}\n",
     "s.yaml:3:30: port_mapping is \"natpmp\"; did you mean \"nat_pmp\"?"},
    {HEAD "matrix: {fault: [only-permament]}\n",
     "s.yaml:3:18: no router has the fault \"only-permament\": did you mean \"only-permanent\"?"},
    {HEAD "matrix: {fault: [wrong-nonce], port_mapping: [none, all]}\n",
     "s.yaml:3:9: the cell fault=wrong-nonce,port_mapping=all cannot be: a router with the fault "
     "wrong-nonce speaks what the fault is about, so port_mapping all means nothing to it"},
    {HEAD "matrix: {port_mapping: [all], a.nat.port_mapping.upnp: ['true']}\n",
     "s.yaml:3:9: the cell port_mapping=all,a.nat.port_mapping.upnp=true cannot be: the axis "
     "port_mapping says what the router in front of the caller speaks, so "
     "a.nat.port_mapping.upnp means nothing to it; leave out the one or the other"},
    {HEAD "matrix: {a.nat: [firewall], fault: [wrong-nonce]}\n",
     "s.yaml:3:9: the cell a.nat=firewall,fault=wrong-nonce cannot be: profile firewall does not "
     "translate"},
    {HEAD "matrix: {background: [lots]}\n",
     "s.yaml:3:23: background is \"lots\"; it must be a whole number from 0 to 10000"},
    {"name: x\ntopology: no-nat\nmatrix: {port_mapping: [none]}\n",
     "s.yaml:3:9: the cell port_mapping=none cannot be: topology no-nat: the first host that runs "
     "peer is inside no NAT"},
    {HEAD "matrix: {a.nat: [open], port_mapping: [upnp]}\n",
     "s.yaml:3:9: the cell a.nat=open,port_mapping=upnp cannot be: profile open does not "
     "translate, "
     "so its router has no ports to map; exclude it"},
    {HEAD "subject: map\nmatrix: {port_mapping: [off]}\n",
     "s.yaml:4:9: the cell port_mapping=off cannot be: port_mapping off is a peer that does not "
     "ask "
     "for a mapping, and subject map is nothing else"},
    {HEAD "matrix: {link: [20min]}\n", "s.yaml:3:17: link \"20min\": "},
    {HEAD "matrix: {a.nat.allocation.stp: [1]}\n",
     "s.yaml:3:33: a.nat.allocation.stp \"1\": unknown key \"stp\"; did you mean \"step\"?"},
    {HEAD "matrix: {a.nat.timeout.udp: [bogus]}\n",
     "s.yaml:3:30: a.nat.timeout.udp \"bogus\": timeout.udp is \"bogus\"; it must be"},
    {HEAD MATRIX "trials: 0\n",
     "s.yaml:4:9: trials is \"0\"; it must be a whole number from 1 to 1000000"},
    {HEAD MATRIX "trials: many\n", "s.yaml:4:9: trials is \"many\"; it must be a whole number"},
    {HEAD MATRIX "give_up: 15\n", "s.yaml:4:10: give_up is \"15\"; it must be a time such as"},
    {HEAD MATRIX "give_up: 1us\n", "s.yaml:4:10: give_up is \"1us\"; it must be from 100ms to"},
    {HEAD MATRIX "media: 1h\n", "s.yaml:4:8: media is \"1h\"; it must be at most 10m"},
    {HEAD MATRIX "stages: punch\n", "s.yaml:4:9: stages must be a list such as [punch, relay]"},
    {HEAD MATRIX "stages: [punch]\n", "s.yaml:4:9: stages must have relay"},
    {HEAD MATRIX "stages: [relay, pucnh]\n",
     "s.yaml:4:17: a stage is \"pucnh\"; did you mean \"punch\"?"},
    {HEAD MATRIX "pairs: both\n", "s.yaml:4:8: pairs is \"both\"; it must be one of: ordered, un"},
    {HEAD MATRIX "pairs: unordered\n", "s.yaml:4:8: unordered pairs need the same list on both"},
    {HEAD "matrix: {link: [0ms]}\npairs: unordered\n",
     "s.yaml:4:8: unordered pairs need both axes a.nat and b.nat"},
    {HEAD MATRIX "faults: [reboot-nat]\n", "s.yaml:4:9: faults must be a mapping of names"},
    {HEAD MATRIX "subject: /usr/bin/libnice\n",
     "s.yaml:4:10: a program as subject is not in this version; it must be one of: pinhole, netch"},
    {HEAD MATRIX "subject: netchek\n",
     "s.yaml:4:10: subject is \"netchek\"; did you mean \"netcheck\"?"},
    {HEAD MATRIX "subject: [map]\n", "s.yaml:4:10: a program as subject is not in this version"},
    {HEAD MATRIX "hold: 1s\n", "s.yaml:4:7: hold means nothing to subject pinhole; leave it out"},
    {HEAD MATRIX "subject: netcheck\nmedia: 1s\n",
     "s.yaml:5:8: media means nothing to subject netcheck; leave it out"},
    {HEAD MATRIX "lifetime: 4s\n", "s.yaml:4:11: lifetime means nothing to subject pinhole"},
    {HEAD MATRIX "subject: map\nlifetime: 1500ms\n",
     "s.yaml:5:11: lifetime is \"1500ms\"; it must be whole seconds, from 1s to 604800s"},
    {HEAD MATRIX "subject: map\nlifetime: 0\n", "s.yaml:5:11: lifetime is \"0\"; it must be whole"},
    {HEAD MATRIX "subject: map\nhold: 1h\n", "s.yaml:5:7: hold is \"1h\"; it must be at most 10m"},
    {HEAD MATRIX "include: {a.nat: open}\n", "s.yaml:4:10: include must be a list"},
    {HEAD MATRIX "include: [{a.nat: open, b.nat: open}]\n",
     "s.yaml:4:11: an included cell says a value for every axis; link is missing"},
    {HEAD MATRIX "exclude: [{a.nat: cgnat}]\n",
     "s.yaml:4:19: a.nat has no value \"cgnat\" in this matrix"},
    {HEAD MATRIX "exclude: [{a.nat: opn}]\n",
     "s.yaml:4:19: a.nat has no value \"opn\" in this matrix; did you mean \"open\"?"},
    {HEAD MATRIX "exclude: [{anat: open}]\n",
     "s.yaml:4:12: \"anat\" is no axis of this matrix; did you mean \"a.nat\"?"},
    {HEAD MATRIX "exclude: [{}]\n", "s.yaml:4:11: a condition must be a mapping such as"},
    {HEAD MATRIX "exclude: [{a.nat: \"*\"}]\n", "s.yaml: the matrix has no cell left"},
    {HEAD MATRIX "expect:\n  - connected\n", "s.yaml:5:5: an expectation must be a mapping"},
    {HEAD MATRIX "expect:\n  - {is: all}\n", "s.yaml:5:5: an expectation names a rate"},
    {HEAD MATRIX "expect:\n  - {rat: direct}\n",
     "s.yaml:5:6: unknown key \"rat\"; did you mean \"rate\"?"},
    {HEAD MATRIX "expect:\n  - {rate: direct}\n", "s.yaml:5:5: a rate is expected, but neither"},
    {HEAD MATRIX "expect:\n  - {rate: conected, is: all}\n",
     "s.yaml:5:12: rate is \"conected\"; did you mean \"connected\"?"},
    {HEAD MATRIX "expect:\n  - {time: direct}\n", "s.yaml:5:5: a time is expected, but neither"},
    {HEAD MATRIX "expect:\n  - {time: direct, p50: 1}\n", "s.yaml:5:25: p50 is \"1\"; it must be"},
    {HEAD MATRIX "expect:\n  - {time: direct, p90: 1s}\n", "s.yaml:5:20: unknown key \"p90\""},
    {HEAD MATRIX "expect:\n  - {time: direct, rate: direct, p50: 1s}\n",
     "s.yaml:5:5: an expectation is of a rate, a time or a count, not of two"},
    {HEAD MATRIX "expect:\n  - {count: probs, at_most: 3}\n",
     "s.yaml:5:13: count is \"probs\"; did you mean \"probes\"?"},
    {HEAD MATRIX "expect:\n  - {count: probes}\n",
     "s.yaml:5:5: a count is expected, but neither at_most, p50, p95 nor p99 says how many"},
    {HEAD MATRIX "expect:\n  - {count: probes, at_most: -1}\n",
     "s.yaml:5:30: at_most is \"-1\"; it must be a whole number from 0 to 1000000000"},
    {HEAD MATRIX "expect:\n  - {count: probes, at_least: 1}\n",
     "s.yaml:5:21: unknown key \"at_least\""},
    {HEAD MATRIX "subject: map\nexpect:\n  - {count: probes, at_most: 1}\n",
     "s.yaml:6:13: subject map has no count \"probes\""},
    {HEAD MATRIX "expect:\n  - {rate: direct, at_least: 1.0}\n",
     "s.yaml:5:30: at_least is \"1.0\"; it must be a number from 0.001 to 0.9999"},
    {HEAD MATRIX "expect:\n  - {rate: direct, is: none, observed: 0.5}\n",
     "s.yaml:5:5: `is: none` and a share above 0 cannot both be"},
    {HEAD MATRIX "expect:\n  - {rate: mapping-right, is: all}\n",
     "s.yaml:5:12: subject pinhole has no rate \"mapping-right\"; it has: connected, direct, "
     "by-portmap, by-punch, by-predict, by-birthday, predict-skipped, birthday-skipped, "
     "bystander, double-nat, mapped, released"},
    {HEAD MATRIX "expect:\n  - {time: netcheck, p50: 1s}\n",
     "s.yaml:5:12: subject pinhole has no time \"netcheck\"; it has: relay, direct, media, "
     "portmap"},
    {HEAD MATRIX "subject: netcheck\nexpect:\n  - {rate: direct, is: all}\n",
     "s.yaml:6:12: subject netcheck has no rate \"direct\"; it has: mapping-right,"},
    {HEAD MATRIX "subject: map\nexpect:\n  - {is: all}\n",
     "s.yaml:6:5: an expectation names a rate (double-nat, mapped, as-expected, released) or a "
     "time "
     "(map)"},
    {HEAD MATRIX "expect:\n  - {rate: direct, is: all, observed_at_most: 0.5}\n",
     "s.yaml:5:5: `is: all` and a share below 1 cannot both be"},
    {HEAD MATRIX "expect:\n  - {rate: direct, observed: 0.6, observed_at_most: 0.5}\n",
     "s.yaml:5:5: the least share is above observed_at_most"},
    {HEAD MATRIX "expect:\n  - {rate: direct, observed_at_most: 1}\n",
     "s.yaml:5:38: observed_at_most is \"1\"; it must be a number from 0 to 0.9999"},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: open, within: 2ms}\n",
     "s.yaml:5:36: not_slower_than must say what the other cells have"},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: {a.nta: open}, within: 2ms}\n",
     "s.yaml:5:37: \"a.nta\" is no axis of this matrix"},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: {a.nat: opn}, within: 2ms}\n",
     "s.yaml:5:44: a.nat has no value \"opn\" in this matrix; did you mean \"open\"?"},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: {a.nat: [open]}, within: 2ms}\n",
     "s.yaml:5:44: a.nat must have one value here"},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: {a.nat: open}}\n",
     "s.yaml:5:5: not_slower_than needs `within: 2ms`, `or: 2%`, or both"},
    {HEAD MATRIX
     "expect:\n  - {time: media, not_slower_than: {a.nat: open}, within: 2ms, p50: 1s}\n",
     "s.yaml:5:64: unknown key \"p50\""},
    {HEAD MATRIX "expect:\n  - {time: media, not_slower_than: {a.nat: open}, within: 2ms}\n",
     "s.yaml:5:5: a.nat=open,b.nat=open,link=0ms is compared with itself; name others in `when`"},
    {HEAD MATRIX
     "exclude: [{a.nat: open, b.nat: cgnat}]\nexpect:\n"
     "  - {when: {a.nat: random}, time: media, not_slower_than: {a.nat: open}, or: 2%}\n",
     "s.yaml:6:5: the matrix has no cell that a.nat=random,b.nat=cgnat,link=0ms is compared with"},
    /* 3 of 3 trials begin at 3 / (3 + 3.84). */
    {HEAD MATRIX "expect:\n  - {rate: direct, at_least: 0.95}\n",
     "s.yaml:5:5: at_least 0.95 cannot be reached: the 95% interval of 3 trials that are all good "
     "begins at 0.439; 73 trials would do, or pool: true over more cells"},
    {HEAD MATRIX "trials: 18\nexpect:\n  - {rate: direct, at_least: 0.95, pool: true}\n",
     "s.yaml:6:5: at_least 0.95 cannot be reached: the 95% interval of 72 trials that are all "
     "good begins at 0.949; 73 trials would do"},
};

static void test_bad_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct scenario *s = NULL;
        struct lab_error err = {0};
        if (scenario_parse("s.yaml", bad[i].text, strlen(bad[i].text), &s, &err) == 0)
            fail_msg("case %zu was taken", i);
        assert_null(s);
        assert_int_equal(err.code, LAB_USAGE);
        if (strncmp(err.text, bad[i].said, strlen(bad[i].said)) != 0)
            fail_msg("case %zu: %s\n not: %s", i, err.text, bad[i].said);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* The text with each %s of it being the folder. */
static void fill(char *out, size_t cap, const char *text, const char *folder)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < cap; text++) {
        if (text[0] == '%' && text[1] == 's') {
            n += (size_t)snprintf(out + n, cap - n, "%s", folder);
            text++;
        } else {
            out[n++] = *text;
        }
    }
    assert_true(n < cap);
    out[n] = '\0';
}

#define NET "name: t\nnetworks: {net: {}}\n"
#define NATS(profile)                                                                              \
    "nats:\n  a: {profile: " profile ", outside: net}\n  b: {profile: open, outside: net}\n"
#define TWO     "hosts:\n  x: {inside: a, runs: peer}\n  y: {inside: b, runs: peer}\n"
#define RELAY   "  r: {on: net, runs: relay}\n"
#define STUN    "  s: {on: net, runs: stun}\n"
#define MATRIX1 "matrix: {gateway: [drop]}\n"

/* Files beside the scenario: what they name starts at their own folder, and a slip in one of them
 * is said with the one place that it has. %s is the folder. */
static void test_files_beside(void **state)
{
    static const struct {
        const char *topology, *matrix, *said; /* said NULL: it is taken */
    } cases[] = {
        {NET NATS("./mynat.yaml") TWO RELAY STUN, MATRIX1, NULL},
        {NET NATS("open") TWO RELAY STUN, "matrix: {a.nat: [./mynat.yaml, open]}\n", NULL},
        {NET NATS("opne") TWO RELAY STUN, MATRIX1,
         "%s/t.yaml:4:16: profile: no NAT profile is named \"opne\": did you mean \"open\"?"},
        {NET NATS("./none.yaml") TWO RELAY STUN, MATRIX1,
         "%s/t.yaml:4:16: profile: %s/none.yaml: "},
        {NET NATS("./bad.yaml") TWO RELAY STUN, MATRIX1, "%s/bad.yaml:1:1: unknown key"},
        {NET NATS("open") TWO RELAY STUN, "matrix: {a.nat: [./bad.yaml]}\n",
         "%s/bad.yaml:1:1: unknown key"},
        {NET NATS("open") TWO RELAY STUN, "matrix: {a.nat: [./none.yaml]}\n",
         "%s/s.yaml:3:18: a.nat: %s/none.yaml: "},
        {NET NATS("open") TWO STUN, MATRIX1,
         "%s/s.yaml:2:11: topology t has 2 hosts that run peer, 0 relay, 1 stun; a call needs two"},
        {NET NATS("open") TWO RELAY, MATRIX1, "%s/s.yaml:2:11: topology t has 2 hosts"},
        {NET NATS("open") "hosts:\n  x: {inside: a, runs: peer}\n" RELAY STUN, MATRIX1,
         "%s/s.yaml:2:11: topology t has 1 hosts"},
    };
    char folder[] = "/tmp/natlab-scenario-XXXXXX", path[128], said[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "mynat.yaml", "gateway: reject\n");
    write_file(folder, "bad.yaml", "hairpn: true\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        struct scenario *s = NULL;
        struct lab_error err = {0};
        write_file(folder, "t.yaml", cases[i].topology);
        snprintf(text, sizeof(text), "name: x\ntopology: ./t.yaml\n%s", cases[i].matrix);
        write_file(folder, "s.yaml", text);
        snprintf(path, sizeof(path), "%s/s.yaml", folder);
        int rc = scenario_load(path, &s, &err);
        if (cases[i].said == NULL) {
            struct matrix m;
            struct world_spec spec;
            if (rc != 0)
                fail_msg("case %zu: %s", i, err.text);
            assert_int_equal(matrix_expand(s, &m, &err), 0);
            assert_int_equal(matrix_world(s, &m.cells[0], 1, &spec, &err), 0);
            assert_string_equal(spec.profiles[0].name, "mynat");
            matrix_free(&m);
            scenario_free(s);
            continue;
        }
        fill(said, sizeof(said), cases[i].said, folder);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, LAB_USAGE);
        if (strncmp(err.text, said, strlen(said)) != 0)
            fail_msg("case %zu: %s\n not: %s", i, err.text, said);
    }
    static const char *const names[] = {"mynat", "bad", "t", "s"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s.yaml", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_reachable(void **state)
{
    (void)state;
    struct scenario *s =
        parse(HEAD MATRIX "trials: 19\nexpect:\n"
                          "  - {rate: direct, at_least: 0.95, pool: true}\n"
                          "  - {when: {b.nat: [open, cgnat], link: 0ms}, rate: direct,"
                          " at_least: 0.8, observed: 0.9}\n"
                          "  - {when: {a.nat: random}, time: media, p50: 100ms, p99: 1s}\n"
                          "  - {time: switch-gap, at_most: 40ms}\n");
    assert_int_equal(s->expect_count, 4);
    assert_string_equal(s->expects[3].text, "time of switch-gap at most 40ms in each trial");
    assert_true(s->expects[3].each == 40 * PH_MS && s->expects[3].p95 == PH_NEVER);
    assert_true(s->expects[2].each == PH_NEVER);
    assert_string_equal(s->expects[0].text, "direct at least 0.95, pooled");
    assert_string_equal(s->expects[1].text, "b.nat=open|cgnat,link=0ms: direct at least 0.8 "
                                            "observed at least 0.9 in each cell");
    assert_string_equal(s->expects[2].text,
                        "a.nat=random: time to media p50 at most 100ms p99 at most 1s");
    assert_int_equal(s->expects[2].kind, EXPECTATION_TIME);
    assert_int_equal(s->expects[2].time, SUBJECT_TIME_MEDIA);
    assert_int_equal(s->expects[2].p50, 100 * PH_MS);
    assert_true(s->expects[2].p95 == PH_NEVER);
    scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick),
        cmocka_unit_test(test_easy_and_hard_are_all_pairs),
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_world_of_a_cell),
        cmocka_unit_test(test_cell_globs),
        cmocka_unit_test(test_axes_of_the_network),
        cmocka_unit_test(test_axes_of_the_peers),
        cmocka_unit_test(test_expected_counts),
        cmocka_unit_test(test_counterparts),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_reachable),
        cmocka_unit_test(test_files_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
