/* The survey among servers that are few, dead, or lie; and what takes them to know RESPONSE-PORT,
 * the lifetime of mappings. */
#include "tests/survey_world.h"

#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void no_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

static void test_few_servers(void **state)
{
    static const struct {
        const char *nat;
        size_t ips, ports, given;
        enum ph_mapping_behaviour mapping;
        enum ph_filtering_behaviour filtering;
    } cases[] = {
        /* One server with two addresses and two ports each tells all. */
        {"port-restricted", 2, 2, 1, PH_MAPPING_EIM, PH_FILTERING_APDF},
        {"address-restricted", 2, 2, 1, PH_MAPPING_EIM, PH_FILTERING_ADF},
        {"full-cone", 2, 2, 1, PH_MAPPING_EIM, PH_FILTERING_EIF},
        {"random", 2, 2, 1, PH_MAPPING_APDM, PH_FILTERING_APDF},
        {"random-adm", 2, 2, 1, PH_MAPPING_ADM, PH_FILTERING_APDF},
        {"firewall", 2, 2, 1, PH_MAPPING_NONE, PH_FILTERING_APDF},
        {"open", 2, 2, 1, PH_MAPPING_NONE, PH_FILTERING_EIF},
        /* Several addresses at one port: another IP can speak, another port cannot. */
        {"port-restricted", 5, 1, 5, PH_MAPPING_EIM, PH_FILTERING_UNKNOWN},
        {"full-cone", 5, 1, 5, PH_MAPPING_EIM, PH_FILTERING_EIF},
        /* One address: nothing to compare with. */
        {"port-restricted", 1, 1, 1, PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN},
        {"full-cone", 1, 1, 1, PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct survey_world *w = survey_world_new(&(struct survey_world_config){
            .nat = cases[i].nat, .ips = cases[i].ips, .ports = cases[i].ports, .seed = i});
        struct ph_survey_config c = {.server_count = cases[i].given};
        struct ph_nat_facts f;

        memcpy(c.servers, w->server, cases[i].given * sizeof(c.servers[0]));
        survey_start(w, &c);
        survey_run(w, 2500 * PH_MS, &f);
        if (f.mapping != cases[i].mapping || f.filtering != cases[i].filtering || f.liars != 0)
            fail_msg("case %zu, %s: mapping %s, filtering %s, %zu liars", i, cases[i].nat,
                     ph_mapping_behaviour_name(f.mapping), ph_filtering_behaviour_name(f.filtering),
                     f.liars);
        assert_int_equal(f.udp, PH_YES);
        survey_world_free(w);
    }
}

enum lie {
    LIE_SAME_IP,     /* the other address is another port of the same IP */
    LIE_NOBODY,      /* ... is one where nobody answers */
    LIE_PRIVATE,     /* ... is in the asker's own network */
    LIE_DEAF,        /* CHANGE-REQUEST is passed over */
    LIE_MUTE,        /* CHANGE-REQUEST is not answered at all */
    LIE_THIRD,       /* the answer comes from a third address */
    LIE_REFLEXIVE,   /* it sees somebody else */
    LIE_SELF,        /* the other address is the one that was asked */
    LIE_PORT,        /* it sees a port next to the true one */
    LIE_ANY_PORT,    /* ... another one each time */
    LIE_LITTER,      /* each answer comes cut short, too long, empty, and three times whole */
    LIE_TRUTH_COUNT, /* how many lies there are */
};

struct liar {
    struct ph_endpoint ep; /* first */
    struct ph_host *host;
    enum lie lie;
    struct ph_addr addrs[10];
    ph_sock socks[10];
    bool host_lies; /* the other port of the first IP too, not the first endpoint alone */
    unsigned asked;
};

static size_t change(size_t at, uint32_t flags)
{
    size_t ip = at % 5, port = at / 5;

    if (flags & PH_STUN_CHANGE_IP)
        ip = (ip + 1) % 5;
    if (flags & PH_STUN_CHANGE_PORT)
        port = 1 - port;
    return port * 5 + ip;
}

/* What no parser may trip over, from where the answer comes. */
static void litter(struct liar *l, size_t from, const struct ph_datagram *answer)
{
    static uint8_t huge[1200];
    struct ph_datagram d = *answer;

    memcpy(huge, answer->data, answer->len);
    for (size_t len = 0; len < answer->len; len++) {
        d.len = len;
        l->host->ops->udp_send(l->host, l->socks[from], &d, 1);
    }
    d.data = huge;
    d.len = 1200;
    l->host->ops->udp_send(l->host, l->socks[from], &d, 1);
    for (size_t i = 0; i < 2; i++)
        l->host->ops->udp_send(l->host, l->socks[from], answer, 1);
}

static void answer(struct liar *l, size_t at, const struct ph_datagram *in)
{
    uint8_t bytes[128];
    struct ph_writer w = ph_writer_init(bytes, sizeof(bytes));
    struct ph_addr other, mapped = in->peer;
    struct ph_stun m;
    bool lies = (l->host_lies ? at % 5 : at) == 0;
    size_t from;

    if (ph_stun_parse(in->data, in->len, &m) != PH_OK || m.type != PH_STUN_BINDING_REQUEST)
        return;
    other = l->addrs[change(at, PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT)];
    from = change(at, m.change_request);
    if (lies && l->lie == LIE_SAME_IP)
        other = l->addrs[change(at, PH_STUN_CHANGE_PORT)];
    if (lies && l->lie == LIE_NOBODY)
        other.port = 9;
    if (lies && l->lie == LIE_PRIVATE)
        other = ph_addr_v4(192, 168, 1, 1, 53);
    if (lies && l->lie == LIE_DEAF)
        from = at;
    if (lies && l->lie == LIE_MUTE && m.change_request != 0)
        return;
    if (lies && l->lie == LIE_THIRD && m.change_request != 0)
        from = 3;
    if (lies && l->lie == LIE_REFLEXIVE)
        mapped.ip[3] ^= 1;
    if (lies && l->lie == LIE_SELF)
        other = l->addrs[at];
    if (lies && l->lie == LIE_PORT)
        mapped.port++;
    if (lies && l->lie == LIE_ANY_PORT)
        mapped.port = (uint16_t)(1024 + (++l->asked * 40503u) % 64000u);
    ph_stun_begin(&w, PH_STUN_BINDING_SUCCESS, m.tid);
    ph_stun_put_mapped(&w, &mapped);
    ph_stun_put_other(&w, &other);
    struct ph_datagram d = {.peer = in->peer, .data = bytes};
    d.len = (size_t)ph_stun_end(&w, true);
    if (lies && l->lie == LIE_LITTER)
        litter(l, from, &d);
    l->host->ops->udp_send(l->host, l->socks[from], &d, 1);
}

static void on_requests(struct ph_endpoint *ep, ph_ns now, ph_sock sock,
                        const struct ph_datagram *in, size_t n)
{
    struct liar *l = (struct liar *)(void *)ep;
    size_t at = 0;

    (void)now;
    while (l->socks[at] != sock)
        at++;
    for (size_t i = 0; i < n; i++)
        answer(l, at, &in[i]);
}

static void liar_start(struct liar *l, const struct survey_world *w)
{
    l->ep.on_datagrams = on_requests;
    l->ep.on_timer = no_timer;
    for (size_t i = 0; i < 10; i++) {
        l->addrs[i] = w->server[i % 5];
        l->addrs[i].port = (uint16_t)(3478 + i / 5);
        assert_int_equal(l->host->ops->udp_open(l->host, &l->addrs[i], &l->socks[i]), PH_OK);
    }
    l->host->endpoint = &l->ep;
}

static enum sim_verdict nothing_private(void *user, const struct sim_tap_packet *p)
{
    const struct ph_addr victim = ph_addr_v4(192, 168, 1, 1, 0);

    (void)user;
    assert_false(ph_addr_ip_eq(&p->dst, &victim));
    return SIM_PASS;
}

static void check_lie(enum lie lie, const char *nat, size_t given,
                      enum ph_filtering_behaviour filtering, size_t liars)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = nat, .seed = 11, .no_servers = true});
    struct liar l = {.host = w->stun_host, .lie = lie};
    struct ph_survey_config c = {.server_count = given};
    struct ph_survey_server servers[PH_NAT_SAMPLES_MAX];
    struct ph_nat_facts f;

    liar_start(&l, w);
    memcpy(c.servers, w->server, given * sizeof(c.servers[0]));
    sim_tap(w->world, nothing_private, NULL);
    survey_start(w, &c);
    survey_run(w, 2500 * PH_MS, &f);
    struct survey_wanted want = survey_wanted_of(nat);
    if (f.liars != liars || f.filtering != filtering || (given > 1 && f.mapping != want.mapping))
        fail_msg("lie %d, %s, %zu servers: %zu liars, mapping %s, filtering %s", (int)lie, nat,
                 given, f.liars, ph_mapping_behaviour_name(f.mapping),
                 ph_filtering_behaviour_name(f.filtering));
    assert_true(ph_survey_servers(w->survey, servers, PH_NAT_SAMPLES_MAX) >= given);
    assert_int_equal(servers[0].lied, liars == 1);
    for (size_t i = 1; i < given; i++)
        assert_false(servers[i].lied);
    l.host->endpoint = NULL;
    survey_world_free(w);
}

/* Behind others that are honest a liar does no harm. Alone it leaves unknown what it lies about,
 * unless the other address that it gives away is honest itself. */
static void test_liars(void **state)
{
    (void)state;
    for (enum lie lie = 0; lie <= LIE_REFLEXIVE; lie++) {
        check_lie(lie, "port-restricted", 5, PH_FILTERING_APDF, 1);
        check_lie(lie, "address-restricted", 5, PH_FILTERING_ADF, 1);
        check_lie(lie, "full-cone", 5, PH_FILTERING_EIF, 1);
        check_lie(lie, "firewall", 5, PH_FILTERING_APDF, 1);
        /* What a symmetric NAT filters cannot be told from what was never sent. */
        check_lie(lie, "random", 5, PH_FILTERING_APDF, lie == LIE_THIRD || lie == LIE_MUTE ? 0 : 1);
        if (lie != LIE_REFLEXIVE) /* for which there is nobody to compare with */
            check_lie(lie, "full-cone", 1,
                      lie == LIE_SAME_IP || lie == LIE_PRIVATE ? PH_FILTERING_UNKNOWN
                                                               : PH_FILTERING_EIF,
                      1);
    }
}

/* What is told of the mapping when the first server, or (`host`) both ports of it, lies. */
static void check_mapping(enum lie lie, const char *nat, size_t given, bool host, uint64_t seed)
{
    struct survey_world *w = survey_world_new(
        &(struct survey_world_config){.nat = nat, .seed = seed, .no_servers = true});
    struct liar l = {.host = w->stun_host, .lie = lie, .host_lies = host};
    struct ph_survey_config c = {.server_count = given};
    enum ph_mapping_behaviour want = survey_wanted_of(nat).mapping;
    struct ph_nat_facts f;

    liar_start(&l, w);
    memcpy(c.servers, w->server, given * sizeof(c.servers[0]));
    survey_start(w, &c);
    survey_run(w, 2500 * PH_MS, &f);
    if (f.mapping != want && f.mapping != PH_MAPPING_UNKNOWN && !f.mapping_guessed)
        fail_msg("lie %d, %s, %zu servers: %s", (int)lie, nat, given,
                 ph_mapping_behaviour_name(f.mapping));
    if (lie == LIE_TRUTH_COUNT && given > 1)
        assert_int_equal(f.mapping, want);
    l.host->endpoint = NULL;
    survey_world_free(w);
}

/* Whatever one server says, and however few there are beside it: mapping is never wrong. (One alone
 * that says the same at both of its ports is all that is known.) */
static void test_mapping_among_liars(void **state)
{
    static const char *const nats[] = {
        "open",       "full-cone", "port-restricted", "random",          "random-adm",
        "sequential", "block-512", "cgnat-eim",       "port-preserving", "sequential-2"};
    static const size_t given[] = {1, 2, 3, 5};

    (void)state;
    for (enum lie lie = 0; lie <= LIE_TRUTH_COUNT; lie++) {
        for (size_t n = 0; n < sizeof(nats) / sizeof(nats[0]); n++) {
            for (size_t g = 0; g < sizeof(given) / sizeof(given[0]); g++) {
                check_mapping(lie, nats[n], given[g], false, 100 + g);
                if (given[g] > 1)
                    check_mapping(lie, nats[n], given[g], true, 200 + g);
            }
        }
    }
}

/* Each answer is overtaken by one from a stranger who knows the transaction, and tells of another
 * address: who was not asked has not answered. */
static enum sim_verdict overtake(void *user, const struct sim_tap_packet *p)
{
    struct survey_world *w = user;
    struct ph_addr stranger = w->server[4], mapped = ph_addr_v4(198, 51, 100, 66, 6666);
    uint8_t bytes[64];
    struct ph_writer out = ph_writer_init(bytes, sizeof(bytes));
    struct ph_stun m;

    stranger.port = 7777;
    if (p->node != w->stun_node || p->src.port == stranger.port ||
        ph_stun_parse(p->data, p->len, &m) != PH_OK || m.type != PH_STUN_BINDING_SUCCESS)
        return SIM_PASS;
    ph_stun_begin(&out, PH_STUN_BINDING_SUCCESS, m.tid);
    ph_stun_put_mapped(&out, &mapped);
    ph_stun_put_other(&out, &stranger);
    int len = ph_stun_end(&out, true);
    sim_inject(w->world, w->stun_node, &stranger, &p->dst, bytes, (size_t)len);
    return SIM_PASS;
}

static void test_strangers(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = "full-cone", .seed = 7});
    struct ph_survey_config c = {.no_filtering = true, .no_hairpin = true};
    struct ph_nat_facts f;

    (void)state;
    sim_tap(w->world, overtake, w);
    survey_start(w, &c);
    survey_run(w, 2500 * PH_MS, &f);
    assert_int_equal(f.mapping, PH_MAPPING_EIM);
    assert_int_equal(f.allocation.type, PH_ALLOCATION_PRESERVING);
    assert_int_equal(f.liars, 0);
    assert_int_equal(f.sample_count, 5);
    for (size_t i = 0; i < f.sample_count; i++)
        assert_true(ph_addr_eq(&f.samples[i].mapped, &f.reflexive));
    assert_int_not_equal(f.reflexive.port, 6666);
    assert_int_equal(w->strays, 0);
    survey_world_free(w);
}

/* One server of five is dead: the others' word counts, and the survey ends by itself. */
static void test_a_dead_server(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = "port-restricted", .seed = 1});
    struct ph_survey_config c = {.server_count = 5};
    struct ph_nat_facts f;

    (void)state;
    memcpy(c.servers, w->server, 5 * sizeof(c.servers[0]));
    c.servers[0].port = 9;
    survey_start(w, &c);
    survey_run(w, 2 * PH_SEC, &f);
    assert_int_equal(f.mapping, PH_MAPPING_EIM);
    assert_int_equal(f.filtering, PH_FILTERING_APDF);
    assert_int_equal(f.liars, 0);
    survey_world_free(w);
}

/* ---- Lifetime */

static void check_lifetime(const char *nat, size_t ports, ph_ns at_least, ph_ns less_than)
{
    struct survey_world *w = survey_world_new(
        &(struct survey_world_config){.nat = nat, .ports = ports, .seed = 4, .link = "20ms-1%"});
    struct ph_survey_config c = {.lifetime = true};
    struct ph_nat_facts f;

    survey_start(w, &c);
    survey_run(w, 190 * PH_SEC, &f);
    if (f.lifetime.at_least != at_least || f.lifetime.less_than != less_than)
        fail_msg("%s: from %.0f to %.0f ms", nat, ph_ns_to_ms(f.lifetime.at_least),
                 ph_ns_to_ms(f.lifetime.less_than));
    assert_int_equal(w->strays, 0);
    survey_world_free(w);
}

static void test_lifetime(void **state)
{
    (void)state;
    /* One exchange is no stream to netfilter: it is the shorter timeout that is seen. */
    check_lifetime("short-timeout", 2, 0, 15 * PH_SEC);             /* 10 s */
    check_lifetime("port-preserving", 1, 25 * PH_SEC, 35 * PH_SEC); /* 30 s */
    check_lifetime("cgnat-eim", 2, 25 * PH_SEC, 35 * PH_SEC);       /* 30 s */
    check_lifetime("open", 2, 185 * PH_SEC, PH_NEVER);
}

/* Servers that do not know RESPONSE-PORT leave it unknown, at once. */
static void test_lifetime_unknown(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.seed = 4, .no_servers = true});
    struct liar l = {.host = w->stun_host, .lie = LIE_TRUTH_COUNT};
    struct ph_survey_config c = {.lifetime = true};
    struct ph_nat_facts f;

    (void)state;
    liar_start(&l, w);
    survey_start(w, &c);
    survey_run(w, 3 * PH_SEC, &f);
    assert_int_equal(f.lifetime.at_least, 0);
    assert_int_equal(f.lifetime.less_than, PH_NEVER);
    assert_int_equal(f.mapping, PH_MAPPING_EIM);
    l.host->endpoint = NULL;
    survey_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_servers),         cmocka_unit_test(test_liars),
        cmocka_unit_test(test_mapping_among_liars), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_a_dead_server),       cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_lifetime_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
