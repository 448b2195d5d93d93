/* Profiles out of YAML: what a file may say, what it may not, and where it says it. */
#include "lab/nat/profile.h"
#include "lab/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(const char *text, struct nat_profile *p, struct lab_error *err)
{
    struct yaml_doc *doc = NULL;
    nat_profile_init(p);
    if (yaml_parse("nat.yaml", text, strlen(text), &doc, err) != 0)
        return -1;
    int rc = nat_profile_read(yaml_root(doc), p, err);
    yaml_free(doc);
    return rc;
}

static void test_everything_a_file_may_say(void **state)
{
    static const char text[] = "name: all\n"
                               "mapping: address-and-port-dependent\n"
                               "filtering: address-dependent\n"
                               "allocation: {type: sequential, step: -2, start: 50000, range: "
                               "40000-59999}\n"
                               "gateway: reject\n"
                               "hairpin: false\n"
                               "timeout: {udp: 35s, udp_stream: 2m}\n"
                               "limits: {mappings: 1000, new_per_second: 50}\n"
                               "pool: {addresses: 2, pairing: arbitrary}\n"
                               "background: {hosts: 3, flows_per_second: 20}\n"
                               "udp: allow\n"
                               "port_mapping: {nat_pmp: true, pcp: false, upnp: true, faults: "
                               "[first-lost, only-permanent]}\n"
                               "inside: port-preserving\n";
    struct nat_profile p;
    struct lab_error err = {.text = ""};
    (void)state;
    if (parse(text, &p, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(p.name, "all");
    assert_int_equal(p.mapping, NAT_MAPPING_APDM);
    assert_int_equal(p.filtering, NAT_FILTERING_ADF);
    assert_int_equal(p.allocation.type, NAT_ALLOC_SEQUENTIAL);
    assert_int_equal(p.allocation.step, -2);
    assert_int_equal(p.allocation.start, 50000);
    assert_int_equal(p.allocation.range_lo, 40000);
    assert_int_equal(p.allocation.range_hi, 59999);
    assert_int_equal(p.gateway, NAT_GATEWAY_REJECT);
    assert_int_equal(p.timeout.udp_s, 35);
    assert_int_equal(p.timeout.udp_stream_s, 120);
    assert_int_equal(p.limits.mappings, 1000);
    assert_int_equal(p.limits.new_per_second, 50);
    assert_int_equal(p.pool.addresses, 2);
    assert_true(p.pool.arbitrary);
    assert_int_equal(p.background.hosts, 3);
    assert_int_equal(p.background.flows_per_second, 20);
    assert_false(p.udp_blocked);
    assert_true(p.port_mapping.nat_pmp);
    assert_false(p.port_mapping.pcp);
    assert_true(p.port_mapping.upnp);
    assert_int_equal(p.port_mapping.fault_count, 2);
    assert_string_equal(p.port_mapping.faults[0], "first-lost");
    assert_string_equal(p.port_mapping.faults[1], "only-permanent");
    assert_string_equal(p.inside, "port-preserving");
}

static void test_an_empty_file_is_port_preserving(void **state)
{
    struct nat_profile p;
    struct nat_profile shipped;
    struct lab_error err = {.text = ""};
    (void)state;
    assert_int_equal(parse("{}\n", &p, &err), 0);
    assert_int_equal(nat_profile_find("port-preserving", &shipped, &err), 0);
    memcpy(p.name, shipped.name, sizeof(p.name));
    assert_memory_equal(&p, &shipped, sizeof(p));
    assert_int_equal(p.gateway, NAT_GATEWAY_DROP);
    assert_false(nat_profile_exact(&p));
    assert_false(nat_profile_pinned(&p));
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *text;
        const char *says; /* the beginning, position included */
        const char *also; /* a part of the rest */
    } cases[] = {
        {"nmae: x\n", "nat.yaml:1:1: ", "did you mean \"name\"?"},
        {"name: x\nmapping: endpoint-indep\n", "nat.yaml:2:10: ", "endpoint-independent"},
        {"filtering: none\n", "nat.yaml:1:12: ", "address-dependent"},
        {"allocation: {type: sequential, stepp: 2}\n", "nat.yaml:1:32: ", "did you mean \"step\"?"},
        {"mapping: address-and-port-dependent\nallocation:\n  type: sequential\n  step: 0\n",
         "nat.yaml:4:9: ", "steps by 1 to 256"},
        {"mapping: address-and-port-dependent\nallocation: {type: preserving}\n",
         "nat.yaml:2:20: ", "needs mapping endpoint-independent"},
        {"allocation: {type: hash}\n", "nat.yaml:1:13: ", "takes at most 4096"},
        {"allocation: {type: random, range: 70000-80000}\n", "nat.yaml:1:35: ", "1024-65535"},
        {"allocation: {type: random, range: 10-20000}\n", "nat.yaml:1:35: ", "1024-65535"},
        {"allocation: {type: random, range: 2000-2010}\n", "nat.yaml:1:35: ", "at least 64"},
        {"allocation: {type: random, range: 5000 - 6000}\n", "nat.yaml:1:35: ", "two ports"},
        {"allocation: {type: block, block: 8}\n", "nat.yaml:1:34: ", "8"},
        {"allocation: {type: block, block: 1024, range: 2048-6143}\n",
         "nat.yaml:1:34: ", "eight of them must fit"},
        {"allocation: {type: sequential, start: 65530, step: 1}\n",
         "nat.yaml:1:39: ", "only 6 ports are left"},
        {"allocation: {type: sequential, start: 2000, range: 3000-4000}\n",
         "nat.yaml:1:39: ", "outside the range"},
        {"allocation: {type: random, exclusive: true}\n",
         "nat.yaml:1:39: ", "needs mapping address-dependent"},
        {"mapping: address-and-port-dependent\n"
         "allocation: {type: sequential, exclusive: true}\n",
         "nat.yaml:2:43: ", "allocation.exclusive means nothing to allocation sequential"},
        {"gateway: allow\n", "nat.yaml:1:10: ", "accept"},
        {"hairpin: maybe\n", "nat.yaml:1:10: ", "maybe"},
        {"mapping: none\nhairpin: true\n", "nat.yaml:2:10: ", "without a mapping"},
        {"mapping: none\ninside: port-preserving\n", "nat.yaml:2:9: ", "public address"},
        {"timeout: {udp: 0}\n", "nat.yaml:1:16: ", "1 s to 24 h"},
        {"timeout: {udp: 1500ms}\n", "nat.yaml:1:16: ", "whole seconds"},
        {"timeout: {udp: 60s, udp_stream: 30s}\n", "nat.yaml:1:33: ", "at least timeout.udp"},
        {"timeout: 30s\n", "nat.yaml:1:10: ", "it must be a mapping"},
        {"pool: {addresses: 17}\n", "nat.yaml:1:19: ", "16"},
        {"pool: {addresses: 0}\n", "nat.yaml:1:19: ", "1 to 16"},
        {"pool: {addresses: 2, pairing: arbitrary}\nallocation: {type: block}\n",
         "nat.yaml:1:31: ", "must be paired"},
        {"background: {flows_per_second: 5}\n", "nat.yaml:1:13: ", "who opens them?"},
        {"limits: {mappings: -1}\n", "nat.yaml:1:20: ", "-1"},
        {"udp: maybe\n", "nat.yaml:1:6: ", "block"},
        {"port_mapping: {faults: slow}\n", "nat.yaml:1:24: ", "must be a list"},
        {"port_mapping: {faults: [a, b, c, d, e, f, g, h, i]}\n", "nat.yaml:1:24: ", "at most 8"},
        {"- name\n", "nat.yaml:1:1: ", "must be a mapping"},
        {"name: x\ninside: x\n", "nat.yaml:2:9: ", "inside itself"},
        {"inside: port-preservin\n", "nat.yaml:1:9: ", "did you mean \"port-preserving\"?"},
        {"name: x\ninside: double-nat\n", "nat.yaml:2:9: ", "one home NAT is the most"},
        {"inside: ./nowhere.yaml\n", "nat.yaml:1:9: ", "./nowhere.yaml"},
        {"limits: {mappings: 1}\n", "nat.yaml:1:20: ", "at least 64"},
        {"limits: {mappings: 63}\n", "nat.yaml:1:20: ", "proof of the NAT and a call"},
        {"mapping: none\nport_mapping: {pcp: true}\n",
         "nat.yaml:2:21: ", "mapping none translates nothing"},
        {"port_mapping: {faults: [wrong-nonce]}\n",
         "nat.yaml:1:24: ", "the router speaks no protocol"},
        {"port_mapping: {pcp: true, faults: [wrong-nonse]}\n",
         "nat.yaml:1:35: ", "did you mean \"wrong-nonce\"?"},
        {"port_mapping: {upnp: true, faults: [xyzzy]}\n",
         "nat.yaml:1:36: ", "\"xyzzy\": no such fault"},
        {"port_mapping: {upnp: true, nat_pmp: true, faults: [wrong-nonce]}\n",
         "nat.yaml:1:51: ", "which shows in pcp alone"},
        {"port_mapping: {upnp: true, faults: [stale-answers]}\n",
         "nat.yaml:1:36: ", "which shows in pcp or nat_pmp alone"},
        {"allocation: {type: preserving, step: 3}\n",
         "nat.yaml:1:38: ", "allocation.step means nothing to allocation preserving"},
        {"allocation: {step: 3}\n", "nat.yaml:1:20: ", "nothing to allocation preserving"},
        {"allocation: {type: random, start: 4000}\n", "nat.yaml:1:35: ", "allocation.start"},
        {"allocation: {type: sequential, block: 512}\n", "nat.yaml:1:39: ", "allocation.block"},
        {"allocation: {type: random, aligned: true}\n", "nat.yaml:1:37: ", "allocation.aligned"},
        {"allocation: {type: random, exact: false}\n", "nat.yaml:1:35: ", "allocation.exact"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nat_profile p;
        struct lab_error err = {.text = ""};
        if (parse(cases[i].text, &p, &err) == 0)
            fail_msg("case %zu was taken", i);
        if (err.code != LAB_USAGE || strncmp(err.text, cases[i].says, strlen(cases[i].says)) != 0 ||
            strstr(err.text, cases[i].also) == NULL)
            fail_msg("case %zu: \"%s\" lacks \"%s\" or \"%s\"", i, err.text, cases[i].says,
                     cases[i].also);
    }
}

static void test_axes(void **state)
{
    struct nat_profile p;
    struct nat_profile before;
    struct lab_error err = {.text = ""};
    (void)state;
    nat_profile_init(&p);
    assert_int_equal(nat_profile_set(&p, "gateway", "accept", &err), 0);
    assert_int_equal(p.gateway, NAT_GATEWAY_ACCEPT);
    assert_int_equal(nat_profile_set(&p, "allocation", "{type: random, range: 2000-9999}", &err),
                     0);
    assert_int_equal(nat_profile_set(&p, "mapping", "address-and-port-dependent", &err), 0);
    assert_int_equal(nat_profile_set(&p, "allocation.type", "sequential", &err), 0);
    assert_int_equal(nat_profile_set(&p, "allocation.step", "-1", &err), 0);
    assert_int_equal(p.allocation.step, -1);
    assert_int_equal(p.allocation.range_hi, 9999); /* what was set before stays */
    assert_int_equal(nat_profile_set(&p, "timeout.udp", "7s", &err), 0);
    assert_int_equal(p.timeout.udp_s, 7);

    /* A refused change leaves the profile as it was. */
    before = p;
    assert_int_equal(nat_profile_set(&p, "allocation.step", "0", &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_int_equal(nat_profile_set(&p, "allocation.stp", "1", &err), -1);
    assert_string_equal(err.text, "unknown key \"stp\"; did you mean \"step\"?");
    assert_int_equal(nat_profile_set(&p, "allocation", "{type: random, step: 2}", &err), -1);
    assert_int_equal(nat_profile_set(&p, "inside", "nosuch", &err), -1);
    assert_non_null(strstr(err.text, "no NAT profile is named \"nosuch\""));
    assert_int_equal(nat_profile_set(&p, "a: {b", "1", &err), -1);
    assert_int_equal(nat_profile_set(&p, "gateway", "drop}\nname: x", &err), -1);
    assert_int_equal(nat_profile_set(&p, "a.b.c.d.e.f", "1", &err), -1);
    assert_memory_equal(&p, &before, sizeof(p));
}

static void test_find_by_name(void **state)
{
    struct nat_profile p;
    struct lab_error err = {.text = ""};
    (void)state;
    assert_int_equal(nat_profile_find("port-restrictd", &p, &err), -1);
    assert_int_equal(err.code, LAB_USAGE);
    assert_non_null(strstr(err.text, "did you mean \"port-restricted\"?"));
    assert_int_equal(nat_profile_find("../nat/random", &p, &err), -1);
    assert_int_equal(nat_profile_find("", &p, &err), -1);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Profiles of one's own: by path, and what a file names starts at the file's folder. */
static void test_own_files(void **state)
{
    char folder[] = "/tmp/natlab-profile-XXXXXX", path[128], want[160];
    struct nat_profile p;
    struct lab_error err = {.text = ""};
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "home.yaml", "gateway: reject\n");
    write_file(folder, "outer.yaml", "inside: ./home.yaml\n");
    write_file(folder, "self.yaml", "inside: ./self.yaml\n");
    write_file(folder, "bad.yaml", "name: bad\nhairpn: true\n");
    write_file(folder, "around.yaml", "name: x\ninside: ./bad.yaml\n");

    snprintf(path, sizeof(path), "%s/home.yaml", folder);
    assert_int_equal(nat_profile_find(path, &p, &err), 0);
    assert_string_equal(p.name, "home");
    assert_int_equal(p.gateway, NAT_GATEWAY_REJECT);

    snprintf(path, sizeof(path), "%s/outer.yaml", folder);
    snprintf(want, sizeof(want), "%s/home.yaml", folder);
    if (nat_profile_find(path, &p, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(p.inside, want);
    assert_int_equal(nat_profile_find(want, &p, &err), 0);

    snprintf(path, sizeof(path), "%s/self.yaml", folder);
    snprintf(want, sizeof(want), "%s:1:9: ", path);
    assert_int_equal(nat_profile_find(path, &p, &err), -1);
    assert_memory_equal(err.text, want, strlen(want));

    /* One place is said, and it is that of the slip. */
    snprintf(path, sizeof(path), "%s/around.yaml", folder);
    snprintf(want, sizeof(want), "%s/bad.yaml:2:1: unknown key", folder);
    assert_int_equal(nat_profile_find(path, &p, &err), -1);
    assert_memory_equal(err.text, want, strlen(want));

    static const char *const names[] = {"home", "outer", "self", "bad", "around"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s.yaml", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void test_resolve(void **state)
{
    static const struct {
        const char *name, *file, *path;
    } cases[] = {
        {"open", "dir/t.yaml", "open"},           {"./a.yaml", "t.yaml", "./a.yaml"},
        {"./a.yaml", "dir/t.yaml", "dir/a.yaml"}, {"../a.yaml", "dir/t.yaml", "dir/../a.yaml"},
        {"n/a.yaml", "/x/t.yaml", "/x/n/a.yaml"}, {"/n/a.yaml", "/x/t.yaml", "/n/a.yaml"},
    };
    char out[32];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(nat_profile_resolve(cases[i].name, cases[i].file, out, sizeof(out)), 0);
        assert_string_equal(out, cases[i].path);
    }
    assert_int_equal(nat_profile_resolve("./a.yaml", "dir/t.yaml", out, 10), -1);
}

static void test_shipped_ones(void **state)
{
    static const char *const wanted[] = {"address-restricted",
                                         "block-512",
                                         "block-eim",
                                         "cgnat",
                                         "cgnat-eim",
                                         "cellular-eim",
                                         "cgnat-block-eim",
                                         "double-nat",
                                         "firewall",
                                         "full-cone",
                                         "hairpin",
                                         "hashed",
                                         "open",
                                         "port-preserving",
                                         "port-restricted",
                                         "random",
                                         "random-adm",
                                         "sequential",
                                         "sequential-2",
                                         "sequential-busy",
                                         "sequential-down",
                                         "short-timeout",
                                         "udp-blocked"};
    char **names = NULL;
    size_t count = 0;
    struct lab_error err = {.text = ""};
    (void)state;
    assert_int_equal(nat_profile_list(&names, &count, &err), 0);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        struct nat_profile p;
        bool listed = false;
        for (size_t k = 0; k < count; k++)
            listed = listed || strcmp(names[k], wanted[i]) == 0;
        assert_true(listed);
        if (nat_profile_find(wanted[i], &p, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(p.name, wanted[i]);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static void test_compose(void **state)
{
    struct nat_profile home;
    struct nat_profile carrier;
    struct lab_error err = {.text = ""};
    (void)state;
    assert_int_equal(nat_profile_find("port-preserving", &home, &err), 0);
    assert_int_equal(nat_profile_find("cgnat-eim", &carrier, &err), 0);
    struct nat_profile both = nat_profile_compose(&carrier, &home);
    assert_int_equal(both.mapping, NAT_MAPPING_EIM);
    assert_int_equal(both.filtering, NAT_FILTERING_APDF); /* the home NAT's */
    assert_int_equal(both.allocation.type, NAT_ALLOC_RANDOM);
    assert_int_equal(both.timeout.udp_stream_s, 65);
    assert_string_equal(both.inside, "");
    /* What keeps ports shows the ports of what stands inside. */
    both = nat_profile_compose(&home, &carrier);
    assert_int_equal(both.allocation.type, NAT_ALLOC_RANDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_a_file_may_say),
        cmocka_unit_test(test_an_empty_file_is_port_preserving),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_axes),
        cmocka_unit_test(test_find_by_name),
        cmocka_unit_test(test_own_files),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_shipped_ones),
        cmocka_unit_test(test_compose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
