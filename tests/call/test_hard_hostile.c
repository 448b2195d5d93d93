/* The stages predict and birthday against a peer that has the keys and says what it likes: budgets,
 * sockets, time, and an end all hold. */
#include "base/rng.h"
#include "call/agent.h"
#include "call/call.h"

#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GIVE_UP (15 * PH_SEC)
/* What punching and checks send to the peer's candidates beside all guesses. */
#define CHECKS_MOST 200u
/* Soundings and canaries, each asked up to four times; and the survey's own. */
#define STUN_MOST 1200u
/* Events of one instant: a burst of everything, and no more. */
#define EVENTS_MOST 20000u

/* What leaves the peer that is attacked. */
struct watch {
    struct sim_fixture *f;
    int victim;
    struct ph_addr peer; /* the other's public IP */
    struct ph_addr stun[TOPO_ADDRESSES_MAX];
    size_t stun_count;
    size_t to_peer, to_stun, to_others;
    bool lossy;    /* nothing direct arrives */
    ph_ns instant; /* and how many events it had */
    size_t events;
    size_t open_most;
};

static bool is_stun(const struct watch *w, const struct ph_addr *a)
{
    for (size_t i = 0; i < w->stun_count; i++) {
        if (ph_addr_ip_eq(&w->stun[i], a))
            return true;
    }
    return false;
}

static enum sim_verdict on_packet(void *user, const struct sim_tap_packet *p)
{
    struct watch *w = user;
    const struct ph_call *call = w->f->peer[w->victim].call;
    if (p->node != w->f->peer[w->victim].node || ph_addr_ip_eq(&p->dst, &w->f->relay_addr))
        return SIM_PASS;
    if (is_stun(w, &p->dst)) {
        w->to_stun++;
        return SIM_PASS;
    }
    if (call && call->steering.path)
        return SIM_PASS; /* media */
    if (ph_addr_ip_eq(&p->dst, &w->peer))
        w->to_peer++;
    else
        w->to_others++;
    return w->lossy ? SIM_DROP : SIM_PASS;
}

static const struct ph_hard *hard_of(const struct watch *w)
{
    return &w->f->peer[w->victim].call->hard;
}

/* After each event: virtual time goes on, and sockets stay within the ceiling. */
static bool look(void *user)
{
    struct watch *w = user;
    ph_ns now = w->f->world->ops->now(w->f->world);
    w->events = now == w->instant ? w->events + 1 : 0;
    w->instant = now;
    if (w->events > EVENTS_MOST)
        fail_msg("time stands still");
    if (w->f->peer[w->victim].call && hard_of(w)->run.fan.open > w->open_most)
        w->open_most = hard_of(w)->run.fan.open;
    return false;
}

static void run(struct watch *w, ph_ns time)
{
    struct world *world = w->f->world;
    ph_ns until = world->ops->now(world) + time;
    sim_run_while(world, until, look, w);
    sim_run_until(world, until);
    sim_fixture_report(w->f);
}

static void say(struct watch *w, const struct ph_hard_message *m)
{
    sim_peer_say(&w->f->peer[1 - w->victim], m);
}

/* A call whose hostile end does nothing of its own accord. */
static void begin(struct watch *w, const char *victim, const char *hostile, int victim_is,
                  uint64_t seed, bool lossy)
{
    struct sim_fixture_config c = {.seed = seed};
    c.nat[victim_is] = victim;
    c.nat[1 - victim_is] = hostile;
    *w = (struct watch){.f = sim_fixture_new(&c), .victim = victim_is, .lossy = lossy};
    struct sim_fixture *f = w->f;
    sim_fixture_register(f);
    sim_fixture_run(f, 3 * PH_SEC);
    size_t stun = layout_find(&f->layout, "stun");
    assert_true(stun != SIZE_MAX);
    w->stun_count = f->layout.nodes[stun].addr_count;
    memcpy(w->stun, f->layout.nodes[stun].addrs, w->stun_count * sizeof(w->stun[0]));
    sim_tap(f->world, on_packet, w);
    sim_fixture_until_told(f);
    w->peer = f->peer[1 - victim_is].call->hard.own.external;
    w->to_others = w->to_peer = 0; /* so far: punching */
    ph_hard_fini(&f->peer[1 - victim_is].call->hard);
}

static void assert_bounded(struct watch *w)
{
    if (w->to_peer > PH_BUDGET_PROBES + PH_BUDGET_OPENERS + CHECKS_MOST)
        fail_msg("%zu packets to the peer", w->to_peer);
    if (w->to_others > PH_HARD_HANDFUL + CHECKS_MOST)
        fail_msg("%zu packets to others", w->to_others);
    if (w->to_stun > STUN_MOST)
        fail_msg("%zu packets to STUN servers", w->to_stun);
    if (w->open_most > PH_BUDGET_OPENERS)
        fail_msg("%zu sockets at once", w->open_most);
}

/* ---- Chance */

static uint32_t any(struct ph_rng *r, uint32_t n)
{
    return (uint32_t)ph_rng_below(r, n);
}

static struct ph_addr any_address(struct watch *w, struct ph_rng *r)
{
    uint16_t port = (uint16_t)any(r, 65536);
    switch (any(r, 12)) {
    case 0:
        return (struct ph_addr){0};
    case 1:
        return ph_addr_v4(127, 0, 0, 1, port);
    case 2:
        return ph_addr_v4(224, 0, 0, 1, port);
    case 3:
        return w->f->relay_addr;
    case 4:
        return ph_addr_v4(11, 99, 0, (uint8_t)any(r, 256), port);
    default:
        break;
    }
    struct ph_addr a = w->peer;
    a.port = port;
    return a;
}

static struct ph_hard_message any_probe(struct watch *w, struct ph_rng *r, uint32_t generation)
{
    static const char *const allocations[] = {
        "random",     "block", "sequential:1",   "sequential:-2", "sequential:4096",
        "preserving", "",      "no such thing:1"};
    struct ph_hard_message m = {.type = PH_HARD_NAT_PROBE,
                                .probe = w->f->peer[1 - w->victim].call->hard.own};
    struct ph_hard_probe *p = &m.probe;
    p->generation = generation;
    if (any(r, 2) == 0) { /* nearly the truth */
        p->low = (uint16_t)(p->low + any(r, 3));
        p->external.port = (uint16_t)any(r, 65536);
        p->probes = p->openers = p->packet_rate = p->burst = (uint16_t)any(r, 65536);
        return m;
    }
    p->final = any(r, 2) == 0;
    p->port_count = any(r, PH_HARD_SEQUENCE_MAX + 1);
    for (size_t i = 0; i < p->port_count; i++)
        p->port_sequence[i] = (uint16_t)any(r, 65536);
    strcpy(p->allocation, allocations[any(r, 8)]);
    p->external = any_address(w, r);
    p->udp = (uint8_t)(any(r, 8) == 0 ? any(r, 256) : 1);
    p->mapping = (uint8_t)any(r, 6);
    p->filtering = (uint8_t)any(r, 5);
    p->gateway = (uint8_t)any(r, 4);
    p->low = (uint16_t)any(r, 65536);
    p->high = any(r, 3) == 0 ? (uint16_t)any(r, 65536) : (uint16_t)(p->low + any(r, 700));
    p->aligned = any(r, 2) == 0;
    p->rated = any(r, 2) == 0;
    p->rate = any(r, 2) == 0 ? any(r, 20000) : UINT32_MAX;
    p->rate_high = any(r, 2) == 0 ? any(r, 20000) : UINT32_MAX;
    p->confidence = (uint16_t)any(r, 1200);
    p->probes = (uint16_t)any(r, 65536);
    p->openers = (uint16_t)any(r, 65536);
    p->packet_rate = (uint16_t)any(r, any(r, 2) == 0 ? 3 : 65536);
    p->burst = (uint16_t)any(r, any(r, 2) == 0 ? 3 : 65536);
    p->relay_rtt_ms = any(r, 4) == 0 ? UINT32_MAX : any(r, 100);
    p->stun_rtt_ms = any(r, 4) == 0 ? UINT32_MAX : any(r, 100);
    return m;
}

static struct ph_hard_message any_start(struct watch *w, struct ph_rng *r)
{
    const struct ph_hard *h = hard_of(w);
    struct ph_hard_message m = {.type = PH_HARD_NAT_BIRTHDAY_START};
    struct ph_hard_start *s = &m.start;
    memcpy(s->call_id, w->f->peer[0].call->id, PH_CALL_ID_LEN);
    s->index = (uint16_t)(any(r, 8) == 0 ? any(r, 65536) : any(r, PH_PLAN_MOVES_MAX));
    s->move = (uint8_t)any(r, 6);
    if (s->index < h->plan.count && any(r, 4) != 0)
        s->move = (uint8_t)h->plan.moves[s->index].kind;
    s->phase = (uint8_t)any(r, 4);
    s->round = (uint16_t)(any(r, 8) == 0 ? any(r, 65536) : any(r, 5));
    s->acceptor_port_count = (uint16_t)any(r, 65536);
    s->port_count = any(r, 3) == 0 ? any(r, PH_HARD_PORTS_MAX + 1) : 0;
    for (size_t i = 0; i < s->port_count; i++)
        s->acceptor_ports[i] = (uint16_t)any(r, 65536);
    s->low = (uint16_t)(any(r, 3) == 0 ? 0 : any(r, 65536));
    s->high = (uint16_t)any(r, 65536);
    s->stride = (uint16_t)any(r, 5);
    return m;
}

static void test_anything(void **state)
{
    (void)state;
    static const char *const nats[] = {
        "port-restricted", "random", "sequential",      "block-512",
        "full-cone",       "cgnat",  "sequential-down", "address-restricted"};
    for (uint64_t seed = 1; seed <= 48; seed++) {
        struct ph_rng r;
        struct watch w;
        ph_rng_seed(&r, seed);
        begin(&w, nats[seed % 8], nats[any(&r, 8)], (int)(seed / 8 % 2), seed, seed % 4 != 0);
        uint32_t generation = 1000;
        ph_ns started = w.f->peer[0].report.started;
        /* Some attack at once, some slowly; all go on when the call has given up. */
        ph_ns pause = (ph_ns)any(&r, 3) * 40 * PH_MS + PH_MS;
        uint32_t rare = 2 + any(&r, 30); /* facts among the starts */
        for (int i = 0; i < 400; i++) {
            struct ph_hard_message m =
                any(&r, rare) == 0 ? any_probe(&w, &r, ++generation) : any_start(&w, &r);
            say(&w, &m);
            run(&w, any(&r, 3) == 0 ? pause : 0);
        }
        ph_ns now = w.f->world->ops->now(w.f->world);
        run(&w, ph_max_ns(started + GIVE_UP + PH_SEC, now + PH_SEC) - now);
        for (int i = 0; i < 50; i++) {
            struct ph_hard_message m =
                any(&r, 2) == 0 ? any_probe(&w, &r, ++generation) : any_start(&w, &r);
            say(&w, &m);
            run(&w, any(&r, 30) * PH_MS);
            if (!w.f->peer[w.victim].report.settled)
                fail_msg("seed %llu: not settled", (unsigned long long)seed);
        }
        assert_bounded(&w);
        sim_fixture_free(w.f);
    }
}

/* ---- Repetition */

static struct ph_hard_message facts_of_hostile(const struct watch *w)
{
    return (struct ph_hard_message){.type = PH_HARD_NAT_PROBE,
                                    .probe = w->f->peer[1 - w->victim].call->hard.own};
}

static void say_start(struct watch *w, enum ph_move_kind kind, enum ph_hard_phase phase,
                      uint16_t round, uint16_t port)
{
    const struct ph_plan *plan = &hard_of(w)->plan;
    struct ph_hard_message m = {.type = PH_HARD_NAT_BIRTHDAY_START};
    memcpy(m.start.call_id, w->f->peer[0].call->id, PH_CALL_ID_LEN);
    m.start.move = (uint8_t)kind;
    m.start.phase = (uint8_t)phase;
    m.start.round = round;
    m.start.low = m.start.high = port;
    for (uint16_t i = 0; i < plan->count; i++) {
        if (plan->moves[i].kind == kind)
            m.start.index = i;
    }
    say(w, &m);
}

/* Moves that begin again and again go no faster than one that goes on. */
static void test_rate(void **state)
{
    (void)state;
    struct watch w;
    begin(&w, "port-restricted", "random", 0, 3, true);
    struct ph_hard_message m = facts_of_hostile(&w);
    size_t before = w.to_peer;
    for (uint16_t i = 0; i < 50; i++) {
        m.probe.generation++;
        m.probe.low = (uint16_t)(2000 + i);
        m.probe.high = 60000;
        say(&w, &m);
        run(&w, 10 * PH_MS);
        say_start(&w, PH_MOVE_FAN_IN, PH_HARD_OPENED, 1, 0);
        run(&w, 10 * PH_MS);
    }
    size_t sent = w.to_peer - before;
    assert_true(sent > 32);
    /* And a few checks of punching. */
    if (sent > PH_BUDGET_BURST + PH_BUDGET_RATE + 20)
        fail_msg("%zu packets in a second", sent);
    sim_fixture_free(w.f);
}

/* Each beginning of a rendezvous asks STUN servers where the counter stands, from fresh sockets. */
static void test_soundings(void **state)
{
    (void)state;
    struct watch w;
    begin(&w, "sequential", "sequential", 0, 3, true);
    struct ph_hard_message m = facts_of_hostile(&w);
    for (uint16_t i = 0; i < 400; i++) {
        m.probe.generation++;
        m.probe.mapping = i % 2 ? PH_MAPPING_APDM : PH_MAPPING_EIM;
        m.probe.filtering = PH_FILTERING_APDF;
        say(&w, &m);
        run(&w, 10 * PH_MS);
        say_start(&w, i % 2 ? PH_MOVE_RENDEZVOUS : PH_MOVE_FAN_IN, PH_HARD_OPENING, 1, 5000);
        run(&w, 10 * PH_MS);
    }
    assert_bounded(&w);
    if (w.to_stun > 120)
        fail_msg("%zu packets to STUN servers", w.to_stun);
    /* When the call has given up, nothing moves it any more. */
    run(&w, GIVE_UP);
    size_t stun = w.to_stun, peer = w.to_peer, others = w.to_others;
    for (uint16_t i = 0; i < 100; i++) {
        m.probe.generation++;
        m.probe.mapping = i % 2 ? PH_MAPPING_APDM : PH_MAPPING_EIM;
        say(&w, &m);
        say_start(&w, i % 2 ? PH_MOVE_RENDEZVOUS : PH_MOVE_FAN_IN, PH_HARD_OPENING, 1, 5000);
        run(&w, 10 * PH_MS);
        assert_true(w.f->peer[0].report.settled);
    }
    assert_int_equal(w.to_stun, stun);
    assert_int_equal(w.to_peer, peer);
    assert_int_equal(w.to_others, others);
    sim_fixture_free(w.f);
}

/* ---- Single words */

/* While a move is under way, the peer is elsewhere: where nothing may be sent at all. */
static void test_other_target(void **state)
{
    (void)state;
    struct watch w;
    begin(&w, "port-restricted", "random", 0, 3, true);
    struct ph_hard_message m = facts_of_hostile(&w);
    run(&w, 500 * PH_MS);
    say_start(&w, PH_MOVE_FAN_IN, PH_HARD_OPENED, 1, 0);
    run(&w, 100 * PH_MS);
    assert_int_equal(hard_of(&w)->run.phase, PH_RUN_PROBING);
    assert_true(w.to_peer > 0);
    m.probe.generation++;
    m.probe.external = w.peer = ph_addr_v4(224, 0, 0, 1, 5000);
    w.to_peer = 0;
    say(&w, &m);
    run(&w, 2 * PH_SEC);
    assert_int_equal(w.to_peer, 0);
    sim_fixture_free(w.f);
}

/* A range of one port: what goes there is paid for like all else. */
static void test_one_port(void **state)
{
    (void)state;
    struct watch w;
    begin(&w, "block-512", "block-512", 0, 3, true);
    struct ph_hard_message m = facts_of_hostile(&w);
    run(&w, 10 * PH_MS);
    uint32_t had = hard_of(&w)->probes_left;
    size_t before = w.to_peer;
    for (uint16_t i = 0; i < 6; i++) {
        m.probe.generation++;
        m.probe.low = m.probe.high = (uint16_t)(3000 + i);
        m.probe.probes = (uint16_t)(1000 + 2 * i);
        say(&w, &m);
        run(&w, 100 * PH_MS);
        assert_int_equal(hard_of(&w)->run.move.kind, PH_MOVE_SWEEP);
    }
    assert_true(w.to_peer - before >= 12);
    assert_true(w.to_peer - before <= had - hard_of(&w)->probes_left + 4); /* and checks */
    sim_fixture_free(w.f);
}

static enum sim_verdict on_port_zero(void *user, const struct sim_tap_packet *p)
{
    size_t *n = user;
    *n += p->dst.port == 0;
    return SIM_PASS;
}

/* A rendezvous at no port is none. */
static void test_no_port(void **state)
{
    (void)state;
    struct watch w;
    size_t n = 0;
    begin(&w, "sequential", "sequential", 0, 3, true);
    sim_tap(w.f->world, on_port_zero, &n);
    say_start(&w, PH_MOVE_RENDEZVOUS, PH_HARD_OPENING, 1, 5000);
    run(&w, 10 * PH_MS);
    say_start(&w, PH_MOVE_RENDEZVOUS, PH_HARD_OPENED, 1, 0);
    run(&w, 2 * PH_SEC);
    assert_int_equal(n, 0);
    sim_fixture_free(w.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anything),  cmocka_unit_test(test_rate),
        cmocka_unit_test(test_soundings), cmocka_unit_test(test_other_target),
        cmocka_unit_test(test_one_port),  cmocka_unit_test(test_no_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
