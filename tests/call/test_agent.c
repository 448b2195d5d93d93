/* The agent beside its calls: registration, its relays, its limits. */
#include "tests/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct extra {
    int told; /* how often on_registered was called */
    int last; /* its last error; 1: never told */
    struct ph_host *host;
    struct ph_agent *agent;
};

static void on_registered(void *user, int err, const struct ph_addr *reflexive)
{
    struct extra *x = user;
    (void)reflexive;
    x->told++;
    x->last = err;
}

/* A third agent, on the caller's host. */
static void extra_new(struct sim_fixture *f, struct extra *x, const struct ph_addr *relays,
                      size_t count, uint8_t seed)
{
    *x = (struct extra){.last = 1};
    assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &x->host),
                     PH_OK);
    struct ph_agent_config c = {
        .host = x->host,
        .relay_count = count,
        .deterministic = true,
        .callbacks = {.on_registered = on_registered},
        .user = x,
    };
    memcpy(c.relays, relays, count * sizeof(relays[0]));
    memset(c.seed, seed, sizeof(c.seed));
    assert_int_equal(ph_agent_new(&c, &x->agent), PH_OK);
}

static void extra_free(struct sim_fixture *f, struct extra *x)
{
    ph_agent_free(x->agent);
    f->world->ops->host_free(f->world, x->host);
}

static int watching; /* on minus off */

static int watch_network(struct ph_host *h, bool on)
{
    (void)h;
    watching += on ? 1 : -1;
    return PH_OK;
}

/* A new network is news for relays and survey too, whatever is asked of routers. */
static void test_watches_the_network(void **state)
{
    (void)state;
    static const unsigned stages[] = {0, 1u << PH_STAGE_PUNCH | 1u << PH_STAGE_RELAY};
    struct sim_fixture_config c = {.seed = 6};
    struct sim_fixture *f = sim_fixture_new(&c);
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        struct ph_host *host;
        struct ph_agent *agent;
        assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &host),
                         PH_OK);
        struct ph_host_ops ops = *host->ops;
        ops.watch_network = watch_network;
        host->ops = &ops;
        struct ph_agent_config config = {.host = host,
                                         .relays = {f->relay_addr},
                                         .relay_count = 1,
                                         .stages = stages[i],
                                         .deterministic = true};
        assert_int_equal(ph_agent_new(&config, &agent), PH_OK);
        assert_int_equal(watching, 1);
        ph_agent_free(agent);
        assert_int_equal(watching, 0);
        f->world->ops->host_free(f->world, host);
    }
    sim_fixture_free(f);
}

static void test_second_relay(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 1};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct extra x;
    struct ph_addr relays[2] = {f->relay_addr, f->relay_addr};
    relays[0].port++; /* nobody there */
    extra_new(f, &x, relays, 2, 50);
    sim_fixture_run(f, 20 * PH_SEC);
    assert_int_equal(x.last, PH_OK);
    assert_true(ph_agent_registered(x.agent));
    extra_free(f, &x);
    sim_fixture_free(f);
}

static void test_no_relay_at_all(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 2};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct extra x;
    struct ph_addr nobody = f->relay_addr;
    nobody.port++;
    extra_new(f, &x, &nobody, 1, 50);
    uint8_t anybody[PH_FINGERPRINT_LEN] = {1};
    struct ph_call *call;
    assert_int_equal(ph_agent_call(x.agent, anybody, &call), PH_ERR_AGAIN);
    sim_fixture_run(f, 8 * PH_SEC);
    assert_int_equal(x.last, PH_ERR_TIMEOUT);
    /* It goes on trying, ever more rarely. */
    sim_fixture_run(f, 60 * PH_SEC);
    assert_in_range(x.told, 3, 12);
    assert_false(ph_agent_registered(x.agent));
    extra_free(f, &x);
    sim_fixture_free(f);
}

/* The relay restarts, and has forgotten everybody: they come back by themselves. */
static void test_relay_restarts(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 3};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct extra x;
    extra_new(f, &x, &f->relay_addr, 1, 50);
    sim_fixture_run(f, 5 * PH_SEC);
    assert_int_equal(x.told, 1);
    assert_int_equal(x.last, PH_OK);
    ph_relay_free(f->relay);
    struct ph_relay_config relay = {
        .host = f->relay_host, .listen = {f->relay_addr}, .deterministic = true, .seed = {8}};
    assert_int_equal(ph_relay_new(&relay, &f->relay), PH_OK);
    sim_fixture_run(f, 150 * PH_SEC);
    assert_true(x.told >= 3); /* lost, and found again */
    assert_int_equal(x.last, PH_OK);
    assert_true(ph_agent_registered(x.agent));
    extra_free(f, &x);
    sim_fixture_free(f);
}

/* The relay's own reflection serves where there is no STUN server. */
static void test_without_stun(void **state)
{
    (void)state;
    struct sim_fixture_config c = {
        .nat = {"port-restricted", "port-restricted"}, .seed = 4, .no_stun = true};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    assert_int_equal(ph_agent_opener_ttl(f->peer[0].agent), 3); /* nobody to learn it from */
    sim_fixture_call(f, 10 * PH_SEC);
    assert_true(f->peer[0].report.direct && f->peer[1].report.direct);
    sim_fixture_free(f);
}

/* And STUN serves where the relay's reflection is of no use (here: it is behind no NAT at all). */
static void test_reflexive_agree(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.nat = {"open", "full-cone"}, .seed = 5};
    struct sim_fixture *f = sim_fixture_new(&c);
    sim_fixture_register(f);
    const struct layout_node *a = &f->layout.nodes[f->peer[0].node];
    assert_true(ph_addr_ip_eq(&f->peer[0].reflexive, &a->addrs[0]));
    assert_false(ph_addr_ip_eq(&f->peer[1].reflexive, &f->layout.nodes[f->peer[1].node].addrs[0]));
    sim_fixture_free(f);
}

static void test_many_calls(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 6};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct ph_call *calls[8], *one_more;
    sim_fixture_register(f);
    const uint8_t *callee = ph_agent_fingerprint(f->peer[1].agent);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ph_agent_call(f->peer[0].agent, callee, &calls[i]), PH_OK);
    assert_int_equal(ph_agent_call(f->peer[0].agent, callee, &one_more), PH_ERR_SPACE);
    sim_fixture_run(f, 2 * PH_SEC);
    for (size_t i = 0; i < 8; i++) {
        struct ph_call_report r;
        ph_call_report(calls[i], &r);
        assert_int_equal(r.state, PH_CALL_CONNECTED);
        assert_true(r.direct);
        assert_true(r.media.received > 50);
        ph_call_hangup(calls[i]);
        ph_call_release(calls[i]);
    }
    assert_null(ph_agent_current_call(f->peer[0].agent));
    sim_fixture_free(f);
}

/* The ninth caller of a busy peer is told so. */
static void test_busy(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.seed = 7};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct ph_call *call;
    struct extra x;
    sim_fixture_register(f);
    extra_new(f, &x, &f->relay_addr, 1, 50);
    sim_fixture_run(f, 5 * PH_SEC);
    const uint8_t *callee = ph_agent_fingerprint(f->peer[1].agent);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(ph_agent_call(f->peer[0].agent, callee, NULL), PH_OK);
    sim_fixture_run(f, PH_SEC);
    assert_int_equal(ph_agent_call(x.agent, callee, &call), PH_OK);
    sim_fixture_run(f, PH_SEC);
    struct ph_call_report r;
    ph_call_report(call, &r);
    assert_int_equal(r.state, PH_CALL_ENDED);
    assert_int_equal(r.error, PH_ERR_SPACE);
    extra_free(f, &x);
    sim_fixture_free(f);
}

static void test_bad_configs(void **state)
{
    (void)state;
    struct sim_fixture_config fc = {.seed = 8};
    struct sim_fixture *f = sim_fixture_new(&fc);
    struct ph_agent *a;
    struct ph_host *host;
    assert_int_equal(f->world->ops->host_new(f->world, f->peer[0].node, NULL, NULL, &host), PH_OK);
    struct ph_agent_config c = {.host = host};
    assert_int_equal(ph_agent_new(&c, &a), PH_ERR_INVAL); /* no relay */
    c.relay_count = PH_RELAYS_MAX + 1;
    assert_int_equal(ph_agent_new(&c, &a), PH_ERR_INVAL);
    c.relay_count = 1;
    c.stun_count = PH_STUNS_MAX + 1;
    assert_int_equal(ph_agent_new(&c, &a), PH_ERR_INVAL);
    c.stun_count = 0;
    c.host = NULL;
    assert_int_equal(ph_agent_new(&c, &a), PH_ERR_INVAL);
    f->world->ops->host_free(f->world, host);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watches_the_network), cmocka_unit_test(test_second_relay),
        cmocka_unit_test(test_no_relay_at_all),     cmocka_unit_test(test_relay_restarts),
        cmocka_unit_test(test_without_stun),        cmocka_unit_test(test_reflexive_agree),
        cmocka_unit_test(test_many_calls),          cmocka_unit_test(test_busy),
        cmocka_unit_test(test_bad_configs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
