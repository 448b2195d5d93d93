/* A living lab from the outside: the commands of natlab and their exit codes. The labs live in a
 * folder of the test's own, so it meets nobody else's. */
#include "tests/program.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OUT 8192

static char folder[64];
static bool works;

/* natlab with these words (the last is NULL); its exit code. */
static int natlab(char out[OUT], ...)
{
    const char *argv[16] = {program_natlab()};
    size_t n = 1;
    va_list ap;

    va_start(ap, out);
    while (n < 15 && (argv[n] = va_arg(ap, const char *)) != NULL) {
        n++;
    }
    va_end(ap);
    return program_run(argv, out, OUT);
}

static void need_lab(void)
{
    if (!works) {
        printf("natlab doctor says that this machine cannot\n");
        skip();
    }
}

/* Ends what a failed test left, so that the next one starts with nothing. */
static int all_down(void **state)
{
    char out[OUT];

    (void)state;
    return works ? natlab(out, "down", "--all", NULL) : 0;
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/natlab-living-XXXXXX");
    if (access(program_natlab(), X_OK) != 0 || mkdtemp(folder) == NULL ||
        setenv("XDG_RUNTIME_DIR", folder, 1) != 0) {
        printf("no %s here\n", program_natlab());
        return 0;
    }
    works = program_lab_works();
    return 0;
}

static int teardown(void **state)
{
    const char *rm[] = {"rm", "-rf", folder, NULL};

    (void)all_down(state);
    return program_run(rm, NULL, 0);
}

static void expect(int code, int wanted, const char *out, const char *part)
{
    if (code != wanted || strstr(out, part) == NULL) {
        fail_msg("exit code %d, not %d, or no \"%s\" in:\n%s", code, wanted, part, out);
    }
}

static void commands_help_and_unknown_words(void **state)
{
    static const char *const commands[] = {"run",  "nat",   "up", "ls",    "exec",
                                           "down", "shell", "gc", "doctor"};
    char out[OUT];

    (void)state;
    if (access(program_natlab(), X_OK) != 0) {
        printf("no %s here\n", program_natlab());
        skip();
    }
    expect(natlab(out, "--help", NULL), 0, out, "doctor");
    expect(natlab(out, NULL), 2, out, "Usage: natlab COMMAND");
    expect(natlab(out, "dotcor", NULL), 2, out, "did you mean doctor?");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char usage[64];

        snprintf(usage, sizeof(usage), "Usage: natlab %s", commands[i]);
        expect(natlab(out, commands[i], "--help", NULL), 0, out, usage);
        expect(natlab(out, commands[i], "--no-such-option", NULL), 2, out, "--no-such-option");
    }
}

static void doctor_in_json(void **state)
{
    char out[OUT];
    int code;
    json_t *root, *checks;

    (void)state;
    if (access(program_natlab(), X_OK) != 0) {
        printf("no %s here\n", program_natlab());
        skip();
    }
    code = natlab(out, "doctor", "--json", NULL);
    root = json_loads(out, 0, NULL);
    assert_non_null(root);
    checks = json_object_get(root, "checks");
    assert_true(json_array_size(checks) >= 8);
    assert_int_equal(code, json_is_true(json_object_get(root, "ok")) ? 0 : 3);
    bool router = false, witnesses = false;
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *c = json_array_get(checks, i);
        bool ok = json_is_true(json_object_get(c, "ok"));

        assert_true(json_is_string(json_object_get(c, "name")));
        /* Whatever is missing has a mend. */
        assert_true(ok || json_string_length(json_object_get(c, "mend")) > 0);
        assert_true(code == 3 || ok || json_is_false(json_object_get(c, "needed")));
        if (strcmp(json_string_value(json_object_get(c, "name")), "miniupnpd") == 0) {
            router = true;
            assert_true(ok || access("/usr/sbin/miniupnpd", X_OK) != 0);
        }
        if (strcmp(json_string_value(json_object_get(c, "name")), "witnesses for tests") == 0) {
            witnesses = true;
        }
    }
    /* It is one that serves, started for this; without it the lab runs all the same. */
    assert_true(router || code == 3);
    assert_true(witnesses);
    json_decref(root);
}

/* Beside the NAT's rules those of its port-mapping server; no kernel is asked. */
static void a_routers_rules_are_shown(void **state)
{
    char out[OUT];

    (void)state;
    if (access(program_natlab(), X_OK) != 0) {
        printf("no %s here\n", program_natlab());
        skip();
    }
    expect(natlab(out, "nat", "show", "random", "--set", "port_mapping.pcp=true", NULL), 0, out,
           "# On its LAN stands a port-mapping server, miniupnpd, for pcp. Its rules:\n"
           "table inet pinhole_map {");
    /* NAT-PMP, which is not wanted, is kept from it. */
    assert_non_null(strstr(out, "udp dport 5351 @th,64,8 == 0 drop"));
    expect(natlab(out, "nat", "show", "random", "--set", "port_mapping.upnp=true", "--set",
                  "port_mapping.faults=[chunked]", NULL),
           0, out, "server, scripted, for upnp");
    assert_non_null(strstr(out, "map @forward"));
    expect(natlab(out, "nat", "show", "random", NULL), 0, out, "table ip pinhole {");
    assert_null(strstr(out, "pinhole_map"));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What is no kernel's business: words too many, and where results cannot go. */
static void words_and_folders_that_do_not_fit(void **state)
{
    static const char text[] = "name: same\ntopology: two-nats\ntrials: 1\nmedia: 0\n"
                               "matrix: {a.nat: [open]}\n";
    char out[OUT], path[128], results[128], below[160];
    struct stat st;

    (void)state;
    if (access(program_natlab(), X_OK) != 0) {
        printf("no %s here\n", program_natlab());
        skip();
    }
    expect(natlab(out, "nat", "list", "extra", NULL), 2, out, "\"extra\" is one word too many");
    snprintf(path, sizeof(path), "%s/a.yaml", folder);
    snprintf(results, sizeof(results), "%s/results", folder);
    write_file(path, text);
    expect(natlab(out, "run", "--world", "sim", path, path, "--out", results, NULL), 2, out,
           "both named same");
    assert_int_equal(stat(results, &st), -1); /* nothing was run */
    snprintf(below, sizeof(below), "%s/below", path);
    expect(natlab(out, "run", "--world", "sim", path, "--out", below, NULL), 3, out,
           "name another folder with --out");
}

/* A profile of one's own: shown, in a topology, and in place of a topology's. */
static void own_profiles(void **state)
{
    char out[OUT], nat[128], topology[128], setting[160];

    (void)state;
    need_lab();
    snprintf(nat, sizeof(nat), "%s/mynat.yaml", folder);
    snprintf(topology, sizeof(topology), "%s/t.yaml", folder);
    snprintf(setting, sizeof(setting), "b=%s", nat);
    write_file(nat, "name: mine\ngateway: reject\n");
    write_file(topology, "name: t\nnetworks: {net: {}}\n"
                         "nats:\n"
                         "  a: {profile: ./mynat.yaml, outside: net}\n"
                         "hosts:\n  a: {inside: a}\n");
    expect(natlab(out, "up", "two-nats", "--nat", setting, NULL), 0, out, "NAT mine");
    expect(natlab(out, "up", topology, NULL), 0, out, "NAT mine");
    expect(natlab(out, "down", "--all", NULL), 0, out, "t is down");
    write_file(topology, "name: t\nnetworks: {net: {}}\n"
                         "nats:\n"
                         "  a: {profile: nosuch, outside: net}\n"
                         "hosts:\n  a: {inside: a}\n");
    expect(natlab(out, "up", topology, NULL), 2, out, "/t.yaml:4:16: ");
}

static void a_lab_from_up_to_down(void **state)
{
    char out[OUT];

    (void)state;
    need_lab();
    expect(natlab(out, "ls", NULL), 0, out, "No lab is living");
    expect(natlab(out, "up", "two-nats", "--nat", "a=full-cone", "--link", "20ms", NULL), 0, out,
           "NAT full-cone");
    expect(natlab(out, "ls", NULL), 0, out, "two-nats");
    expect(natlab(out, "ls", "two-nats", NULL), 0, out, "internet.1");

    /* Inside, the node's own addresses and nobody else's. */
    expect(natlab(out, "exec", "a", "--", "cat", "/proc/net/fib_trie", NULL), 0, out,
           "/32 host LOCAL");
    expect(natlab(out, "exec", "two-nats", "a.nat", "--", "cat", "/proc/sys/net/ipv4/ip_forward",
                  NULL),
           0, out, "1");
    expect(natlab(out, "exec", "b", "--", "sh", "-c", "echo at $NATLAB_LAB $NATLAB_NODE", NULL), 0,
           out, "at two-nats b");

    expect(natlab(out, "down", NULL), 0, out, "two-nats is down");
    expect(natlab(out, "ls", NULL), 0, out, "No lab is living");
    expect(natlab(out, "exec", "a", "--", "true", NULL), 2, out, "no lab is living");
    expect(natlab(out, "down", NULL), 2, out, "no lab is living");
    expect(natlab(out, "down", "--all", NULL), 0, out, "");
}

static void exit_codes_are_the_programs(void **state)
{
    char out[OUT];

    (void)state;
    need_lab();
    expect(natlab(out, "up", "two-nats", NULL), 0, out, "is up");
    expect(natlab(out, "exec", "a", "--", "sh", "-c", "exit 42", NULL), 42, out, "");
    expect(natlab(out, "exec", "a", "--", "sh", "-c", "kill -9 $$", NULL), 128 + 9, out, "");
    expect(natlab(out, "exec", "a", "--", "no-such-program", NULL), 127, out, "no-such-program");
    expect(natlab(out, "exec", "a", "--", "/", NULL), 126, out, "/");
    expect(natlab(out, "exec", "a", NULL), 2, out, "what is to be run?");
    expect(natlab(out, "exec", "--", "true", NULL), 2, out, "which node?");
    expect(natlab(out, "exec", "nobody", "--", "true", NULL), 2, out,
           "\"nobody\" is no node of the lab \"two-nats\"; it has a b");
    expect(natlab(out, "exec", "elsewhere", "a", "--", "true", NULL), 2, out,
           "no lab named \"elsewhere\" is living; there is two-nats");
    setenv("SHELL", "/bin/sh", 1);
    expect(natlab(out, "shell", "a", NULL), 0, out, "");
    expect(natlab(out, "down", NULL), 0, out, "is down");
}

static void several_labs(void **state)
{
    char out[OUT];

    (void)state;
    need_lab();
    expect(natlab(out, "up", "two-nats", "--name", "one", NULL), 0, out, "one is up");
    expect(natlab(out, "up", "two-nats", "--name", "one", NULL), 2, out, "living already");
    expect(natlab(out, "up", "no-nat", "--name", "two", NULL), 0, out, "two is up");
    expect(natlab(out, "exec", "a", "--", "true", NULL), 2, out,
           "several labs are living, say which: one, two");
    expect(natlab(out, "exec", "two", "a", "--", "true", NULL), 0, out, "");
    expect(natlab(out, "down", NULL), 2, out, "say which");
    expect(natlab(out, "down", "one", "two", NULL), 0, out, "two is down");
}

static void bad_words_to_up(void **state)
{
    static const struct {
        const char *option, *value, *says;
    } cases[] = {
        {"--nat", "a=no-such-profile", "no-such-profile"},
        {"--nat", "zz=full-cone", "zz"},
        {"--nat", "a", "NAT=PROFILE"},
        {"--gateway", "sometimes", "accept, drop or reject"},
        {"--link", "fast", "fast"},
        {"--name", "../x", "cannot be a lab's name"},
        {"--name", "", "cannot be a lab's name"},
        {"--seed", "one", "must be a number"},
    };
    char out[OUT];

    (void)state;
    need_lab();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(natlab(out, "up", "two-nats", cases[i].option, cases[i].value, NULL), 2, out,
               cases[i].says);
    }
    expect(natlab(out, "up", "no-such-topology", NULL), 2, out, "no-such-topology");
    expect(natlab(out, "ls", NULL), 0, out, "No lab is living");
}

/* The pid of the living process that is named so and has this test's folder in its environment; 0:
 * none. */
static pid_t find_process(const char *name)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    pid_t found = 0;

    assert_non_null(proc);
    while (found == 0 && (e = readdir(proc)) != NULL) {
        char path[320], text[4096] = "", want[128];
        FILE *f;
        size_t n;

        snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
        f = fopen(path, "r");
        if (f == NULL) {
            continue;
        }
        n = fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        if (n == 0 || strncmp(text, name, strlen(name)) != 0) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%s/environ", e->d_name);
        f = fopen(path, "r");
        if (f == NULL) {
            continue;
        }
        n = fread(text, 1, sizeof(text), f);
        (void)fclose(f);
        snprintf(want, sizeof(want), "XDG_RUNTIME_DIR=%s", folder);
        if (memmem(text, n, want, strlen(want)) != NULL) {
            found = (pid_t)strtol(e->d_name, NULL, 10);
        }
    }
    (void)closedir(proc);
    return found;
}

static void a_killed_holder_leaves_nothing(void **state)
{
    char out[OUT], path[128];
    pid_t holder, shaper;
    struct pollfd p = {.events = POLLIN};

    (void)state;
    need_lab();
    expect(natlab(out, "up", "two-nats", "--link", "20ms", NULL), 0, out, "is up");
    holder = find_process("natlab-holder");
    shaper = find_process("natlab-shaper");
    assert_true(holder > 0);
    assert_true(shaper > 0);
    p.fd = (int)syscall(SYS_pidfd_open, shaper, 0);
    assert_true(p.fd >= 0);
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(p.fd);
    snprintf(path, sizeof(path), "%s/natlab/two-nats.sock", folder);
    assert_int_equal(access(path, F_OK), 0);
    expect(natlab(out, "exec", "two-nats", "a", "--", "true", NULL), 2, out, "is living");
    assert_int_equal(access(path, F_OK), -1);
    /* The name is free. */
    expect(natlab(out, "up", "two-nats", NULL), 0, out, "is up");
    holder = find_process("natlab-holder");
    p.fd = (int)syscall(SYS_pidfd_open, holder, 0);
    assert_true(p.fd >= 0);
    assert_int_equal(kill(holder, SIGTERM), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(p.fd);
    assert_int_equal(access(path, F_OK), -1);
    expect(natlab(out, "gc", NULL), 0, out, "0 removed, 0 living");
}

/* Port mapping from a profile of one's own: ordinary clients find the router, and it goes with the
 * lab. */
static void a_router_that_maps(void **state)
{
    char out[OUT], path[96], setting[112];
    struct pollfd p = {.events = POLLIN};
    FILE *f;

    (void)state;
    need_lab();
    if (access("/usr/sbin/miniupnpd", X_OK) != 0 || access("/usr/bin/upnpc", X_OK) != 0 ||
        access("/usr/bin/natpmpc", X_OK) != 0) {
        printf("missing: sudo apt-get install miniupnpd-nftables miniupnpc natpmpc\n");
        skip();
    }
    snprintf(path, sizeof(path), "%s/mine.yaml", folder);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("name: mine\nport_mapping: {nat_pmp: true, pcp: true, upnp: true}\n", f);
    fclose(f);
    snprintf(setting, sizeof(setting), "a=%s", path);
    expect(natlab(out, "up", "two-nats", "--nat", setting, NULL), 0, out, "NAT mine");
    expect(natlab(out, "exec", "a", "--", "upnpc", "-s", NULL), 0, out, "Found valid IGD");
    expect(natlab(out, "exec", "a", "--", "natpmpc", NULL), 0, out, "Public IP address : 11.");
    assert_true(find_process("miniupnpd") > 0);
    expect(natlab(out, "down", NULL), 0, out, "two-nats is down");
    assert_int_equal(find_process("miniupnpd"), 0);

    /* Nor does it outlive a holder that was killed. */
    expect(natlab(out, "up", "two-nats", "--nat", setting, NULL), 0, out, "NAT mine");
    p.fd = (int)syscall(SYS_pidfd_open, find_process("miniupnpd"), 0);
    assert_true(p.fd >= 0);
    assert_int_equal(kill(find_process("natlab-holder"), SIGKILL), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    close(p.fd);
}

static void a_folder_of_others_is_refused(void **state)
{
    char out[OUT], path[128];

    (void)state;
    need_lab();
    snprintf(path, sizeof(path), "%s/natlab", folder);
    assert_int_equal(chmod(path, 0755), 0);
    expect(natlab(out, "ls", NULL), 3, out, "belongs to you alone");
    expect(natlab(out, "up", "two-nats", NULL), 3, out, "Mend: ");
    assert_int_equal(chmod(path, 0700), 0);
    expect(natlab(out, "ls", NULL), 0, out, "No lab is living");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_help_and_unknown_words),
        cmocka_unit_test(doctor_in_json),
        cmocka_unit_test(a_routers_rules_are_shown),
        cmocka_unit_test(words_and_folders_that_do_not_fit),
        cmocka_unit_test_teardown(own_profiles, all_down),
        cmocka_unit_test_teardown(a_lab_from_up_to_down, all_down),
        cmocka_unit_test_teardown(exit_codes_are_the_programs, all_down),
        cmocka_unit_test_teardown(several_labs, all_down),
        cmocka_unit_test_teardown(bad_words_to_up, all_down),
        cmocka_unit_test_teardown(a_killed_holder_leaves_nothing, all_down),
        cmocka_unit_test_teardown(a_router_that_maps, all_down),
        cmocka_unit_test_teardown(a_folder_of_others_is_refused, all_down),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
