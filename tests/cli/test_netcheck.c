/* How a look at the network is shown: the profile is one that natlab reads back, the JSON is JSON
 * whatever a router says of itself, the verdict says what can work; and the built command over
 * loopback. */
#include "cli/netcheck.h"
#include "lab/nat/profile.h"
#include "tests/program.h"
#include "tests/survey_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct netcheck_view view_of(const struct ph_nat_facts *f)
{
    struct netcheck_view v = {.asked_portmap = true};

    v.report.v4 = *f;
    v.report.v6.lifetime.less_than = PH_NEVER;
    v.report.v6.allocation.cross_rate = -1;
    v.report.ipv4 = f->udp;
    v.report.ipv6 = PH_NO;
    v.report.easy = ph_outlook_easy(f, false);
    v.report.hard = ph_outlook_hard(f, false);
    return v;
}

static struct ph_nat_facts survey(const char *nat, bool lifetime)
{
    struct survey_world *w = survey_world_new(&(struct survey_world_config){.nat = nat, .seed = 2});
    struct ph_survey_config c = {.lifetime = lifetime};
    struct ph_nat_facts f;

    survey_start(w, &c);
    survey_run(w, 200 * PH_SEC, &f);
    survey_world_free(w);
    return f;
}

/* Writes by `write` and returns what was written. */
static char *written(void (*write)(FILE *to, const struct netcheck_view *v),
                     const struct netcheck_view *v)
{
    char *text = NULL;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    write(to, v);
    assert_int_equal(fclose(to), 0);
    return text;
}

/* ---- The profile */

static struct nat_profile load(const char *text)
{
    char path[] = "/tmp/pinhole-profile-XXXXXX";
    struct nat_profile p;
    struct lab_error err;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    int rc = nat_profile_load(path, &p, &err);
    unlink(path);
    if (rc != 0)
        fail_msg("%s in:\n%s", err.text, text);
    return p;
}

/* What is seen of a shipped NAT, written down and read back, is that NAT. */
static void test_profiles_read_back(void **state)
{
    struct lab_error err;
    char **names;
    size_t count;

    (void)state;
    assert_int_equal(nat_profile_list(&names, &count, &err), 0);
    for (size_t i = 0; i < count; i++) {
        struct nat_profile p, home;
        struct ph_nat_facts f = survey(names[i], false);
        struct netcheck_view v = view_of(&f);
        char *text = written(netcheck_profile, &v);
        struct nat_profile got = load(text);

        assert_int_equal(nat_profile_find(names[i], &p, &err), 0);
        if (p.inside[0] != '\0') {
            assert_int_equal(nat_profile_find(p.inside, &home, &err), 0);
            p = nat_profile_compose(&p, &home);
        }
        assert_string_equal(got.name, "measured");
        assert_int_equal(got.udp_blocked, p.udp_blocked);
        if (!p.udp_blocked &&
            (got.mapping != p.mapping || got.filtering != p.filtering || got.hairpin != p.hairpin))
            fail_msg("%s reads back as:\n%s", names[i], text);
        /* How the next socket's port is chosen does not show where each socket has one port. */
        bool shows = p.mapping == NAT_MAPPING_ADM || p.mapping == NAT_MAPPING_APDM;
        if (shows && (got.allocation.type != p.allocation.type ||
                      (p.allocation.type == NAT_ALLOC_SEQUENTIAL &&
                       got.allocation.step != p.allocation.step)))
            fail_msg("%s reads back as:\n%s", names[i], text);
        if (shows && p.allocation.type == NAT_ALLOC_BLOCK)
            assert_in_range(got.allocation.block, p.allocation.block / 2, p.allocation.block * 2);
        free(text);
        free(names[i]);
    }
    free(names);
}

static void test_profile_timeout(void **state)
{
    struct ph_nat_facts f = survey("port-preserving", true);
    struct netcheck_view v = view_of(&f);
    char *text = written(netcheck_profile, &v);
    struct nat_profile p = load(text);

    (void)state;
    assert_int_equal(p.timeout.udp_s, 30); /* between 25 and 35 */
    assert_non_null(strstr(text, "lived for 25 s, and not for 35 s"));
    free(text);

    f.lifetime = (struct ph_lifetime){185 * PH_SEC, PH_NEVER};
    v = view_of(&f);
    text = written(netcheck_profile, &v);
    p = load(text);
    assert_int_equal(p.timeout.udp_s, 185);
    free(text);
}

/* What is not known is a comment, and the rest is a profile all the same. */
static void test_profile_unknown(void **state)
{
    struct ph_nat_facts f = {.udp = PH_YES, .lifetime = {.less_than = PH_NEVER}};
    struct netcheck_view v = view_of(&f);
    char *text = written(netcheck_profile, &v);
    struct nat_profile p, defaults;

    (void)state;
    nat_profile_init(&defaults);
    p = load(text);
    assert_int_equal(p.mapping, defaults.mapping);
    assert_int_equal(p.filtering, defaults.filtering);
    assert_non_null(strstr(text, "# mapping: not known"));
    assert_non_null(strstr(text, "# filtering: not known"));
    assert_non_null(strstr(text, "# allocation: not known"));
    assert_non_null(strstr(text, "# hairpin: not known"));
    assert_non_null(strstr(text, "# port_mapping: nobody maps"));
    free(text);

    v.report.portmap[PH_PORTMAP_PCP].said = PH_PORTMAP_UNSUPPORTED;
    v.report.portmap[PH_PORTMAP_NATPMP].said = PH_PORTMAP_RELEASED;
    text = written(netcheck_profile, &v);
    assert_non_null(strstr(text, "port_mapping: {nat_pmp: true, pcp: false, upnp: false}"));
    free(text);

    /* Keeping ports and changing them by destination: natlab has no such NAT. */
    f.mapping = PH_MAPPING_APDM;
    f.allocation.type = PH_ALLOCATION_PRESERVING;
    f.allocation.cross_rate = -1;
    v = view_of(&f);
    text = written(netcheck_profile, &v);
    p = load(text);
    assert_int_equal(p.mapping, NAT_MAPPING_APDM);
    free(text);
    /* More than natlab can: the nearest that it can. */
    f.allocation = (struct ph_allocation){.type = PH_ALLOCATION_BLOCK, .low = 5000, .high = 5015};
    v = view_of(&f);
    text = written(netcheck_profile, &v);
    p = load(text);
    assert_int_equal(p.allocation.block, 64);
    free(text);
    f.allocation =
        (struct ph_allocation){.type = PH_ALLOCATION_SEQUENTIAL, .step = -900, .cross_rate = -1};
    v = view_of(&f);
    text = written(netcheck_profile, &v);
    p = load(text);
    assert_int_equal(p.allocation.step, -256);
    assert_int_equal(p.background.flows_per_second, 0);
    free(text);
    /* Other people's flows are a part of how it counts. */
    f.allocation.cross_rate = 19.6;
    v = view_of(&f);
    text = written(netcheck_profile, &v);
    p = load(text);
    assert_int_equal(p.background.flows_per_second, 20);
    assert_true(p.background.hosts > 0);
    free(text);
}

/* Behind two NATs the inner one's router is asked: natlab's would stand on the outer one, and then
 * the mapping would be of use. */
static void test_profile_of_two_nats(void **state)
{
    struct ph_nat_facts f = survey("double-nat", false);
    struct netcheck_view v = view_of(&f);

    (void)state;
    v.report.double_nat = PH_YES;
    v.report.mapped = true;
    v.report.portmap[PH_PORTMAP_PCP].said = PH_PORTMAP_RELEASED;
    char *text = written(netcheck_profile, &v);
    struct nat_profile p = load(text);
    assert_string_equal(p.inside, "port-preserving");
    assert_false(p.port_mapping.pcp);
    free(text);
    text = written(netcheck_text, &v);
    assert_non_null(strstr(text, "behind the second NAT a mapped port is of no use"));
    assert_non_null(strstr(text, "pcp      maps"));
    free(text);
}

/* ---- JSON and text */

static void json(FILE *to, const struct netcheck_view *v)
{
    assert_int_equal(netcheck_json(to, v), 0);
}

static void test_json(void **state)
{
    struct ph_nat_facts f = survey("sequential-2", false);
    struct netcheck_view v = view_of(&f);
    const char *said, *text, *type;
    json_error_t err;
    int step;

    (void)state;
    v.report.took = 123456789;
    v.report.portmap[PH_PORTMAP_UPNP].said = PH_PORTMAP_REFUSED;
    v.report.portmap[PH_PORTMAP_UPNP].code = 725;
    memcpy(v.report.portmap[PH_PORTMAP_UPNP].text, "box \xc3\xbc \xff\"", 9);
    v.report.relay_count = 2;
    v.report.relays[0].relay.addr = ph_addr_v4(192, 0, 2, 1, 3478);
    v.report.relays[0].answered = true;
    v.report.relays[0].rtt = 41234567;
    v.report.relays[1].relay.addr = ph_addr_v4(192, 0, 2, 2, 3478);
    char *out = written(json, &v);
    json_t *o = json_loads(out, 0, &err);
    if (!o)
        fail_msg("%s in %s", err.text, out);
    assert_int_equal(json_unpack(o, "{s:{s:{s:s,s:i}},s:{s:{s:{s:s,s:s}}}}", "v4", "allocation",
                                 "type", &type, "step", &step, "port_mapping", "protocols", "upnp",
                                 "said", &said, "text", &text),
                     0);
    assert_string_equal(type, "sequential");
    assert_int_equal(step, 2);
    assert_string_equal(said, "refused");
    assert_string_equal(text, "box ?? ?\"");
    assert_true(json_number_value(json_object_get(o, "took_ms")) == 123.457);
    assert_int_equal(json_array_size(json_object_get(json_object_get(o, "v4"), "samples")),
                     f.sample_count);
    json_t *relays = json_object_get(o, "relays");
    assert_true(json_is_true(json_object_get(json_array_get(relays, 0), "preferred")));
    assert_true(json_is_false(json_object_get(json_array_get(relays, 1), "preferred")));
    assert_true(json_is_null(json_object_get(json_array_get(relays, 1), "rtt_ms")));
    json_decref(o);
    free(out);
}

static void test_verdict(void **state)
{
    static const struct {
        enum ph_answer udp;
        enum ph_mapping_behaviour mapping;
        enum ph_filtering_behaviour filtering;
        enum ph_allocation_type allocation;
        bool mapped;
        const char *want;
    } cases[] = {
        {PH_YES, PH_MAPPING_EIM, PH_FILTERING_APDF, PH_ALLOCATION_PRESERVING, false,
         "against an easy peer: direct by hole punching; against a hard peer: maybe direct by port "
         "guessing, else by relay"},
        {PH_YES, PH_MAPPING_EIM, PH_FILTERING_EIF, PH_ALLOCATION_PRESERVING, false,
         "against an easy peer: direct by hole punching; against a hard peer: direct by hole "
         "punching"},
        {PH_YES, PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_SEQUENTIAL, false,
         "against an easy peer: maybe direct by port prediction or port guessing, else by relay; "
         "against a hard peer: by relay"},
        {PH_YES, PH_MAPPING_APDM, PH_FILTERING_APDF, PH_ALLOCATION_RANDOM, true,
         "against an easy peer: direct by a mapped port; against a hard peer: direct by a mapped "
         "port"},
        {PH_YES, PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN, PH_ALLOCATION_UNKNOWN, false,
         "against an easy peer: not known, by relay at least; against a hard peer: not known, by "
         "relay at least"},
        {PH_NO, PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN, PH_ALLOCATION_UNKNOWN, false,
         "this machine has no IP address"},
        {PH_ANSWER_UNKNOWN, PH_MAPPING_UNKNOWN, PH_FILTERING_UNKNOWN, PH_ALLOCATION_UNKNOWN, false,
         "no server was asked"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ph_nat_facts f = {.udp = cases[i].udp,
                                 .mapping = cases[i].mapping,
                                 .filtering = cases[i].filtering,
                                 .allocation = {.type = cases[i].allocation, .cross_rate = -1}};
        struct netcheck_view v = view_of(&f);
        char verdict[NETCHECK_VERDICT];

        v.report.easy = ph_outlook_easy(&f, cases[i].mapped);
        v.report.hard = ph_outlook_hard(&f, cases[i].mapped);
        netcheck_verdict(&v.report, verdict);
        if (strncmp(verdict, cases[i].want, strlen(cases[i].want)) != 0)
            fail_msg("case %zu: %s", i, verdict);
    }
}

static void test_text(void **state)
{
    struct ph_nat_facts f = survey("block-512", false);
    struct netcheck_view v = view_of(&f);

    (void)state;
    memcpy(v.report.portmap[PH_PORTMAP_UPNP].text, "\x1b[2J box", 8);
    char *out = written(netcheck_text, &v);
    assert_non_null(strstr(out, "mapping       address-and-port-dependent\n"));
    assert_non_null(strstr(out, "allocation    block:"));
    assert_null(strchr(out, '\x1b')); /* a router does not command the terminal */
    assert_non_null(strstr(out, "?[2J box"));
    for (size_t i = 0; i < f.sample_count; i++) {
        char mapped[PH_ADDR_STRLEN];
        assert_non_null(strstr(out, ph_addr_format(&f.samples[i].mapped, mapped)));
    }
    for (const char *at = out; (at = strchr(at, '\n')) != NULL; at++)
        assert_true(at == out || at[-1] != ' ');
    free(out);
}

/* ---- The command, over loopback */

struct relay {
    pid_t pid;
    int fd;
    unsigned port; /* of 127.0.0.1 */
};

/* The relay's port is the system's choice, its others are beside it. */
static bool relay_start_at(struct relay *r, const char *pinhole, unsigned port)
{
    char a1[32], a2[32], b1[32], b2[32], line[128];
    int fds[2];

    (void)snprintf(a1, sizeof(a1), "127.0.0.1:%u", port);
    (void)snprintf(a2, sizeof(a2), "127.0.0.2:%u", port);
    (void)snprintf(b1, sizeof(b1), "127.0.0.1:%u", port + 1);
    (void)snprintf(b2, sizeof(b2), "127.0.0.2:%u", port + 1);
    const char *const argv[] = {pinhole,    "relay", "--listen", a1, "--listen", a2,
                                "--listen", b1,      "--listen", b2, NULL};
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r->pid = program_start(argv, fds[1]);
    r->fd = fds[0];
    r->port = port;
    close(fds[1]);
    ssize_t n = read(r->fd, line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    return strncmp(line, "relay on ", 9) == 0;
}

static void relay_stop(struct relay *r)
{
    int status;

    kill(r->pid, SIGTERM);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    close(r->fd);
}

static struct relay relay_start(const char *pinhole)
{
    struct relay r;

    for (unsigned i = 0; i < 20; i++) {
        if (relay_start_at(&r, pinhole, 20000 + ((unsigned)getpid() * 16 + i * 2) % 10000))
            return r;
        relay_stop(&r);
    }
    fail_msg("no two free ports");
    return r;
}

static void test_command(void **state)
{
    const char *pinhole = program_built(program_pinhole());
    struct relay r = relay_start(pinhole);
    char addr[32], out[16384];
    json_error_t err;

    (void)state;
    (void)snprintf(addr, sizeof(addr), "127.0.0.1:%u", r.port);
    const char *const text[] = {pinhole, "netcheck", "--relay", addr, "--no-portmap", NULL};
    assert_int_equal(program_run(text, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "UDP           yes\n"));
    assert_non_null(strstr(out, "mapping       none (no NAT)\n"));
    assert_non_null(strstr(out, "filtering     endpoint-independent\n"));
    assert_non_null(strstr(out, "preferred"));
    assert_non_null(
        strstr(out, "easy peer (behind an ordinary home router)   direct by hole punching\n"));

    const char *const as_json[] = {pinhole,  "netcheck",     "--relay", addr,
                                   "--json", "--no-portmap", NULL};
    assert_int_equal(program_run(as_json, out, sizeof(out)), 0);
    json_t *o = json_loads(out, 0, &err);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "udp")), "yes");
    assert_true(json_number_value(json_object_get(o, "took_ms")) < 3000);
    json_decref(o);

    const char *const profile[] = {pinhole,     "netcheck",     "--relay", addr,
                                   "--profile", "--no-portmap", NULL};
    assert_int_equal(program_run(profile, out, sizeof(out)), 0);
    struct nat_profile p = load(out);
    assert_int_equal(p.mapping, NAT_MAPPING_NONE);
    relay_stop(&r);

    /* Nobody there any more. */
    assert_int_equal(program_run(text, out, sizeof(out)), 1);
    assert_non_null(strstr(out, "no server answered: UDP is blocked here, or none of them is up"));
}

/* A name server that is mute holds nobody up: the resolver alone would ask for 20 s. In a network
 * of its own, whose only route leads nowhere. */
static void test_mute_name_server(void **state)
{
    static const char script[] = "f=$(mktemp) && echo nameserver 192.0.2.53 >$f && "
                                 "mount --bind $f /etc/resolv.conf && rm $f && "
                                 "ip link set lo up && ip route add default dev lo || exit 99; "
                                 "\"$0\" netcheck --relay relay.example";
    const char *const argv[] = {
        "unshare", "-rnm", "sh", "-c", script, program_built(program_pinhole()), NULL};
    char out[8192];
    int code = program_run(argv, out, sizeof(out));

    (void)state;
    if (!strstr(out, "pinhole")) {
        print_message("skipped: no namespaces for this: %s\n", out);
        skip();
    }
    assert_int_equal(code, 3);
    assert_non_null(strstr(out, "no answer in 1 s to the question for the address of"));
    assert_non_null(strstr(out, "'relay.example'"));
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *args[6];
        int code;
        const char *says;
    } cases[] = {
        {{"netcheck", "--help"}, 0, "--no-portmap"},
        {{"netcheck", "host"}, 2, "'host'"},
        {{"netcheck", "--json", "--profile"}, 2, "choose one"},
        {{"netcheck", "--stun", "a:b:c"}, 2, "'a:b:c'"},
        {{"netcheck", "--relay", "127.0.0.1:0x10"}, 2, "'127.0.0.1:0x10'"},
    };
    const char *pinhole = program_built(program_pinhole());

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[8] = {pinhole};
        char out[8192];

        for (size_t k = 0; k < 6; k++)
            argv[k + 1] = cases[i].args[k];
        int code = program_run(argv, out, sizeof(out));
        if (code != cases[i].code || !strstr(out, cases[i].says))
            fail_msg("case %zu: exit %d, and says: %s", i, code, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles_read_back),
        cmocka_unit_test(test_profile_timeout),
        cmocka_unit_test(test_profile_unknown),
        cmocka_unit_test(test_profile_of_two_nats),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_mute_name_server),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
