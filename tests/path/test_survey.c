/* The survey against every shipped NAT, in the in-memory world: what it says is what the profile
 * says. And the two ways to do it wrong, which the survey does not go. */
#include "lab/nat/profile.h"
#include "tests/survey_world.h"

#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A STUN answer or failure within a test's own, wrong survey. */
struct asker {
    struct ph_endpoint ep; /* first */
    struct survey_world *w;
    struct ph_nat_sample samples[8];
    size_t count, heard;
    struct ph_addr from; /* who was heard last */
};

static void on_answer(struct ph_endpoint *ep, ph_ns now, ph_sock sock, const struct ph_datagram *in,
                      size_t n)
{
    struct asker *a = (struct asker *)(void *)ep;
    struct ph_stun m;

    (void)now;
    (void)sock;
    for (size_t i = 0; i < n; i++) {
        if (ph_stun_parse(in[i].data, in[i].len, &m) != PH_OK)
            continue;
        a->samples[m.tid[0]].mapped = m.mapped;
        a->from = in[i].peer;
        a->heard++;
    }
}

static void no_timer(struct ph_endpoint *ep, ph_ns now)
{
    (void)ep;
    (void)now;
}

static void ask(struct asker *a, ph_sock sock, const struct ph_addr *to, uint32_t change)
{
    uint8_t bytes[64], tid[PH_STUN_TID_LEN] = {(uint8_t)a->count};
    struct ph_writer w = ph_writer_init(bytes, sizeof(bytes));
    struct ph_datagram d = {.peer = *to, .data = bytes};

    ph_stun_begin(&w, PH_STUN_BINDING_REQUEST, tid);
    if (change)
        ph_stun_put_change_request(&w, change);
    d.len = (size_t)ph_stun_end(&w, true);
    a->samples[a->count] = (struct ph_nat_sample){.server = *to, .order = (uint32_t)a->count};
    a->count++;
    a->w->host->ops->udp_send(a->w->host, sock, &d, 1);
}

static struct asker *asker_new(struct survey_world *w)
{
    struct asker *a = calloc(1, sizeof(*a));

    assert_non_null(a);
    a->ep.on_datagrams = on_answer;
    a->ep.on_timer = no_timer;
    a->w = w;
    w->host->endpoint = &a->ep;
    return a;
}

static ph_sock fresh(struct survey_world *w)
{
    const struct ph_addr any = {.family = PH_AF_V4};
    ph_sock sock;

    assert_int_equal(w->host->ops->udp_open(w->host, &any, &sock), PH_OK);
    return sock;
}

static void wait(struct survey_world *w, ph_ns time)
{
    sim_run_until(w->world, w->world->ops->now(w->world) + time);
}

/* ---- Every profile */

static void check_profile(const char *name, const char *link, uint64_t seed)
{
    struct survey_world_config config = {.nat = name, .link = link, .seed = seed};
    struct survey_world *w = survey_world_new(&config);
    struct survey_wanted want = survey_wanted_of(name);
    struct ph_nat_facts f;
    char text[PH_ALLOCATION_TEXT];

    survey_start(w, NULL);
    survey_run(w, 2500 * PH_MS, &f);
    if (f.udp != PH_YES || f.mapping != want.mapping || f.filtering != want.filtering ||
        f.allocation.type != want.allocation || f.mapping_guessed || f.liars != 0 ||
        (want.step != 0 && f.allocation.step != want.step))
        fail_msg("%s, %s, seed %u: mapping %s, filtering %s, allocation %s, %zu liars", name, link,
                 (unsigned)seed, ph_mapping_behaviour_name(f.mapping),
                 ph_filtering_behaviour_name(f.filtering),
                 ph_nat_allocation_text(&f.allocation, text), f.liars);
    enum ph_answer hairpin = want.hairpin ? PH_YES : PH_NO;
    if (want.mapping == PH_MAPPING_NONE)
        hairpin = PH_ANSWER_UNKNOWN;
    if (f.hairpin != hairpin)
        fail_msg("%s, %s, seed %u: hairpin %s", name, link, (unsigned)seed,
                 ph_answer_name(f.hairpin));
    if (w->strays)
        fail_msg("%s, %s, seed %u: strays", name, link, (unsigned)seed);
    assert_int_equal(f.lifetime.less_than, PH_NEVER);
    /* Twenty milliseconds each way: 40 for a question and its answer, 400 for four of them in vain,
     * 150 until the second burst. Loss can add a try or two to each. */
    if (w->done_at - w->started > (strchr(link, '-') ? 1600 : 800) * PH_MS)
        fail_msg("%s, %s, seed %u: %.1f ms", name, link, (unsigned)seed,
                 ph_ns_to_ms(w->done_at - w->started));
    survey_world_free(w);
}

static void for_each_profile(const char *link, uint64_t seeds)
{
    struct lab_error err;
    char **names;
    size_t count, checked = 0;

    if (nat_profile_list(&names, &count, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        for (uint64_t seed = 1; seed <= seeds && strcmp(names[i], "udp-blocked") != 0; seed++) {
            check_profile(names[i], link, seed);
            checked++;
        }
        free(names[i]);
    }
    free(names);
    assert_true(checked >= 20 * seeds);
}

static void test_profiles(void **state)
{
    (void)state;
    for_each_profile("20ms", 2);
}

static void test_profiles_with_loss(void **state)
{
    (void)state;
    for_each_profile("20ms-1%", 10);
}

/* ---- Two ways to do it wrong */

/* A NAT that keeps ports gives each fresh socket another one, and looks symmetric. */
static void test_fresh_sockets_lie(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 3});
    struct asker *a = asker_new(w);
    struct ph_addr local[4];
    struct ph_nat_facts f;
    bool guessed;
    size_t n;

    (void)state;
    for (size_t i = 0; i < w->ips; i++)
        ask(a, fresh(w), &w->server[i], 0);
    wait(w, 100 * PH_MS);
    assert_int_equal(a->heard, w->ips);
    n = w->host->ops->local_addrs(w->host, local, 4);
    enum ph_mapping_behaviour wrong = ph_nat_mapping(a->samples, a->count, local, n, &guessed);
    assert_int_not_equal(wrong, PH_MAPPING_EIM);
    assert_int_not_equal(wrong, PH_MAPPING_NONE);
    free(a);

    survey_start(w, NULL);
    survey_run(w, 2500 * PH_MS, &f);
    assert_int_equal(f.mapping, PH_MAPPING_EIM);
    assert_int_equal(f.allocation.type, PH_ALLOCATION_PRESERVING);
    survey_world_free(w);
}

/* A socket that has sent to the other address has a hole for it. */
static void test_spoilt_filter_test(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 3});
    struct asker *a = asker_new(w);
    struct ph_addr other = w->server[1];
    ph_sock spoilt = fresh(w), clean = fresh(w);

    (void)state;
    other.port++;
    ask(a, spoilt, &other, 0);
    wait(w, 100 * PH_MS);
    ask(a, spoilt, &w->server[0], PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
    wait(w, 100 * PH_MS);
    assert_int_equal(a->heard, 2); /* as if everybody were let in */
    assert_true(ph_addr_eq(&a->from, &other));
    ask(a, clean, &w->server[0], PH_STUN_CHANGE_IP | PH_STUN_CHANGE_PORT);
    wait(w, 100 * PH_MS);
    assert_int_equal(a->heard, 2);
    free(a);
    survey_world_free(w);
}

/* What the survey sends, looked at on the wire: all samples leave one socket, and the socket that
 * tests the filter sends to one address alone. */
struct wire {
    struct survey_world *w;
    uint16_t surveyed;
    bool easy;
    struct {
        uint16_t port;
        struct ph_addr to[PH_NAT_SAMPLES_MAX];
        size_t count;
    } socks[8];
    size_t count;
};

static enum sim_verdict look(void *user, const struct sim_tap_packet *p)
{
    struct wire *wire = user;
    struct ph_stun m;
    size_t i = 0, k = 0;

    if (p->node != wire->w->node || ph_stun_parse(p->data, p->len, &m) != PH_OK)
        return SIM_PASS;
    /* Where each destination has a mapping of its own, nobody can vouch for a server. */
    if (p->src.port == wire->surveyed && !wire->easy)
        assert_int_equal(m.change_request, 0);
    while (i < wire->count && wire->socks[i].port != p->src.port)
        i++;
    assert_true(i < 8);
    if (i == wire->count)
        wire->socks[wire->count++].port = p->src.port;
    while (k < wire->socks[i].count && !ph_addr_eq(&wire->socks[i].to[k], &p->dst))
        k++;
    assert_true(k < PH_NAT_SAMPLES_MAX);
    if (k == wire->socks[i].count)
        wire->socks[i].to[wire->socks[i].count++] = p->dst;
    return SIM_PASS;
}

static void test_sockets(void **state)
{
    static const char *const nats[] = {"port-restricted", "random", "sequential"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct survey_world *w =
            survey_world_new(&(struct survey_world_config){.nat = nats[i], .seed = 5});
        struct wire wire = {.w = w, .easy = i == 0};
        struct ph_nat_facts f;

        sim_tap(w->world, look, &wire);
        survey_start(w, NULL);
        wire.surveyed = w->host->ops->udp_local(w->host, w->sock).port;
        survey_run(w, 2500 * PH_MS, &f);
        assert_int_equal(wire.count, 3); /* surveyed, filter, hairpin */
        for (size_t k = 0; k < wire.count; k++) {
            if (wire.socks[k].port == wire.surveyed)
                assert_true(wire.socks[k].count >= f.sample_count);
            else
                assert_in_range(wire.socks[k].count, 1, 2); /* a server, and what is knocked on */
        }
        for (size_t k = 0; k < f.sample_count; k++) {
            assert_true(ph_addr_is_set(&f.samples[k].mapped));
            assert_int_equal(f.samples[k].order, k);
        }
        survey_world_free(w);
    }
}

/* No flow of the survey's own comes between the samples of a counter. */
static void test_samples_are_undisturbed(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = "sequential", .seed = 9});
    struct ph_nat_facts f;

    (void)state;
    survey_start(w, NULL);
    survey_run(w, 2500 * PH_MS, &f);
    assert_int_equal(f.sample_count, 10);
    for (size_t i = 1; i < f.sample_count; i++)
        assert_int_equal(f.samples[i].mapped.port, f.samples[0].mapped.port + i);
    assert_int_equal(f.samples[4].sent, f.samples[0].sent);
    assert_int_equal(f.samples[5].sent, f.samples[0].sent + 150 * PH_MS);
    assert_int_equal(f.samples[9].sent, f.samples[5].sent);
    survey_world_free(w);
}

/* ---- Time */

static void test_blocked(void **state)
{
    struct survey_world *w =
        survey_world_new(&(struct survey_world_config){.nat = "udp-blocked", .seed = 1});
    struct ph_survey_server servers[PH_NAT_SAMPLES_MAX];
    struct ph_nat_facts f;

    (void)state;
    survey_start(w, NULL);
    survey_run(w, 2500 * PH_MS, &f);
    assert_int_equal(w->done_at - w->started, 2500 * PH_MS);
    assert_int_equal(f.udp, PH_NO);
    assert_int_equal(f.mapping, PH_MAPPING_UNKNOWN);
    assert_int_equal(f.filtering, PH_FILTERING_UNKNOWN);
    assert_int_equal(f.hairpin, PH_ANSWER_UNKNOWN);
    assert_int_equal(f.allocation.type, PH_ALLOCATION_UNKNOWN);
    assert_false(ph_addr_is_set(&f.reflexive));
    assert_int_equal(f.liars, 0);
    assert_int_equal(ph_survey_servers(w->survey, servers, PH_NAT_SAMPLES_MAX), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(!servers[i].answered && servers[i].rtt == 0);
    survey_world_free(w);
}

/* To the nanosecond, whatever the time-out; and before that, UDP is not known to be blocked. */
static void test_timeout(void **state)
{
    static const ph_ns timeouts[] = {1, 333 * PH_MS, 700 * PH_MS + 1, 2500 * PH_MS};

    (void)state;
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        struct survey_world *w =
            survey_world_new(&(struct survey_world_config){.nat = "udp-blocked", .seed = 1});
        struct ph_survey_config c = {.timeout = timeouts[i]};
        struct ph_nat_facts f;

        survey_start(w, &c);
        sim_run_until(w->world, w->started + timeouts[i] - 1);
        assert_false(ph_survey_done(w->survey));
        assert_true(ph_survey_deadline(w->survey) <= w->started + timeouts[i]);
        ph_survey_facts(w->survey, &f);
        assert_int_equal(f.udp, PH_ANSWER_UNKNOWN);
        sim_run_until(w->world, w->started + timeouts[i]);
        assert_true(ph_survey_done(w->survey));
        assert_int_equal(ph_survey_deadline(w->survey), PH_NEVER);
        survey_world_free(w);
    }
}

static void test_no_servers(void **state)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.seed = 1});
    struct ph_survey_config c = {.host = w->host};
    struct ph_survey *s;
    struct ph_nat_facts f;

    (void)state;
    assert_int_equal(ph_survey_new(&c, 0, &s), PH_ERR_INVAL);
    c.sock = fresh(w);
    assert_int_equal(ph_survey_new(&c, 0, &s), PH_OK);
    assert_true(ph_survey_done(s));
    assert_int_equal(ph_survey_deadline(s), PH_NEVER);
    ph_survey_facts(s, &f);
    assert_int_equal(f.udp, PH_ANSWER_UNKNOWN);
    assert_int_equal(f.mapping, PH_MAPPING_UNKNOWN);
    assert_int_equal(f.sample_count, 0);
    ph_survey_free(s);
    ph_survey_free(NULL);
    c.server_count = 1;
    c.servers[0] = (struct ph_addr){.family = PH_AF_V6, .port = 3478, .ip = {0x20, 1}};
    assert_int_equal(ph_survey_new(&c, 0, &s), PH_ERR_INVAL);
    survey_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles),          cmocka_unit_test(test_profiles_with_loss),
        cmocka_unit_test(test_fresh_sockets_lie), cmocka_unit_test(test_spoilt_filter_test),
        cmocka_unit_test(test_sockets),           cmocka_unit_test(test_samples_are_undisturbed),
        cmocka_unit_test(test_blocked),           cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_no_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
