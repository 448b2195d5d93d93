/* Scripted routers in the simulator: datagrams, mappings and HTTP, in virtual time. */
#include "base/err.h"
#include "lab/router/scripted.h"
#include "lab/world/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct party {
    struct ph_endpoint endpoint; /* first */
    struct ph_host *host;
    ph_sock sock;
    size_t got;
    struct ph_addr from;
    size_t len;
    uint8_t data[PH_DATAGRAM_MAX + 1];
    ph_http http;
    size_t answers;
    ph_ns answered;
    struct ph_http_answer answer;
    char body[PH_HTTP_ANSWER_MAX + 1];
};

static struct layout layout;
static struct world *world;
static struct party inside, outside;
static struct ph_addr lan, wan;

static void on_datagrams(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                         const struct ph_datagram *in, size_t n)
{
    struct party *p = (struct party *)(void *)ep;
    (void)now;
    (void)sock;
    assert_int_equal(n, 1);
    p->got++;
    p->from = in->peer;
    p->len = in->len;
    memcpy(p->data, in->data, in->len);
    p->data[in->len] = '\0';
}

static void on_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

static void on_http(struct ph_endpoint *ep, ph_ns now, ph_http id, const struct ph_http_answer *a)
{
    struct party *p = (struct party *)(void *)ep;
    assert_int_equal(id, p->http);
    p->answers++;
    p->answered = now;
    p->answer = *a;
    assert_true(a->len <= PH_HTTP_ANSWER_MAX);
    memcpy(p->body, a->len > 0 ? (const char *)a->body : "", a->len);
    p->body[a->len] = '\0';
}

static void join(struct party *p, const char *node, uint16_t port)
{
    struct ph_addr any = ph_addr_v4(0, 0, 0, 0, port);
    *p = (struct party){
        .endpoint = {.on_datagrams = on_datagrams, .on_timer = on_timer, .on_http = on_http}};
    assert_int_equal(world->ops->host_new(world, layout_find(&layout, node), NULL, NULL, &p->host),
                     PH_OK);
    p->host->endpoint = &p->endpoint;
    assert_int_equal(p->host->ops->udp_open(p->host, &any, &p->sock), PH_OK);
}

static void open_world(const char *profile, const char *port_mapping, const char *link)
{
    static struct world_spec spec;
    struct topology t;
    struct lab_error err = {.text = ""};
    char field[256];
    const struct layout_node *n;
    (void)snprintf(field, sizeof(field), "{%s}", port_mapping);
    if (topology_find("two-nats", &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        world_spec_set_profile(&spec, "a", profile, &err) != 0 ||
        nat_profile_set(&spec.profiles[0], "port_mapping", field, &err) != 0 ||
        (link != NULL && world_spec_set_link(&spec, link, &err) != 0) ||
        layout_compute(&spec, &layout, &err) != 0 || sim_world_new(&layout, 1, &world, &err) != 0)
        fail_msg("%s", err.text);
    n = &layout.nodes[layout_find(&layout, "a.nat")];
    lan = n->ifs[n->lan_if].addr;
    wan = n->wan[0];
    join(&inside, "a", 41000);
    join(&outside, "relay", 7000);
}

static void close_world(void)
{
    world->ops->host_free(world, inside.host);
    world->ops->host_free(world, outside.host);
    world->ops->free(world);
}

static void run(ph_ns time)
{
    sim_run_until(world, world->ops->now(world) + time);
}

static void send_from(struct party *p, const struct ph_addr *to, uint16_t port, const void *data,
                      size_t len)
{
    struct ph_datagram d = {.peer = *to, .data = data, .len = len};
    d.peer.port = port;
    p->host->ops->udp_send(p->host, p->sock, &d, 1);
}

/* RFC 6886 section 3.3: UDP port 41000 (0xa028), external port 42000 (0xa410), 600 s. */
static const uint8_t natpmp_map[12] = {0x00, 0x01, 0x00, 0x00, 0xa0, 0x28,
                                       0xa4, 0x10, 0x00, 0x00, 0x02, 0x58};

static bool comes_in(uint16_t port)
{
    size_t before = inside.got;
    send_from(&outside, &wan, port, "hello", 5);
    run(PH_SEC);
    return inside.got == before + 1 && inside.len == 5;
}

static uint16_t seen_as(void)
{
    struct ph_addr to = layout.nodes[layout_find(&layout, "relay")].addrs[0];
    size_t before = outside.got;
    send_from(&inside, &to, 7000, "hi", 2);
    run(PH_SEC);
    assert_int_equal(outside.got, before + 1);
    return outside.from.port;
}

static void test_mapping(void **state)
{
    uint8_t bytes[12];
    (void)state;
    open_world("random", "nat_pmp: true", NULL);
    assert_false(comes_in(42000));
    send_from(&inside, &lan, 5351, natpmp_map, 12);
    run(0);
    assert_int_equal(inside.got, 1);
    assert_int_equal(inside.len, 16);
    assert_memory_equal(inside.data, "\x00\x81\x00\x00", 4);
    assert_int_equal(inside.from.port, 5351);
    assert_int_equal(sim_mappings(world), 1);
    assert_true(comes_in(42000));
    assert_int_equal(seen_as(), 42000);

    memcpy(bytes, natpmp_map, 12);
    memset(bytes + 6, 0, 6);
    send_from(&inside, &lan, 5351, bytes, 12);
    run(0);
    assert_int_equal(sim_mappings(world), 0);
    assert_true(comes_in(42000)); /* a flow that is there outlives the mapping, as netfilter's do */
    run(121 * PH_SEC);
    assert_false(comes_in(42000));
    assert_int_not_equal(seen_as(), 42000);
    close_world();
}

/* A mapping runs out by itself. */
static void test_lifetime(void **state)
{
    (void)state;
    open_world("random", "nat_pmp: true, faults: [short-lifetime]", NULL);
    send_from(&inside, &lan, 5351, natpmp_map, 12);
    run(2 * PH_SEC - 1);
    assert_int_equal(sim_mappings(world), 1);
    run(1);
    assert_int_equal(sim_mappings(world), 0);
    close_world();
}

static void test_dnat_without_snat(void **state)
{
    struct ph_addr to;
    (void)state;
    open_world("random", "nat_pmp: true, faults: [dnat-without-snat]", NULL);
    to = layout.nodes[layout_find(&layout, "relay")].addrs[0];
    send_from(&inside, &lan, 5351, natpmp_map, 12);
    run(0);
    assert_int_not_equal(seen_as(), 42000);
    /* While that flow is there, another between the same two is seen from another port inside. */
    assert_true(comes_in(42000));
    assert_int_not_equal(inside.from.port, 7000);
    run(30 * PH_SEC);
    /* An answer to somebody who came in leaves from where he came to. */
    assert_true(comes_in(42000));
    assert_int_equal(seen_as(), 42000);
    send_from(&inside, &to, 7001, "hi", 2);
    close_world();
}

/* From outside the server is not there. */
static void test_not_from_outside(void **state)
{
    (void)state;
    open_world("full-cone", "nat_pmp: true, pcp: true", NULL);
    send_from(&outside, &wan, 5351, "\0\0", 2);
    send_from(&outside, &lan, 5351, "\0\0", 2);
    run(PH_SEC);
    assert_int_equal(outside.got, 0);
    close_world();
}

static void search(const struct ph_addr *to)
{
    static const char text[] = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
                               "MAN: \"ssdp:discover\"\r\nMX: 1\r\n"
                               "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n";
    send_from(&inside, to, 1900, text, sizeof(text) - 1);
}

static void test_ssdp(void **state)
{
    struct ph_addr group = ph_addr_v4(239, 255, 255, 250, 0);
    (void)state;
    open_world("random", "upnp: true, faults: [several-igds]", NULL);
    search(&group);
    run(0);
    assert_int_equal(inside.got, 2);
    run(20 * PH_MS);
    assert_int_equal(inside.got, 3);
    assert_non_null(strstr((char *)inside.data, "/rootDesc.xml"));
    search(&lan);
    run(20 * PH_MS);
    assert_int_equal(inside.got, 6);
    close_world();

    /* Nothing waits for ever in a world that ends. */
    open_world("random", "upnp: true, faults: [several-igds]", NULL);
    search(&group);
    run(0);
    close_world();
}

static void http(uint16_t port, const char *path, const char *action, const char *body,
                 size_t answer_max)
{
    struct ph_http_request q = {.server = lan,
                                .host = "10.0.0.1:1",
                                .path = path,
                                .soap_action = action,
                                .body = body,
                                .body_len = body != NULL ? strlen(body) : 0,
                                .answer_max = answer_max,
                                .timeout = 2 * PH_SEC};
    q.server.port = port;
    inside.answers = 0;
    assert_int_equal(inside.host->ops->http_start(inside.host, &q, &inside.http), PH_OK);
    assert_int_equal(inside.answers, 0); /* never from inside the call */
}

static void test_http(void **state)
{
    static const char add[] =
        "<NewExternalPort>42000</NewExternalPort><NewProtocol>UDP</NewProtocol>"
        "<NewInternalPort>41000</NewInternalPort><NewInternalClient>%s</NewInternalClient>"
        "<NewLeaseDuration>600</NewLeaseDuration>";
    char body[512], ip[PH_ADDR_STRLEN];
    (void)state;
    open_world("random", "upnp: true", NULL);
    http(49152, "/rootDesc.xml", NULL, NULL, PH_HTTP_ANSWER_MAX);
    run(0);
    assert_int_equal(inside.answers, 1);
    assert_int_equal(inside.answer.error, PH_OK);
    assert_int_equal(inside.answer.status, 200);
    assert_memory_equal(inside.body, "<?xml", 5);
    assert_non_null(strstr(inside.body, "</root>"));

    (void)snprintf(body, sizeof(body), add,
                   ph_addr_format_ip(&layout.nodes[layout_find(&layout, "a")].addrs[0], ip));
    http(49152, "/ctl/conn", "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping", body,
         4096);
    run(0);
    assert_int_equal(inside.answer.status, 200);
    assert_int_equal(sim_mappings(world), 1);
    assert_true(comes_in(42000));

    /* Too long for who asks; nobody at the port; nobody at the address; not wanted any more. */
    http(49152, "/rootDesc.xml", NULL, NULL, 100);
    run(0);
    assert_int_equal(inside.answer.error, PH_ERR_SPACE);
    assert_int_equal(inside.answer.len, 100);
    http(80, "/", NULL, NULL, 100);
    run(0);
    assert_int_equal(inside.answer.error, PH_ERR_REFUSED);
    lan.ip[3] = 77;
    http(49152, "/", NULL, NULL, 100);
    run(2 * PH_SEC - 1);
    assert_int_equal(inside.answers, 0);
    run(1);
    assert_int_equal(inside.answer.error, PH_ERR_TIMEOUT);
    lan.ip[3] = 1;
    http(49152, "/rootDesc.xml", NULL, NULL, 100);
    inside.host->ops->http_cancel(inside.host, inside.http);
    run(5 * PH_SEC);
    assert_int_equal(inside.answers, 0);
    /* One that is under way when its host goes. */
    http(49152, "/rootDesc.xml", NULL, NULL, 100);
    close_world();
}

static void test_http_faults(void **state)
{
    static const struct {
        const char *fault;
        int error, status;
        ph_ns least, most; /* when it is told */
        const char *shows;
    } cases[] = {
        {"chunked", PH_OK, 200, 0, 0, "</root>"},
        {"over-16k", PH_OK, 200, 0, 0, "</root>"},
        {"huge-answers", PH_ERR_SPACE, 200, 0, 0, "<?xml"},
        {"truncated-answers", PH_ERR_PROTO, 200, 0, 0, "<?xml"},
        {"never-ending", PH_ERR_SPACE, 200, 100 * PH_MS, 2 * PH_SEC, "<icon>"},
        {"slow-drip", PH_ERR_TIMEOUT, 0, 2 * PH_SEC, 2 * PH_SEC, ""},
        {"scpd-hangs", PH_ERR_TIMEOUT, 0, 2 * PH_SEC, 2 * PH_SEC, ""},
        {"igd2-transport-error", PH_ERR_PROTO, 0, 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        ph_ns start;
        (void)snprintf(text, sizeof(text), "upnp: true, faults: [%s]", cases[i].fault);
        open_world("random", text, NULL);
        start = world->ops->now(world);
        if (strcmp(cases[i].fault, "scpd-hangs") == 0)
            http(49152, "/WANConn.xml", NULL, NULL, PH_HTTP_ANSWER_MAX);
        else if (strcmp(cases[i].fault, "igd2-transport-error") == 0)
            http(49152, "/ctl/conn",
                 "urn:schemas-upnp-org:service:WANIPConnection:2#AddAnyPortMapping", "<x/>",
                 PH_HTTP_ANSWER_MAX);
        else
            http(49152, "/rootDesc.xml", NULL, NULL, PH_HTTP_ANSWER_MAX);
        run(3 * PH_SEC);
        if (inside.answers != 1 || inside.answer.error != cases[i].error ||
            inside.answer.status != cases[i].status)
            fail_msg("%s: %zu answers, error %d, status %d", cases[i].fault, inside.answers,
                     inside.answer.error, inside.answer.status);
        if (inside.answered - start < cases[i].least || inside.answered - start > cases[i].most)
            fail_msg("%s: after %llu ns", cases[i].fault,
                     (unsigned long long)(inside.answered - start));
        if (strstr(inside.body, cases[i].shows) == NULL)
            fail_msg("%s: %s", cases[i].fault, inside.body);
        close_world();
    }
}

/* On a LAN with a delay: a round trip for the connection, one for the exchange. */
static void test_http_takes_its_round_trips(void **state)
{
    ph_ns start, one_way;
    (void)state;
    open_world("random", "upnp: true", NULL);
    close_world();
    for (size_t i = 0; i < layout.link_count; i++)
        layout.links[i].params.up.delay_ns = layout.links[i].params.down.delay_ns = 3 * PH_MS;
    assert_int_equal(sim_world_new(&layout, 1, &world, NULL), 0);
    join(&inside, "a", 41000);
    join(&outside, "relay", 7000);
    one_way = layout_delay_ns(&layout, layout_find(&layout, "a"), layout_find(&layout, "a.nat"));
    assert_int_equal(one_way, 3 * PH_MS);
    start = world->ops->now(world);
    http(49152, "/rootDesc.xml", NULL, NULL, PH_HTTP_ANSWER_MAX);
    run(PH_SEC);
    assert_int_equal(inside.answers, 1);
    assert_int_equal(inside.answered - start, 4 * one_way);
    start = world->ops->now(world);
    http(81, "/rootDesc.xml", NULL, NULL, PH_HTTP_ANSWER_MAX);
    run(PH_SEC);
    assert_int_equal(inside.answer.error, PH_ERR_REFUSED);
    assert_int_equal(inside.answered - start, 2 * one_way);
    close_world();
}

static void test_too_many_requests(void **state)
{
    struct ph_http_request q = {
        .server = lan, .host = "x", .path = "/", .answer_max = 100, .timeout = PH_SEC};
    ph_http id;
    (void)state;
    open_world("random", "upnp: true, faults: [scpd-hangs]", NULL);
    q.server = lan;
    q.server.port = 49152;
    for (int i = 0; i < PH_HTTP_MAX; i++)
        assert_int_equal(inside.host->ops->http_start(inside.host, &q, &id), PH_OK);
    assert_int_equal(inside.host->ops->http_start(inside.host, &q, &id), PH_ERR_SPACE);
    q.answer_max = PH_HTTP_ANSWER_MAX + 1;
    assert_int_equal(outside.host->ops->http_start(outside.host, &q, &id), PH_ERR_INVAL);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_dnat_without_snat),
        cmocka_unit_test(test_not_from_outside),
        cmocka_unit_test(test_ssdp),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_http_faults),
        cmocka_unit_test(test_http_takes_its_round_trips),
        cmocka_unit_test(test_too_many_requests),
    };
    return cmocka_run_group_tests_name("lab/sim/router", tests, NULL, NULL);
}
