/* Mapping, filtering and lifetime, case by case. */
#include "nat/behaviour.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LOCAL_PORT 5000

/* One answer: which server (IP and port by number), and what it saw. Port 0: it did not answer. */
struct answer {
    uint8_t server, server_port;
    uint16_t port;
    uint8_t address; /* of the NAT */
};

struct mapping_case {
    const char *what;
    enum ph_mapping_behaviour want;
    bool guessed;
    struct answer answers[12];
};

static size_t make_samples(const struct answer *answers, size_t n, struct ph_nat_sample *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n && answers[i].server != 0; i++) {
        const struct answer *a = &answers[i];
        out[count++] = (struct ph_nat_sample){
            .server = ph_addr_v4(11, 9, 0, a->server, (uint16_t)(3478 + a->server_port)),
            .mapped = a->port != 0 ? ph_addr_v4(11, 0, 0, (uint8_t)(1 + a->address), a->port)
                                   : (struct ph_addr){0},
            .sent = PH_SEC + i * 50 * PH_US,
            .order = (uint32_t)i,
        };
    }
    return count;
}

static const struct mapping_case mapping_cases[] = {
    {"nobody answered", PH_MAPPING_UNKNOWN, false, {{1, 0, 0, 0}, {2, 0, 0, 0}}},
    {"one server", PH_MAPPING_UNKNOWN, false, {{1, 0, 40000, 0}}},
    {"two ports of one IP that agree, and no other IP",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, 40000, 0}, {1, 1, 40000, 0}}},
    {"two IPs that agree", PH_MAPPING_EIM, false, {{1, 0, 40000, 0}, {2, 0, 40000, 0}}},
    {"two IPs that agree, and one that is silent",
     PH_MAPPING_EIM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 0, 0}, {3, 0, 40000, 0}}},
    {"port-preserving", PH_MAPPING_EIM, false, {{1, 0, LOCAL_PORT, 0}, {2, 0, LOCAL_PORT, 0}}},
    {"one port on several addresses: a pool",
     PH_MAPPING_EIM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40000, 1}, {3, 0, 40000, 2}}},
    {"IPs that all differ, none with two ports: the likelier of two",
     PH_MAPPING_APDM,
     true,
     {{1, 0, 40000, 0}, {2, 0, 50000, 0}, {3, 0, 30000, 0}}},
    {"two of three agree: a small block, or a liar",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40000, 0}, {3, 0, 40017, 0}}},
    {"two ports of one IP that do not agree",
     PH_MAPPING_APDM,
     false,
     {{1, 0, 40000, 0}, {1, 1, 50000, 0}}},
    {"the same with others",
     PH_MAPPING_APDM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 50000, 0}, {3, 0, 30000, 0}, {1, 1, 20000, 0}, {2, 1, 45000, 0}}},
    {"a symmetric NAT with a tiny block: one pair agrees by luck",
     PH_MAPPING_APDM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40017, 0}, {3, 0, 40044, 0}, {1, 1, 40000, 0}, {2, 1, 40030, 0}}},
    {"a tiny block, and the only pair agrees: luck, or address-dependent",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40017, 0}, {3, 0, 40044, 0}, {4, 0, 40061, 0}, {1, 1, 40000, 0}}},
    {"far apart, and the pairs agree",
     PH_MAPPING_ADM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 50000, 0}, {3, 0, 30000, 0}, {1, 1, 40000, 0}, {2, 1, 50000, 0}}},
    {"in a block, and all of five pairs agree",
     PH_MAPPING_ADM,
     false,
     {{1, 0, 40000, 0},
      {2, 0, 40017, 0},
      {3, 0, 40044, 0},
      {4, 0, 40061, 0},
      {5, 0, 40012, 0},
      {1, 1, 40000, 0},
      {2, 1, 40017, 0},
      {3, 1, 40044, 0},
      {4, 1, 40061, 0},
      {5, 1, 40012, 0}}},
    {"a counter for each address",
     PH_MAPPING_ADM,
     false,
     {{1, 0, 40000, 0},
      {2, 0, 40001, 0},
      {3, 0, 40002, 0},
      {4, 0, 40003, 0},
      {1, 1, 40000, 0},
      {2, 1, 40001, 0},
      {3, 1, 40002, 0}}},
    {"a counter for each flow",
     PH_MAPPING_APDM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40001, 0}, {3, 0, 40002, 0}, {1, 1, 40003, 0}, {2, 1, 40004, 0}}},
    {"three that agree, and a server that lies about address and port",
     PH_MAPPING_EIM,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40000, 0}, {3, 0, 40000, 0}, {4, 0, 12345, 66}}},
    {"a liar with two ports among four that agree",
     PH_MAPPING_EIM,
     false,
     {{1, 0, 40000, 0},
      {2, 0, 40000, 0},
      {3, 0, 9, 66},
      {4, 0, 40000, 0},
      {5, 0, 40000, 0},
      {1, 1, 40000, 0},
      {3, 1, 777, 66}}},
    {"a server that says another port than the own at both of its ports, and one that does not",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, LOCAL_PORT + 1, 0},
      {1, 1, LOCAL_PORT + 1, 0},
      {2, 0, LOCAL_PORT, 0},
      {2, 1, LOCAL_PORT, 0}}},
    {"all but one endpoint agree, and one IP is not enough against a lie",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, 41527, 0}, {1, 1, LOCAL_PORT, 0}, {2, 0, LOCAL_PORT, 0}, {2, 1, LOCAL_PORT, 0}}},
    {"two that agree, and one that lies: no majority",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, 40000, 0}, {2, 0, 40000, 0}, {3, 0, 12345, 66}}},
    {"the own port, but for one server: taken there, or a lie",
     PH_MAPPING_UNKNOWN,
     false,
     {{1, 0, LOCAL_PORT, 0},
      {2, 0, LOCAL_PORT, 0},
      {3, 0, 31234, 0},
      {4, 0, LOCAL_PORT, 0},
      {5, 0, LOCAL_PORT, 0}}},
    {"the own port, but for two servers' one port each",
     PH_MAPPING_APDM,
     false,
     {{1, 0, LOCAL_PORT, 0},
      {2, 0, LOCAL_PORT, 0},
      {3, 0, 31234, 0},
      {4, 0, LOCAL_PORT, 0},
      {5, 0, LOCAL_PORT, 0},
      {1, 1, LOCAL_PORT, 0},
      {2, 1, 61001, 0},
      {3, 1, LOCAL_PORT, 0}}},
};

static void test_mapping(void **state)
{
    (void)state;
    struct ph_addr local = ph_addr_v4(192, 168, 1, 2, LOCAL_PORT);
    for (size_t i = 0; i < sizeof(mapping_cases) / sizeof(mapping_cases[0]); i++) {
        const struct mapping_case *c = &mapping_cases[i];
        struct ph_nat_sample samples[12];
        bool guessed = !c->guessed;
        size_t n = make_samples(c->answers, 12, samples);
        enum ph_mapping_behaviour m = ph_nat_mapping(samples, n, &local, 1, &guessed);
        if (m != c->want || guessed != c->guessed)
            fail_msg("%s: %s%s", c->what, ph_mapping_behaviour_name(m), guessed ? ", guessed" : "");
    }
}

/* Whether there is a NAT at all: by the socket's own addresses. */
static void test_untranslated(void **state)
{
    (void)state;
    const struct ph_addr local[] = {ph_addr_v4(192, 168, 1, 2, LOCAL_PORT),
                                    ph_addr_v4(11, 0, 0, 1, LOCAL_PORT)};
    const struct answer seen[] = {{1, 0, LOCAL_PORT, 0}, {2, 0, LOCAL_PORT, 0},
                                  {3, 0, LOCAL_PORT, 0}, {4, 0, LOCAL_PORT, 0},
                                  {5, 0, 50000, 66},     {6, 0, 50000, 66}};
    struct ph_nat_sample s[6];
    bool guessed;
    make_samples(seen, 6, s);
    assert_int_equal(ph_nat_mapping(s, 2, local, 2, &guessed), PH_MAPPING_NONE);
    assert_int_equal(ph_nat_mapping(s, 1, local, 2, &guessed), PH_MAPPING_NONE);
    /* Without the public one, the same is a NAT that keeps ports. */
    assert_int_equal(ph_nat_mapping(s, 2, local, 1, &guessed), PH_MAPPING_EIM);
    assert_int_equal(ph_nat_mapping(s, 2, NULL, 0, &guessed), PH_MAPPING_EIM);
    /* One of five lies; two of six are too many for a lie. */
    assert_int_equal(ph_nat_mapping(s, 5, local, 2, &guessed), PH_MAPPING_NONE);
    assert_int_equal(ph_nat_mapping(s, 6, local, 2, &guessed), PH_MAPPING_UNKNOWN);
    /* The own address with another port is translated. */
    s[0].mapped.port = s[1].mapped.port = 40000;
    assert_int_equal(ph_nat_mapping(s, 2, local, 2, &guessed), PH_MAPPING_EIM);
}

/* Servers on this side of the NAT see the private address, and say nothing of the NAT. */
static void test_servers_inside(void **state)
{
    (void)state;
    const struct ph_addr local = ph_addr_v4(192, 168, 1, 2, LOCAL_PORT);
    const struct answer seen[] = {{1, 0, 1, 0}, {2, 0, 40000, 0}, {3, 0, 40000, 0}};
    struct ph_nat_sample s[3];
    bool guessed;
    make_samples(seen, 3, s);
    s[0].mapped = local;
    assert_int_equal(ph_nat_mapping(s, 1, &local, 1, &guessed), PH_MAPPING_UNKNOWN);
    assert_int_equal(ph_nat_mapping(s, 2, &local, 1, &guessed), PH_MAPPING_UNKNOWN);
    assert_int_equal(ph_nat_mapping(s, 3, &local, 1, &guessed), PH_MAPPING_EIM);
    s[1].mapped = local; /* a network without a NAT, as far as two servers can see */
    assert_int_equal(ph_nat_mapping(s, 2, &local, 1, &guessed), PH_MAPPING_NONE);
}

/* More samples than there can be are not looked at. */
static void test_too_many(void **state)
{
    (void)state;
    static struct ph_nat_sample s[PH_NAT_SAMPLES_MAX + 8];
    struct ph_addr local = ph_addr_v4(192, 168, 1, 2, LOCAL_PORT);
    bool guessed;
    for (size_t i = 0; i < PH_NAT_SAMPLES_MAX + 8; i++)
        s[i] = (struct ph_nat_sample){
            .server = ph_addr_v4(11, 9, 0, (uint8_t)(1 + i), 3478),
            .mapped = ph_addr_v4(11, 0, 0, 1, (uint16_t)(i < PH_NAT_SAMPLES_MAX ? 40000 : i)),
            .order = (uint32_t)i};
    assert_int_equal(ph_nat_mapping(s, PH_NAT_SAMPLES_MAX + 8, &local, 1, &guessed),
                     PH_MAPPING_EIM);
}

static void test_filtering(void **state)
{
    (void)state;
    static const struct {
        bool control;
        enum ph_answer other_ip, other_port;
        enum ph_filtering_behaviour want;
    } cases[] = {
        {true, PH_YES, PH_YES, PH_FILTERING_EIF},
        {true, PH_NO, PH_YES, PH_FILTERING_ADF},
        {true, PH_NO, PH_NO, PH_FILTERING_APDF},
        /* It came in, whatever became of the other. */
        {true, PH_YES, PH_NO, PH_FILTERING_EIF},
        {true, PH_YES, PH_ANSWER_UNKNOWN, PH_FILTERING_EIF},
        /* Stricter than ADF there is only one. */
        {true, PH_ANSWER_UNKNOWN, PH_NO, PH_FILTERING_APDF},
        {true, PH_ANSWER_UNKNOWN, PH_YES, PH_FILTERING_UNKNOWN},
        {true, PH_NO, PH_ANSWER_UNKNOWN, PH_FILTERING_UNKNOWN},
        {true, PH_ANSWER_UNKNOWN, PH_ANSWER_UNKNOWN, PH_FILTERING_UNKNOWN},
        /* Silence of everything says nothing of the filter. */
        {false, PH_NO, PH_NO, PH_FILTERING_UNKNOWN},
        {false, PH_YES, PH_YES, PH_FILTERING_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_filter_observation o = {cases[i].control, cases[i].other_ip, cases[i].other_port};
        if (ph_nat_filtering(&o) != cases[i].want)
            fail_msg("case %zu: %s", i, ph_filtering_behaviour_name(ph_nat_filtering(&o)));
    }
}

static void expect_lifetime(const struct ph_lifetime_probe *p, size_t n, ph_ns at_least,
                            ph_ns less_than)
{
    struct ph_lifetime l = ph_nat_lifetime(p, n);
    assert_true(l.at_least == at_least);
    assert_true(l.less_than == less_than);
}

static void test_lifetime(void **state)
{
    (void)state;
    const struct ph_lifetime_probe usual[] = {
        {20 * PH_SEC, PH_YES}, {40 * PH_SEC, PH_NO}, {10 * PH_SEC, PH_YES},
        {30 * PH_SEC, PH_YES}, {60 * PH_SEC, PH_NO}, {35 * PH_SEC, PH_ANSWER_UNKNOWN},
    };
    /* 20 s dead and 30 s alive: between them nothing is known. */
    const struct ph_lifetime_probe odd[] = {
        {10 * PH_SEC, PH_YES}, {20 * PH_SEC, PH_NO}, {30 * PH_SEC, PH_YES}, {40 * PH_SEC, PH_NO}};
    const struct ph_lifetime_probe same[] = {{20 * PH_SEC, PH_NO}, {20 * PH_SEC, PH_YES}};
    expect_lifetime(NULL, 0, 0, PH_NEVER);
    expect_lifetime(usual, 1, 20 * PH_SEC, PH_NEVER);
    expect_lifetime(usual + 1, 1, 0, 40 * PH_SEC);
    expect_lifetime(usual, 6, 30 * PH_SEC, 40 * PH_SEC);
    expect_lifetime(usual + 5, 1, 0, PH_NEVER);
    expect_lifetime(odd, 4, 10 * PH_SEC, 40 * PH_SEC);
    expect_lifetime(odd + 1, 2, 0, PH_NEVER);
    expect_lifetime(same, 2, 0, PH_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),        cmocka_unit_test(test_untranslated),
        cmocka_unit_test(test_servers_inside), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_filtering),      cmocka_unit_test(test_lifetime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
