/* On the real kernel: mappers behind a real and behind a faulty router, a netcheck, and a call that
 * is direct by a mapped port alone. One trial or two of each; the scenarios have many. */
#include "tests/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/natlab-subjects-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    const char *rm[] = {"rm", "-rf", folder, NULL};
    return program_run(rm, NULL, 0);
}

/* Exit 0 says that every expectation held; 3, that something is not installed. */
static void run_it(const char *text)
{
    char scenario[128], out[128], said[16384];
    static int number;
    if (!program_lab_works())
        skip();
    snprintf(scenario, sizeof(scenario), "%s/s.yaml", folder);
    snprintf(out, sizeof(out), "%s/%d", folder, number++);
    FILE *f = fopen(scenario, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    const char *argv[] = {program_natlab(), "run", scenario, "--out", out, "--seed", "1", NULL};
    int code = program_run(argv, said, sizeof(said));
    if (code == 3) {
        print_message("%s\n", said);
        skip();
    }
    if (code != 0)
        fail_msg("exit code %d:\n%s", code, said);
}

static void test_real_router(void **state)
{
    (void)state;
    run_it("name: real\ntopology: one-nat\nsubject: map\ntrials: 2\nhold: 200ms\n"
           "matrix: {a.nat: [random], port_mapping: [pcp, nat_pmp, upnp, all, none], link: [0ms]}\n"
           "expect:\n  - {rate: as-expected, is: all}\n  - {rate: released, is: all}\n"
           "  - {rate: double-nat, is: none}\n");
}

static void test_faulty_router(void **state)
{
    (void)state;
    run_it("name: faulty\ntopology: one-nat\nsubject: map\ntrials: 1\nhold: 2500ms\n"
           "matrix: {a.nat: [random], fault: [short-lifetime, only-permanent, refuses-all,\n"
           "         shared-external], link: [0ms]}\n"
           "expect:\n  - {rate: as-expected, is: all}\n  - {rate: released, is: all}\n"
           "  - {when: {fault: shared-external}, rate: double-nat, is: all}\n");
}

static void test_netcheck(void **state)
{
    (void)state;
    run_it("name: looks\ntopology: one-nat\nsubject: netcheck\ntrials: 1\n"
           "matrix: {a.nat: [random, cgnat, full-cone], port_mapping: [all], link: [20ms]}\n"
           "expect:\n  - {rate: mapping-right, is: all}\n  - {rate: filtering-right, is: all}\n"
           "  - {rate: mapped, is: all}\n  - {rate: released, is: all}\n"
           "  - {when: {a.nat: cgnat}, rate: double-nat, is: all}\n"
           "  - {when: {a.nat: random}, rate: double-nat, is: none}\n");
}

static void test_call(void **state)
{
    (void)state;
    run_it("name: calls\ntopology: two-nats\ntrials: 1\nmedia: 200ms\ngive_up: 3s\n"
           "matrix: {a.nat: [random], b.nat: [random], port_mapping: [pcp, upnp, none, off],\n"
           "         link: [20ms]}\n"
           "expect:\n  - {rate: connected, is: all}\n  - {rate: released, is: all}\n"
           "  - {when: {port_mapping: [pcp, upnp]}, rate: by-portmap, is: all}\n"
           "  - {when: {port_mapping: [none, \"off\"]}, rate: direct, is: none}\n");
}

/* Without the real server the mend is told, and no grid that would pass for a result. */
static void test_nothing_installed(void **state)
{
    (void)state;
    char out[128], said[8192], natlab[4096];
    if (!program_lab_works())
        skip();
    snprintf(out, sizeof(out), "%s/none", folder);
    assert_non_null(realpath(program_natlab(), natlab));
    const char *hide = "if [ -e /usr/sbin/miniupnpd ]; then\n"
                       "    mount --bind /dev/null /usr/sbin/miniupnpd || exit 4\n"
                       "fi\n"
                       "exec \"$0\" \"$@\"";
    const char *argv[] = {"unshare", "-rm",     "sh",       "-c", hide,     natlab,
                          "run",     "portmap", "--trials", "1",  "--cell", "port_mapping=pcp",
                          "--out",   out,       NULL};
    int code = program_run(argv, said, sizeof(said));
    if (code != 3)
        fail_msg("exit code %d:\n%s", code, said);
    assert_non_null(strstr(said, "miniupnpd-nftables"));
    assert_null(strstr(said, "failed"));
    assert_null(strstr(said, "results:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_router),       cmocka_unit_test(test_faulty_router),
        cmocka_unit_test(test_netcheck),          cmocka_unit_test(test_call),
        cmocka_unit_test(test_nothing_installed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
