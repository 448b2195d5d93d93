/* What befalls a world, packet by packet, in the simulator and in the kernel: that it does what it
 * says, and that nothing of it is left for the next trial. */
#include "lab/net/netns.h"
#include "lab/net/nft.h"
#include "lab/world/kernel_private.h"
#include "tests/both_worlds.h"
#include "tests/kernel_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A_PORT    5000
#define B_PORT    6000
#define STUN_PORT 3478

/* Two peers behind NATs, and a server. Incidents are the callee's, b's: by a's way the fence knows
 * when a packet that has not come will not. */
struct stage {
    struct both_world *w;
    size_t a, b, stun;
};

static struct stage set_in(struct kernel_lab *lab, const char *topology, const char *nat_b)
{
    static struct world_spec spec;
    struct topology t;
    struct lab_error err = {.text = ""};
    struct stage s = {0};
    if (topology_find(topology, &t, &err) != 0 || world_spec_init(&spec, &t, &err) != 0 ||
        (nat_b != NULL && world_spec_set_profile(&spec, "b", nat_b, &err) != 0))
        fail_msg("%s", err.text);
    s.w = both_world_new(lab, &spec, 7);
    s.a = both_open(s.w, "a", A_PORT);
    s.b = both_open(s.w, "b", B_PORT);
    s.stun = both_open(s.w, "stun", STUN_PORT);
    return s;
}

static struct stage set(struct kernel_lab *lab, const char *nat_b)
{
    return set_in(lab, "two-nats", nat_b);
}

/* Where the server sees b's packet come from; port 0: it is lost. */
static struct ph_addr seen(const struct stage *s, size_t server_address)
{
    struct ph_addr to = both_addr(s->w, "stun", server_address, STUN_PORT);
    struct both_heard heard = both_send(s->w, s->b, &to, 0);
    return heard.by == s->stun ? heard.from : (struct ph_addr){0};
}

static bool arrives(const struct stage *s, size_t from, struct ph_addr to, size_t at)
{
    return both_send(s->w, from, &to, 0).by == at;
}

/* b's packet is seen, and its answer comes back. */
static bool speaks(const struct stage *s)
{
    struct ph_addr from = seen(s, 0);
    return from.port != 0 && arrives(s, s->stun, from, s->b);
}

/* Both NATs keep ports: each peer's place is known. */
static bool a_to_b(const struct stage *s)
{
    return arrives(s, s->a, both_addr(s->w, "b.nat", 0, B_PORT), s->b);
}

static bool b_to_a(const struct stage *s)
{
    return arrives(s, s->b, both_addr(s->w, "a.nat", 0, A_PORT), s->a);
}

static void punch(const struct stage *s)
{
    (void)b_to_a(s);
    assert_true(a_to_b(s));
    assert_true(b_to_a(s));
}

static void befall(const struct stage *s, struct incident what)
{
    what.side = 1;
    both_disturb(s->w, &what);
}

#define BEFALL(s, ...) befall(s, (struct incident){__VA_ARGS__})

static void flush_conntrack(struct kernel_lab *lab)
{
    struct stage s = set(lab, "random");
    struct ph_addr before = seen(&s, 0), again = seen(&s, 0);
    assert_true(ph_addr_eq(&before, &again));
    assert_true(arrives(&s, s.stun, before, s.b));
    BEFALL(&s, .kind = INCIDENT_FLUSH_CONNTRACK);
    assert_false(arrives(&s, s.stun, before, s.b));
    again = seen(&s, 0);
    assert_true(ph_addr_ip_eq(&before, &again));
    assert_int_not_equal(before.port, again.port);
    assert_true(speaks(&s));
    both_world_free(s.w);
}

static void reboot_nat(struct kernel_lab *lab)
{
    struct stage s = set(lab, "sequential");
    struct ph_addr first = seen(&s, 0), second = seen(&s, 1), third;
    assert_int_equal(second.port, first.port + 1);
    BEFALL(&s, .kind = INCIDENT_FLUSH_CONNTRACK);
    third = seen(&s, 2);
    assert_int_equal(third.port, first.port + 2); /* a flush leaves the counter */
    BEFALL(&s, .kind = INCIDENT_REBOOT_NAT);
    assert_false(arrives(&s, s.stun, third, s.b));
    third = seen(&s, 2);
    assert_int_equal(third.port, first.port);
    assert_true(speaks(&s));
    both_world_free(s.w);
}

static void renumber_wan(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    struct ph_addr known[4];
    punch(&s);
    for (size_t i = 0; i < 4; i++) {
        known[i] = seen(&s, 0);
        assert_int_equal(known[i].port, B_PORT);
        assert_true(arrives(&s, s.stun, known[i], s.b));
        struct ph_addr declared = both_addr(s.w, "b.nat", 0, B_PORT);
        assert_true(ph_addr_eq(&declared, &known[i]));
        for (size_t k = 0; k < i; k++) {
            assert_false(ph_addr_ip_eq(&known[k], &known[i]));
            assert_false(arrives(&s, s.stun, known[k], s.b));
        }
        BEFALL(&s, .kind = INCIDENT_RENUMBER_WAN);
        assert_false(arrives(&s, s.stun, known[i], s.b));
    }
    punch(&s);
    both_world_free(s.w);
}

static void change_interface(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    struct ph_addr before = both_local(s.w, "b"), after;
    unsigned told = both_told(s.w, "b");
    punch(&s);
    BEFALL(&s, .kind = INCIDENT_CHANGE_INTERFACE);
    (void)both_await_told(s.w, "b", told);
    after = both_local(s.w, "b");
    assert_int_equal(after.family, PH_AF_V4);
    assert_false(ph_addr_ip_eq(&before, &after));
    assert_true(speaks(&s)); /* by the socket that was there before */
    both_world_free(s.w);
}

static void link_down(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    struct ph_addr before = both_local(s.w, "b"), after;
    unsigned told = both_told(s.w, "b");
    assert_true(speaks(&s));
    BEFALL(&s, .kind = INCIDENT_LINK_DOWN, .number = 1);
    (void)both_await_told(s.w, "b", told);
    assert_int_equal(both_local(s.w, "b").family, PH_AF_NONE);
    assert_int_equal(seen(&s, 0).port, 0);
    BEFALL(&s, .kind = INCIDENT_LINK_DOWN, .number = 3);
    BEFALL(&s, .kind = INCIDENT_LINK_DOWN, .number = 1, .over = true);
    assert_int_equal(seen(&s, 0).port, 0); /* it was pulled twice */
    told = both_told(s.w, "b");
    BEFALL(&s, .kind = INCIDENT_LINK_DOWN, .number = 3, .over = true);
    (void)both_await_told(s.w, "b", told);
    after = both_local(s.w, "b");
    assert_true(ph_addr_ip_eq(&before, &after));
    /* A wire that has come up may take a moment until it carries. */
    for (int i = 0; i < 200 && !speaks(&s); i++)
        continue;
    assert_true(speaks(&s));
    both_world_free(s.w);
}

static void block_udp(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    assert_true(speaks(&s));
    BEFALL(&s, .kind = INCIDENT_BLOCK_UDP, .number = 1);
    BEFALL(&s, .kind = INCIDENT_BLOCK_UDP, .number = 3);
    assert_int_equal(seen(&s, 0).port, 0);
    assert_false(arrives(&s, s.stun, both_addr(s.w, "b.nat", 0, B_PORT), s.b));
    BEFALL(&s, .kind = INCIDENT_BLOCK_UDP, .number = 1, .over = true);
    assert_int_equal(seen(&s, 0).port, 0);
    BEFALL(&s, .kind = INCIDENT_BLOCK_UDP, .number = 3, .over = true);
    assert_true(speaks(&s));
    both_world_free(s.w);
}

static void blackhole(struct kernel_lab *lab)
{
    static const struct {
        enum incident_direction direction;
        bool up, down; /* what still comes through */
    } cases[] = {{INCIDENT_BOTH_WAYS, false, false},
                 {INCIDENT_UP, false, true},
                 {INCIDENT_DOWN, true, false}};
    struct stage s = set(lab, "port-preserving");
    unsigned told = both_told(s.w, "b");
    punch(&s);
    for (size_t i = 0; i < 3; i++) {
        struct incident what = {.kind = INCIDENT_BLACKHOLE, .number = (uint32_t)(2 * i)};
        what.direction = cases[i].direction;
        befall(&s, what);
        assert_int_equal(a_to_b(&s), cases[i].up);
        assert_int_equal(b_to_a(&s), cases[i].down);
        assert_true(speaks(&s)); /* what goes by others goes on */
        what.over = true;
        befall(&s, what);
        punch(&s);
    }
    assert_int_equal(both_told(s.w, "b"), told);
    both_world_free(s.w);
}

static void blackout(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    struct ph_addr before = seen(&s, 0), here = both_local(s.w, "b");
    unsigned told = both_told(s.w, "b");
    punch(&s);
    BEFALL(&s, .kind = INCIDENT_BLACKOUT, .number = 1);
    assert_int_equal(seen(&s, 0).port, 0);
    assert_false(arrives(&s, s.stun, before, s.b));
    assert_false(a_to_b(&s));
    struct ph_addr still = both_local(s.w, "b");
    assert_true(ph_addr_ip_eq(&here, &still));
    BEFALL(&s, .kind = INCIDENT_BLACKOUT, .number = 1, .over = true);
    assert_true(speaks(&s));
    punch(&s);
    assert_int_equal(both_told(s.w, "b"), told); /* in silence */
    both_world_free(s.w);
}

static void (*const all[])(struct kernel_lab *lab) = {
    flush_conntrack, reboot_nat, renumber_wan, change_interface,
    link_down,       block_udp,  blackhole,    blackout,
};

static void test_simulator(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        all[i](NULL);
}

static void test_kernel(void **state)
{
    struct kernel_lab *lab = kernel_lab_needed();
    bool ingress = kernel_lab_has_ingress();
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] != blackout || ingress)
            all[i](lab);
}

/* ---- For the next trial */

static void everything_befalls(const struct stage *s, bool ingress)
{
    static const enum incident_kind kinds[] = {
        INCIDENT_RENUMBER_WAN, INCIDENT_RENUMBER_WAN, INCIDENT_REBOOT_NAT,
        INCIDENT_BLACKHOLE,    INCIDENT_BLOCK_UDP,    INCIDENT_CHANGE_INTERFACE,
        INCIDENT_LINK_DOWN,    INCIDENT_BLACKOUT,     INCIDENT_LINK_DOWN,
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        for (uint8_t side = 0; side < 2 && (kinds[i] != INCIDENT_BLACKOUT || ingress); side++) {
            struct incident what = {
                .kind = kinds[i], .side = side, .number = (uint32_t)(2 * i + side)};
            both_disturb(s->w, &what);
        }
}

static void put_in_order(struct kernel_lab *lab)
{
    struct stage s = set(lab, "port-preserving");
    struct ph_addr nat = both_addr(s.w, "b.nat", 0, 0), host = both_local(s.w, "b"), now;
    punch(&s);
    everything_befalls(&s, lab == NULL || kernel_lab_has_ingress());
    both_reset(s.w, 8);
    s.a = both_open(s.w, "a", A_PORT);
    s.b = both_open(s.w, "b", B_PORT);
    s.stun = both_open(s.w, "stun", STUN_PORT);
    now = both_addr(s.w, "b.nat", 0, 0);
    assert_true(ph_addr_eq(&nat, &now));
    now = both_local(s.w, "b");
    assert_true(ph_addr_ip_eq(&host, &now));
    for (int i = 0; i < 200 && !speaks(&s); i++)
        continue;
    now = seen(&s, 0);
    assert_true(ph_addr_ip_eq(&nat, &now));
    punch(&s);
    both_world_free(s.w);
}

static void test_order_simulator(void **state)
{
    (void)state;
    put_in_order(NULL);
}

static void test_order_kernel(void **state)
{
    (void)state;
    put_in_order(kernel_lab_needed());
}

static void append_file(FILE *out, const char *path)
{
    char buf[4096];
    size_t n;
    FILE *f = fopen(path, "re");
    if (f == NULL) /* a kernel without IPv6 has not all of them */
        return;
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(f);
}

/* All of a world's rules, addresses, routes and neighbours. */
static char *portrait(const struct kernel_world *w)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (size_t i = 0; i < w->layout.node_count; i++) {
        char *rules = NULL;
        struct lab_error err = {.text = ""};
        if (nft_run(w->fds[i], "list ruleset", &rules, &err) != 0)
            fail_msg("%s", err.text);
        fprintf(out, "== %s\n%s", w->layout.nodes[i].name, rules != NULL ? rules : "");
        free(rules);
        assert_int_equal(netns_enter(w->fds[i], NULL), 0);
        append_file(out, "/proc/thread-self/net/fib_trie");
        append_file(out, "/proc/thread-self/net/route");
        append_file(out, "/proc/thread-self/net/arp");
        append_file(out, "/proc/thread-self/net/if_inet6");
        assert_int_equal(netns_enter(w->lab->home, NULL), 0);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

/* The lines of one that the other has not, to be looked at. */
static void tell_difference(const char *a, const char *b)
{
    size_t line = 0;
    while (*a != '\0' && *a == *b) {
        line += *a == '\n' ? 1 : 0;
        a++;
        b++;
    }
    print_error("from line %zu on:\n--- before\n%.300s\n--- after\n%.300s\n", line, a, b);
}

static void test_nothing_is_left(void **state)
{
    struct kernel_lab *lab = kernel_lab_needed();
    static const struct {
        const char *topology, *nat;
    } worlds[] = {
        {"two-nats", "port-preserving"},   {"two-nats", "cgnat"}, {"two-nats", "full-cone"},
        {"two-nats", "firewall"},          {"same-lan", NULL},    {"same-cgnat", "random"},
        {"dual-stack", "port-preserving"},
    };
    bool ingress = kernel_lab_has_ingress();
    (void)state;
    for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
        struct stage s = set_in(lab, worlds[i].topology, worlds[i].nat);
        struct lab_error err = {.text = ""};
        struct kernel_world *w = both_kernel(s.w);
        if (kernel_world_reset(w, 1, &err) != 0)
            fail_msg("%s", err.text);
        char *before = portrait(w);
        for (int kind = 0; kind < INCIDENT_KINDS; kind++) {
            struct incident what = {.kind = (enum incident_kind)kind, .side = 1};
            ph_ns at;
            if ((what.kind == INCIDENT_BLACKOUT && !ingress) || incident_is_of_relay(what.kind) ||
                incident_check(&w->layout, &what, NULL) != 0)
                continue;
            what.number = (uint32_t)kind;
            if (kernel_world_disturb(w, &what, &at, &err) != 0)
                fail_msg("%s", err.text);
        }
        assert_false(kernel_world_is_calm(w));
        /* While it is as it is, its NATs prove nothing. */
        assert_int_equal(kernel_world_check(w, &err), -1);
        assert_non_null(strstr(err.text, "while a fault is on"));
        if (kernel_world_reset(w, 2, &err) != 0)
            fail_msg("%s", err.text);
        assert_true(kernel_world_is_calm(w));
        char *after = portrait(w);
        if (strcmp(before, after) != 0) {
            tell_difference(before, after);
            fail_msg("%s, %s: the world is not what it was", worlds[i].topology,
                     worlds[i].nat != NULL ? worlds[i].nat : "");
        }
        if (kernel_world_check(w, &err) != 0)
            fail_msg("%s", err.text);
        free(before);
        free(after);
        both_world_free(s.w);
    }
}

/* What cannot be is refused, before anything is done. */
static void test_impossible(void **state)
{
    static struct world_spec spec;
    static struct layout l;
    struct topology t;
    struct lab_error err = {.text = ""};
    struct incident what = {.kind = INCIDENT_REBOOT_NAT, .side = 1};
    (void)state;
    assert_int_equal(topology_find("no-nat", &t, &err), 0);
    assert_int_equal(world_spec_init(&spec, &t, &err), 0);
    assert_int_equal(layout_compute(&spec, &l, &err), 0);
    assert_int_equal(incident_check(&l, &what, &err), -1);
    assert_string_equal(err.text, "reboot-nat: no NAT stands before b");
    what.kind = INCIDENT_CHANGE_INTERFACE;
    assert_int_equal(incident_check(&l, &what, &err), 0);
    what.kind = INCIDENT_BLACKHOLE;
    assert_int_equal(incident_check(&l, &what, &err), 0);

    assert_int_equal(topology_find("two-nats", &t, &err), 0);
    assert_int_equal(world_spec_init(&spec, &t, &err), 0);
    assert_int_equal(world_spec_set_profile(&spec, "b", "firewall", &err), 0);
    assert_int_equal(layout_compute(&spec, &l, &err), 0);
    what.kind = INCIDENT_FLUSH_CONNTRACK;
    assert_int_equal(incident_check(&l, &what, &err), 0);
    what.kind = INCIDENT_RENUMBER_WAN;
    assert_int_equal(incident_check(&l, &what, &err), -1);
    assert_string_equal(err.text, "renumber-wan: what stands before b (firewall) does not "
                                  "translate, so it has no address that others see");

    /* The home router is the one before a customer of a carrier. */
    assert_int_equal(world_spec_set_profile(&spec, "b", "cgnat", &err), 0);
    assert_int_equal(layout_compute(&spec, &l, &err), 0);
    assert_int_equal(incident_nat(&l, 1), layout_find(&l, "b.home"));
    assert_int_equal(incident_nat(&l, 0), layout_find(&l, "a.nat"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_impossible),   cmocka_unit_test(test_simulator),
        cmocka_unit_test(test_kernel),       cmocka_unit_test(test_order_simulator),
        cmocka_unit_test(test_order_kernel), cmocka_unit_test(test_nothing_is_left),
    };
    return cmocka_run_group_tests_name("lab/world/incidents", tests, kernel_lab_setup,
                                       kernel_lab_teardown);
}
