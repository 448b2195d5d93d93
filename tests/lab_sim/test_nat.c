/* The simulator's NATs, in virtual time: what netfilter does with each profile's rules. */
#include "lab/world/sim/nat.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1000 * PH_SEC)

static const struct ph_addr wan = {.family = PH_AF_V4, .ip = {11, 0, 0, 1}};

static struct ph_addr host(uint8_t last, uint16_t port)
{
    return ph_addr_v4(10, 0, 0, last, port);
}

static struct ph_addr far(uint8_t last, uint16_t port)
{
    return ph_addr_v4(11, 1, 0, last, port);
}

static struct sim_nat *nat_with(const char *profile, const char *field, const char *value)
{
    struct nat_site site = {.wan_if = "wan", .lan_if = "lan", .lan_prefix = 24, .seed = 5};
    struct nat_profile p;
    struct lab_error err;
    struct sim_nat *n;
    if (nat_profile_find(profile, &p, &err) != 0 ||
        (field != NULL && nat_profile_set(&p, field, value, &err) != 0))
        fail_msg("%s", err.text);
    for (uint8_t i = 0; i < 4; i++) {
        site.wan[site.wan_count++] = ph_addr_v4(11, 0, 0, (uint8_t)(1 + i), 0);
        site.subscribers[site.subscriber_count++] = host((uint8_t)(2 + i), 0);
    }
    site.lan = host(1, 0);
    assert_int_equal(sim_nat_new(&p, &site, 99, &n), PH_OK);
    return n;
}

static struct sim_nat *nat_of(const char *profile)
{
    return nat_with(profile, NULL, NULL);
}

/* The outside endpoint; port 0: the packet is lost. */
static struct ph_addr out(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    struct ph_addr to = dst;
    if (!sim_nat_outbound(n, now, &src, &to, false))
        return (struct ph_addr){0};
    assert_true(ph_addr_eq(&to, &dst));
    return src;
}

static uint16_t port_of(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    return out(n, now, src, dst).port;
}

static bool in(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    return sim_nat_inbound(n, now, &src, &dst, false);
}

/* Who gets it inside; port 0: nobody. */
static struct ph_addr reaches(struct sim_nat *n, ph_ns now, struct ph_addr src, struct ph_addr dst)
{
    struct ph_addr from = src;
    if (!sim_nat_inbound(n, now, &src, &dst, false))
        return (struct ph_addr){0};
    assert_true(ph_addr_eq(&from, &src));
    return dst;
}

static void test_mapping_and_filtering(void **state)
{
    static const struct {
        const char *profile;
        bool same_for_other_port, same_for_other_host; /* the outside port */
        bool lets_other_port, lets_other_host;         /* in, to the first mapping */
    } rows[] = {
        {"full-cone", true, true, true, true},
        {"address-restricted", true, true, true, false},
        {"port-restricted", true, true, false, false},
        {"port-preserving", true, true, false, false},
        {"hashed", true, true, false, false},
        {"block-eim", true, true, false, false},
        {"random-adm", true, false, false, false},
        {"random", false, false, false, false},
        {"sequential", false, false, false, false},
        {"block-512", false, false, false, false},
        {"firewall", true, true, false, false},
        {"open", true, true, true, true},
    };
    struct ph_addr inside = host(2, 40000);
    struct ph_addr x = far(1, 100), x2 = far(1, 101), y = far(2, 100), z = far(3, 100);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_nat *n = nat_of(rows[i].profile);
        struct ph_addr first = out(n, NOW, inside, x);
        struct ph_addr got = reaches(n, NOW, x, first);
        if (!ph_addr_eq(&got, &inside) || in(n, NOW, x2, first) != rows[i].lets_other_port ||
            in(n, NOW, z, first) != rows[i].lets_other_host)
            fail_msg("%s: filtering", rows[i].profile);
        struct ph_addr other_port = out(n, NOW, inside, x2);
        struct ph_addr other_host = out(n, NOW, inside, y);
        if (ph_addr_eq(&other_port, &first) != rows[i].same_for_other_port ||
            ph_addr_eq(&other_host, &first) != rows[i].same_for_other_host)
            fail_msg("%s: mapping", rows[i].profile);
        /* Everything comes back to where it came from. */
        got = reaches(n, NOW, y, other_host);
        assert_true(ph_addr_eq(&got, &inside));
        sim_nat_free(n);
    }
}

static void test_a_sequence(void **state)
{
    static const struct {
        const char *profile;
        int step;
    } rows[] = {{"sequential", 1}, {"sequential-2", 2}, {"sequential-down", -1}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sim_nat *n = nat_of(rows[i].profile);
        int last = port_of(n, NOW, host(2, 40000), far(1, 99));
        for (uint16_t k = 0; k < 5; k++) {
            /* One counter for all hosts; neither an answer nor a second packet draws, nor one that
             * dies here. */
            struct ph_addr a = host((uint8_t)(2 + k % 2), 40000), b = far(1, (uint16_t)(100 + k));
            struct ph_addr a2 = a, b2 = b;
            assert_false(sim_nat_outbound(n, NOW, &a2, &b2, true));
            struct ph_addr at = out(n, NOW, a, b);
            assert_int_equal(at.port - last, rows[i].step);
            assert_true(in(n, NOW, b, at));
            assert_int_equal(port_of(n, NOW, a, b), at.port);
            last = at.port;
        }
        sim_nat_flush(n); /* the counter goes on */
        assert_int_equal(port_of(n, NOW, host(2, 40000), far(1, 99)) - last, rows[i].step);
        sim_nat_free(n);
    }
}

/* Round the sequence once: busy ports are skipped, nine of them in a row; then the tenth draw's
 * port is taken although it is busy, and the packet is lost where its flow goes there too. */
static void test_a_busy_sequence(void **state)
{
    struct sim_nat *n = nat_with("sequential", "allocation", "{start: 40000, range: 40000-40063}");
    (void)state;
    for (uint16_t k = 0; k < 64; k++)
        if (k != 7)
            assert_int_equal(
                port_of(n, NOW + (k < 7 ? 0 : 1), host(2, (uint16_t)(1000 + k)), far(1, 100)),
                40000 + k);
        else /* a flow that goes elsewhere, and is gone when the sequence comes by again */
            assert_int_equal(port_of(n, NOW - 29 * PH_SEC, host(2, 999), far(2, 100)), 40007);
    assert_int_equal(port_of(n, NOW + 2 * PH_SEC, host(2, 2000), far(1, 100)), 40007);
    /* 40008 to 40016 are busy; the last is another destination's, too. */
    assert_int_equal(port_of(n, NOW + 2 * PH_SEC, host(2, 2001), far(3, 100)), 40016);
    assert_int_equal(port_of(n, NOW + 2 * PH_SEC, host(2, 2002), far(1, 100)), 0);
    sim_nat_free(n);
}

static void test_timeouts(void **state)
{
    static const struct {
        ph_ns answer, again, until; /* after the first packet */
    } rows[] = {
        {PH_NEVER, 0, 30 * PH_SEC},
        {PH_NEVER, 29 * PH_SEC, 59 * PH_SEC},
        /* The first answer does not make a stream, nor does what comes within two seconds. */
        {PH_SEC, 0, 31 * PH_SEC},
        {PH_SEC, 2 * PH_SEC, 32 * PH_SEC},
        {PH_SEC, 2 * PH_SEC + 1, 122 * PH_SEC + 1},
        {10 * PH_SEC, 0, 40 * PH_SEC},
        {10 * PH_SEC, 11 * PH_SEC, 131 * PH_SEC},
    };
    struct ph_addr inside = host(2, 40000), x = far(1, 100);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int after = 0; after < 2; after++) {
            struct sim_nat *n = nat_of("random");
            struct ph_addr at = out(n, NOW, inside, x);
            if (rows[i].answer != PH_NEVER)
                assert_true(in(n, NOW + rows[i].answer, x, at));
            if (rows[i].again != 0)
                assert_int_equal(port_of(n, NOW + rows[i].again, inside, x), at.port);
            assert_int_equal(sim_nat_flows(n, NOW + rows[i].until - 1), 1);
            if (in(n, NOW + rows[i].until - (after == 0), x, at) != (after == 0))
                fail_msg("row %zu: %s", i, after ? "it lives longer" : "it does not live as long");
            sim_nat_free(n);
        }
    }
}

/* A packet that dies at the NAT keeps a flow alive, and begins none. */
static void test_dying_packets(void **state)
{
    struct sim_nat *n = nat_of("random");
    struct ph_addr a = host(2, 40000), x = far(1, 100), src = a, dst = x;
    (void)state;
    assert_false(sim_nat_outbound(n, NOW, &src, &dst, true));
    assert_int_equal(sim_nat_flows(n, NOW), 0);
    struct ph_addr at = out(n, NOW, a, x);
    assert_false(sim_nat_outbound(n, NOW + 20 * PH_SEC, &src, &dst, true));
    dst = at, src = x;
    assert_false(sim_nat_inbound(n, NOW + 40 * PH_SEC, &src, &dst, true));
    assert_true(in(n, NOW + 69 * PH_SEC, x, at));
    sim_nat_free(n);
}

/* Plain masquerade: the port is kept while nobody has it to the same destination; after that
 * netfilter draws, within the class of the source port. */
static void test_clash(void **state)
{
    static const struct {
        uint16_t port, lo, hi;
    } rows[] = {{40000, 1024, 65535}, {1024, 1024, 65535}, {1023, 600, 1023},
                {512, 600, 1023},     {511, 1, 511},       {80, 1, 511}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint16_t port = rows[i].port;
        struct sim_nat *n = nat_of("port-preserving");
        struct ph_addr a = out(n, NOW, host(2, port), far(1, 100));
        assert_int_equal(a.port, port);
        /* One port for two hosts, whose destinations tell them apart. */
        struct ph_addr b = out(n, NOW, host(3, port), far(2, 100));
        assert_int_equal(b.port, port);
        assert_int_equal(reaches(n, NOW, far(1, 100), a).ip[3], 2);
        assert_int_equal(reaches(n, NOW, far(2, 100), b).ip[3], 3);
        for (uint8_t k = 4; k < 40; k++) {
            uint16_t drawn = port_of(n, NOW, host(k, port), far(1, 100));
            assert_int_not_equal(drawn, port);
            assert_in_range(drawn, rows[i].lo, rows[i].hi);
            /* And it stays with the new one: the same endpoint elsewhere. */
            assert_int_equal(port_of(n, NOW, host(k, port), far(3, k)), drawn);
        }
        sim_nat_free(n);
    }
}

/* A 16-bit number modulo 64,512: ports 1024 to 2047 come twice. Sources 600 to 1023 stay there. */
static void test_the_doubled_range(void **state)
{
    enum {
        DRAWS = 40000
    };
    struct sim_nat *n = nat_of("random");
    unsigned doubled = 0, last = 0;
    (void)state;
    for (unsigned k = 0; k < DRAWS; k++) {
        if (k % 1000 == 0)
            sim_nat_flush(n);
        uint16_t port = port_of(n, NOW, host(2, (uint16_t)(2000 + k % 1000)), far(1, 100));
        assert_in_range(port, 1024, 65535);
        doubled += port < 2048;
        last += port >= 64512;
        assert_in_range(port_of(n, NOW, host(3, 1023), far(1, (uint16_t)(1 + k))), 600, 1023);
        assert_in_range(port_of(n, NOW, host(3, 511), far(1, (uint16_t)(1 + k))), 1, 511);
    }
    /* 1,250 and 625 are expected; sigmas are 35 and 25. */
    assert_in_range(doubled, 1075, 1425);
    assert_in_range(last, 500, 750);
    sim_nat_free(n);
}

static void test_blocks(void **state)
{
    (void)state;
    struct sim_nat *n = nat_with("block-512", "allocation.block", "64");
    unsigned low[2] = {65535, 65535}, high[2] = {0, 0};
    /* Subscribers have blocks of their own; a full one loses in silence. */
    for (uint16_t k = 0; k < 80; k++)
        for (unsigned h = 0; h < 2; h++) {
            unsigned port =
                port_of(n, NOW, host((uint8_t)(2 + h), (uint16_t)(5000 + k)), far(1, 100));
            assert_int_equal(port == 0, k >= 64);
            if (port != 0) {
                low[h] = port < low[h] ? port : low[h];
                high[h] = port > high[h] ? port : high[h];
            }
        }
    for (unsigned h = 0; h < 2; h++) {
        assert_int_equal(high[h] - low[h], 63);
        assert_int_equal(low[h] % 64, 0);
    }
    assert_int_not_equal(low[0], low[1]);
    /* Netfilter overloads ports: another destination has room. */
    assert_in_range(port_of(n, NOW, host(2, 6000), far(2, 100)), low[0], high[0]);
    sim_nat_free(n);

    n = nat_with("block-512", "allocation", "{block: 64, exclusive: true}");
    for (uint16_t k = 0; k < 64; k++)
        assert_int_not_equal(port_of(n, NOW, host(2, (uint16_t)(5000 + k)), far(1, 100)), 0);
    assert_int_equal(port_of(n, NOW, host(2, 6000), far(2, 100)), 0);
    assert_int_not_equal(port_of(n, NOW, host(3, 6000), far(2, 100)), 0);
    assert_int_not_equal(port_of(n, NOW + 30 * PH_SEC, host(2, 6000), far(2, 100)), 0);
    sim_nat_free(n);

    /* Endpoint-independent in the block, and who is already in it keeps his port. */
    n = nat_of("block-eim");
    uint16_t port = port_of(n, NOW, host(2, 5000), far(1, 100));
    assert_int_equal(port_of(n, NOW, host(2, 5000), far(2, 100)), port);
    assert_int_equal(port_of(n, NOW, host(2, port), far(9, 9)), port);
    sim_nat_free(n);
}

static void test_pools(void **state)
{
    struct sim_nat *n = nat_with("random", "pool", "{addresses: 4, pairing: paired}");
    unsigned seen = 0;
    (void)state;
    for (uint8_t h = 2; h < 34; h++) {
        struct ph_addr a = out(n, NOW, host(h, 5000), far(1, 100));
        struct ph_addr b = out(n, NOW, host(h, 5001), far(2, 100));
        assert_true(ph_addr_ip_eq(&a, &b));
        assert_in_range(a.ip[3], 1, 4);
        seen |= 1u << a.ip[3];
        assert_true(in(n, NOW, far(1, 100), a));
    }
    assert_int_equal(seen, 0x1e);
    sim_nat_free(n);

    n = nat_with("full-cone", "pool", "{addresses: 4, pairing: arbitrary}");
    seen = 0;
    for (uint16_t k = 0; k < 32; k++) {
        struct ph_addr a = out(n, NOW, host(2, (uint16_t)(5000 + k)), far(1, 100));
        struct ph_addr b = out(n, NOW, host(2, (uint16_t)(5000 + k)), far(2, 100));
        assert_true(ph_addr_eq(&a, &b)); /* of one mapping */
        seen |= 1u << a.ip[3];
        struct ph_addr other = a;
        other.ip[3] = (uint8_t)(a.ip[3] % 4 + 1);
        assert_true(in(n, NOW, far(3, 100), a));
        assert_false(in(n, NOW, far(3, 100), other));
    }
    assert_int_equal(seen, 0x1e);
    sim_nat_free(n);
}

static void test_limits(void **state)
{
    struct sim_nat *n = nat_with("port-preserving", "limits.mappings", "64");
    (void)state;
    for (uint16_t k = 0; k < 70; k++)
        assert_int_equal(port_of(n, NOW + k, host(2, (uint16_t)(5000 + k)), far(1, 100)) != 0,
                         k < 64);
    assert_int_equal(port_of(n, NOW + 100, host(2, 5000), far(1, 100)), 5000);
    /* One flow has gone; the first lives on. */
    assert_int_not_equal(port_of(n, NOW + 30 * PH_SEC + 1, host(2, 6000), far(1, 100)), 0);
    assert_int_equal(port_of(n, NOW + 30 * PH_SEC + 1, host(2, 6001), far(1, 100)), 0);
    sim_nat_free(n);

    n = nat_with("port-preserving", "limits.new_per_second", "20");
    /* A burst of one second's worth, then one each 50 ms. What was not answered counts again. */
    for (uint16_t k = 0; k < 30; k++)
        assert_int_equal(port_of(n, NOW, host(2, (uint16_t)(5000 + k)), far(1, 100)) != 0, k < 20);
    assert_int_equal(port_of(n, NOW, host(2, 5000), far(1, 100)), 0);
    assert_int_equal(port_of(n, NOW + 50 * PH_MS - 1, host(2, 6000), far(1, 100)), 0);
    assert_int_not_equal(port_of(n, NOW + 50 * PH_MS, host(2, 6000), far(1, 100)), 0);
    assert_int_equal(port_of(n, NOW + 50 * PH_MS, host(2, 6000), far(1, 100)), 0);
    /* What was, does not. */
    assert_true(in(n, NOW, far(1, 100), (struct ph_addr){PH_AF_V4, 0, 5001, {11, 0, 0, 1}}));
    assert_int_equal(port_of(n, NOW + 50 * PH_MS, host(2, 5001), far(1, 100)), 5001);
    sim_nat_free(n);

    n = nat_of("udp-blocked");
    assert_int_equal(port_of(n, NOW, host(2, 5000), far(1, 100)), 0);
    assert_int_equal(sim_nat_flows(n, NOW), 0);
    sim_nat_free(n);
}

/* An early packet to a router that accepts takes the port away, and poisons the socket. */
static void test_the_trap(void **state)
{
    static const struct {
        const char *profile, *gateway;
        bool moves;
    } rows[] = {
        {"port-preserving", "accept", true},  {"port-preserving", "drop", false},
        {"port-preserving", "reject", false}, {"block-eim", "accept", true},
        {"hashed", "accept", false},          {"port-restricted", "accept", false},
        {"random-adm", "accept", false},
    };
    struct ph_addr a = host(2, 40000), stun = far(1, 3478), peer = far(2, 50000);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sim_nat *n = nat_with(rows[i].profile, "gateway", rows[i].gateway);
        struct ph_addr at = out(n, NOW, a, stun);
        assert_true(in(n, NOW, stun, at));
        assert_false(in(n, NOW, peer, at)); /* too early */
        struct ph_addr to_peer = out(n, NOW, a, peer);
        bool one_port = strcmp(rows[i].profile, "random-adm") != 0;
        if (one_port && (to_peer.port != at.port) != rows[i].moves)
            fail_msg("%s, gateway %s: %s", rows[i].profile, rows[i].gateway,
                     rows[i].moves ? "nothing moved" : "the mapping moved");
        assert_true(in(n, NOW, peer, to_peer));
        /* What the early packet was sent to stays shut, and newer flows have the newer port. */
        if (one_port) {
            assert_true(in(n, NOW, peer, at) == !rows[i].moves);
            assert_int_equal(port_of(n, NOW, a, far(3, 1)), to_peer.port);
        }
        assert_int_equal(port_of(n, NOW, a, stun), at.port); /* the old flow keeps its own */
        sim_nat_free(n);
    }
}

/* The intruder's flow runs out like any without an answer; each packet of its makes it anew. */
static void test_the_trap_opens_again(void **state)
{
    struct ph_addr peer = far(2, 50000), at = wan;
    (void)state;
    at.port = 40000;
    for (int again = 0; again < 2; again++) {
        struct sim_nat *n = nat_with("port-preserving", "gateway", "accept");
        struct ph_addr src = peer, dst = at;
        /* It need not have a hop left: it is for the router. */
        assert_false(sim_nat_inbound(n, NOW, &src, &dst, true));
        if (again)
            assert_false(in(n, NOW + PH_SEC, peer, at));
        assert_int_equal(port_of(n, NOW + 30 * PH_SEC, host(2, 40000), peer) == 40000, !again);
        sim_nat_free(n);
    }
}

/* A port has one owner, whoever else wants it. */
static void test_exact(void **state)
{
    (void)state;
    struct sim_nat *n = nat_with("port-preserving", "allocation.exact", "true");
    assert_int_equal(port_of(n, NOW, host(2, 40000), far(1, 100)), 40000);
    uint16_t other = port_of(n, NOW, host(3, 40000), far(2, 100));
    assert_int_not_equal(other, 40000);
    assert_int_equal(port_of(n, NOW, host(3, 40000), far(1, 100)), other);
    assert_int_equal(port_of(n, NOW, host(3, 40000), far(4, 100)), other);
    assert_int_equal(port_of(n, NOW, host(2, 40000), far(2, 100)), 40000);
    sim_nat_free(n);

    /* The mapping is kept by whatever leaves by it, and ends with its flows. */
    n = nat_of("port-restricted");
    uint16_t port = port_of(n, NOW, host(2, 40000), far(1, 100));
    assert_int_equal(port_of(n, NOW + 29 * PH_SEC, host(2, 40000), far(2, 100)), port);
    assert_int_equal(port_of(n, NOW + 58 * PH_SEC, host(2, 40000), far(3, 100)), port);
    assert_int_not_equal(port_of(n, NOW + 88 * PH_SEC, host(2, 40000), far(3, 100)), port);
    sim_nat_free(n);

    n = nat_of("random-adm");
    port = port_of(n, NOW, host(2, 40000), far(1, 100));
    assert_int_equal(port_of(n, NOW, host(2, 40000), far(1, 7)), port);
    assert_int_not_equal(port_of(n, NOW, host(2, 40000), far(2, 7)), port);
    sim_nat_free(n);
}

/* A thousand mappings of one NAT, none of which shares its port. */
static void test_owners_in_number(void **state)
{
    static const char *const profiles[] = {"port-restricted", "full-cone", "hashed"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        static uint8_t taken[65536];
        struct sim_nat *n = nat_of(profiles[i]);
        unsigned lost = 0;
        memset(taken, 0, sizeof(taken));
        for (uint16_t k = 0; k < 1000; k++) {
            struct ph_addr a = host((uint8_t)(2 + k % 7), (uint16_t)(20000 + k / 7));
            uint16_t port = port_of(n, NOW, a, far(1, 100));
            /* The one that drew another's is lost; what is sent again draws again. */
            lost += port == 0;
            if (port == 0 && strcmp(profiles[i], "port-restricted") == 0)
                port = port_of(n, NOW, a, far(2, 100));
            if (port == 0)
                continue;
            assert_int_equal(taken[port], 0);
            taken[port] = 1;
            assert_int_equal(port_of(n, NOW, a, far(3, 5)), port);
        }
        assert_in_range(lost, 0, 60);
        sim_nat_free(n);
    }
}

static void test_hairpin(void **state)
{
    (void)state;
    struct sim_nat *n = nat_of("hairpin");
    struct ph_addr a = host(2, 40000), b = host(3, 41000), src, dst;
    struct ph_addr at_a = out(n, NOW, a, far(1, 1)), at_b = out(n, NOW, b, far(1, 1));
    src = a, dst = at_b;
    assert_true(sim_nat_hairpin(n, NOW, &src, &dst, false));
    assert_true(ph_addr_eq(&src, &at_a)); /* the outside address, RFC 4787 REQ-9a */
    assert_true(ph_addr_eq(&dst, &b));
    src = b, dst = at_a;
    assert_true(sim_nat_hairpin(n, NOW, &src, &dst, false));
    assert_true(ph_addr_eq(&src, &at_b));
    assert_true(ph_addr_eq(&dst, &a));
    src = a, dst = at_b;
    dst.port++;
    assert_false(sim_nat_hairpin(n, NOW, &src, &dst, false));
    sim_nat_free(n);
    n = nat_of("port-preserving");
    at_b = out(n, NOW, b, far(1, 1));
    src = a, dst = at_b;
    assert_false(sim_nat_hairpin(n, NOW, &src, &dst, false));
    sim_nat_free(n);
}

/* Netfilter tells two flows between the same two endpoints apart by giving the one from outside
 * another source port. */
static void test_a_second_way(void **state)
{
    (void)state;
    struct sim_nat *n = nat_with("random", "filtering", "endpoint-independent");
    struct ph_addr a = host(2, 40000), peer = far(2, 100), src = peer;
    struct ph_addr first = out(n, NOW, a, far(1, 100)), dst = first;
    struct ph_addr second = out(n, NOW, a, peer);
    assert_true(sim_nat_inbound(n, NOW, &src, &dst, false));
    assert_true(ph_addr_eq(&dst, &a));
    assert_true(ph_addr_ip_eq(&src, &peer));
    assert_int_not_equal(src.port, 100);
    /* What goes back to that port, goes back the way it came. */
    dst = a;
    assert_true(sim_nat_outbound(n, NOW, &dst, &src, false));
    assert_true(ph_addr_eq(&dst, &first));
    assert_true(ph_addr_eq(&src, &peer));
    assert_int_equal(port_of(n, NOW, a, peer), second.port);
    assert_int_equal(reaches(n, NOW, peer, second).port, 40000);
    sim_nat_free(n);
}

static void test_opened_ports(void **state)
{
    struct ph_addr a = host(2, 40000), at = wan, x = far(1, 100);
    (void)state;
    at.port = 7777;
    for (int back = 0; back < 2; back++) {
        struct sim_nat *n = nat_of("random");
        assert_false(in(n, NOW, x, at));
        sim_nat_forward(n, 7777, &a, true, back);
        struct ph_addr got = reaches(n, NOW, x, at);
        assert_true(ph_addr_eq(&got, &a));
        assert_int_equal(port_of(n, NOW, a, x), 7777); /* an answer */
        assert_int_equal(port_of(n, NOW, a, far(2, 100)) == 7777, back);
        sim_nat_forward(n, 7777, &a, false, back);
        assert_true(in(n, NOW, x, at)); /* a flow stays what it is */
        assert_false(in(n, NOW, far(3, 100), at));
        sim_nat_forward(n, 0, &a, true, false);
        at.port = 1234;
        got = reaches(n, NOW, far(3, 100), at);
        assert_true(ph_addr_ip_eq(&got, &a));
        assert_int_equal(got.port, 1234);
        at.port = 7777;
        sim_nat_free(n);
    }
}

/* Address-dependent filtering, of a firewall and of a NAT: who was sent to, from any port, until
 * that is forgotten. */
static void test_restricted(void **state)
{
    (void)state;
    for (int firewall = 0; firewall < 2; firewall++) {
        struct sim_nat *n = firewall ? nat_with("firewall", "filtering", "address-dependent")
                                     : nat_of("address-restricted");
        struct ph_addr a = host(2, 40000);
        struct ph_addr at = out(n, NOW, a, far(1, 100));
        assert_true(ph_addr_eq(&at, &a) == (firewall == 1));
        assert_false(in(n, NOW + PH_SEC, far(2, 100), at));
        assert_true(in(n, NOW + PH_SEC, far(1, 7), at));
        assert_true(in(n, NOW + 29 * PH_SEC, far(1, 7), at));
        assert_false(in(n, NOW + 31 * PH_SEC, far(1, 8), at));
        sim_nat_free(n);
    }
}

/* Tables that had to grow say the same as before. */
static void test_growth(void **state)
{
    (void)state;
    struct sim_nat *n = nat_of("port-preserving");
    for (unsigned k = 0; k < 5000; k++) {
        struct ph_addr to = ph_addr_v4(11, (uint8_t)(1 + k / 250), 0, (uint8_t)(k % 250), 100);
        assert_int_equal(port_of(n, NOW, host(2, 40000), to), 40000);
    }
    assert_int_equal(sim_nat_flows(n, NOW), 5000);
    for (unsigned k = 0; k < 5000; k++) {
        struct ph_addr from = ph_addr_v4(11, (uint8_t)(1 + k / 250), 0, (uint8_t)(k % 250), 100);
        struct ph_addr at = wan;
        at.port = 40000;
        assert_int_equal(reaches(n, NOW, from, at).port, 40000);
    }
    assert_int_equal(sim_nat_flows(n, NOW + 30 * PH_SEC), 0);
    sim_nat_flush(n);
    assert_int_equal(port_of(n, NOW, host(2, 40000), far(1, 100)), 40000);
    sim_nat_free(n);
}

/* More flows than the tables can hold are lost; when the old ones have gone there is room. */
static void test_full_tables(void **state)
{
    (void)state;
    struct sim_nat *n = nat_of("port-preserving");
    unsigned lost = 0;
    for (unsigned k = 0; k < 66000; k++)
        lost += port_of(n, NOW, host((uint8_t)(2 + k / 33000), (uint16_t)(2000 + k % 33000)),
                        far(1, (uint16_t)(1 + k / 33000))) == 0;
    assert_int_equal(lost, 66000 - 65536);
    assert_int_equal(port_of(n, NOW + 30 * PH_SEC, host(5, 9999), far(1, 100)), 9999);
    assert_int_equal(sim_nat_flows(n, NOW + 30 * PH_SEC), 1);
    sim_nat_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping_and_filtering),
        cmocka_unit_test(test_a_sequence),
        cmocka_unit_test(test_a_busy_sequence),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_dying_packets),
        cmocka_unit_test(test_clash),
        cmocka_unit_test(test_the_doubled_range),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_the_trap),
        cmocka_unit_test(test_the_trap_opens_again),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_owners_in_number),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_a_second_way),
        cmocka_unit_test(test_opened_ports),
        cmocka_unit_test(test_restricted),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_full_tables),
    };
    return cmocka_run_group_tests_name("lab/sim/nat", tests, NULL, NULL);
}
