/* Allocation out of hand-made samples: each row a NAT that was seen or is feared. */
#include "nat/allocation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LOCAL_PORT 5000
#define LOST       0
#define MAX        16

/* Ports in the order of the requests, each to a server IP of its own; 0: the answer was lost. */
struct allocation_case {
    const char *what;
    enum ph_mapping_behaviour mapping;
    const char *text;
    uint16_t low, high; /* 0, 0: not looked at */
    size_t first;       /* of the first burst; the second comes 150 ms later */
    uint16_t ports[MAX];
};

#define EIM     PH_MAPPING_EIM
#define ADM     PH_MAPPING_ADM
#define APDM    PH_MAPPING_APDM
#define UNKNOWN PH_MAPPING_UNKNOWN

static const struct allocation_case cases[] = {
    {"no translation", PH_MAPPING_NONE, "none", 0, 0, 2, {LOCAL_PORT, LOCAL_PORT}},
    {"one answer is none", EIM, "unknown", 0, 0, 1, {LOCAL_PORT}},
    {"preserving", EIM, "preserving", 0, 0, 2, {LOCAL_PORT, LOCAL_PORT}},
    {"preserving, mapping not known", UNKNOWN, "preserving", 0, 0, 2, {LOCAL_PORT, LOCAL_PORT}},
    {"preserving, but another host has the port", EIM, "one-port", 0, 0, 2, {40000, 40000}},
    {"preserving, a server lies",
     EIM,
     "preserving",
     0,
     0,
     4,
     {LOCAL_PORT, 12345, LOCAL_PORT, LOCAL_PORT}},
    {"preserving, but taken towards two of seven",
     APDM,
     "preserving",
     0,
     0,
     7,
     {LOCAL_PORT, 61234, LOCAL_PORT, LOCAL_PORT, LOCAL_PORT, 2345, LOCAL_PORT}},
    {"four answers are too few", APDM, "unknown", 0, 0, 4, {40000, 40001, 40002, 40003}},
    {"a counter", APDM, "sequential:1", 0, 0, 5, {40000, 40001, 40002, 40003, 40004}},
    {"downwards", APDM, "sequential:-1", 0, 0, 5, {60000, 59999, 59998, 59997, 59996}},
    {"by two", APDM, "sequential:2", 0, 0, 5, {40000, 40002, 40004, 40006, 40008}},
    {"by two, and someone else between",
     APDM,
     "sequential:2",
     0,
     0,
     6,
     {40000, 40002, 40006, 40008, 40010, 40012}},
    {"by a step that nobody uses",
     APDM,
     "sequential:32",
     0,
     0,
     6,
     {40000, 40032, 40064, 40096, 40128, 40160}},
    {"a lost answer took a port",
     APDM,
     "sequential:1",
     0,
     0,
     6,
     {40000, 40001, LOST, 40003, 40004, 40005}},
    {"a lost request took none",
     APDM,
     "sequential:1",
     0,
     0,
     7,
     {40000, 40001, LOST, 40002, 40003, 40004, 40005}},
    {"all answers at the start are lost",
     APDM,
     "sequential:1",
     0,
     0,
     8,
     {LOST, LOST, LOST, 40003, 40004, 40005, 40006, 40007}},
    {"a request that came late",
     APDM,
     "sequential:1",
     0,
     0,
     7,
     {40000, 40007, 40001, 40002, 40003, 40004, 40005}},
    {"it wraps at the end of all ports",
     APDM,
     "sequential:1",
     0,
     0,
     6,
     {65533, 65534, 65535, 1024, 1025, 1026}},
    {"it wraps downwards", APDM, "sequential:-3", 0, 0, 6, {1031, 1028, 1025, 65534, 65531, 65528}},
    {"it wraps in a block of 128",
     APDM,
     "sequential:1",
     2048,
     2175,
     8,
     {2172, 2173, 2174, 2175, 2048, 2049, 2050, 2051}},
    {"it wraps in a block of 64 twice",
     APDM,
     "sequential:7",
     2048,
     2111,
     16,
     {2090, 2097, 2104, 2111, 2054, 2061, 2068, 2075, 2082, 2089, 2096, 2103, 2110, 2053, 2060,
      2067}},
    {"others draw between the bursts",
     APDM,
     "sequential:1",
     0,
     0,
     5,
     {40000, 40001, 40002, 40003, 40004, 40013, 40014, 40015, 40016, 40017}},
    {"it wraps between the bursts",
     APDM,
     "sequential:1",
     0,
     0,
     5,
     {42045, 42046, 42047, 42048, 42049, 40003, 40004, 40005, 40006, 40007}},
    {"random among all", APDM, "random", 1024, 65535, 5, {40123, 2177, 61034, 33333, 15809}},
    {"random, address-dependent",
     ADM,
     "random",
     1024,
     65535,
     5,
     {40123, 2177, 61034, 33333, 15809}},
    {"random in the dynamic ports",
     APDM,
     "random",
     49152,
     65535,
     8,
     {50123, 62177, 61034, 53333, 65017, 49209, 57003, 59341}},
    {"random in an aligned block of 64: no counter",
     APDM,
     "block:64",
     40960,
     41023,
     8,
     {40965, 40999, 40972, 41021, 40962, 40983, 41007, 40990}},
    {"in a block of 512",
     APDM,
     "block:512",
     40960,
     41471,
     8,
     {41165, 41099, 41402, 40961, 41344, 41021, 41470, 41290}},
    {"a block across a boundary",
     APDM,
     "block:477",
     40812,
     41288,
     8,
     {40865, 41020, 41101, 41235, 40930, 41180, 40999, 40877}},
    {"a port drawn twice",
     APDM,
     "block:64",
     40960,
     41023,
     8,
     {40965, 40999, 40972, 41021, 40972, 40983, 41007, 40990}},
};

static size_t make_samples(const struct allocation_case *c, struct ph_nat_sample *out)
{
    size_t n = MAX;
    while (n > 0 && c->ports[n - 1] == LOST)
        n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct ph_nat_sample){
            .server = ph_addr_v4(11, 9, 0, (uint8_t)(1 + i), 3478),
            .mapped =
                c->ports[i] != LOST ? ph_addr_v4(11, 0, 0, 1, c->ports[i]) : (struct ph_addr){0},
            .sent = PH_SEC + i * 60 * PH_US + (i >= c->first ? 150 * PH_MS : 0),
            .order = (uint32_t)i};
    return n;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct allocation_case *c = &cases[i];
        struct ph_nat_sample samples[MAX];
        struct ph_allocation a;
        char text[PH_ALLOCATION_TEXT];
        size_t n = make_samples(c, samples);
        ph_nat_allocation(samples, n, LOCAL_PORT, c->mapping, &a);
        ph_nat_allocation_text(&a, text);
        if (strcmp(text, c->text) != 0 || (c->high != 0 && (a.low != c->low || a.high != c->high)))
            fail_msg("%s: %s, %u to %u", c->what, text, a.low, a.high);
        assert_int_equal(a.last, c->ports[n - 1]);
        assert_true(a.confidence >= 0 && a.confidence <= 1);
    }
}

/* Answers come in any order: `order` says which request was first. */
static void test_any_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_nat_sample samples[MAX], turned[MAX];
        struct ph_allocation a, b;
        size_t n = make_samples(&cases[i], samples);
        for (size_t j = 0; j < n; j++)
            turned[j] = samples[n - 1 - j];
        ph_nat_allocation(samples, n, LOCAL_PORT, cases[i].mapping, &a);
        ph_nat_allocation(turned, n, LOCAL_PORT, cases[i].mapping, &b);
        assert_int_equal(a.type, b.type);
        assert_int_equal(a.step, b.step);
        assert_int_equal(a.last, b.last);
        assert_true(a.confidence == b.confidence);
    }
}

static const struct allocation_case *find_case(const char *what)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(cases[i].what, what) == 0)
            return &cases[i];
    }
    fail_msg("no case '%s'", what);
    abort();
}

static void classify(const char *what, struct ph_allocation *out)
{
    struct ph_nat_sample samples[MAX];
    const struct allocation_case *c = find_case(what);
    ph_nat_allocation(samples, make_samples(c, samples), LOCAL_PORT, c->mapping, out);
}

/* Other people's flows show between the bursts, and only there: 8 ports in 150 ms are about 53 a
 * second. */
static void test_cross_traffic(void **state)
{
    struct ph_allocation a;
    (void)state;
    classify("a counter", &a); /* one burst */
    assert_true(a.cross_rate < 0 && a.cross_low < 0 && a.cross_high < 0);
    classify("others draw between the bursts", &a);
    assert_true(a.cross_rate > 35 && a.cross_rate < 75);
    assert_true(a.cross_low > 5 && a.cross_low < 30);
    assert_true(a.cross_high > 80 && a.cross_high < 250);
    classify("random among all", &a);
    assert_true(a.cross_rate < 0);
    /* Nobody drew: the rate may be nothing at all. */
    struct ph_nat_sample s[MAX];
    struct allocation_case quiet = *find_case("others draw between the bursts");
    for (size_t i = 5; i < 10; i++)
        quiet.ports[i] = (uint16_t)(quiet.ports[i] - 8);
    ph_nat_allocation(s, make_samples(&quiet, s), LOCAL_PORT, APDM, &a);
    assert_true(a.cross_rate == 0 && a.cross_low == 0);
    assert_true(a.cross_high > 5 && a.cross_high < 60);
}

/* Two ports of one server are one draw of an address-dependent NAT. */
static void test_address_dependent(void **state)
{
    (void)state;
    struct ph_nat_sample s[10];
    struct ph_allocation a;
    for (size_t i = 0; i < 10; i++)
        s[i] = (struct ph_nat_sample){
            .server = ph_addr_v4(11, 9, 0, (uint8_t)(1 + i % 5), (uint16_t)(3478 + i / 5)),
            .mapped = ph_addr_v4(11, 0, 0, 1, (uint16_t)(40000 + 2 * (i % 5))),
            .sent = PH_SEC + i * 60 * PH_US,
            .order = (uint32_t)i};
    ph_nat_allocation(s, 10, LOCAL_PORT, ADM, &a);
    assert_int_equal(a.type, PH_ALLOCATION_SEQUENTIAL);
    assert_int_equal(a.step, 2);
    assert_int_equal(a.samples, 5);
    /* An unknown mapping whose pairs agree is taken for it. */
    ph_nat_allocation(s, 10, LOCAL_PORT, UNKNOWN, &a);
    assert_int_equal(a.step, 2);
    /* The second port's answer knows the port that the first one's request got. */
    s[2].mapped = (struct ph_addr){0};
    ph_nat_allocation(s, 10, LOCAL_PORT, ADM, &a);
    assert_int_equal(a.step, 2);
    assert_int_equal(a.samples, 5);
}

static void test_pool(void **state)
{
    (void)state;
    static const uint16_t ports[10] = {40000, 21000, 40001, 40002, 21001,
                                       21002, 40003, 21003, 40004, 21004};
    struct ph_nat_sample s[10];
    struct ph_allocation a;
    for (size_t i = 0; i < 10; i++)
        s[i] = (struct ph_nat_sample){.server = ph_addr_v4(11, 9, 0, (uint8_t)(1 + i), 3478),
                                      .mapped =
                                          ph_addr_v4(11, 0, 0, ports[i] > 30000 ? 1 : 2, ports[i]),
                                      .sent = PH_SEC + i * 60 * PH_US,
                                      .order = (uint32_t)i};
    ph_nat_allocation(s, 10, LOCAL_PORT, APDM, &a);
    assert_int_equal(a.addresses, 2);
    assert_int_equal(a.type, PH_ALLOCATION_SEQUENTIAL);
    assert_int_equal(a.step, 1);
    /* One counter for both. */
    for (size_t i = 0; i < 10; i++)
        s[i].mapped.port = (uint16_t)(50000 + i);
    ph_nat_allocation(s, 10, LOCAL_PORT, APDM, &a);
    assert_int_equal(a.addresses, 2);
    assert_int_equal(a.type, PH_ALLOCATION_SEQUENTIAL);
    assert_int_equal(a.step, 1);
}

/* The own port towards one server alone is no habit. */
static void test_one_server(void **state)
{
    (void)state;
    struct ph_nat_sample s[2];
    struct ph_allocation a;
    for (size_t i = 0; i < 2; i++)
        s[i] = (struct ph_nat_sample){.server = ph_addr_v4(11, 9, 0, 1, (uint16_t)(3478 + i)),
                                      .mapped = ph_addr_v4(11, 0, 0, 1, LOCAL_PORT),
                                      .order = (uint32_t)i};
    ph_nat_allocation(s, 2, LOCAL_PORT, UNKNOWN, &a);
    assert_int_equal(a.type, PH_ALLOCATION_UNKNOWN);
}

static void test_wants(void **state)
{
    struct ph_allocation a = {0};
    (void)state;
    assert_int_equal(ph_nat_allocation_wants(&a), 8);
    classify("four answers are too few", &a);
    assert_int_equal(ph_nat_allocation_wants(&a), 4);
    classify("preserving", &a);
    assert_int_equal(ph_nat_allocation_wants(&a), 0);
    classify("preserving, but another host has the port", &a);
    assert_int_equal(ph_nat_allocation_wants(&a), 0);
    classify("no translation", &a);
    assert_int_equal(ph_nat_allocation_wants(&a), 0);
    classify("a counter", &a); /* its drift is not known yet */
    assert_true(ph_nat_allocation_wants(&a) > 0);
    classify("random among all", &a);
    assert_int_equal(ph_nat_allocation_wants(&a), 0);
    classify("in a block of 512", &a); /* with 16 its bounds are sure */
    assert_int_equal(ph_nat_allocation_wants(&a), 8);
    /* Never more than there is room for. */
    a.samples = PH_NAT_SAMPLES_MAX;
    for (int t = PH_ALLOCATION_UNKNOWN; t <= PH_ALLOCATION_BLOCK; t++) {
        a.type = (enum ph_allocation_type)t;
        assert_int_equal(ph_nat_allocation_wants(&a), 0);
    }
}

/* Anything may come from servers: no samples at all, port 0, equal orders, times that run back. */
static void test_nonsense(void **state)
{
    (void)state;
    struct ph_nat_sample s[PH_NAT_SAMPLES_MAX + 4] = {0};
    struct ph_allocation a;
    char text[PH_ALLOCATION_TEXT];
    ph_nat_allocation(NULL, 0, LOCAL_PORT, UNKNOWN, &a);
    assert_int_equal(a.type, PH_ALLOCATION_UNKNOWN);
    assert_int_equal(a.last, 0);
    for (size_t i = 0; i < PH_NAT_SAMPLES_MAX + 4; i++) {
        s[i].server = ph_addr_v4(11, 9, 0, (uint8_t)(1 + i), 3478);
        s[i].mapped = ph_addr_v4(11, 0, 0, (uint8_t)i, (uint16_t)(i % 3 * 0x7fff));
        s[i].sent = PH_SEC - i * PH_MS;
    }
    for (int m = PH_MAPPING_UNKNOWN; m <= PH_MAPPING_APDM; m++) {
        ph_nat_allocation(s, PH_NAT_SAMPLES_MAX + 4, LOCAL_PORT, (enum ph_mapping_behaviour)m, &a);
        assert_true(strlen(ph_nat_allocation_text(&a, text)) < PH_ALLOCATION_TEXT);
        assert_true(a.samples <= PH_NAT_SAMPLES_MAX);
    }
}

/* What is written is read as it was meant; and what people write beside that. */
static void test_text_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ph_allocation_type type;
        int step;
        uint16_t low, high;
        bool aligned, written;
    } good[] = {
        {"unknown", PH_ALLOCATION_UNKNOWN, 0, 0, 0, false, true},
        {"none", PH_ALLOCATION_NONE, 0, 0, 0, false, true},
        {"preserving", PH_ALLOCATION_PRESERVING, 0, 0, 0, false, true},
        {"one-port", PH_ALLOCATION_ONE_PORT, 0, 0, 0, false, true},
        {"sequential:2", PH_ALLOCATION_SEQUENTIAL, 2, 0, 0, false, true},
        {"sequential:-256", PH_ALLOCATION_SEQUENTIAL, -256, 0, 0, false, true},
        {"sequential:32768", PH_ALLOCATION_SEQUENTIAL, 32768, 0, 0, false, true},
        {"sequential", PH_ALLOCATION_SEQUENTIAL, 0, 0, 0, false, false},
        {"random", PH_ALLOCATION_RANDOM, 0, 0, 0, false, true},
        {"random:32768-65535", PH_ALLOCATION_RANDOM, 0, 32768, 65535, true, false},
        {"block:512", PH_ALLOCATION_BLOCK, 0, 0, 511, true, true},
        {"block:1000", PH_ALLOCATION_BLOCK, 0, 0, 999, false, true},
        {"block:1", PH_ALLOCATION_BLOCK, 0, 0, 0, true, true},
        {"block:65536", PH_ALLOCATION_BLOCK, 0, 0, 65535, true, true},
        {"block", PH_ALLOCATION_BLOCK, 0, 0, 0, false, false},
        {"block:2048-2559", PH_ALLOCATION_BLOCK, 0, 2048, 2559, true, false},
        {"block:1000-1334", PH_ALLOCATION_BLOCK, 0, 1000, 1334, false, false},
        {"block:7-7", PH_ALLOCATION_BLOCK, 0, 7, 7, true, false},
    };
    static const char *const bad[] = {
        "",
        ":",
        "Random",
        "sequentia",
        "sequential2",
        "sequential:",
        "sequential:0",
        "sequential:x",
        "sequential:2x",
        "sequential: 2",
        "sequential:32769",
        "sequential:-32769",
        "sequential:99999999999999999999",
        "preserving:1",
        "random:512",
        "random:0-9",
        "random:70000-70001",
        "random:5-65536",
        "block:0",
        "block:65537",
        "block:-1",
        "block:9-3",
        "block:0-3",
        "block:3-",
        "block:512x",
        "block:3-9x",
    };
    char text[PH_ALLOCATION_TEXT];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        /* What it does not speak of is left alone, and the rest is not. */
        struct ph_allocation a = {.step = 9, .low = 9, .high = 9, .aligned = true, .last = 77};
        if (!ph_nat_allocation_parse(good[i].text, &a) || a.type != good[i].type ||
            a.step != good[i].step || a.low != good[i].low || a.high != good[i].high ||
            a.aligned != good[i].aligned || a.last != 77)
            fail_msg("%s: type %d, step %d, %u-%u, aligned %d", good[i].text, a.type, a.step, a.low,
                     a.high, a.aligned);
        if (good[i].written)
            assert_string_equal(ph_nat_allocation_text(&a, text), good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ph_allocation a = {.type = PH_ALLOCATION_ONE_PORT, .step = 9, .low = 8, .high = 9};
        if (ph_nat_allocation_parse(bad[i], &a))
            fail_msg("'%s' is read", bad[i]);
        assert_true(a.type == PH_ALLOCATION_ONE_PORT && a.step == 9 && a.low == 8 && a.high == 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_cross_traffic), cmocka_unit_test(test_address_dependent),
        cmocka_unit_test(test_pool),          cmocka_unit_test(test_one_server),
        cmocka_unit_test(test_wants),         cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_text_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
