/* A privacy answer on a real kernel, with a capture on both peers' wires: the callee asks no router
 * for a port and sends no packet but to relay and STUN server, and what reaches the caller comes
 * from those alone and holds no address of the callee's. The same call answered in full is the
 * control: there the capture shows all of that. */
#include "lab/net/netns.h"
#include "lab/run/trial.h"
#include "lab/world/kernel_private.h"
#include "tests/kernel_lab.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What went over one peer's wire. */
struct capture {
    int fd;
    struct ph_addr own;
    struct ph_addr servers[16]; /* relay and STUN: the only ones that may be spoken to */
    size_t server_count;
    struct ph_addr nat;        /* the own NAT's outside: a survey knocks there */
    struct ph_addr secrets[2]; /* the other peer's addresses */
    size_t packets, sent;      /* of all, and by the host */
    size_t elsewhere;          /* packets that the host sent to anybody else */
    size_t to_router;          /* of those, NAT-PMP, PCP, HTTP or multicast */
    size_t from_peer;          /* packets that came from the other peer's addresses */
    size_t betrayed;           /* payloads with a secret in them, plain or XORed as STUN does */
};

static struct capture capture_open(struct kernel_world *w, const char *name, const char *peer)
{
    const struct layout *l = kernel_world_layout(w);
    char nat[32], peer_nat[32];
    size_t node = layout_find(l, name);

    snprintf(nat, sizeof(nat), "%s.nat", name);
    snprintf(peer_nat, sizeof(peer_nat), "%s.nat", peer);
    struct capture c = {
        .own = l->nodes[node].addrs[0],
        .nat = l->nodes[layout_find(l, nat)].wan[0],
        .secrets = {l->nodes[layout_find(l, peer)].addrs[0],
                    l->nodes[layout_find(l, peer_nat)].wan[0]},
    };
    /* Packets on their way out are shown to those alone who ask for every protocol. */
    struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

    assert_int_equal(netns_enter(kernel_world_netns(w, node), NULL), 0);
    c.fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    a.sll_ifindex = (int)if_nametoindex("eth0");
    assert_true(c.fd >= 0 && a.sll_ifindex > 0);
    assert_int_equal(bind(c.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(netns_enter(w->lab->home, NULL), 0);
    return c;
}

static bool holds(const uint8_t *data, size_t len, const struct ph_addr *a)
{
    static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
    uint8_t masked[4];

    for (size_t i = 0; i < 4; i++)
        masked[i] = a->ip[i] ^ cookie[i];
    return memmem(data, len, a->ip, 4) != NULL || memmem(data, len, masked, 4) != NULL;
}

static bool is_server(const struct capture *c, const struct ph_addr *a)
{
    for (size_t i = 0; i < c->server_count; i++) {
        if (ph_addr_ip_eq(a, &c->servers[i]))
            return true;
    }
    return false;
}

static void look(struct capture *c, const uint8_t *ip, size_t len)
{
    size_t head = (size_t)(ip[0] & 15) * 4;
    struct ph_addr from, to;

    if (len < head + 8)
        return;
    from = ph_addr_v4(ip[12], ip[13], ip[14], ip[15], 0);
    to = ph_addr_v4(ip[16], ip[17], ip[18], ip[19], (uint16_t)(ip[head + 2] << 8 | ip[head + 3]));
    c->packets++;
    if (ph_addr_ip_eq(&from, &c->own)) {
        c->sent++;
        if (is_server(c, &to) || ph_addr_ip_eq(&to, &c->nat))
            return;
        c->elsewhere++;
        c->to_router +=
            to.port == 5351 || to.port == 1900 || ip[9] == IPPROTO_TCP || to.ip[0] >= 224;
        return;
    }
    for (size_t k = 0; k < 2; k++) {
        c->from_peer += ph_addr_ip_eq(&from, &c->secrets[k]);
        c->betrayed += holds(ip + head, len - head, &c->secrets[k]);
    }
}

static void drain(struct capture *c)
{
    uint8_t frame[2048];
    struct sockaddr_ll from;
    socklen_t from_len = sizeof(from);
    ssize_t n;

    while ((n = recvfrom(c->fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len)) >
           0) {
        if (n >= 20 && from.sll_protocol == htons(ETH_P_IP))
            look(c, frame, (size_t)n);
    }
}

static void allow_servers(struct capture *c, const struct layout *l)
{
    for (size_t i = 0; i < l->node_count; i++) {
        const struct layout_node *n = &l->nodes[i];

        for (size_t k = 0; k < n->addr_count; k++) {
            if (n->runs == TOPO_RUNS_RELAY || n->runs == TOPO_RUNS_STUN)
                c->servers[c->server_count++] = n->addrs[k];
        }
    }
}

struct outcome {
    struct trial_result result;
    bool done;
    size_t most_mappings; /* at any moment of the call */
    struct capture a, b;
};

static void on_done(void *user, const struct trial_result *result)
{
    struct outcome *o = user;
    o->result = *result;
    o->done = true;
}

static struct kernel_world *build(struct kernel_lab *lab, struct layout *layout)
{
    struct topology t;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct kernel_world *w = NULL;
    struct lab_error err = {.text = ""};

    assert_non_null(spec);
    if (topology_find("two-nats", &t, &err) != 0 || world_spec_init(spec, &t, &err) != 0 ||
        world_spec_set_link(spec, "lan", &err) != 0)
        fail_msg("%s", err.text);
    spec->profiles[1].port_mapping.pcp = spec->profiles[1].port_mapping.nat_pmp =
        spec->profiles[1].port_mapping.upnp = true;
    if (layout_compute(spec, layout, &err) != 0)
        fail_msg("%s", err.text);
    free(spec);
    if (kernel_world_build(lab, layout, &w, &err) != 0) {
        if (err.code != LAB_CANNOT)
            fail_msg("%s", err.text);
        print_message("%s\n", err.text);
        skip();
    }
    return w;
}

static void run(enum ph_answer_mode answer, struct outcome *o)
{
    struct kernel_lab *lab = kernel_lab_needed();
    struct layout *layout = calloc(1, sizeof(*layout));
    int fds[LAYOUT_NODES_MAX];
    struct ph_loop *loop = NULL;
    struct world *world = NULL;
    struct trial *trial = NULL;
    struct trial_spec spec = {
        .seed = 7, .stages = ~0u, .give_up = 5 * PH_SEC, .media = PH_SEC, .answer = answer};
    struct kernel_world *w;

    assert_non_null(layout);
    memset(o, 0, sizeof(*o));
    w = build(lab, layout);
    o->a = capture_open(w, "a", "b");
    o->b = capture_open(w, "b", "a");
    allow_servers(&o->a, layout);
    allow_servers(&o->b, layout);
    for (size_t i = 0; i < layout->node_count; i++)
        fds[i] = layout->nodes[i].runs != TOPO_RUNS_NOTHING ? dup(kernel_world_netns(w, i)) : -1;
    assert_int_equal(ph_loop_new(&loop), 0);
    assert_int_equal(kernel_world_attach(loop, layout, fds, &world, NULL), 0);
    assert_int_equal(trial_start(world, &spec, on_done, o, &trial), PH_OK);
    ph_ns limit = ph_loop_now(loop) + 60 * PH_SEC;
    while (!o->done && ph_loop_now(loop) < limit) {
        size_t now = 0;

        assert_int_equal(ph_loop_step(loop, 20 * PH_MS), PH_OK);
        drain(&o->a);
        drain(&o->b);
        assert_int_equal(kernel_world_mappings(w, &now, NULL), 0);
        o->most_mappings = now > o->most_mappings ? now : o->most_mappings;
    }
    assert_true(o->done);
    drain(&o->a);
    drain(&o->b);
    close(o->a.fd);
    close(o->b.fd);
    world->ops->free(world);
    ph_loop_free(loop);
    kernel_world_free(w);
    free(layout);
}

static void test_privacy(void **state)
{
    struct outcome o;
    (void)state;

    run(PH_ANSWER_PRIVACY, &o);
    assert_int_equal(o.result.status, TRIAL_OK);
    assert_true(o.result.connected);
    assert_false(o.result.direct);
    assert_true(o.a.sent > 50 && o.b.sent > 50 && o.a.packets - o.a.sent > 50);
    /* The callee: nobody but the servers, no router, no mapping at any moment. */
    assert_int_equal(o.b.elsewhere, 0);
    assert_int_equal(o.most_mappings, 0);
    /* The caller asks its own router, and hears of the callee by the relay alone. */
    assert_int_equal(o.a.elsewhere, o.a.to_router);
    assert_int_equal(o.a.from_peer, 0);
    assert_int_equal(o.a.betrayed, 0);
}

static void test_full_answer_shows(void **state)
{
    struct outcome o;
    (void)state;

    run(PH_ANSWER_FULL, &o);
    assert_int_equal(o.result.status, TRIAL_OK);
    assert_true(o.result.direct);
    assert_true(o.b.to_router > 0);
    assert_true(o.b.elsewhere > o.b.to_router);
    assert_int_equal(o.most_mappings, 1);
    assert_true(o.a.elsewhere > o.a.to_router);
    assert_true(o.a.from_peer > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_privacy),
        cmocka_unit_test(test_full_answer_shows),
    };
    return cmocka_run_group_tests(tests, kernel_lab_setup, kernel_lab_teardown);
}
