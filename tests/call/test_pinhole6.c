/* The hole that an agent has its router's IPv6 firewall make while it has calls (PCP, RFC 6887),
 * and gives back. */
#include "call/agent.h"
#include "tests/sim_fixture.h"
#include "wire/pcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A PCP server in the router of the caller: it grants what is asked. */
struct server {
    struct ph_endpoint ep; /* first */
    struct ph_host *host;
    ph_sock sock;
    struct ph_addr client; /* of the last MAP, with the internal port */
    unsigned maps, deletes;
};

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct server *s = (struct server *)(void *)ep;
    (void)now;
    for (size_t i = 0; i < n; i++) {
        uint8_t answer[PH_PCP_MAP_LEN] = {0};
        const uint8_t *q = in[i].data;
        if (in[i].len < PH_PCP_MAP_LEN || q[0] != PH_PCP_VERSION || q[1] != PH_PCP_MAP)
            continue;
        memcpy(answer, q, 2);
        memcpy(answer + 4, q + 4, 4);    /* the lifetime */
        memcpy(answer + 24, q + 24, 36); /* nonce, protocol, internal port, wishes */
        memcpy(answer + 42, q + 40, 2);  /* no translation: the port and the address stay */
        memcpy(answer + 44, q + 8, 16);
        answer[1] |= 0x80;
        answer[11] = 7; /* up for so many seconds */
        s->client = (struct ph_addr){.family = PH_AF_V6, .port = (uint16_t)(q[40] << 8 | q[41])};
        memcpy(s->client.ip, q + 8, 16);
        if (q[4] | q[5] | q[6] | q[7])
            s->maps++;
        else
            s->deletes++;
        struct ph_datagram out = {.peer = in[i].peer, .data = answer, .len = sizeof(answer)};
        s->host->ops->udp_send(s->host, sock, &out, 1);
    }
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

static void server_start(struct server *s, struct sim_fixture *f)
{
    size_t nat = layout_find(&f->layout, "a.nat");
    const struct layout_node *n = &f->layout.nodes[nat];
    struct ph_addr at = n->ifs[n->lan_if].addr6;
    *s = (struct server){.ep = {.on_datagrams = on_datagrams, .on_timer = on_timer}};
    at.port = PH_PCP_PORT;
    assert_int_equal(f->world->ops->host_new(f->world, nat, NULL, NULL, &s->host), PH_OK);
    s->host->endpoint = &s->ep;
    assert_int_equal(s->host->ops->udp_open(s->host, &at, &s->sock), PH_OK);
}

static void test_hole_of_a_call(void **state)
{
    (void)state;
    static const char *const families[] = {"dual", "v6"};
    for (size_t i = 0; i < 2; i++) {
        struct sim_fixture_config c = {.family = families[i], .seed = 1 + i};
        struct sim_fixture *f = sim_fixture_new(&c);
        struct server s;
        server_start(&s, f);
        sim_fixture_register(f);
        struct ph_agent *a = f->peer[0].agent;
        unsigned before = s.maps;
        assert_int_equal(before, 0); /* between calls nothing is held open */
        sim_fixture_call(f, 5 * PH_SEC);
        assert_true(f->peer[0].report.direct);
        assert_true(s.maps > 0);
        struct ph_addr own = f->layout.nodes[f->peer[0].node].addrs6[0];
        own.port = a->sockets[1].local.port;
        assert_true(ph_addr_eq(&s.client, &own));
        /* What it leads to is what the peer knows as the host's own address. */
        const struct ph_candidate *named =
            ph_candidate_find(a->candidates.items, a->candidates.count, &own);
        assert_non_null(named);
        assert_int_equal(named->type, PH_CANDIDATE_HOST);
        ph_agent_close(a);
        sim_fixture_run(f, 2 * PH_SEC);
        assert_true(ph_agent_closed(a));
        assert_int_equal(s.deletes, 1);
        f->world->ops->host_free(f->world, s.host);
        sim_fixture_free(f);
    }
}

/* Who gives no address away has no hole made. */
static void test_none_for_privacy(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "dual", .answer = PH_ANSWER_PRIVACY, .seed = 3};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct server s;
    server_start(&s, f);
    sim_fixture_register(f);
    sim_fixture_call(f, 5 * PH_SEC);
    assert_false(f->peer[1].report.direct);
    assert_int_equal(s.maps, 0);
    f->world->ops->host_free(f->world, s.host);
    sim_fixture_free(f);
}

/* Half a minute after the last call it is given back. */
static void test_kept_for_a_while(void **state)
{
    (void)state;
    struct sim_fixture_config c = {.family = "dual", .seed = 4};
    struct sim_fixture *f = sim_fixture_new(&c);
    struct server s;
    server_start(&s, f);
    sim_fixture_register(f);
    sim_fixture_call(f, 5 * PH_SEC);
    ph_call_hangup(f->peer[0].call);
    sim_fixture_run(f, 20 * PH_SEC);
    assert_int_equal(s.deletes, 0);
    sim_fixture_run(f, 20 * PH_SEC);
    assert_int_equal(s.deletes, 1);
    f->world->ops->host_free(f->world, s.host);
    sim_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hole_of_a_call),
        cmocka_unit_test(test_none_for_privacy),
        cmocka_unit_test(test_kept_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
