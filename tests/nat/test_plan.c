/* The plan as a table: each pair of NATs, both ways round, and the moves that are to join them. */
#include "nat/plan.h"

#include "base/rng.h"
#include "tests/nat/plan_nats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

/* Names of moves as in the table: kind, and how the ports are known where that is not by order. */
static const char *move_text(const struct ph_move *m)
{
    static const char *const names[][3] = {{"punch", "?", "?"},
                                           {"fan-in", "fan-in/measured", "fan-in/own"},
                                           {"mirror", "?", "?"},
                                           {"rendezvous", "?", "?"},
                                           {"sweep", "sweep/measured", "?"}};
    return names[m->kind][m->ports];
}

static const struct row {
    enum nat x, y;
    enum ph_plan_outlook outlook;
    const char *moves;                    /* behind the punch */
    int acceptor;                         /* of the first of them: 0 is x; -1: either */
    double punch, at_least;               /* success of the punch (about), of all */
    const char *no_predict, *no_birthday; /* what is said of them; "": there is such a move */
} rows[] = {
    /* Both endpoints known. */
    {OPEN, OPEN, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints are known", "endpoints are known"},
    {HOME, FULL_CONE, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {HOME, RESTRICTED, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {HOME, HOME, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {HOME_FILTER, HOME, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    /* A hard side and one whose filter does not ask for ports. */
    {RANDOM, OPEN, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {RANDOM, FULL_CONE, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {COUNTS, FULL_CONE, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {BLOCK, RESTRICTED, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    {UNKNOWN, RESTRICTED, PH_PLAN_DIRECT, "", -1, 0.99, 0.98, "endpoints", "endpoints"},
    /* A hard side and a port-restricted one. */
    {RANDOM, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.99, "not sequential", ""},
    {RANDOM_ADF, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.99, "not sequential", ""},
    {RANDOM_EIF, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0.8, 0.99, "not sequential", ""},
    {HARD, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.93, "not sequential", ""},
    {BLOCK, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.999, "not sequential", ""},
    {BLOCK_8192, HOME, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.999, "not sequential", ""},
    {COUNTS, HOME, PH_PLAN_DIRECT, "fan-in/measured mirror", 0, 0, 0.97, "", "counted"},
    {COUNTS_FAST, HOME, PH_PLAN_DIRECT, "fan-in/measured mirror", 0, 0, 0.95, "", "counted"},
    {KEEPS, HOME, PH_PLAN_DIRECT, "fan-in/own", 0, 0.89, 0.99, "", "kept"},
    /* Unknown filtering is planned for as the worst, behind a punch that may do. */
    {RANDOM, HOME_FILTER, PH_PLAN_DIRECT, "fan-in mirror", 0, 0.3, 0.99, "not sequential", ""},
    {COUNTS, HOME_FILTER, PH_PLAN_DIRECT, "fan-in/measured mirror", 0, 0.3, 0.97, "", "counted"},
    {KEEPS, HOME_FILTER, PH_PLAN_DIRECT, "fan-in/own", 0, 0.89, 0.98, "", "kept"},
    /* A port that is kept is nearly as good as an easy side's. */
    {RANDOM, KEEPS, PH_PLAN_DIRECT, "fan-in mirror", 0, 0, 0.9, "not sequential", ""},
    {COUNTS, KEEPS, PH_PLAN_DIRECT, "fan-in/measured mirror", 0, 0, 0.9, "", "counted"},
    {KEEPS, KEEPS, PH_PLAN_DIRECT, "fan-in/own", -1, 0.8, 0.95, "", "kept"},
    /* A hard side that lets the peer's address in accepts from a hard one; it cannot be mirrored.
     */
    {RANDOM_ADF, RANDOM, PH_PLAN_DIRECT, "fan-in", 0, 0, 0.99, "not sequential", ""},
    {RANDOM_ADF, BLOCK, PH_PLAN_DIRECT, "fan-in", 0, 0, 0.99, "not sequential", ""},
    {RANDOM_ADF, RANDOM_ADF, PH_PLAN_DIRECT, "fan-in", -1, 0, 0.99, "not sequential", ""},
    {RANDOM_EIF, RANDOM, PH_PLAN_DIRECT, "fan-in", 0, 0.8, 0.99, "not sequential", ""},
    {COUNTS_ADF, RANDOM, PH_PLAN_DIRECT, "fan-in/measured", 0, 0, 0.97, "", "counted"},
    {RANDOM_ADF, UNKNOWN, PH_PLAN_DIRECT, "fan-in", 0, 0.25, 0.99, "not sequential", ""},
    /* Where both do, it is the one that is easier to find. */
    {RANDOM_ADF, COUNTS_ADF, PH_PLAN_DIRECT, "fan-in/measured", 1, 0, 0.97, "", "counted"},
    /* Both count. */
    {COUNTS, COUNTS, PH_PLAN_DIRECT, "rendezvous", -1, 0, 0.99, "", "counted"},
    {COUNTS_FAST, COUNTS, PH_PLAN_DIRECT, "rendezvous", -1, 0, 0.28, "", "counted"},
    /* Few ports on both sides. */
    {BLOCK, BLOCK, PH_PLAN_DIRECT, "sweep", -1, 0, 0.97, "not sequential", ""},
    {BLOCK_2048, BLOCK_2048, PH_PLAN_DIRECT, "sweep", -1, 0, 0.28, "not sequential", ""},
    {BLOCK, COUNTS, PH_PLAN_DIRECT, "sweep/measured", 1, 0, 0.75, "only one", ""},
    {BLOCK_2048, COUNTS, PH_PLAN_DIRECT, "sweep/measured", 1, 0, 0.3, "only one", ""},
    /* Nothing that is worth its packets. */
    {RANDOM, RANDOM, PH_PLAN_HOPELESS, "", -1, 0, 0, "not sequential", "hopeless: both random"},
    {RANDOM, BLOCK, PH_PLAN_HOPELESS, "", -1, 0, 0, "not sequential", "random and block"},
    {RANDOM, COUNTS, PH_PLAN_HOPELESS, "", -1, 0, 0, "only one", "random and sequential"},
    {BLOCK_8192, BLOCK_8192, PH_PLAN_HOPELESS, "", -1, 0, 0, "not seq", "too large a block"},
    {BLOCK_8192, COUNTS, PH_PLAN_HOPELESS, "", -1, 0, 0, "only one", "too large a block"},
    /* More is to come. */
    {UNKNOWN, HOME, PH_PLAN_UNKNOWN, "", -1, 0.84, 0.8, "facts are missing", "facts are missing"},
    {UNKNOWN, UNKNOWN, PH_PLAN_UNKNOWN, "", -1, 0.71, 0.7, "facts", "facts"},
    {UNKNOWN, RANDOM, PH_PLAN_UNKNOWN, "", -1, 0.25, 0.2, "facts", "facts"},
    {HARD, RANDOM, PH_PLAN_UNKNOWN, "", -1, 0, 0, "facts", "facts"},
    {HARD, COUNTS, PH_PLAN_UNKNOWN, "", -1, 0, 0, "facts", "facts"},
    {BLOCKED, HOME, PH_PLAN_NO_UDP, "", -1, 0, 0, "UDP is blocked", "UDP is blocked"},
    {BLOCKED, UNKNOWN, PH_PLAN_NO_UDP, "", -1, 0, 0, "UDP is blocked", "UDP is blocked"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool is_text(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    return len > 0 && len < cap - 1; /* and not cut */
}

/* What holds of every plan. */
static void check_plan(const struct ph_plan_input *in, const struct ph_plan *p)
{
    uint32_t openers[2] = {0}, probes[2] = {0};
    double miss = 1;
    bool predict = false, birthday = false;
    assert_true(is_text(p->why, sizeof(p->why)));
    assert_in_range(p->count, p->outlook == PH_PLAN_NO_UDP ? 0 : 1, PH_PLAN_MOVES_MAX);
    for (size_t i = 0; i < p->count; i++) {
        const struct ph_move *m = &p->moves[i];
        assert_int_equal(m->kind == PH_MOVE_PUNCH, i == 0);
        assert_true(is_text(m->why, sizeof(m->why)));
        assert_true(m->success >= 0 && m->success <= 1);
        miss *= 1 - m->success;
        if (i == 0)
            continue;
        predict |= m->predicted;
        birthday |= !m->predicted;
        assert_true(m->sockets > 0 && m->probes > 0 && m->success > 0);
        assert_true(m->time > 0 && m->time < 30 * PH_SEC);
        assert_true(m->packets[0] > 0 && m->packets[1] > 0);
        assert_false(m->probes_first || m->no_canary);
        assert_true(m->acceptor_pace.rate > 0 && m->prober_pace.burst > 0);
        bool each = m->kind == PH_MOVE_RENDEZVOUS || m->kind == PH_MOVE_SWEEP;
        uint32_t rounds = m->kind == PH_MOVE_RENDEZVOUS ? m->passes : 1;
        /* A mirror's sockets send all the way, and are as many as may be open at once. */
        bool mirror = m->kind == PH_MOVE_MIRROR;
        assert_true(m->sockets <= ph_budget_resolve(&in->side[m->acceptor].budget).openers);
        openers[m->acceptor] += mirror ? 0 : m->sockets * rounds;
        probes[m->acceptor] += mirror ? m->sockets * (1u + m->repeats) : 0;
        openers[!m->acceptor] += each ? m->sockets * rounds : 0;
        if (m->kind == PH_MOVE_SWEEP) {
            probes[m->acceptor] += m->sockets * ph_port_order_count(&m->back);
            probes[!m->acceptor] += m->sockets * ph_port_order_count(&m->order);
            assert_true(probes[m->acceptor] <= m->probes && probes[!m->acceptor] <= m->probes);
        } else if (m->kind != PH_MOVE_RENDEZVOUS) {
            probes[!m->acceptor] += m->probes;
        }
        if (m->ports == PH_PORTS_ORDER && m->kind != PH_MOVE_RENDEZVOUS && m->kind != PH_MOVE_SWEEP)
            assert_true(ph_port_order_count(&m->order) >= m->probes);
        for (int s = 0; s < 2; s++) {
            struct ph_budget b = ph_budget_resolve(&in->side[s].budget);
            assert_true(openers[s] <= b.openers);
            assert_true(probes[s] <= b.probes);
        }
    }
    assert_true(fabs(p->success - (1 - miss)) < 1e-9 || p->count == 0);
    assert_int_equal(predict, p->no_predict[0] == '\0');
    assert_int_equal(birthday, p->no_birthday[0] == '\0');
    bool hopeless = p->outlook == PH_PLAN_HOPELESS || p->outlook == PH_PLAN_NO_UDP;
    assert_int_equal(ph_plan_is_hopeless(in), hopeless);
}

static void check_row(size_t r, bool swapped)
{
    const struct row *row = &rows[r];
    struct ph_plan_input in = swapped ? input(row->y, row->x) : input(row->x, row->y);
    struct ph_plan p;
    char moves[128] = "";
    ph_plan_make(&in, 7, &p);
    for (size_t i = 1; i < p.count; i++) {
        strcat(moves, i > 1 ? " " : "");
        strcat(moves, move_text(&p.moves[i]));
    }
    bool good = p.outlook == row->outlook && strcmp(moves, row->moves) == 0 &&
                p.success >= row->at_least &&
                (p.count == 0 || fabs(p.moves[0].success - row->punch) < 0.02);
    if (row->acceptor >= 0)
        good &= p.moves[1].acceptor == (swapped ? !row->acceptor : row->acceptor);
    good &= row->no_predict[0] == '\0' || strstr(p.no_predict, row->no_predict) != NULL;
    good &= row->no_birthday[0] == '\0' || strstr(p.no_birthday, row->no_birthday) != NULL;
    if (!good)
        fail_msg("row %zu%s: %s, '%s', acceptor %u, punch %g, success %g, '%s', '%s'", r,
                 swapped ? " swapped" : "", ph_plan_outlook_name(p.outlook), moves,
                 p.moves[1].acceptor, p.moves[0].success, p.success, p.no_predict, p.no_birthday);
    check_plan(&in, &p);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t r = 0; r < ROWS; r++) {
        check_row(r, false);
        check_row(r, true);
    }
}

/* Both peers make the same; who called changes names alone. */
static void test_every_pair_both_ways(void **state)
{
    (void)state;
    for (int x = 0; x < NATS; x++) {
        for (int y = 0; y < NATS; y++) {
            struct ph_plan_input in = input((enum nat)x, (enum nat)y);
            struct ph_plan_input mirrored = input((enum nat)y, (enum nat)x);
            struct ph_plan p, q;
            ph_plan_make(&in, 7, &p);
            ph_plan_make(&mirrored, 7, &q);
            check_plan(&in, &p);
            assert_int_equal(p.outlook, q.outlook);
            assert_int_equal(p.count, q.count);
            assert_true(fabs(p.success - q.success) < 1e-9);
            for (size_t i = 0; i < p.count; i++) {
                assert_int_equal(p.moves[i].kind, q.moves[i].kind);
                assert_int_equal(p.moves[i].sockets, q.moves[i].sockets);
                assert_int_equal(p.moves[i].probes, q.moves[i].probes);
                if (p.moves[i].acceptor != q.moves[i].acceptor)
                    assert_true(same_order(&p.moves[i].order, &q.moves[i].order));
            }
        }
    }
}

static struct ph_plan plan_of(const struct ph_plan_input *in)
{
    struct ph_plan p;
    ph_plan_make(in, 7, &p);
    check_plan(in, &p);
    return p;
}

static void test_budgets(void **state)
{
    (void)state;
    struct ph_budget b = ph_budget_resolve(&(struct ph_budget){0});
    assert_int_equal(b.probes, 1200);
    assert_int_equal(b.openers, 256);
    assert_int_equal(b.rate, 200);
    assert_int_equal(b.burst, 64);
    b = ph_budget_resolve(&(struct ph_budget){60000, 60000, 60000, 60000});
    assert_int_equal(b.probes, PH_BUDGET_PROBES_MOST);
    assert_int_equal(b.openers, PH_BUDGET_OPENERS_MOST);
    assert_int_equal(b.rate, PH_BUDGET_RATE_MOST);
    assert_int_equal(b.burst, PH_BUDGET_BURST_MOST);

    /* Each pair, with little and with much on either side: never more than that is spent. */
    static const struct ph_budget budgets[] = {
        {1, 1, 1, 1}, {100, 8, 50, 4}, {40, 600, 200, 64}, {8192, 1024, 2000, 1024}};
    for (size_t i = 0; i < 16; i++) {
        for (int x = 0; x < NATS; x++) {
            for (int y = 0; y < NATS; y++) {
                struct ph_plan_input in = input((enum nat)x, (enum nat)y);
                in.side[0].budget = budgets[i / 4];
                in.side[1].budget = budgets[i % 4];
                if (i / 4 == 0 || i % 4 == 0) { /* so slow that times are long */
                    struct ph_plan p;
                    ph_plan_make(&in, 7, &p);
                    continue;
                }
                (void)plan_of(&in);
            }
        }
    }
    /* More is better. */
    struct ph_plan_input in = input(RANDOM, HOME);
    double usual = plan_of(&in).success;
    in.side[0].budget.openers = 64;
    assert_true(plan_of(&in).success < usual);
    in.side[0].budget.openers = 0;
    in.side[1].budget.probes = 300;
    assert_true(plan_of(&in).success < usual);
    in = input(BLOCK_2048, BLOCK_2048);
    usual = plan_of(&in).success;
    in.side[0].budget.probes = in.side[1].budget.probes = 4096;
    in.side[0].budget.rate = in.side[1].budget.rate = 1000;
    assert_true(plan_of(&in).success > usual + 0.5);
}

static void test_packets_leave_in_waves(void **state)
{
    (void)state;
    const struct ph_budget pace = {.rate = 200, .burst = 64}, one = {.rate = 1000, .burst = 1};
    assert_int_equal(ph_pace_until(&pace, 0), 0);
    assert_int_equal(ph_pace_until(&pace, 1), 0);
    assert_int_equal(ph_pace_until(&pace, 64), 0);
    assert_int_equal(ph_pace_until(&pace, 65), 320 * PH_MS);
    assert_int_equal(ph_pace_until(&pace, 128), 320 * PH_MS);
    assert_int_equal(ph_pace_until(&pace, 129), 640 * PH_MS);
    assert_int_equal(ph_pace_until(&one, 8), 7 * PH_MS);
    /* All ports, from a thousand sockets, twice. */
    assert_int_equal(ph_pace_until(&one, 1ull << 27), ((1ull << 27) - 1) * PH_MS);
}

static void test_hopeless_says_why(void **state)
{
    (void)state;
    struct ph_plan_input in = input(RANDOM, RANDOM);
    struct ph_plan p = plan_of(&in);
    assert_non_null(strstr(p.why, "53.7k packets a side"));
    in = input(RANDOM, HARD);
    assert_false(ph_plan_is_hopeless(&in)); /* it may turn out to keep ports */
    in = input(BLOCKED, HOME);
    p = plan_of(&in);
    assert_int_equal(p.count, 0);
    assert_non_null(strstr(p.why, "caller"));
    in = input(HOME, BLOCKED);
    assert_non_null(strstr(plan_of(&in).why, "callee"));
}

/* Facts that contradict each other or come from a peer that lies. */
static void test_any_facts_give_a_plan(void **state)
{
    (void)state;
    struct ph_rng rng;
    ph_rng_seed(&rng, 12);
    for (int t = 0; t < 3000; t++) {
        struct ph_plan_input in = {.signalling = ph_rng_below(&rng, 500) * PH_MS,
                                   .stun = ph_rng_below(&rng, 500) * PH_MS,
                                   .direct = ph_rng_below(&rng, 500) * PH_MS};
        for (int s = 0; s < 2; s++) {
            struct ph_plan_side *x = &in.side[s];
            x->udp = PH_YES;
            x->mapping = (enum ph_mapping_behaviour)ph_rng_below(&rng, 5);
            x->filtering = (enum ph_filtering_behaviour)ph_rng_below(&rng, 4);
            x->gateway = (enum ph_gateway_policy)ph_rng_below(&rng, 3);
            x->privileged = ph_rng_below(&rng, 2);
            struct ph_allocation *a = &x->allocation;
            a->type = (enum ph_allocation_type)ph_rng_below(&rng, 7);
            a->step = (int)ph_rng_below(&rng, 7) - 3;
            a->low = (uint16_t)ph_rng_u64(&rng);
            a->high = (uint16_t)ph_rng_u64(&rng);
            a->last = (uint16_t)ph_rng_u64(&rng);
            a->aligned = ph_rng_below(&rng, 2);
            a->cross_rate = ph_rng_unit(&rng) * 2000 - 100;
            a->cross_high = ph_rng_unit(&rng) * 4000;
            a->confidence = ph_rng_unit(&rng) * 2 - 0.5;
            if (ph_rng_below(&rng, 8) == 0)
                a->step = t % 2 ? 30000 : -64512;
        }
        (void)plan_of(&in);
    }
}

/* What no version knows, and what contradicts itself. */
static void test_a_lying_side_is_settled(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct {
            enum ph_allocation_type type;
            int step;
            uint16_t low, high;
        } said, settled;
    } cases[] = {
        {"down", {PH_ALLOCATION_SEQUENTIAL, -4096, 0, 0}, {PH_ALLOCATION_SEQUENTIAL, -4096, 0, 0}},
        {"by nothing", {PH_ALLOCATION_SEQUENTIAL, 0, 0, 0}, {PH_ALLOCATION_UNKNOWN, 0, 0, 0}},
        {"too far", {PH_ALLOCATION_SEQUENTIAL, 4097, 0, 0}, {PH_ALLOCATION_UNKNOWN, 0, 0, 0}},
        {"too far down", {PH_ALLOCATION_SEQUENTIAL, -4097, 0, 0}, {PH_ALLOCATION_UNKNOWN, 0, 0, 0}},
        {"block", {PH_ALLOCATION_BLOCK, 0, 7, 7}, {PH_ALLOCATION_BLOCK, 0, 7, 7}},
        {"block of none", {PH_ALLOCATION_BLOCK, 0, 0, 0}, {PH_ALLOCATION_RANDOM, 0, 0, 0}},
        {"block, back", {PH_ALLOCATION_BLOCK, 0, 9, 8}, {PH_ALLOCATION_RANDOM, 0, 0, 0}},
        {"block at 0", {PH_ALLOCATION_BLOCK, 0, 0, 511}, {PH_ALLOCATION_RANDOM, 0, 0, 0}},
        {"range, back", {PH_ALLOCATION_RANDOM, 0, 9, 8}, {PH_ALLOCATION_RANDOM, 0, 0, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_plan_side s = {.allocation = {.type = cases[i].said.type,
                                                .step = cases[i].said.step,
                                                .low = cases[i].said.low,
                                                .high = cases[i].said.high}};
        const struct ph_allocation *a = &s.allocation;
        ph_plan_side_settle(&s);
        if (a->type != cases[i].settled.type || a->step != cases[i].settled.step ||
            a->low != cases[i].settled.low || a->high != cases[i].settled.high)
            fail_msg("%s: type %d, step %d, %u-%u", cases[i].what, a->type, a->step, a->low,
                     a->high);
    }
    struct ph_plan_side known = {.udp = PH_YES,
                                 .mapping = PH_MAPPING_APDM,
                                 .filtering = PH_FILTERING_APDF,
                                 .gateway = PH_GATEWAY_DROP,
                                 .allocation.confidence = 65.535};
    struct ph_plan_side newer = {.udp = (enum ph_answer)(PH_YES + 1),
                                 .mapping = (enum ph_mapping_behaviour)255,
                                 .filtering = (enum ph_filtering_behaviour)(PH_FILTERING_APDF + 1),
                                 .gateway = (enum ph_gateway_policy)(PH_GATEWAY_DROP + 1)};
    ph_plan_side_settle(&known);
    ph_plan_side_settle(&newer);
    assert_int_equal(known.udp, PH_YES);
    assert_int_equal(known.mapping, PH_MAPPING_APDM);
    assert_int_equal(known.filtering, PH_FILTERING_APDF);
    assert_int_equal(known.gateway, PH_GATEWAY_DROP);
    assert_true(known.allocation.confidence == 1);
    assert_int_equal(newer.udp, PH_ANSWER_UNKNOWN);
    assert_int_equal(newer.mapping, PH_MAPPING_UNKNOWN);
    assert_int_equal(newer.filtering, PH_FILTERING_UNKNOWN);
    assert_int_equal(newer.gateway, PH_GATEWAY_UNKNOWN);
}

static void test_side_and_names(void **state)
{
    (void)state;
    struct ph_nat_facts f = {.udp = PH_YES,
                             .mapping = PH_MAPPING_ADM,
                             .filtering = PH_FILTERING_ADF,
                             .allocation = counted(2, 1, 3),
                             .reflexive = ph_addr_v4(11, 0, 0, 2, 4000)};
    struct ph_plan_side s;
    ph_plan_side(&f, &s);
    assert_int_equal(s.udp, PH_YES);
    assert_int_equal(s.mapping, PH_MAPPING_ADM);
    assert_int_equal(s.filtering, PH_FILTERING_ADF);
    assert_int_equal(s.allocation.step, 2);
    assert_int_equal(s.gateway, PH_GATEWAY_UNKNOWN);
    assert_true(ph_addr_eq(&s.external, &f.reflexive));
    assert_false(s.privileged);
    assert_string_equal(ph_move_kind_name(PH_MOVE_RENDEZVOUS), "rendezvous");
    assert_string_equal(ph_move_kind_name((enum ph_move_kind)9), "?");
    assert_string_equal(ph_move_ports_name(PH_PORTS_MEASURED), "measured");
    assert_string_equal(ph_move_ports_name((enum ph_move_ports)9), "?");
    assert_string_equal(ph_plan_outlook_name(PH_PLAN_NO_UDP), "no-udp");
    assert_string_equal(ph_plan_outlook_name((enum ph_plan_outlook)9), "?");
    assert_string_equal(ph_gateway_policy_name(PH_GATEWAY_DROP), "drop");
    assert_string_equal(ph_gateway_policy_name((enum ph_gateway_policy)9), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_every_pair_both_ways),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_packets_leave_in_waves),
        cmocka_unit_test(test_hopeless_says_why),
        cmocka_unit_test(test_any_facts_give_a_plan),
        cmocka_unit_test(test_a_lying_side_is_settled),
        cmocka_unit_test(test_side_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
