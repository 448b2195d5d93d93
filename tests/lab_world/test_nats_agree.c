/* The simulator's NATs beside the kernel's: the same questions to both, packet by packet. Ports
 * that chance draws are compared by what they are (kept, in which range, the same as before). */
#include "lab/stats.h"
#include "tests/both_worlds.h"
#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVER_PORT 3478
#define PEER_PORT   5000

struct seen {
    char text[1024];
    size_t len;
    unsigned doubled, drawn; /* ports 1024 to 2047, and all */
};

__attribute__((format(printf, 2, 3))) static void note(struct seen *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->text + s->len, sizeof(s->text) - s->len, fmt, ap);
    va_end(ap);
    assert_in_range(n, 0, sizeof(s->text) - s->len - 1);
    s->len += (size_t)n;
}

/* The port that a packet is seen from; 0: it is lost. */
static uint16_t port_to(struct both_world *w, size_t from, struct ph_addr to)
{
    return both_send(w, from, &to, 0).from.port;
}

/* The same, for NATs that lose a packet for which another's port was drawn. */
static uint16_t port_soon(struct both_world *w, size_t from, struct ph_addr to)
{
    uint16_t port = 0;
    for (int i = 0; i < 8 && port == 0; i++)
        port = port_to(w, from, to);
    return port;
}

static bool comes_to(struct both_world *w, size_t from, uint16_t port, size_t to)
{
    struct ph_addr at = both_addr(w, "a.nat", 0, port);
    return both_send(w, from, &at, 0).by == to;
}

static const char *class_of(uint16_t port, uint16_t source)
{
    return port == 0        ? "lost"
           : port == source ? "kept"
           : port < 512     ? "1-511"
           : port < 600     ? "512-599"
           : port < 1024    ? "600-1023"
                            : "1024-";
}

/* An early packet from a peer, then the own side's. */
static void trap(struct both_world *w, struct seen *s)
{
    size_t a = both_open(w, "a", 41000), stun = both_open(w, "stun", SERVER_PORT);
    size_t peer = both_open(w, "relay", PEER_PORT);
    uint16_t first = port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT));
    note(s, "back=%d ", comes_to(w, stun, first, a));
    note(s, "early=%d ", comes_to(w, peer, first, a));
    uint16_t second = port_to(w, a, both_addr(w, "relay", 0, PEER_PORT));
    note(s, "same=%d lost=%d in=%d ", first == second, second == 0, comes_to(w, peer, second, a));
    note(s, "first-in=%d ", comes_to(w, peer, first, a));
    uint16_t third = port_to(w, a, both_addr(w, "stun", 1, SERVER_PORT));
    note(s, "newer=%d old=%d ", third == second,
         port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT)) == first);
}

/* How far an early packet has to come to do its harm, and how far one of the own side's does that
 * opens the way for it. */
static void reach(struct both_world *w, struct seen *s)
{
    (void)both_open(w, "stun", SERVER_PORT);
    for (uint8_t ttl = 1; ttl <= 8; ttl++) {
        size_t a = both_open(w, "a", (uint16_t)(41000 + ttl));
        size_t peer = both_open(w, "relay", (uint16_t)(PEER_PORT + ttl));
        size_t b = both_open(w, "b", (uint16_t)(42000 + ttl));
        struct ph_addr to_peer = both_addr(w, "relay", 0, (uint16_t)(PEER_PORT + ttl));
        struct ph_addr at =
            both_addr(w, "a.nat", 0, port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT)));
        (void)both_send(w, peer, &at, ttl);
        note(s, "%d", port_to(w, a, to_peer) == at.port);
        at.port = port_to(w, b, both_addr(w, "stun", 0, SERVER_PORT));
        note(s, "%d", both_send(w, b, &to_peer, ttl).by == peer);
        note(s, "%d ", both_send(w, peer, &at, 0).by == b);
    }
}

/* Several outside addresses. */
static void pool(struct both_world *w, struct seen *s)
{
    size_t peer = both_open(w, "relay", PEER_PORT);
    unsigned addresses = 0, stays = 0, lets = 0, others = 0;
    (void)both_open(w, "stun", SERVER_PORT);
    for (uint16_t i = 0; i < 40; i++) {
        size_t a = both_open(w, "a", (uint16_t)(41000 + i));
        struct ph_addr to = both_addr(w, "stun", 0, SERVER_PORT);
        struct ph_addr at = both_send(w, a, &to, 0).from;
        to = both_addr(w, "stun", 1, SERVER_PORT);
        struct ph_addr again = both_send(w, a, &to, 0).from;
        for (size_t k = 0; k < 4; k++) {
            struct ph_addr one = both_addr(w, "a.nat", k, at.port);
            bool mine = ph_addr_eq(&one, &at);
            addresses |= mine ? 1u << k : 0;
            lets += both_send(w, peer, &one, 0).by == a && mine;
            others += both_send(w, peer, &one, 0).by == a && !mine;
        }
        stays += ph_addr_eq(&at, &again);
    }
    unsigned count = (unsigned)__builtin_popcount(addresses);
    note(s, "%s stays=%u lets=%u others=%u",
         count == 1   ? "one"
         : count == 4 ? "all"
                      : "some",
         stays, lets, others);
}

/* Two hosts on one port. */
static void clash(struct both_world *w, struct seen *s)
{
    static const uint16_t ports[] = {41000, 1023, 1000, 600, 599, 512, 511, 300};
    size_t stun = both_open(w, "stun", SERVER_PORT), peer = both_open(w, "relay", PEER_PORT);
    struct ph_addr server = both_addr(w, "stun", 0, SERVER_PORT);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        size_t a = both_open(w, "a", ports[i]), b = both_open(w, "b", ports[i]);
        uint16_t pa = port_to(w, a, server);
        uint16_t shared = port_soon(w, b, both_addr(w, "relay", 0, PEER_PORT));
        uint16_t pb = port_soon(w, b, server);
        note(s, "%s %s %s ", class_of(pa, ports[i]), class_of(shared, ports[i]),
             class_of(pb, ports[i]));
        note(s, "%d%d%d ", comes_to(w, stun, pa, a), comes_to(w, peer, shared, b),
             comes_to(w, stun, pb, b));
        note(s, "%d; ", port_to(w, b, both_addr(w, "stun", 1, SERVER_PORT)) == pb);
    }
}

/* More sockets than a block has ports. */
static void crowd(struct both_world *w, struct seen *s)
{
    unsigned passed = 0, low = 65535, high = 0;
    (void)both_open(w, "stun", SERVER_PORT);
    (void)both_open(w, "relay", PEER_PORT);
    size_t last = 0;
    for (int i = 0; i < 80; i++) {
        last = both_open(w, "a", 0);
        uint16_t port = port_to(w, last, both_addr(w, "stun", 0, SERVER_PORT));
        passed += port != 0;
        low = port != 0 && port < low ? port : low;
        high = port > high ? port : high;
    }
    uint16_t other = port_to(w, last, both_addr(w, "relay", 0, PEER_PORT));
    note(s, "passed=%u from=%u to=%u other=%d", passed, low, high, other >= low && other <= high);
}

/* A sequence, what draws from it, and what happens when it comes round. */
static void sequence(struct both_world *w, struct seen *s)
{
    (void)both_open(w, "stun", SERVER_PORT);
    (void)both_open(w, "relay", PEER_PORT);
    struct ph_addr server = both_addr(w, "stun", 0, SERVER_PORT);
    for (int i = 0; i < 66; i++) {
        size_t from = both_open(w, i % 3 == 0 ? "b" : "a", 0);
        if (i % 5 == 0)
            (void)both_send(w, from, &server, 1); /* dies at the NAT */
        note(s, "%u ", port_to(w, from, server));
        if (i % 7 == 0)
            note(s, "again=%u ", port_to(w, from, server));
    }
    note(s, "elsewhere=%u ", port_to(w, both_open(w, "a", 0), both_addr(w, "relay", 0, PEER_PORT)));
}

static void hairpin(struct both_world *w, struct seen *s)
{
    size_t a = both_open(w, "a", 41000), b = both_open(w, "b", 42000);
    (void)both_open(w, "stun", SERVER_PORT);
    uint16_t pa = port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT));
    uint16_t pb = port_to(w, b, both_addr(w, "stun", 0, SERVER_PORT));
    struct ph_addr at_b = both_addr(w, "a.nat", 0, pb), at_a = both_addr(w, "a.nat", 0, pa);
    struct both_heard there = both_send(w, a, &at_b, 0), back = both_send(w, b, &at_a, 0);
    note(s, "there=%d back=%d ", there.by == b, back.by == a);
    note(s, "from-outside=%d%d ", ph_addr_eq(&there.from, &at_a), ph_addr_eq(&back.from, &at_b));
    at_b.port ^= 1;
    note(s, "nobody=%d", both_send(w, a, &at_b, 0).by == SIZE_MAX);
}

/* Who may come in, and with what that a later flow of the inside leaves. */
static void filtering(struct both_world *w, struct seen *s)
{
    size_t a = both_open(w, "a", 41000), stun = both_open(w, "stun", SERVER_PORT);
    size_t other = both_open(w, "stun", 3479), peer = both_open(w, "relay", PEER_PORT);
    uint16_t first = port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT));
    note(s, "back=%d port=%d address=%d ", comes_to(w, stun, first, a),
         comes_to(w, other, first, a), comes_to(w, peer, first, a));
    uint16_t to_peer = port_to(w, a, both_addr(w, "relay", 0, PEER_PORT));
    uint16_t to_other = port_to(w, a, both_addr(w, "stun", 0, 3479));
    note(s, "mapping=%d%d", to_peer == first, to_other == first);
}

/* From outside to a mapping of an endpoint that has a flow of its own to the sender, elsewhere. */
static void second_way(struct both_world *w, struct seen *s)
{
    size_t a = both_open(w, "a", 41000), peer = both_open(w, "relay", PEER_PORT);
    (void)both_open(w, "stun", SERVER_PORT);
    uint16_t first = port_to(w, a, both_addr(w, "stun", 0, SERVER_PORT));
    uint16_t second = port_to(w, a, both_addr(w, "relay", 0, PEER_PORT));
    struct ph_addr at_first = both_addr(w, "a.nat", 0, first);
    struct ph_addr at_second = both_addr(w, "a.nat", 0, second);
    for (int i = 0; i < 2; i++) {
        struct both_heard h = both_send(w, peer, &at_first, 0);
        note(s, "first=%d from=%s ", h.by == a, class_of(h.from.port, PEER_PORT));
        /* And back again. */
        if (h.by == a)
            note(s, "back=%d ", both_send(w, a, &h.from, 0).from.port == first);
        h = both_send(w, peer, &at_second, 0);
        note(s, "second=%d from=%s ", h.by == a, class_of(h.from.port, PEER_PORT));
    }
}

static void limit(struct both_world *w, struct seen *s)
{
    unsigned passed = 0;
    (void)both_open(w, "stun", SERVER_PORT);
    for (int i = 0; i < 80; i++)
        passed += port_to(w, both_open(w, i % 2 ? "a" : "b", 0),
                          both_addr(w, "stun", 0, SERVER_PORT)) != 0;
    note(s, "passed=%u", passed);
}

static void draw(struct both_world *w, struct seen *s)
{
    (void)both_open(w, "stun", SERVER_PORT);
    for (int i = 0; i < 300; i++) {
        size_t a = both_open(w, "a", (uint16_t)(20000 + i));
        for (size_t k = 0; k < 5; k++) {
            uint16_t port = port_to(w, a, both_addr(w, "stun", k, SERVER_PORT));
            assert_in_range(port, 1024, 65535);
            s->drawn++;
            s->doubled += port < 2048;
        }
    }
}

static const struct question {
    const char *profile, *field, *value, *gateway;
    void (*ask)(struct both_world *w, struct seen *s);
} questions[] = {
    {"port-preserving", NULL, NULL, "accept", trap},
    {"port-preserving", NULL, NULL, "drop", trap},
    {"port-preserving", NULL, NULL, "reject", trap},
    {"port-preserving", "allocation.exact", "true", "accept", trap},
    {"full-cone", NULL, NULL, "accept", trap},
    {"address-restricted", NULL, NULL, "accept", trap},
    {"port-restricted", NULL, NULL, "accept", trap},
    {"hashed", NULL, NULL, "accept", trap},
    {"block-eim", NULL, NULL, "accept", trap},
    {"random-adm", NULL, NULL, "accept", trap},
    {"random", NULL, NULL, "accept", trap},
    {"sequential", NULL, NULL, "accept", trap},
    {"port-preserving", NULL, NULL, "accept", reach},
    {"port-preserving", NULL, NULL, "drop", reach},
    {"full-cone", "pool", "{addresses: 4, pairing: paired}", "drop", pool},
    {"full-cone", "pool", "{addresses: 4, pairing: arbitrary}", "drop", pool},
    {"random", "pool", "{addresses: 4, pairing: arbitrary}", "drop", pool},
    {"port-preserving", NULL, NULL, "drop", clash},
    {"port-preserving", "allocation.exact", "true", "drop", clash},
    {"port-preserving", "allocation.range", "40000-41999", "drop", clash},
    {"full-cone", NULL, NULL, "drop", clash},
    {"block-512", "allocation.block", "64", "drop", crowd},
    {"block-eim", "allocation.block", "64", "drop", crowd},
    {"random", "allocation.range", "50000-50063", "drop", crowd},
    {"sequential", "allocation", "{start: 40000, range: 40000-40063}", "drop", sequence},
    {"sequential-down", "allocation", "{start: 40063, range: 40000-40063}", "drop", sequence},
    {"hairpin", NULL, NULL, "drop", hairpin},
    {"full-cone", "hairpin", "true", "drop", hairpin},
    {"port-preserving", NULL, NULL, "drop", hairpin},
    {"full-cone", NULL, NULL, "drop", filtering},
    {"address-restricted", NULL, NULL, "drop", filtering},
    {"random-adm", NULL, NULL, "drop", filtering},
    {"random", "filtering", "endpoint-independent", "drop", filtering},
    {"random", "filtering", "address-dependent", "drop", filtering},
    {"random", "filtering", "endpoint-independent", "drop", second_way},
    {"random", "filtering", "address-dependent", "drop", second_way},
    {"random", NULL, NULL, "drop", second_way},
    {"full-cone", NULL, NULL, "drop", second_way},
    {"port-preserving", "limits.mappings", "64", "drop", limit},
    {"udp-blocked", "udp", "allow", "drop", filtering},
    {"random", NULL, NULL, "drop", draw},
};

static void ask(struct kernel_lab *lab, const struct question *q, struct seen *out)
{
    static struct world_spec spec;
    struct topology t;
    struct lab_error err = {.text = ""};
    memset(out, 0, sizeof(*out));
    if (topology_find("same-lan", &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        world_spec_set_profile(&spec, "a", q->profile, &err) != 0 ||
        nat_profile_set(&spec.profiles[0], "gateway", q->gateway, &err) != 0 ||
        (q->field != NULL && nat_profile_set(&spec.profiles[0], q->field, q->value, &err) != 0))
        fail_msg("%s", err.text);
    struct both_world *w = both_world_new(lab, &spec, 1);
    q->ask(w, out);
    both_world_free(w);
}

static void test_same_answers(void **state)
{
    struct kernel_lab *lab = kernel_lab_needed();
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        const struct question *q = &questions[i];
        static struct seen sim, kernel;
        ask(NULL, q, &sim);
        ask(lab, q, &kernel);
        if (strcmp(sim.text, kernel.text) != 0) {
            print_error("%s %s %s, gateway %s:\n  kernel %s\n  sim    %s\n", q->profile,
                        q->field != NULL ? q->field : "", q->field != NULL ? q->value : "",
                        q->gateway, kernel.text, sim.text);
            wrong++;
        } else if (getenv("NATS_AGREE_SHOW") != NULL) {
            print_message("%s %s, gateway %s: %s\n", q->profile, q->field != NULL ? q->value : "",
                          q->gateway, sim.text);
        }
        if (sim.drawn > 0) {
            /* One port of 32 is expected below 2048 where each has the same chance but these. */
            if (stats_fisher(sim.doubled, sim.drawn, kernel.doubled, kernel.drawn) < 1e-4)
                fail_msg("ports 1024-2047: %u of %u in the kernel, %u of %u here", kernel.doubled,
                         kernel.drawn, sim.doubled, sim.drawn);
            assert_in_range(kernel.doubled, kernel.drawn / 64, kernel.drawn / 18);
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_answers)};
    return cmocka_run_group_tests_name("lab/world/nats_agree", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
