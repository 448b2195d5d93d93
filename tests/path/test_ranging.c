/* Round trips to several servers, with a fake clock. */
#include "path/ranging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ph_addr server(uint8_t n)
{
    return ph_addr_v4(192, 0, 2, n, 3478);
}

static void start(struct ph_ranging *g, size_t n, ph_ns now)
{
    struct ph_addr servers[32];
    uint8_t ids[8 * 32];
    for (size_t i = 0; i < 32; i++) {
        servers[i] = server((uint8_t)(i + 1));
        memset(ids + 8 * i, (int)(i + 1), 8);
    }
    ph_ranging_start(g, servers, n, ids, now);
}

/* Takes all that is due; the last transaction with each by its last octet. */
static size_t take(struct ph_ranging *g, ph_ns now, uint8_t last[33][PH_STUN_TID_LEN])
{
    struct ph_addr to;
    uint8_t buf[64];
    size_t len, n = 0;
    while ((len = ph_ranging_next(g, now, &to, buf, sizeof(buf))) > 0) {
        struct ph_stun m;
        assert_int_equal(ph_stun_parse(buf, len, &m), 0);
        assert_int_equal(m.type, PH_STUN_BINDING_REQUEST);
        memcpy(last[to.ip[3]], m.tid, sizeof(m.tid));
        n++;
    }
    return n;
}

static bool answer(struct ph_ranging *g, const uint8_t tid[PH_STUN_TID_LEN], uint8_t from,
                   ph_ns now)
{
    struct ph_stun m = {.type = PH_STUN_BINDING_SUCCESS};
    struct ph_addr addr = server(from);
    memcpy(m.tid, tid, sizeof(m.tid));
    return ph_ranging_on_response(g, &m, &addr, now);
}

static void test_least_of_two(void **state)
{
    (void)state;
    struct ph_ranging g;
    uint8_t first[33][PH_STUN_TID_LEN], second[33][PH_STUN_TID_LEN];
    ph_ns t = 7 * PH_SEC;
    start(&g, 2, t);
    assert_int_equal(ph_ranging_deadline(&g), t);
    assert_int_equal(take(&g, t, first), 2);
    assert_int_equal(take(&g, t, first), 0);
    assert_int_equal(ph_ranging_deadline(&g), t + 100 * PH_MS);
    assert_true(answer(&g, first[1], 1, t + 40 * PH_MS));
    assert_int_equal(g.servers[0].least, 40 * PH_MS);
    /* A duplicate counts for nothing. */
    assert_true(answer(&g, first[1], 1, t + 41 * PH_MS));
    assert_int_equal(take(&g, t + 100 * PH_MS, second), 2);
    assert_true(answer(&g, second[1], 1, t + 130 * PH_MS));
    assert_int_equal(g.servers[0].least, 30 * PH_MS);
    assert_true(answer(&g, second[2], 2, t + 150 * PH_MS));
    /* The first one's answer is late, and says so: it is not taken for the second one's. */
    assert_true(answer(&g, first[2], 2, t + 190 * PH_MS));
    assert_int_equal(g.servers[1].least, 50 * PH_MS);
    assert_true(ph_ranging_over(&g, t + 190 * PH_MS));
    assert_int_equal(ph_ranging_deadline(&g), PH_NEVER);
    assert_int_equal(take(&g, t + 200 * PH_MS, second), 0);
}

static void test_loss_and_silence(void **state)
{
    (void)state;
    struct ph_ranging g;
    uint8_t last[33][PH_STUN_TID_LEN];
    start(&g, 2, 0);
    for (ph_ns t = 0; t < 3; t++)
        assert_int_equal(take(&g, t * 100 * PH_MS, last), 2);
    /* Only the third was answered: its own time counts. */
    assert_true(answer(&g, last[1], 1, 225 * PH_MS));
    assert_int_equal(g.servers[0].least, 25 * PH_MS);
    assert_int_equal(take(&g, PH_SEC, last), 0);
    assert_int_equal(ph_ranging_deadline(&g), PH_RANGING_TIME);
    assert_false(ph_ranging_over(&g, PH_RANGING_TIME - 1));
    assert_true(ph_ranging_over(&g, PH_RANGING_TIME));
    assert_true(answer(&g, last[2], 2, PH_RANGING_TIME + 1)); /* ours, and too late */
    assert_int_equal(g.servers[1].least, 0);
}

static void test_what_is_no_answer(void **state)
{
    (void)state;
    struct ph_ranging g;
    uint8_t last[33][PH_STUN_TID_LEN];
    start(&g, 2, 0);
    take(&g, 0, last);
    assert_false(answer(&g, last[1], 2, PH_MS)); /* of another server */
    last[1][11]++;
    assert_false(answer(&g, last[1], 1, PH_MS)); /* to a request that was not sent yet */
    last[1][11]--;
    struct ph_stun m = {.type = PH_STUN_BINDING_ERROR};
    struct ph_addr from = server(1);
    memcpy(m.tid, last[1], sizeof(m.tid));
    assert_true(ph_ranging_on_response(&g, &m, &from, PH_MS));
    assert_int_equal(g.servers[0].least, 0);
    /* In no time at all is not the same as never. */
    assert_true(answer(&g, last[1], 1, 0));
    assert_int_equal(g.servers[0].least, 1);
}

static void test_caps(void **state)
{
    (void)state;
    struct ph_ranging g, none = {0};
    uint8_t last[33][PH_STUN_TID_LEN];
    start(&g, 32, 0);
    assert_int_equal(take(&g, 0, last), PH_RANGING_MAX);
    assert_true(ph_ranging_over(&none, 0));
    assert_int_equal(ph_ranging_deadline(&none), PH_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_of_two),
        cmocka_unit_test(test_loss_and_silence),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_caps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
