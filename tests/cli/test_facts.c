/* Facts of one side: the short text, and what netcheck writes as JSON. */
#include "cli/facts.h"
#include "cli/netcheck.h"
#include "tests/survey_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct facts good(const char *text)
{
    struct facts f;
    char error[FACTS_ERROR] = "";

    if (!facts_parse(text, strlen(text), &f, error)) {
        fail_msg("'%s': %s", text, error);
    }
    return f;
}

static void a_short_text_has_all_of_it(void **state)
{
    struct facts f = good("mapping=apdm,filtering=apdf,allocation=sequential:-2,external=11.0.0.2:"
                          "40000,gateway=accept, drift=20:12.5-31 last=40010\nprivileged=yes"
                          ",probes=600,openers=100,rate=150,burst=32");
    struct ph_plan_side *s = &f.side;

    (void)state;
    assert_int_equal(s->udp, PH_YES);
    assert_int_equal(s->mapping, PH_MAPPING_APDM);
    assert_int_equal(s->filtering, PH_FILTERING_APDF);
    assert_int_equal(s->allocation.type, PH_ALLOCATION_SEQUENTIAL);
    assert_int_equal(s->allocation.step, -2);
    assert_int_equal(s->allocation.last, 40010);
    assert_int_equal(s->gateway, PH_GATEWAY_ACCEPT);
    assert_true(s->allocation.cross_rate == 20 && s->allocation.cross_low == 12.5 &&
                s->allocation.cross_high == 31);
    assert_true(s->privileged);
    assert_int_equal(s->budget.probes, 600);
    assert_int_equal(s->budget.openers, 100);
    assert_int_equal(s->budget.rate, 150);
    assert_int_equal(s->budget.burst, 32);
    assert_int_equal(s->external.port, 40000);
    assert_false(f.mapped);

    f = good("mapping=endpoint-independent");
    assert_int_equal(f.side.mapping, PH_MAPPING_EIM);
    assert_int_equal(f.side.filtering, PH_FILTERING_UNKNOWN);
    assert_true(f.side.allocation.cross_rate < 0);
    assert_int_equal(good("udp=no").side.udp, PH_NO);
    assert_int_equal(good("gateway=reject").side.gateway, PH_GATEWAY_DROP);
    /* The port that is seen is the newest one that is known. */
    assert_int_equal(good("allocation=sequential,external=1.2.3.4:77").side.allocation.last, 77);
}

static void allocations_have_their_numbers(void **state)
{
    static const struct {
        const char *text;
        enum ph_allocation_type type;
        int step;
        uint16_t low, high;
        bool aligned;
    } cases[] = {
        {"preserving", PH_ALLOCATION_PRESERVING, 0, 0, 0, false},
        {"one-port", PH_ALLOCATION_ONE_PORT, 0, 0, 0, false},
        {"none", PH_ALLOCATION_NONE, 0, 0, 0, false},
        {"unknown", PH_ALLOCATION_UNKNOWN, 0, 0, 0, false},
        {"sequential", PH_ALLOCATION_SEQUENTIAL, 1, 0, 0, false},
        {"sequential:4", PH_ALLOCATION_SEQUENTIAL, 4, 0, 0, false},
        {"random", PH_ALLOCATION_RANDOM, 0, 0, 0, false},
        {"random:32768-65535", PH_ALLOCATION_RANDOM, 0, 32768, 65535, true},
        {"block:1000-1334", PH_ALLOCATION_BLOCK, 0, 1000, 1334, false},
        {"block:2048-2559", PH_ALLOCATION_BLOCK, 0, 2048, 2559, true},
        {"block:512", PH_ALLOCATION_BLOCK, 0, 32768, 33279, true},
        {"block:512,external=1.2.3.4:5000", PH_ALLOCATION_BLOCK, 0, 4608, 5119, true},
        {"block:64,external=1.2.3.4:5", PH_ALLOCATION_BLOCK, 0, 1, 63, true},
        {"block:1000,last=65500", PH_ALLOCATION_BLOCK, 0, 64536, 65535, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[80];
        snprintf(text, sizeof(text), "allocation=%s", cases[i].text);
        struct ph_allocation a = good(text).side.allocation;

        if (a.type != cases[i].type || a.step != cases[i].step || a.low != cases[i].low ||
            a.high != cases[i].high || a.aligned != cases[i].aligned) {
            fail_msg("%s: type %d, step %d, %u-%u, aligned %d", text, a.type, a.step, a.low, a.high,
                     a.aligned);
        }
    }
}

static void mistakes_are_quoted_with_the_mend(void **state)
{
    static const struct {
        const char *text, *quotes, *says;
    } cases[] = {
        {"", "no facts", "mapping=eim"},
        {" , ", "no facts", "mapping=eim"},
        {"colour=red", "'colour=red'", "mapping=, filtering="},
        {"mapping", "'mapping'", "is no fact"},
        {"map=eim", "'map=eim'", "is no fact"},
        {"mapping=hard", "'mapping=hard'", "none, eim, adm, apdm or unknown"},
        {"filtering=open", "'filtering=open'", "eif, adf, apdf or unknown"},
        {"gateway=", "'gateway='", "accept, drop or unknown"},
        {"udp=maybe", "'udp=maybe'", "yes, no or unknown"},
        {"privileged=unknown", "'privileged=unknown'", "yes or no"},
        {"allocation=block", "'allocation=block'", "block:SIZE"},
        {"allocation=block:1", "'allocation=block:1'", "block:SIZE"},
        {"allocation=block:9-3", "'allocation=block:9-3'", "block:LOW-HIGH"},
        {"allocation=block:0-3", "'allocation=block:0-3'", "block:LOW-HIGH"},
        {"allocation=block:512x", "'allocation=block:512x'", "block:LOW-HIGH"},
        {"allocation=sequential:0", "'allocation=sequential:0'", "sequential:STEP"},
        {"allocation=sequential:x", "'allocation=sequential:x'", "sequential:STEP"},
        {"allocation=preserving:1", "'allocation=preserving:1'", "preserving"},
        {"allocation=random:70000-70001", "'allocation=random:70000-70001'", "random:LOW-HIGH"},
        {"external=here", "'external=here'", "192.0.2.1:40000"},
        {"external=0.0.0.0:5", "'external=0.0.0.0:5'", "192.0.2.1:40000"},
        {"last=0", "'last=0'", "a port"},
        {"drift=fast", "'drift=fast'", "20:12-31"},
        {"drift=20:21-31", "'drift=20:21-31'", "20:12-31"},
        {"drift=inf", "'drift=inf'", "20:12-31"},
        {"drift=20:1-31x", "'drift=20:1-31x'", "20:12-31"},
        {"rate=99999999999999999999", "'rate=99999999999999999999'", "packets a second"},
        {"openers=0", "'openers=0'", "sockets"},
        {"udp=yes,udp=no", "'udp=no'", "twice"},
        {"mapping=eim\x01", "'mapping=eim?'", "none, eim"},
        {"{", "1:1", "not JSON"},
        {"{}", "netcheck --json", "\"v4\""},
        {"{\"v4\":3}", "netcheck --json", "\"v4\""},
        {"{\"mapping\":5}", "\"mapping\": 5", "none, eim"},
        {"{\"mapping\":\"x\"}", "\"mapping\": \"x\"", "none, eim"},
        {"{\"mapping\":null,\"udp\":true}", "\"udp\": true", "yes, no"},
        {"{\"mapping\":null,\"allocation\":[]}", "\"allocation\": []", "an object"},
        {"{\"mapping\":null,\"reflexive\":\"x\"}", "\"reflexive\": \"x\"", "192.0.2.1:40000"},
        {"{\"mapping\":null,\"allocation\":{\"last\":0}}", "\"last\": 0", "from 1 to 65535"},
        {"{\"mapping\":null,\"allocation\":{\"type\":\"block\"}}", "\"range\"", "a block"},
        {"{\"mapping\":null,\"allocation\":{\"type\":\"sequential\"}}", "\"step\"", "not 0"},
        {"{\"mapping\":null,\"allocation\":{\"range\":{\"low\":9,\"high\":3}}}", "\"range\"",
         "a low and a high port"},
        {"{\"mapping\":null,\"allocation\":{\"cross_rate\":{\"rate\":-1}}}", "\"rate\": -1",
         "from 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct facts f;
        char error[FACTS_ERROR] = "";

        if (facts_parse(cases[i].text, strlen(cases[i].text), &f, error) ||
            !strstr(error, cases[i].quotes) || !strstr(error, cases[i].says)) {
            fail_msg("case %zu, '%s': %s", i, cases[i].text, error);
        }
    }
    /* A word without end is cut where it is quoted. */
    char endless[3000], error[FACTS_ERROR];
    struct facts f;
    memset(endless, 'x', sizeof(endless));
    assert_false(facts_parse(endless, sizeof(endless), &f, error));
    assert_non_null(strstr(error, "no fact is so long"));
}

static char *netcheck_of(const struct ph_nat_facts *v4, bool mapped)
{
    struct netcheck_view v = {0};
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    v.report.v4 = *v4;
    v.report.v6.udp = PH_NO;
    v.report.v6.lifetime.less_than = PH_NEVER;
    v.report.v6.allocation.cross_rate = -1;
    v.report.mapped = mapped;
    assert_int_equal(netcheck_json(to, &v), 0);
    fclose(to);
    return text;
}

/* What netcheck says of a NAT is the same plan as the facts themselves. */
static void netcheck_is_read_back(void **state)
{
    static const char *const nats[] = {"port-restricted", "random",    "sequential-2",
                                       "sequential-busy", "block-512", "full-cone"};

    (void)state;
    for (size_t i = 0; i < sizeof(nats) / sizeof(nats[0]); i++) {
        struct survey_world *w =
            survey_world_new(&(struct survey_world_config){.nat = nats[i], .seed = 2});
        struct ph_survey_config c = {0};
        struct ph_nat_facts f;
        struct ph_plan_side want;
        struct facts got;
        char error[FACTS_ERROR] = "", *text;

        survey_start(w, &c);
        survey_run(w, 200 * PH_SEC, &f);
        survey_world_free(w);
        ph_plan_side(&f, &want);
        text = netcheck_of(&f, i == 0);
        if (!facts_parse(text, strlen(text), &got, error)) {
            fail_msg("%s: %s", nats[i], error);
        }
        free(text);
        assert_int_equal(got.side.udp, PH_YES);
        assert_int_equal(got.side.mapping, want.mapping);
        assert_int_equal(got.side.filtering, want.filtering);
        assert_int_equal(got.side.allocation.type, want.allocation.type);
        assert_int_equal(got.side.allocation.step, want.allocation.step);
        assert_int_equal(got.side.allocation.low, want.allocation.low);
        assert_int_equal(got.side.allocation.high, want.allocation.high);
        assert_int_equal(got.side.allocation.aligned, want.allocation.aligned);
        assert_int_equal(got.side.allocation.last, want.allocation.last);
        assert_int_equal(got.side.allocation.samples, want.allocation.samples);
        assert_true(fabs(got.side.allocation.cross_rate - want.allocation.cross_rate) < 0.001);
        assert_true(fabs(got.side.allocation.confidence - want.allocation.confidence) < 0.001);
        assert_true(ph_addr_eq(&got.side.external, &want.external));
        assert_int_equal(got.mapped, i == 0);
    }
}

static void the_family_that_works_is_taken(void **state)
{
    struct facts f =
        good("{\"v4\":{\"udp\":\"no\"},\"v6\":{\"udp\":\"yes\",\"mapping\":\"none\"}}");

    (void)state;
    assert_int_equal(f.side.mapping, PH_MAPPING_NONE);
    f = good("{\"v4\":{\"udp\":\"yes\",\"mapping\":\"eim\",\"gateway\":\"drop\"},\"v6\":"
             "{\"udp\":\"yes\",\"mapping\":\"none\"}}");
    assert_int_equal(f.side.mapping, PH_MAPPING_EIM);
    assert_int_equal(f.side.gateway, PH_GATEWAY_DROP);
    f = good("{\"v4\":{\"udp\":\"no\"},\"v6\":{\"udp\":\"unknown\"}}");
    assert_int_equal(f.side.udp, PH_NO);
    /* Behind a second NAT the port is no help. */
    f = good("{\"v4\":{},\"port_mapping\":{\"mapped\":true,\"mapping\":{\"reach\":\"double\"}}}");
    assert_false(f.mapped);
    f = good("{\"v4\":{},\"port_mapping\":{\"mapped\":true,\"mapping\":{\"reach\":\"public\"}}}");
    assert_true(f.mapped);
}

static void files_and_words_are_told_apart(void **state)
{
    char path[] = "/tmp/pinhole-facts-XXXXXX";
    int fd = mkstemp(path);
    struct facts f;
    char error[FACTS_ERROR] = "";

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "mapping=adm\n", 12), 12);
    assert_true(facts_load(path, &f, error));
    assert_int_equal(f.side.mapping, PH_MAPPING_ADM);
    assert_int_equal(write(fd, "x=1", 3), 3);
    assert_false(facts_load(path, &f, error));
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, "'x=1'"));
    close(fd);
    unlink(path);
    assert_false(facts_load(path, &f, error));
    assert_non_null(strstr(error, "No such file"));
    assert_true(facts_load("mapping=eim", &f, error));
    assert_true(facts_load("{\"mapping\":\"eim\"}", &f, error));
    assert_false(facts_load("/tmp", &f, error));
    assert_non_null(strstr(error, "/tmp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_has_all_of_it),
        cmocka_unit_test(allocations_have_their_numbers),
        cmocka_unit_test(mistakes_are_quoted_with_the_mend),
        cmocka_unit_test(netcheck_is_read_back),
        cmocka_unit_test(the_family_that_works_is_taken),
        cmocka_unit_test(files_and_words_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
