/* The mapper against routers in memory: who wins, how long it takes, what is left behind. */
#include "fake_router.h"

static void check_mapping(struct fake_host *f, enum ph_portmap_protocol protocol)
{
    const struct ph_mapping *m = ph_mapper_mapping(f->mapper);
    assert_non_null(m);
    assert_int_equal(m->protocol, protocol);
    assert_int_equal(m->internal_port, FAKE_PORT);
    struct ph_addr external = fake_port(FAKE_EXTERNAL, FAKE_PORT);
    assert_true(ph_addr_eq(&m->external, &external));
    assert_int_equal(m->reach, PH_PORTMAP_REACH_PUBLIC);
}

static enum ph_portmap_said said(const struct fake_host *f, enum ph_portmap_protocol p)
{
    struct ph_portmap_protocol_report r;
    ph_mapper_report(f->mapper, p, &r);
    return r.said;
}

static void release(struct fake_host *f, struct router *r)
{
    ph_mapper_release(f->mapper, f->now);
    assert_null(ph_mapper_mapping(f->mapper));
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
    assert_int_equal(router_count(r), 0);
}

static void test_pcp_one_round_trip(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct router r;
    router_init(f, &r);
    r.pcp = r.natpmp = true;
    struct ph_mapper *m = fake_mapper(f, PCP | NATPMP);
    ph_mapper_discover(m, f->now);
    assert_int_equal(ph_mapper_expected(m), 0);
    assert_true(fake_until(f, PH_MAPPER_IDLE, PH_SEC) <= 2 * PH_MS);
    assert_int_equal(r.maps, 0); /* looking makes nothing */
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_ANSWERS);
    assert_int_equal(said(f, PH_PORTMAP_NATPMP), PH_PORTMAP_ANSWERS);
    assert_int_equal(ph_mapper_expected(m), 13 * PH_MS);
    fake_run(f, 10 * PH_SEC);
    ph_mapper_acquire(m, f->now);
    assert_int_equal(fake_until(f, PH_MAPPER_MAPPED, PH_SEC), r.rtt);
    check_mapping(f, PH_PORTMAP_PCP);
    assert_int_equal(r.maps, 1); /* NAT-PMP was not asked: the table is the same */
    assert_int_equal(ph_mapper_changes(m), 1);
    release(f, &r);
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_RELEASED);
    fake_free(f);
}

static void test_without_discovery(void **state)
{
    (void)state;
    static const struct {
        bool pcp, natpmp, refuses;
        enum ph_portmap_protocol by;
        ph_ns most;
    } cases[] = {
        {true, true, true, PH_PORTMAP_PCP, PH_MS},
        {true, false, true, PH_PORTMAP_PCP, PH_MS},
        {false, true, true, PH_PORTMAP_NATPMP, 3 * PH_MS},
        /* Silent towards PCP: three round trips and 10 ms (libplum#19). */
        {false, true, false, PH_PORTMAP_NATPMP, 13 * PH_MS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_host *f = fake_new();
        struct router r;
        router_init(f, &r);
        r.pcp = cases[i].pcp;
        r.natpmp = cases[i].natpmp;
        r.natpmp_refuses_pcp = cases[i].refuses;
        ph_mapper_acquire(fake_mapper(f, PCP | NATPMP), f->now);
        assert_true(fake_until(f, PH_MAPPER_MAPPED, PH_SEC) <= cases[i].most);
        check_mapping(f, cases[i].by);
        assert_int_equal(r.maps, 1);
        release(f, &r);
        fake_free(f);
    }
}

static void test_nobody(void **state)
{
    (void)state;
    struct fake_host *f = fake_new();
    struct ph_mapper *m = fake_mapper(f, PCP | NATPMP);
    ph_mapper_discover(m, f->now);
    assert_true(fake_until(f, PH_MAPPER_IDLE, 2 * PH_SEC) <= PH_SEC);
    assert_int_equal(f->sent_count, 6); /* three each: 0, 250, 750 ms */
    assert_int_equal(f->sent[2].at - f->sent[0].at, 250 * PH_MS);
    assert_int_equal(f->sent[4].at - f->sent[0].at, 750 * PH_MS);
    assert_int_equal(said(f, PH_PORTMAP_PCP), PH_PORTMAP_SILENT);
    ph_mapper_acquire(m, f->now);
    assert_true(fake_until(f, PH_MAPPER_FAILED, PH_PORTMAP_ACQUIRE_MAX) <= PH_SEC);
    /* Asked again after a minute, then after two. */
    size_t n = f->sent_count;
    fake_run(f, 59 * PH_SEC);
    assert_int_equal(f->sent_count, n);
    fake_run(f, 3 * PH_SEC);
    assert_true(f->sent_count > n);
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_FAILED);
    n = f->sent_count;
    fake_run(f, 115 * PH_SEC);
    assert_int_equal(f->sent_count, n);
    fake_run(f, 10 * PH_SEC);
    assert_true(f->sent_count > n);
    /* With nothing held there is nothing to wait for. */
    ph_mapper_release(m, f->now);
    assert_int_equal(ph_mapper_state(m), PH_MAPPER_IDLE);
    assert_int_equal(ph_mapper_deadline(m), PH_NEVER);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcp_one_round_trip),
        cmocka_unit_test(test_without_discovery),
        cmocka_unit_test(test_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
