/* Calls whose relay goes: by drain, or for good. They find another one. All times are virtual. */
#include "relays.h"

/* A relay that drains: its clients go to another one, at once and without a moment at none, while a
 * relayed call goes on where it is. */
static void test_the_relay_drains(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(55, 0);
    name_others(f, 0, "1"); /* b learns of it by the relay's word */
    for (size_t i = 0; i < 2; i++)
        start_relay(f, i);
    start_peer(f, 0, "01", 1u << PH_STAGE_RELAY);
    start_peer(f, 1, "0", 0);
    run(f, 5 * PH_SEC);
    dial(f);
    run(f, 5 * PH_SEC);
    ph_relay_drain(f->relays[0].relay);
    run(f, PH_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(home_of(f, i), 1);
        assert_int_equal(f->peer[i].told, f->peer[i].told_ok);
    }
    run(f, 60 * PH_SEC);
    assert_int_equal(clients(f, 0), 2);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
    assert_true(f->peer[0].report.media.max_gap < 100 * PH_MS);
    ph_call_hangup(f->peer[0].call);
    run(f, 60 * PH_SEC);
    assert_int_equal(clients(f, 0), 0);
    assert_int_equal(clients(f, 1), 2);
    free_fixture(f);
}

/* A drained relay that ends at last, with the call still there: it is told, and need not be
 * missed. */
static void test_a_drained_relay_ends(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(56, 0);
    for (size_t i = 0; i < 2; i++)
        start_relay(f, i);
    start_peer(f, 0, "01", 1u << PH_STAGE_RELAY);
    start_peer(f, 1, "01", 0);
    run(f, 5 * PH_SEC);
    dial(f);
    run(f, 5 * PH_SEC);
    ph_relay_drain(f->relays[0].relay);
    run(f, 2 * PH_SEC);
    ph_relay_farewell(f->relays[0].relay);
    kill_relay(f, 0);
    run(f, 20 * PH_SEC);
    for (int i = 0; i < 2; i++) {
        const struct ph_call_report *r = &f->peer[i].report;
        assert_int_equal(r->state, PH_CALL_CONNECTED);
        assert_true(ph_addr_eq(&r->relay, &f->relays[1].addr));
        /* Both are at the other one: the word, the resumption, its confirmation and a frame. */
        assert_true(r->media.max_gap < 300 * PH_MS);
    }
    free_fixture(f);
}

/* The peers' next homes differ: one of them has to go where the other is. */
static void test_a_relay_is_found_for_both(void **state)
{
    (void)state;
    static const struct {
        const char *config[2];
        size_t dies, found;
    } rows[] = {
        {{"021", "01"}, 0, 1},
        {{"01", "021"}, 0, 1},
        {{"0231", "01"}, 0, 1},
        {{"023", "013"}, 0, 3},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = new_fixture(60 + i, 0);
        for (size_t k = 0; k < RELAYS; k++)
            start_relay(f, k);
        for (int k = 0; k < 2; k++)
            start_peer(f, k, rows[i].config[k], 1u << PH_STAGE_RELAY);
        run(f, 5 * PH_SEC);
        dial(f);
        run(f, 5 * PH_SEC);
        assert_int_equal(f->peer[1].report.state, PH_CALL_CONNECTED);
        kill_relay(f, rows[i].dies);
        run(f, 20 * PH_SEC);
        for (int k = 0; k < 2; k++) {
            const struct ph_call_report *r = &f->peer[k].report;
            if (r->state != PH_CALL_CONNECTED)
                fail_msg("row %zu: the call is over", i);
            if (!ph_addr_eq(&r->relay, &f->relays[rows[i].found].addr))
                fail_msg("row %zu: the call is at another relay", i);
            assert_true(r->media.max_gap < 5 * PH_SEC);
        }
        /* The old one comes back: that moves nothing, and the call ends as calls end. */
        start_relay(f, rows[i].dies);
        run(f, 120 * PH_SEC);
        assert_true(f->peer[0].report.media.max_gap < 5 * PH_SEC);
        ph_call_hangup(f->peer[0].call);
        run(f, PH_SEC);
        assert_int_equal(f->peer[1].report.state, PH_CALL_ENDED);
        assert_int_equal(f->peer[1].report.error, PH_ERR_CLOSED);
        run(f, 60 * PH_SEC);
        for (size_t k = 0; k < RELAYS; k++) {
            struct ph_relay_stats s;
            ph_relay_get_stats(f->relays[k].relay, &s);
            assert_int_equal(s.sessions, 0);
        }
        free_fixture(f);
    }
}

/* No relay that both know is left: the call ends, and not before its own idle time. */
static void test_no_relay_is_left(void **state)
{
    (void)state;
    struct fixture *f = new_fixture(70, 0);
    for (size_t k = 0; k < 3; k++)
        start_relay(f, k);
    start_peer(f, 0, "02", 1u << PH_STAGE_RELAY);
    start_peer(f, 1, "01", 1u << PH_STAGE_RELAY);
    run(f, 5 * PH_SEC);
    dial(f);
    run(f, 5 * PH_SEC);
    kill_relay(f, 0);
    run(f, 8 * PH_SEC);
    assert_int_equal(f->peer[0].report.state, PH_CALL_CONNECTED);
    run(f, 60 * PH_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(f->peer[k].report.state, PH_CALL_ENDED);
    assert_int_equal(home_of(f, 0), 2);
    assert_int_equal(home_of(f, 1), 1);
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_relay_drains),
        cmocka_unit_test(test_a_drained_relay_ends),
        cmocka_unit_test(test_a_relay_is_found_for_both),
        cmocka_unit_test(test_no_relay_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
