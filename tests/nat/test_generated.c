/* What is said of generated NATs, two thousand of each kind, against what they are. Prints the
 * rates. */
#include "tests/nat/generated_nat.h"

#include "nat/allocation.h"
#include "nat/behaviour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SEEDS 2000u

#define EIM  PH_MAPPING_EIM
#define ADM  PH_MAPPING_ADM
#define APDM PH_MAPPING_APDM
#define ALL  .low = 1024, .ports = 64512

/* How a kind's numbers are drawn for each seed; 0 in the nat below: by chance. */
enum place {
    FIXED,
    ALIGNED,
    ANYWHERE
};

struct kind {
    const char *what;
    struct gen_nat nat;
    enum place place; /* of the range */
    uint32_t most;    /* ports, when they are drawn: 64 (aligned: a power of two) up to this */
    double pause;     /* between requests, in seconds */
    unsigned second;  /* requests of the second burst; the first has 5 */
    enum ph_allocation_type want;
    /* At least so many of a thousand: the mapping is right; so is the type; and of these the step,
     * or the size within a factor of two; the truth is in the interval of the rate. */
    unsigned mapping, type, number, rate;
};

#define NAT(m, ...) .nat = {.mapping = m, .allocation = GEN_##__VA_ARGS__}
#define EXPECT(t, m, a, n, r)                                                                      \
    .want = PH_ALLOCATION_##t, .mapping = m, .type = a, .number = n, .rate = r

static const struct kind kinds[] = {
    /* Endpoint-independent */
    {"eim preserving", NAT(EIM, PRESERVING, ALL), EXPECT(PRESERVING, 999, 999, 0, 0)},
    {"eim preserving, taken", NAT(EIM, TAKEN, ALL), EXPECT(ONE_PORT, 999, 999, 0, 0)},
    {"eim random", NAT(EIM, NETFILTER, ALL), EXPECT(ONE_PORT, 999, 999, 0, 0)},
    {"eim block 64", NAT(EIM, BLOCK, .ports = 64), .place = ALIGNED,
     EXPECT(ONE_PORT, 999, 999, 0, 0)},
    {"eim hash", NAT(EIM, HASH, .low = 32768, .ports = 2048), EXPECT(ONE_PORT, 999, 999, 0, 0)},
    {"eim sequential", NAT(EIM, SEQUENTIAL, .step = 1, ALL, .flows = 20, .spread = 1),
     EXPECT(ONE_PORT, 999, 999, 0, 0)},
    /* Address-dependent */
    {"adm random", NAT(ADM, NETFILTER, ALL), .second = 5, EXPECT(RANDOM, 990, 990, 0, 0)},
    {"adm block 64", NAT(ADM, BLOCK, .ports = 64), .place = ALIGNED, .second = 5,
     EXPECT(BLOCK, 990, 985, 0, 0)},
    {"adm block 512", NAT(ADM, BLOCK, .ports = 512), .place = ALIGNED, .second = 5,
     EXPECT(BLOCK, 990, 985, 0, 0)},
    {"adm sequential", NAT(ADM, SEQUENTIAL, ALL, .flows = 5, .spread = 1), .second = 5,
     EXPECT(SEQUENTIAL, 990, 990, 990, 0)},
    /* The own port, but where it is taken */
    {"clashing", NAT(APDM, CLASHING, ALL), .second = 5, EXPECT(PRESERVING, 0, 980, 0, 0)},
    /* Random */
    {"random", NAT(APDM, RANDOM, ALL), .second = 3, EXPECT(RANDOM, 990, 990, 0, 0)},
    {"netfilter", NAT(APDM, NETFILTER, ALL), .second = 3, EXPECT(RANDOM, 990, 990, 0, 0)},
    {"netfilter, pool of 4", NAT(APDM, NETFILTER, ALL, .addresses = 4, .arbitrary = true),
     .second = 3, EXPECT(RANDOM, 990, 990, 0, 0)},
    {"dynamic ports", NAT(APDM, RANDOM, .low = 49152, .ports = 16384), .second = 5,
     EXPECT(RANDOM, 990, 990, 0, 0)},
    {"hash in 2048", NAT(APDM, HASH, .ports = 2048), .place = ALIGNED, .second = 5,
     EXPECT(BLOCK, 990, 990, 990, 0)},
    /* Blocks, by 8 samples and by 10 */
    {"block 64, aligned, 8", NAT(APDM, BLOCK, .ports = 64), .place = ALIGNED, .second = 3,
     EXPECT(BLOCK, 990, 990, 985, 0)},
    {"block 64 to 4096, aligned, 8", NAT(APDM, BLOCK), .place = ALIGNED, .most = 4096, .second = 3,
     EXPECT(BLOCK, 990, 990, 985, 0)},
    {"block 64 to 4096, anywhere, 8", NAT(APDM, BLOCK), .place = ANYWHERE, .most = 4096,
     .second = 3, EXPECT(BLOCK, 990, 990, 980, 0)},
    {"block 64, aligned, 10", NAT(APDM, BLOCK, .ports = 64), .place = ALIGNED, .second = 5,
     EXPECT(BLOCK, 990, 990, 990, 0)},
    {"block 64 to 4096, aligned, 10", NAT(APDM, BLOCK), .place = ALIGNED, .most = 4096, .second = 5,
     EXPECT(BLOCK, 990, 990, 990, 0)},
    {"block 64 to 4096, anywhere, 10", NAT(APDM, BLOCK), .place = ANYWHERE, .most = 4096,
     .second = 5, EXPECT(BLOCK, 990, 990, 990, 0)},
    {"block 64 to 4096, aligned, 16", NAT(APDM, BLOCK), .place = ALIGNED, .most = 4096,
     .second = 11, EXPECT(BLOCK, 990, 990, 998, 0)},
    {"block 64 to 4096, anywhere, 16", NAT(APDM, BLOCK), .place = ANYWHERE, .most = 4096,
     .second = 11, EXPECT(BLOCK, 990, 990, 998, 0)},
    /* Counters, alone and with others */
    {"counter, alone", NAT(APDM, SEQUENTIAL, ALL, .spread = 1), .second = 3,
     EXPECT(SEQUENTIAL, 990, 990, 990, 990)},
    {"counter in 64, alone", NAT(APDM, SEQUENTIAL, .ports = 64, .spread = 1), .place = ALIGNED,
     .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 0)},
    {"counter in 64 to 4096, alone", NAT(APDM, SEQUENTIAL, .spread = 1), .place = ANYWHERE,
     .most = 4096, .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 0)},
    {"counter, 5/s", NAT(APDM, SEQUENTIAL, ALL, .flows = 5, .spread = 1), .second = 3,
     EXPECT(SEQUENTIAL, 990, 990, 990, 950)},
    {"counter, 5/s in bunches", NAT(APDM, SEQUENTIAL, ALL, .flows = 5, .spread = 4), .second = 3,
     EXPECT(SEQUENTIAL, 990, 990, 990, 900)},
    {"counter, 20/s", NAT(APDM, SEQUENTIAL, ALL, .flows = 20, .spread = 1), .second = 5,
     EXPECT(SEQUENTIAL, 990, 990, 990, 950)},
    {"counter, 20/s in bunches", NAT(APDM, SEQUENTIAL, ALL, .flows = 20, .spread = 4), .second = 5,
     EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"counter in 1024, 20/s", NAT(APDM, SEQUENTIAL, .ports = 1024, .flows = 20, .spread = 4),
     .place = ALIGNED, .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"counter, 50/s", NAT(APDM, SEQUENTIAL, ALL, .flows = 50, .spread = 1), .second = 5,
     EXPECT(SEQUENTIAL, 990, 990, 990, 950)},
    {"counter, 50/s in bunches", NAT(APDM, SEQUENTIAL, ALL, .flows = 50, .spread = 8), .second = 5,
     EXPECT(SEQUENTIAL, 990, 990, 990, 900)},
    {"counter, pool of 2",
     NAT(APDM, SEQUENTIAL, ALL, .flows = 5, .spread = 1, .addresses = 2, .arbitrary = true),
     .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 950)},
    {"counters, one for each of 2",
     NAT(APDM, SEQUENTIAL, ALL, .flows = 5, .spread = 1, .addresses = 2, .arbitrary = true,
         .own_counters = true),
     .second = 5, EXPECT(SEQUENTIAL, 990, 980, 990, 0)},
    /* Requests that leave one by one */
    {"counter, 20/s, slowly", NAT(APDM, SEQUENTIAL, ALL, .flows = 20, .spread = 4), .pause = 0.02,
     .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"counter, 50/s, slowly", NAT(APDM, SEQUENTIAL, ALL, .flows = 50, .spread = 4), .pause = 0.02,
     .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"counter, 50/s, slowly, 16", NAT(APDM, SEQUENTIAL, ALL, .flows = 50, .spread = 4),
     .pause = 0.02, .second = 11, EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"counter, 5/s, slowly", NAT(APDM, SEQUENTIAL, ALL, .flows = 5, .spread = 1), .pause = 0.05,
     .second = 5, EXPECT(SEQUENTIAL, 990, 990, 990, 940)},
    {"block 64, slowly", NAT(APDM, BLOCK, .ports = 64), .place = ALIGNED, .pause = 0.02,
     .second = 5, EXPECT(BLOCK, 990, 990, 990, 0)},
    {"random, slowly", NAT(APDM, NETFILTER, ALL), .pause = 0.05, .second = 5,
     EXPECT(RANDOM, 990, 990, 0, 0)},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct gen_nat one_of(const struct kind *k, struct ph_rng *r)
{
    struct gen_nat n = k->nat;
    if (n.addresses == 0)
        n.addresses = 1;
    if (n.allocation == GEN_SEQUENTIAL && n.step == 0) {
        n.step = ph_rng_below(r, 2) ? 1 + (int)ph_rng_below(r, 8) : 1;
        if (ph_rng_below(r, 2))
            n.step = -n.step;
        n.reset = ph_rng_below(r, 2);
    }
    n.reuse = ph_rng_below(r, 2);
    if (k->most > 0 && k->place == ALIGNED)
        for (n.ports = 64; n.ports < k->most && ph_rng_below(r, 4) > 0; n.ports *= 2)
            ;
    else if (k->most > 0)
        n.ports = (uint32_t)(64 * exp2(ph_rng_unit(r) * log2(k->most / 64.0)));
    if (k->place != FIXED)
        n.low = gen_place(r, n.ports, k->place == ALIGNED);
    return n;
}

struct tally {
    unsigned mapping, mapping_wrong, type, unknown, number, rated, rate;
};

static bool one_port_seen(const struct ph_nat_sample *s, size_t n)
{
    uint16_t port = 0;
    for (size_t i = 0; i < n; i++) {
        if (port != 0 && s[i].mapped.port != 0 && s[i].mapped.port != port)
            return false;
        port = s[i].mapped.port != 0 ? s[i].mapped.port : port;
    }
    return true;
}

static bool number_right(const struct gen_nat *n, const struct ph_allocation *a)
{
    unsigned size = a->high - a->low + 1u;
    switch (a->type) {
    case PH_ALLOCATION_SEQUENTIAL:
        return a->step == n->step;
    case PH_ALLOCATION_BLOCK:
        return 2 * size >= n->ports && size <= 2 * n->ports;
    default:
        return true;
    }
}

static void try_one(const struct kind *k, uint64_t seed, struct tally *t)
{
    struct ph_rng r;
    struct ph_nat_sample samples[PH_NAT_SAMPLES_MAX];
    struct ph_allocation a;
    bool guessed;
    ph_rng_seed(&r, ph_hash64(seed, k->what, strlen(k->what)));
    struct gen_nat nat = one_of(k, &r);
    struct gen_survey survey = {.ips = 5,
                                .ports = 4,
                                .first = 5,
                                .second = k->second,
                                .pause = k->pause,
                                .lost_before = 0.003,
                                .lost_after = 0.015,
                                .local_port = (uint16_t)(1024 + ph_rng_below(&r, 64512))};
    size_t n = gen_samples(ph_rng_u64(&r), &nat, &survey, samples);
    struct ph_addr local = ph_addr_v4(192, 168, 1, 2, survey.local_port);
    enum ph_mapping_behaviour m = ph_nat_mapping(samples, n, &local, 1, &guessed);
    /* Who kept the port towards all servers asked cannot be told from endpoint-independent. */
    bool right = m == nat.mapping || (nat.allocation == GEN_CLASHING && m == PH_MAPPING_EIM &&
                                      one_port_seen(samples, n));
    t->mapping += right;
    t->mapping_wrong += !right && m != PH_MAPPING_UNKNOWN;
    ph_nat_allocation(samples, n, survey.local_port, m, &a);
    t->unknown += a.type == PH_ALLOCATION_UNKNOWN;
    if (a.type != k->want)
        return;
    t->type++;
    t->number += number_right(&nat, &a);
    if (a.cross_rate >= 0) {
        t->rated++;
        t->rate += a.cross_low <= nat.flows && nat.flows <= a.cross_high;
        assert_true(a.cross_low <= a.cross_rate && a.cross_rate <= a.cross_high);
    }
}

static bool enough(unsigned count, unsigned of, unsigned per_thousand)
{
    return (uint64_t)count * 1000 >= (uint64_t)of * per_thousand;
}

static void test_kinds(void **state)
{
    (void)state;
    unsigned bad = 0;
    printf("%-32s %8s %6s %7s %8s %7s %8s (of %u)\n", "", "mapping", "wrong", "type", "unknown",
           "number", "rate", SEEDS);
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct tally t = {0};
        for (uint64_t seed = 0; seed < SEEDS; seed++)
            try_one(k, seed, &t);
        bool good = t.mapping_wrong == 0 && enough(t.mapping, SEEDS, k->mapping) &&
                    enough(t.type, SEEDS, k->type) && enough(t.number, t.type, k->number) &&
                    enough(t.rate, t.rated, k->rate);
        printf("%-32s %8u %6u %7u %8u %7u %5u/%u%s\n", k->what, t.mapping, t.mapping_wrong, t.type,
               t.unknown, t.number, t.rate, t.rated, good ? "" : "  <- too few");
        bad += !good;
    }
    assert_int_equal(bad, 0);
}

/* Two thousand small blocks, of which a classifier that likes counters would call some counters:
 * after the first burst already. */
static void test_block_is_no_counter(void **state)
{
    (void)state;
    const struct kind k = {"block 64, first burst", NAT(APDM, BLOCK, .ports = 64), .place = ALIGNED,
                           EXPECT(SEQUENTIAL, 0, 0, 0, 0)};
    struct tally t = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        try_one(&k, seed, &t);
    assert_true(t.type <= SEEDS / 200);
}

/* A server that lies, at any of five, about the port, the address, or both; the NAT has one port.
 */
static void test_liar(void **state)
{
    (void)state;
    const struct gen_nat nat = {.mapping = EIM, .allocation = GEN_NETFILTER, ALL, .addresses = 1};
    unsigned right = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct ph_nat_sample s[PH_NAT_SAMPLES_MAX];
        struct ph_rng r;
        bool guessed;
        ph_rng_seed(&r, seed);
        struct gen_survey survey = {
            .ips = 5, .ports = 2, .first = 5, .second = 5, .lost_after = 0.015, .local_port = 5000};
        size_t n = gen_samples(seed, &nat, &survey, s);
        struct ph_addr local = ph_addr_v4(192, 168, 1, 2, 5000);
        struct ph_addr liar = gen_server(&survey, (unsigned)ph_rng_below(&r, 5));
        unsigned about = (unsigned)ph_rng_below(&r, 3);
        for (size_t i = 0; i < n; i++) {
            if (!ph_addr_ip_eq(&s[i].server, &liar) || !ph_addr_is_set(&s[i].mapped))
                continue;
            if (about != 1)
                s[i].mapped.port = (uint16_t)(1024 + ph_rng_below(&r, 64512));
            if (about != 0)
                s[i].mapped = ph_addr_v4(11, 77, 0, 1, s[i].mapped.port);
        }
        enum ph_mapping_behaviour m = ph_nat_mapping(s, n, &local, 1, &guessed);
        assert_true(m == PH_MAPPING_EIM || m == PH_MAPPING_UNKNOWN);
        right += m == PH_MAPPING_EIM;
    }
    printf("one liar of five: right %u of %u\n", right, SEEDS);
    assert_true(right >= SEEDS * 99 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_block_is_no_counter),
        cmocka_unit_test(test_liar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
