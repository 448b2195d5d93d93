/* Connectivity checks: accepted once, from the right peer, in the right role, and never otherwise.
 */
#include "base/err.h"
#include "path/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct pair {
    struct ph_checker caller, callee;
};

static struct pair make_pair(void)
{
    struct pair p;
    uint8_t random[32];
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)(3 * i + 1);
    ph_checker_init(&p.caller, true, random);
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)(7 * i + 9);
    ph_checker_init(&p.callee, false, random);
    ph_checker_set_peer(&p.caller, &p.callee.own);
    ph_checker_set_peer(&p.callee, &p.caller.own);
    return p;
}

static const uint8_t id8[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static int accept_bytes(struct ph_checker *k, const uint8_t *data, int len)
{
    struct ph_stun msg;
    assert_true(len > 0);
    if (ph_stun_parse(data, (size_t)len, &msg) != PH_OK)
        return PH_ERR_FORMAT;
    return ph_check_accept(k, data, (size_t)len, &msg);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct pair p = make_pair();
    uint8_t req[PH_CHECK_MAX], resp[PH_CHECK_MAX], tid[PH_STUN_TID_LEN];
    int n = ph_check_request(&p.caller, id8, 77, req, sizeof(req), tid);
    assert_int_equal(n, 96);
    struct ph_stun msg;
    assert_int_equal(ph_stun_parse(req, (size_t)n, &msg), PH_OK);
    assert_int_equal(ph_check_accept(&p.callee, req, (size_t)n, &msg), PH_OK);

    struct ph_addr from = ph_addr_v4(11, 0, 0, 1, 4000);
    int m = ph_check_response(&p.callee, &msg, &from, resp, sizeof(resp));
    assert_true(m > 0 && m <= n); /* nothing is amplified */
    assert_int_equal(ph_stun_parse(resp, (size_t)m, &msg), PH_OK);
    assert_memory_equal(msg.tid, tid, sizeof(tid));
    assert_true(ph_addr_eq(&msg.mapped, &from));
    assert_int_equal(ph_check_verify_response(&p.caller, resp, (size_t)m, &msg), PH_OK);
    /* The callee's own password does not verify for the callee. */
    assert_int_equal(ph_check_verify_response(&p.callee, resp, (size_t)m, &msg), PH_ERR_AUTH);
}

static void test_replay_is_refused(void **state)
{
    (void)state;
    struct pair p = make_pair();
    uint8_t first[PH_CHECK_MAX], buf[PH_CHECK_MAX], tid[PH_STUN_TID_LEN];
    int n = ph_check_request(&p.caller, id8, 1, first, sizeof(first), tid);
    assert_int_equal(accept_bytes(&p.callee, first, n), PH_OK);
    assert_int_equal(accept_bytes(&p.callee, first, n), PH_ERR_PROTO);

    /* Out of order is fine within the window, once each. */
    uint8_t late[PH_CHECK_MAX];
    int late_len = ph_check_request(&p.caller, id8, 1, late, sizeof(late), tid);
    for (unsigned i = 0; i < PH_CHECK_WINDOW - 1; i++) {
        n = ph_check_request(&p.caller, id8, 1, buf, sizeof(buf), tid);
        assert_int_equal(accept_bytes(&p.callee, buf, n), PH_OK);
    }
    assert_int_equal(accept_bytes(&p.callee, late, late_len), PH_OK);
    assert_int_equal(accept_bytes(&p.callee, late, late_len), PH_ERR_PROTO);
    assert_int_equal(accept_bytes(&p.callee, first, 96), PH_ERR_PROTO); /* older than the window */
}

static void test_forged_is_refused(void **state)
{
    (void)state;
    struct pair p = make_pair();
    uint8_t good[PH_CHECK_MAX], tid[PH_STUN_TID_LEN];
    int n = ph_check_request(&p.caller, id8, 1, good, sizeof(good), tid);
    /* Any changed byte. */
    for (int i = 0; i < n; i++) {
        uint8_t bad[PH_CHECK_MAX];
        memcpy(bad, good, (size_t)n);
        bad[i] ^= 0x20;
        assert_int_not_equal(accept_bytes(&p.callee, bad, n), PH_OK);
    }
    /* Right user names, wrong password. */
    struct pair q = make_pair();
    q.caller.peer.pwd[5] ^= 1;
    uint8_t bad[PH_CHECK_MAX];
    n = ph_check_request(&q.caller, id8, 1, bad, sizeof(bad), tid);
    assert_int_equal(accept_bytes(&p.callee, bad, n), PH_ERR_AUTH);
    /* A third party that knows the callee's credentials, but is not the caller of this call. */
    q = make_pair();
    q.caller.own.ufrag[0] ^= 1;
    n = ph_check_request(&q.caller, id8, 1, bad, sizeof(bad), tid);
    assert_int_equal(accept_bytes(&p.callee, bad, n), PH_ERR_AUTH);
    /* A check of one's own, thrown back. */
    n = ph_check_request(&p.caller, id8, 1, bad, sizeof(bad), tid);
    assert_int_equal(accept_bytes(&p.caller, bad, n), PH_ERR_AUTH);
    /* The same role. */
    q = make_pair();
    q.caller.controlling = false;
    n = ph_check_request(&q.caller, id8, 1, bad, sizeof(bad), tid);
    assert_int_equal(accept_bytes(&p.callee, bad, n), PH_ERR_AUTH);
    /* After all that the good one is still good: forgeries burn no counter. */
    assert_int_equal(accept_bytes(&p.callee, good, 96), PH_OK);
}

static void test_needs_the_peer(void **state)
{
    (void)state;
    struct ph_checker k;
    uint8_t random[32] = {0}, buf[PH_CHECK_MAX], tid[PH_STUN_TID_LEN];
    ph_checker_init(&k, true, random);
    assert_int_equal(ph_check_request(&k, id8, 1, buf, sizeof(buf), tid), PH_ERR_AGAIN);
    struct pair p = make_pair();
    ph_checker_set_peer(&k, &p.callee.own);
    assert_int_equal(ph_check_request(&k, id8, 1, buf, 50, tid), PH_ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_replay_is_refused),
        cmocka_unit_test(test_forged_is_refused),
        cmocka_unit_test(test_needs_the_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
