/* Several relays, in the in-memory world: which one an agent takes, what it does when that dies,
 * and how peers at different ones find each other. All times are virtual. */
#include "relays.h"

static bool is_home(void *user)
{
    struct peer *p = user;
    return home_of(p->fixture, 0) != NOBODY;
}

static void test_nearest_is_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *config, *alive;
        size_t home;
        unsigned by_ms; /* a Retry, a handshake and the ack are three round trips */
    } rows[] = {
        {"0", "0", 0, 60},     /* one alone is not measured first */
        {"01", "01", 0, 90},   /* half as long again as the first answer took, before them */
        {"10", "01", 0, 90},   /* ... whatever the order */
        {"02", "02", 0, 82},   /* all have answered */
        {"203", "023", 2, 90}, /* of those that are about as near, the first: peers meet there */
        {"302", "023", 3, 96}, /* ... */
        {"13", "1", 1, 270},   /* the first answer took 60 */
        {"3102", "1", 1, 270}, /* the others are dead */
        {"30", "0", 0, 90},    /* ... */
        {"0", "", NOBODY, 0},  /* all are */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = new_fixture(1 + i, 0);
        for (const char *r = rows[i].alive; *r; r++)
            start_relay(f, (size_t)(*r - '0'));
        start_peer(f, 0, rows[i].config, 0);
        ph_ns started = now(f);
        sim_run_while(f->world, started + 4 * PH_SEC, is_home, &f->peer[0]);
        if (home_of(f, 0) != rows[i].home)
            fail_msg("%s of %s: %zu", rows[i].config, rows[i].alive, home_of(f, 0));
        double at = ph_ns_to_ms(now(f) - started);
        if (rows[i].home != NOBODY && at > rows[i].by_ms + 0.1)
            fail_msg("%s of %s: after %.1f ms", rows[i].config, rows[i].alive, at);
        run(f, 700 * PH_SEC);
        assert_int_equal(home_of(f, 0), rows[i].home);
        assert_int_equal(f->peer[0].told_ok, rows[i].home != NOBODY);
        free_fixture(f);
    }
}

/* A registration waits for STUN, but not for a relay that is dead: two questions and as many waits
 * for the round trips of those who live. */
static void test_a_dead_relay_holds_nobody_up(void **state)
{
    (void)state;
    static const struct {
        const char *config, *alive;
        unsigned by_ms;
    } rows[] = {
        {"01", "01", 90 + 1}, {"03", "0", 180 + 1}, /* asked again after 60, and again after 120
                                                       more */
        {"30", "0", 180 + 1}, {"0312", "0", 180 + 1}, {"13", "1", 420 + 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = new_fixture(300 + i, 0);
        for (const char *r = rows[i].alive; *r; r++)
            start_relay(f, (size_t)(*r - '0'));
        ph_ns started = now(f);
        start_peer(f, 0, rows[i].config, 0);
        run(f, 4 * PH_SEC);
        assert_int_equal(f->peer[0].told_ok, 1);
        double at = ph_ns_to_ms(f->peer[0].told_at - started);
        if (at > rows[i].by_ms)
            fail_msg("%s of %s: told after %.1f ms", rows[i].config, rows[i].alive, at);
        free_fixture(f);
    }
}

static void test_the_ack_teaches(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(20, 0);
    struct ph_relay_report r[PH_RELAY_REPORTS_MAX];
    name_others(f, 0, "123");
    name_others(f, 1, "0");
    for (size_t i = 0; i < 3; i++)
        start_relay(f, i); /* 3 is named, but not there */
    start_peer(f, 0, "0", 0);
    run(f, 5 * PH_SEC);
    assert_int_equal(ph_agent_relays(f->peer[0].agent, NULL, 0), 4);
    assert_int_equal(ph_agent_relays(f->peer[0].agent, r, PH_RELAY_REPORTS_MAX), 4);
    static const size_t order[] = {0, 2, 1, 3};
    for (size_t i = 0; i < 4; i++) {
        assert_true(ph_addr_eq(&r[i].addr, &f->relays[order[i]].addr));
        assert_string_equal(r[i].region, regions[order[i]]);
        assert_int_equal(r[i].rtt / PH_MS, order[i] == 3 ? 0 : rtt_ms[order[i]]);
        assert_int_equal(r[i].answers, order[i] != 3);
        assert_int_equal(r[i].configured, i == 0);
        assert_int_equal(r[i].in_use, i == 0);
        assert_int_equal(r[i].preferred, i == 0);
    }
    assert_int_equal(f->peer[0].told, 1);

    /* One that is told of a clearly nearer relay goes there, and is never nowhere meanwhile. */
    start_peer(f, 1, "1", 0);
    run(f, 5 * PH_SEC);
    assert_int_equal(home_of(f, 1), 0);
    assert_int_equal(f->peer[1].told, 2);
    assert_int_equal(f->peer[1].told_ok, 2);
    assert_int_equal(clients(f, 0), 2);
    assert_int_equal(clients(f, 1), 1); /* callers may still look for it there */
    run(f, 30 * PH_SEC);
    assert_int_equal(clients(f, 1), 0);
    free_fixture(f);
}

static void test_peers_at_different_relays(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(30, 0);
    name_others(f, 0, "312"); /* 3 is not there: the search passes by */
    for (size_t i = 0; i < 3; i++)
        start_relay(f, i);
    start_peer(f, 0, "0", 0);
    start_peer(f, 1, "1", 0);
    run(f, 5 * PH_SEC);
    assert_int_equal(home_of(f, 0), 0);
    assert_int_equal(home_of(f, 1), 1);
    dial(f);
    run(f, 2 * PH_SEC);
    for (int i = 0; i < 2; i++) {
        const struct ph_call_report *r = &f->peer[i].report;
        assert_int_equal(r->state, PH_CALL_CONNECTED);
        assert_true(r->direct);
        assert_true(r->media.received > 20);
        assert_true(ph_addr_eq(&r->relay, &f->relays[1].addr));
    }
    /* It asked 2 on the way, and stays at home all the time. */
    assert_int_equal(clients(f, 0), 1);
    assert_int_equal(clients(f, 1), 2);
    assert_int_equal(clients(f, 2), 1);
    assert_int_equal(home_of(f, 0), 0);
    assert_int_equal(f->peer[0].told, 1);
    run(f, 60 * PH_SEC);
    assert_int_equal(clients(f, 1), 2); /* as long as the call needs it */
    assert_int_equal(clients(f, 2), 0);
    /* The next call finds it there at once. */
    struct ph_call *first = f->peer[0].call;
    ph_call_hangup(first);
    run(f, PH_SEC);
    assert_int_equal(f->peer[1].report.state, PH_CALL_ENDED);
    ph_call_release(f->peer[1].call);
    f->peer[1].call = NULL;
    ph_call_release(first);
    dial(f);
    run(f, PH_SEC);
    assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
    ph_call_hangup(f->peer[0].call);
    run(f, 40 * PH_SEC);
    assert_int_equal(clients(f, 1), 1);
    free_fixture(f);
}

/* And where no direct path is allowed, by the relay of the callee. */
static void test_relayed_by_the_other_relay(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(31, 0);
    name_others(f, 0, "1");
    for (size_t i = 0; i < 2; i++)
        start_relay(f, i);
    start_peer(f, 0, "0", 1u << PH_STAGE_RELAY);
    start_peer(f, 1, "1", 0);
    run(f, 5 * PH_SEC);
    dial(f);
    run(f, 5 * PH_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f->peer[i].report.state, PH_CALL_CONNECTED);
        assert_false(f->peer[i].report.direct);
        assert_true(f->peer[i].report.media.received > 150);
    }
    free_fixture(f);
}

/* Wherever in its keep-alive's period it is when the relay dies. */
static void test_the_relay_dies(void **state)
{
    (void)state;
    for (unsigned phase = 0; phase < 6; phase++) {
        struct fixture *f = new_fixture(40 + phase, 0);
        if (phase % 2)
            name_others(f, 0, "1");
        for (size_t i = 0; i < 2; i++)
            start_relay(f, i);
        start_peer(f, 0, phase % 2 ? "0" : "01", 0);
        run(f, 20 * PH_SEC + phase * PH_SEC);
        assert_int_equal(home_of(f, 0), 0);
        ph_ns died = now(f);
        kill_relay(f, 0);
        run(f, 20 * PH_SEC);
        assert_int_equal(home_of(f, 0), 1);
        assert_true(ph_agent_registered(f->peer[0].agent));
        assert_int_equal(f->peer[0].told, 3); /* registered, lost, registered */
        assert_int_equal(f->peer[0].last, PH_OK);
        if (f->peer[0].told_at > died + 16 * PH_SEC)
            fail_msg("after %.1f s", ph_ns_to_ms(f->peer[0].told_at - died) / 1000);

        /* It comes back, and is nearer: the agent goes back to it, once. */
        start_relay(f, 0);
        run(f, 320 * PH_SEC);
        assert_int_equal(home_of(f, 0), 0);
        assert_int_equal(f->peer[0].told, 4);
        run(f, 1000 * PH_SEC);
        assert_int_equal(f->peer[0].told, 4);
        free_fixture(f);
    }
}

/* The second is dead as well: it does not wait for that one's handshake to time out. */
static void test_two_relays_die(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(48, 0);
    for (size_t i = 0; i < 3; i++)
        start_relay(f, i);
    start_peer(f, 0, "021", 0);
    run(f, 20 * PH_SEC);
    kill_relay(f, 0);
    kill_relay(f, 2);
    run(f, 20 * PH_SEC);
    assert_int_equal(home_of(f, 0), 1);
    /* All of them: it goes on trying, and comes back when one does. */
    kill_relay(f, 1);
    run(f, 200 * PH_SEC);
    assert_int_equal(home_of(f, 0), NOBODY);
    assert_int_not_equal(f->peer[0].last, PH_OK);
    start_relay(f, 2);
    run(f, 100 * PH_SEC);
    assert_int_equal(home_of(f, 0), 2);
    free_fixture(f);
}

static void test_calls_when_the_relay_dies(void **state)
{
    (void)state;
    for (int direct = 0; direct < 2; direct++) {
        struct fixture *f = new_fixture(50, 0);
        for (size_t i = 0; i < 2; i++)
            start_relay(f, i);
        start_peer(f, 0, "01", direct ? 0 : 1u << PH_STAGE_RELAY);
        start_peer(f, 1, "01", 0);
        run(f, 5 * PH_SEC);
        dial(f);
        run(f, 5 * PH_SEC);
        assert_int_equal(f->peer[0].report.direct, direct);
        kill_relay(f, 0);
        run(f, 20 * PH_SEC);
        for (int i = 0; i < 2; i++) {
            const struct ph_call_report *r = &f->peer[i].report;
            assert_int_equal(home_of(f, i), 1);
            assert_int_equal(r->state, PH_CALL_CONNECTED);
            if (direct) {
                assert_true(r->media.received > 1200);
                assert_true(r->media.max_gap < 100 * PH_MS);
            } else {
                /* Silence is noticed after half a second, and believed after a second and four
                 * round trips more. */
                assert_true(ph_addr_eq(&r->relay, &f->relays[1].addr));
                assert_true(r->media.max_gap < 2500 * PH_MS);
            }
        }
        /* While the call is on nobody moves, whatever comes back. */
        start_relay(f, 0);
        unsigned told_before = f->peer[0].told;
        run(f, 400 * PH_SEC);
        assert_int_equal(home_of(f, 0), 1);
        assert_int_equal(f->peer[0].told, told_before);
        assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
        free_fixture(f);
    }
}

struct watch {
    const struct fixture *f;
    const struct ph_addr *listed;
    size_t there; /* packets that peer 0 sent to what was listed as a relay and is none */
};

static enum sim_verdict watch(void *user, const struct sim_tap_packet *p)
{
    struct watch *w = user;
    /* The survey knocks on its own reflexive address, from a socket of its own, to see whether the
     * NAT turns that round. */
    if (p->node != w->f->peer[0].node || (p->src.port != PEER_PORT && p->dst.port == PEER_PORT))
        return SIM_PASS;
    for (size_t i = 0; i < RELAYS; i++) {
        if (ph_addr_eq(&p->dst, &w->f->relays[i].addr))
            return SIM_PASS;
    }
    for (size_t i = 0; i < PH_SIGNAL_RELAYS_MAX; i++)
        w->there += ph_addr_eq(&p->dst, &w->listed[i]);
    return SIM_PASS;
}

static void test_hostile_ack(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(60, 0);
    start_relay(f, 1);
    struct ph_relay_config *c = &f->relays[0].config;
    struct ph_addr inside = f->layout.nodes[layout_find(&f->layout, "a")].addrs[0];
    struct ph_addr outside = f->layout.nodes[layout_find(&f->layout, "a.nat")].wan[0];
    inside.port = outside.port = PEER_PORT;
    const struct ph_addr bad[PH_SIGNAL_RELAYS_MAX] = {
        f->relays[0].addr, /* itself */
        f->relays[1].addr, /* a good one ... */
        f->relays[1].addr, /* ... twice */
        outside,           /* the peer */
        inside,
        ph_addr_v4(127, 0, 0, 1, 22),   /* the peer's own machine */
        ph_addr_v4(192, 168, 0, 1, 80), /* its router */
        ph_addr_v4(224, 0, 0, 1, 3478), /* everybody */
    };
    struct watch w = {.f = f, .listed = bad};
    memcpy(c->others, bad, sizeof(bad));
    c->other_count = PH_SIGNAL_RELAYS_MAX;
    start_relay(f, 0);
    sim_tap(f->world, watch, &w);
    start_peer(f, 0, "0", 0);
    run(f, 1000 * PH_SEC);
    assert_int_equal(home_of(f, 0), 0);
    assert_int_equal(ph_agent_relays(f->peer[0].agent, NULL, 0), 2);
    assert_int_equal(w.there, 0);
    assert_int_equal(f->peer[0].told, 1);
    free_fixture(f);
}

/* About as near, and the measurements are noisy: they differ by 2 ms and by 4, which in an hour
 * noise may make the 5 ms that are worth a change. Then it changes once, and not back. */
static void test_no_flapping(void **state)
{
    (void)state;
    for (uint64_t seed = 70; seed < 80; seed++) {
        struct fixture *f = new_fixture(seed, 2 * PH_MS);
        for (size_t i = 0; i < RELAYS; i++)
            start_relay(f, i);
        start_peer(f, 0, "201", 0);
        start_peer(f, 1, "3210", 0);
        run(f, 3600 * PH_SEC);
        assert_in_range(f->peer[0].told, 1, 2);
        assert_in_range(f->peer[1].told, 1, 2);
        free_fixture(f);
    }
}

static void test_nobody_knows_the_peer(void **state)
{
    (void)state;
    static const struct {
        const char *alive;
        ph_ns by;
    } rows[] = {
        {"0", 11 * PH_SEC},
        {"0123", PH_SEC},
        {"01", 11 * PH_SEC},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = new_fixture(80 + i, 0);
        name_others(f, 0, "123");
        for (const char *r = rows[i].alive; *r; r++)
            start_relay(f, (size_t)(*r - '0'));
        start_peer(f, 0, "0", 0);
        run(f, 5 * PH_SEC);
        uint8_t nobody[PH_FINGERPRINT_LEN] = {1};
        assert_int_equal(ph_agent_call(f->peer[0].agent, nobody, &f->peer[0].call), PH_OK);
        run(f, 50 * PH_MS);
        assert_int_equal(f->peer[0].report.state, PH_CALL_DIALING);
        run(f, rows[i].by);
        assert_int_equal(f->peer[0].report.state, PH_CALL_ENDED);
        assert_int_equal(f->peer[0].report.error, PH_ERR_NOENT);
        /* It was asked for once at each, and the next call can be made. */
        assert_int_equal(home_of(f, 0), 0);
        ph_call_release(f->peer[0].call);
        f->peer[0].call = NULL;
        assert_int_equal(ph_agent_call(f->peer[0].agent, nobody, &f->peer[0].call), PH_OK);
        run(f, 50 * PH_MS);
        ph_call_hangup(f->peer[0].call); /* in the middle of the search */
        run(f, 60 * PH_SEC);
        assert_int_equal(f->peer[0].report.error, PH_OK);
        for (const char *r = rows[i].alive + 1; *r; r++)
            assert_int_equal(clients(f, (size_t)(*r - '0')), 0);
        free_fixture(f);
    }
}

/* Several calls search at once, for as many as there are calls: each gets its turn or an end. */
static void test_many_searches(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(90, 0);
    struct ph_call *calls[8];
    struct ph_call_report r;
    name_others(f, 0, "231");
    for (size_t i = 0; i < RELAYS; i++)
        start_relay(f, i);
    start_peer(f, 0, "0", 0);
    start_peer(f, 1, "1", 0);
    run(f, 5 * PH_SEC);
    for (size_t i = 0; i < 8; i++) {
        uint8_t nobody[PH_FINGERPRINT_LEN] = {(uint8_t)(i + 1)};
        assert_int_equal(ph_agent_call(f->peer[0].agent,
                                       i % 2 ? nobody : ph_agent_fingerprint(f->peer[1].agent),
                                       &calls[i]),
                         PH_OK);
    }
    run(f, 5 * PH_SEC);
    for (size_t i = 0; i < 8; i++) {
        ph_call_report(calls[i], &r);
        assert_int_equal(r.state, i % 2 ? PH_CALL_ENDED : PH_CALL_CONNECTED);
        if (i % 2)
            assert_int_equal(r.error, PH_ERR_NOENT);
    }
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_is_chosen),
        cmocka_unit_test(test_a_dead_relay_holds_nobody_up),
        cmocka_unit_test(test_the_ack_teaches),
        cmocka_unit_test(test_peers_at_different_relays),
        cmocka_unit_test(test_relayed_by_the_other_relay),
        cmocka_unit_test(test_the_relay_dies),
        cmocka_unit_test(test_two_relays_die),
        cmocka_unit_test(test_calls_when_the_relay_dies),
        cmocka_unit_test(test_hostile_ack),
        cmocka_unit_test(test_no_flapping),
        cmocka_unit_test(test_nobody_knows_the_peer),
        cmocka_unit_test(test_many_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
