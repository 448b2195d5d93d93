/* What was published of each strategy, held against the plans that stand for it. */
#include "lab/run/strategy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ph_plan_side easy(enum ph_filtering_behaviour filtering)
{
    return (struct ph_plan_side){
        .udp = PH_YES,
        .mapping = PH_MAPPING_EIM,
        .filtering = filtering,
        .allocation = {.type = PH_ALLOCATION_PRESERVING},
    };
}

static struct ph_plan_side hard(void)
{
    return (struct ph_plan_side){
        .udp = PH_YES,
        .mapping = PH_MAPPING_APDM,
        .filtering = PH_FILTERING_APDF,
        .allocation = {.type = PH_ALLOCATION_RANDOM, .last = 40000},
    };
}

static struct ph_plan_side counting(int step, uint16_t last)
{
    struct ph_plan_side s = hard();
    s.allocation =
        (struct ph_allocation){.type = PH_ALLOCATION_SEQUENTIAL, .step = step, .last = last};
    return s;
}

static struct ph_plan make(const char *name, struct ph_plan_side a, struct ph_plan_side b)
{
    const struct strategy *s = strategy_find(name);
    struct ph_plan_input in = {.side = {a, b}};
    struct ph_plan out;
    assert_non_null(s);
    s->plan(NULL, &in, 77, &out);
    assert_int_equal(out.moves[0].kind, PH_MOVE_PUNCH);
    return out;
}

static bool is_any_port(const struct ph_port_order *o)
{
    return o->list_count == 0 && o->segment_count == 1 && o->segments[0].low == 1024 &&
           o->segments[0].high == 65535 && o->segments[0].shuffled && o->seed == 77;
}

/* An easy side and one of random ports, in either role. The numbers are those of the table. */
static void test_against_random(void **state)
{
    static const struct {
        const char *name;
        enum ph_move_kind kind;
        bool easy_opens;
        uint16_t sockets, probes;
        uint8_t passes, repeats, ttl, ttl_up;
        uint16_t acceptor_rate, prober_rate, acceptor_burst;
        size_t moves;
    } table[] = {
        {"first-design", PH_MOVE_FAN_IN, true, 256, 1024, 0, 0, PH_TTL_FULL, 0, 200, 200, 64, 2},
        {"tailscale-blog", PH_MOVE_FAN_IN, false, 256, 2048, 0, 0, PH_TTL_FULL, 0, 100, 100, 1, 2},
        {"easytier", PH_MOVE_FAN_IN, false, 84, 800, 6, 2, PH_TTL_FULL, 0, 2000, 2000, 84, 2},
        {"frp", PH_MOVE_FAN_IN, false, 256, 1000, 0, 0, 7, 0, 200, 67, 64, 4},
        {"gonc", PH_MOVE_FAN_IN, false, 600, 600, 0, 3, 5, 1, 200, 200, 64, 2},
        {"dquic", PH_MOVE_MIRROR, false, 300, 800, 0, 0, 5, 0, 2000, 2000, 60, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (int hard_is = 0; hard_is < 2; hard_is++) {
            struct ph_plan_side e = easy(PH_FILTERING_APDF), h = hard();
            struct ph_plan p = make(table[i].name, hard_is == 0 ? h : e, hard_is == 0 ? e : h);
            const struct ph_move *m = &p.moves[1];
            if (p.count != table[i].moves)
                fail_msg("%s: %zu moves", table[i].name, p.count);
            assert_int_equal(p.outlook, PH_PLAN_DIRECT);
            assert_int_equal(m->kind, table[i].kind);
            assert_int_equal(m->acceptor, table[i].easy_opens ? 1 - hard_is : hard_is);
            assert_int_equal(m->sockets, table[i].sockets);
            assert_int_equal(m->probes, table[i].probes);
            assert_int_equal(m->passes, table[i].passes);
            assert_int_equal(m->repeats, table[i].repeats);
            assert_int_equal(m->opener_ttl, table[i].ttl);
            assert_int_equal(m->opener_ttl_up, table[i].ttl_up);
            assert_int_equal(m->acceptor_pace.rate, table[i].acceptor_rate);
            assert_int_equal(m->acceptor_pace.burst, table[i].acceptor_burst);
            assert_int_equal(m->prober_pace.rate, table[i].prober_rate);
            assert_true(m->no_canary && !m->predicted);
            assert_true(is_any_port(&m->order));
            assert_true(p.no_predict[0] != '\0' && p.no_birthday[0] == '\0');
        }
    }
}

/* 15 ms a port; the three TTLs one after the other. */
static void test_frp_ttls(void **state)
{
    (void)state;
    struct ph_plan p = make("frp", easy(PH_FILTERING_APDF), hard());
    assert_int_equal(p.moves[1].opener_ttl, 7);
    assert_int_equal(p.moves[2].opener_ttl, 4);
    assert_int_equal(p.moves[3].opener_ttl, PH_TTL_FULL);
    assert_int_equal(1000 / p.moves[1].prober_pace.rate, 14); /* 14.9 ms */
}

static void check_list(const struct ph_port_order *o, size_t n, uint16_t first, uint16_t low,
                       uint16_t high)
{
    uint16_t lo = 65535, hi = 0;
    assert_int_equal(o->list_count, n);
    assert_int_equal(o->segment_count, 0);
    assert_int_equal(o->list[0], first);
    for (size_t i = 0; i < n; i++) {
        lo = o->list[i] < lo ? o->list[i] : lo;
        hi = o->list[i] > hi ? o->list[i] : hi;
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(o->list[i], o->list[k]);
    }
    assert_int_equal(lo, low);
    assert_int_equal(hi, high);
}

static void test_against_counters(void **state)
{
    (void)state;
    struct ph_plan_side e = easy(PH_FILTERING_APDF);
    struct ph_plan p = make("first-design", e, counting(2, 40000));
    assert_true(p.moves[1].predicted);
    assert_int_equal(p.moves[1].acceptor, 1);
    assert_int_equal(p.moves[1].sockets, 1);
    check_list(&p.moves[1].order, 5, 40002, 40000, 40004);
    assert_false(p.moves[2].predicted); /* and then what it does for everybody */
    assert_true(p.no_predict[0] == '\0' && p.no_birthday[0] == '\0');

    p = make("frp", e, counting(-1, 50000));
    check_list(&p.moves[1].order, 21, 49999, 49989, 50009);
    assert_int_equal(p.moves[1].sockets, 1);
    assert_int_equal(p.count, 4);

    p = make("easytier", counting(1, 40000), e);
    assert_int_equal(p.moves[1].acceptor, 0);
    assert_int_equal(p.moves[1].sockets, 84);
    check_list(&p.moves[1].order, 50, 40001, 40001, 40050);
    assert_int_equal(p.count, 2);
    p = make("easytier", counting(-2, 40000), e);
    check_list(&p.moves[1].order, 50, 39999, 39950, 39999);
    /* Near the end there are fewer. */
    p = make("easytier", counting(1, 65500), e);
    assert_int_equal(p.moves[1].order.list_count, 35);

    static const struct {
        const char *name;
        uint16_t sockets, ahead; /* 0: it does nothing for two of them */
    } pairs[] = {{"first-design", 5, 3}, {"easytier", 25, 20},     {"frp", 21, 11},
                 {"dquic", 0, 0},        {"tailscale-blog", 0, 0}, {"gonc", 0, 0}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        p = make(pairs[i].name, counting(1, 40000), counting(-1, 50000));
        assert_int_equal(p.count, pairs[i].sockets > 0 ? 2 : 1);
        if (pairs[i].sockets == 0)
            continue;
        assert_int_equal(p.moves[1].kind, PH_MOVE_RENDEZVOUS);
        assert_true(p.moves[1].predicted && p.moves[1].no_canary);
        assert_int_equal(p.moves[1].sockets, pairs[i].sockets);
        assert_int_equal(p.moves[1].order.list[0], 50000 - pairs[i].ahead);
        assert_int_equal(p.moves[1].back.list[0], 40000 + pairs[i].ahead);
    }
}

/* Where a punch does, or nothing does, none of them guesses. */
static void test_no_guess(void **state)
{
    (void)state;
    size_t n;
    const struct strategy *all = strategy_list(&n);
    assert_int_equal(n, 7);
    assert_string_equal(all[0].name, "pinhole");
    assert_null(all[0].plan);
    assert_null(strategy_find("nobody"));
    for (size_t i = 1; i < n; i++) {
        const char *name = all[i].name;
        assert_int_equal(make(name, easy(PH_FILTERING_APDF), easy(PH_FILTERING_APDF)).count, 1);
        assert_int_equal(make(name, easy(PH_FILTERING_EIF), hard()).count, 1);
        assert_int_equal(make(name, hard(), easy(PH_FILTERING_ADF)).count, 1);
        assert_int_equal(make(name, hard(), hard()).count, 1);
        struct ph_plan_side unknown = hard();
        unknown.mapping = PH_MAPPING_UNKNOWN;
        struct ph_plan p = make(name, unknown, hard());
        assert_int_equal(p.count, 1);
        assert_int_equal(p.outlook, PH_PLAN_UNKNOWN);
        struct ph_plan_input in = {.side = {hard(), easy(PH_FILTERING_APDF)}};
        in.side[1].udp = PH_NO;
        all[i].plan(NULL, &in, 1, &p);
        assert_int_equal(p.count, 0);
        assert_int_equal(p.outlook, PH_PLAN_NO_UDP);
        assert_true(all[i].no_canary && all[i].what[0] != '\0');
    }
}

/* Its moves fit what it may spend, and that fits what anybody may. */
static void test_budgets(void **state)
{
    (void)state;
    size_t n;
    const struct strategy *all = strategy_list(&n);
    for (size_t i = 1; i < n; i++) {
        const struct ph_budget *b = all[i].budget;
        assert_true(b->probes <= PH_BUDGET_PROBES_MOST && b->openers <= PH_BUDGET_OPENERS_MOST);
        assert_true(b->rate <= PH_BUDGET_RATE_MOST && b->burst <= PH_BUDGET_BURST_MOST);
        struct ph_plan p = make(all[i].name, easy(PH_FILTERING_APDF), hard());
        unsigned probes = 0;
        for (size_t k = 1; k < p.count; k++) {
            const struct ph_move *m = &p.moves[k];
            probes += (unsigned)m->probes * (m->passes > 0 ? m->passes : 1u);
            assert_true(m->sockets <= b->openers);
        }
        if (probes > b->probes)
            fail_msg("%s probes %u times, and may %u", all[i].name, probes, b->probes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_random),   cmocka_unit_test(test_frp_ttls),
        cmocka_unit_test(test_against_counters), cmocka_unit_test(test_no_guess),
        cmocka_unit_test(test_budgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
