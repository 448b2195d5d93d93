/* The built command, over loopback: a relay, one who answers, calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/program.h"
#include "tests/running.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct running relay, answer;
static char relay_addr[64], fingerprint[65];

static int group_setup(void **state)
{
    const char *pinhole = program_pinhole();

    (void)state;
    if (access(pinhole, X_OK) != 0) {
        return 0; /* the tests skip */
    }
    running_start(&relay, (const char *[]){pinhole, "relay", "--listen", "127.0.0.1:0", NULL});
    if (sscanf(running_await(&relay, "relay on "), "relay on %63s", relay_addr) != 1) {
        return -1;
    }
    running_start(&answer, (const char *[]){pinhole, "answer", "--relay", relay_addr, NULL});
    if (sscanf(running_await(&answer, "fingerprint "), "fingerprint %64s", fingerprint) != 1) {
        return -1;
    }
    running_await(&answer, "registered; the relay sees 127.0.0.1:");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    running_end_all();
    return 0;
}

static void a_call_connects_and_ends_in_time(void **state)
{
    const char *const argv[] = {program_built(program_pinhole()),
                                "call",
                                fingerprint,
                                "--relay",
                                relay_addr,
                                "--duration",
                                "0.3",
                                "--json",
                                NULL};
    char out[8192];

    (void)state;
    assert_int_equal(program_run(argv, out, sizeof(out)), 0);
    assert_non_null(strstr(out, "{\"event\":\"registered\""));
    assert_non_null(strstr(out, "{\"event\":\"calling\""));
    assert_non_null(strstr(out, "{\"event\":\"connected\""));
    assert_non_null(strstr(out, "\"path\":\"relay\""));
    assert_non_null(strstr(out, "{\"event\":\"ended\""));
    assert_non_null(strstr(out, "\"connected\":true"));
    assert_non_null(strstr(out, "\"reason\":\"hung up\""));
    running_await(&answer, "a call from ");
    running_await(&answer, "the other side ended it");
}

/* A second relay that names the first: whoever registers there finds the answerer here. */
static void a_peer_at_another_relay_is_found(void **state)
{
    static struct running second;
    char other[128], second_addr[64], out[8192], want[160];
    const char *pinhole = program_built(program_pinhole());

    (void)state;
    snprintf(other, sizeof(other), "%s=north", relay_addr);
    running_start(&second, (const char *[]){pinhole, "relay", "--listen", "127.0.0.1:0", "--region",
                                            "south", "--other", other, NULL});
    assert_int_equal(sscanf(running_await(&second, "relay on "), "relay on %63s", second_addr), 1);
    const char *const argv[] = {pinhole,      "call", fingerprint, "--relay", second_addr,
                                "--duration", "0.3",  "--json",    NULL};
    assert_int_equal(program_run(argv, out, sizeof(out)), 0);
    snprintf(want, sizeof(want), "\"relay\":\"%s\",\"region\":\"south\",\"rtt_ms\":", second_addr);
    assert_non_null(strstr(out, want));
    snprintf(want, sizeof(want), "\"path\":\"relay\",\"relay\":\"%s\"", relay_addr);
    assert_non_null(strstr(out, want));
    assert_int_equal(running_finish(&second, SIGTERM), 0);
    running_await(&answer, "a call from ");
    running_await(&answer, "the other side ended it");
}

static void an_unknown_peer_is_said(void **state)
{
    char nobody[65];
    const char *const argv[] = {
        program_built(program_pinhole()), "call", nobody, "--relay", relay_addr, NULL};
    char out[8192];

    (void)state;
    memset(nobody, '7', 64);
    nobody[64] = '\0';
    assert_int_equal(program_run(argv, out, sizeof(out)), 1);
    assert_non_null(strstr(out, "nobody of this fingerprint is registered"));
}

static void an_interrupted_call_says_so(void **state)
{
    static struct running call;

    (void)state;
    running_start(&call, (const char *[]){program_built(program_pinhole()), "call", fingerprint,
                                          "--relay", relay_addr, NULL});
    running_await(&call, "connected by the relay");
    assert_int_equal(running_finish(&call, SIGINT), 130);
}

static void stun_shows_the_address(void **state)
{
    const char *const argv[] = {program_built(program_pinhole()), "stun", relay_addr, NULL};
    char out[1024];

    (void)state;
    assert_int_equal(program_run(argv, out, sizeof(out)), 0);
    assert_non_null(strstr(out, " sees 127.0.0.1:"));
}

static void stun_asks_by_ipv6_too(void **state)
{
    static struct running six;
    char addr[64], out[1024], sees[128];
    const char *const argv[] = {
        program_built(program_pinhole()), "stun", "-6", addr, "--json", NULL};

    (void)state;
    running_start(&six, (const char *[]){program_built(program_pinhole()), "relay", "--listen",
                                         "[::1]:0", NULL});
    if (poll(&(struct pollfd){.fd = six.fd, .events = POLLIN}, 1, RUNNING_PATIENCE_MS) == 1) {
        ssize_t n = read(six.fd, six.out, sizeof(six.out) - 1);

        six.out[n > 0 ? n : 0] = '\0';
    }
    if (sscanf(six.out, "relay on %63s", addr) != 1) {
        running_finish(&six, SIGKILL);
        print_message("skipped: no IPv6 here: %s\n", six.out);
        skip();
    }
    assert_int_equal(program_run(argv, out, sizeof(out)), 0);
    snprintf(sees, sizeof(sees), "{\"server\":\"%s\",\"mapped\":\"[::1]:", addr);
    assert_non_null(strstr(out, sees));
    assert_non_null(strstr(out, "\"rtt_ms\":"));
    assert_int_equal(running_finish(&six, SIGTERM), 0);
}

/* A relay of both families: who has one of them meets who has the other. */
static void a_relay_has_both_families(void **state)
{
    static struct running both, callee;
    const char *pinhole = program_built(program_pinhole());
    char by4[64], by6[64], called[65], out[8192], want[160];
    unsigned port;

    (void)state;
    running_start(&both, (const char *[]){pinhole, "relay", "--listen", "127.0.0.1:0", NULL});
    assert_int_equal(sscanf(running_await(&both, "relay on "), "relay on 127.0.0.1:%u", &port), 1);
    assert_int_equal(running_finish(&both, SIGTERM), 0);
    /* The same port of both: nobody else has had it since. */
    snprintf(by4, sizeof(by4), "127.0.0.1:%u", port);
    snprintf(by6, sizeof(by6), "[::1]:%u", port);
    running_start(&both,
                  (const char *[]){pinhole, "relay", "--listen", by6, "--listen", by4, NULL});
    if (poll(&(struct pollfd){.fd = both.fd, .events = POLLIN}, 1, RUNNING_PATIENCE_MS) != 1 ||
        read(both.fd, out, sizeof(out)) <= 0) {
        running_finish(&both, SIGKILL);
        print_message("skipped: no relay of both families can be had here\n");
        skip();
    }
    running_start(&callee, (const char *[]){pinhole, "answer", "--relay", by4, NULL});
    assert_int_equal(sscanf(running_await(&callee, "fingerprint "), "fingerprint %64s", called), 1);
    running_await(&callee, "registered; the relay sees 127.0.0.1:");
    const char *const argv[] = {pinhole,      "call", called,   "--relay", by6,
                                "--duration", "0.2",  "--json", NULL};
    assert_int_equal(program_run(argv, out, sizeof(out)), 0);
    snprintf(want, sizeof(want), "\"relay\":\"%s\"", by6);
    assert_non_null(strstr(out, want));
    assert_non_null(strstr(out, "\"connected\":true"));
    running_await(&callee, "a call from ");
    assert_int_equal(running_finish(&callee, SIGTERM), 0);
    assert_int_equal(running_finish(&both, SIGTERM), 0);
}

static void servers_end_when_they_are_told(void **state)
{
    (void)program_built(program_pinhole());
    (void)state;
    assert_int_equal(running_finish(&answer, SIGTERM), 0);
    assert_int_equal(running_finish(&relay, SIGINT), 130);
}

static void mistakes_are_quoted(void **state)
{
    static const struct {
        const char *args[6];
        int code;
        const char *says;
    } cases[] = {
        {{NULL}, 2, "Usage: pinhole COMMAND"},
        {{"--help"}, 0, "answer"},
        {{"--version"}, 0, "pinhole "},
        {{"dial"}, 2, "'dial'"},
        {{"call", "--help"}, 0, "FINGERPRINT"},
        {{"call", "--relay", "127.0.0.1"}, 2, "FINGERPRINT"},
        {{"call", "abc", "--relay", "127.0.0.1"}, 2, "'abc'"},
        {{"call", "--duration", "soon"}, 2, "'soon'"},
        {{"call", "--duration", "-1"}, 2, "'-1'"},
        {{"answer"}, 2, "--relay HOST:PORT"},
        {{"answer", "stray"}, 2, "'stray'"},
        {{"answer", "--from", "abc"}, 2, "'abc' is not a fingerprint"},
        {{"answer", "--help"}, 0, "--pipe"},
        {{"answer", "--relay", "a:b:c"}, 2, "'a:b:c'"},
        {{"relay"}, 2, "--listen"},
        {{"relay", "--listen", "here"}, 2, "'here'"},
        {{"relay", "--listen", "203.0.113.1:4000"}, 3, "203.0.113.1:4000"},
        {{"relay", "--region", "a-name-that-is-longer-than-the-message-takes"}, 2, "31"},
        {{"relay", "--other", "r=a-name-that-is-longer-than-the-message-takes"}, 2, "31"},
        {{"relay", "--listen", "127.0.0.1:0", "--other", "a:b:c=eu"}, 2, "'a:b:c'"},
        {{"stun"}, 2, "HOST:PORT"},
        {{"stun", "a", "b"}, 2, "'b'"},
        {{"stun", "-6", "192.0.2.1"}, 2, "'192.0.2.1' is no IPv6 address"},
        {{"map", "stray"}, 2, "'stray'"},
        {{"map", "--port", "0"}, 2, "'0' is not a port"},
        {{"map", "--port", "70000"}, 2, "'70000' is not a port"},
        {{"map", "--protocol", "ssdp"}, 2, "'ssdp'"},
        {{"map", "--lifetime", "1h"}, 2, "'1h' is not a lifetime"},
        {{"map", "--duration", "-1"}, 2, "'-1' is not a duration"},
        {{"map", "--once", "--duration", "3"}, 2, "'--once' gives back at once"},
        {{"id", "x"}, 2, "'x'"},
        {{"id", "--seed-file", "/dev/null"}, 2, "/dev/null:1:1"},
        {{"id", "--json"}, 0, "{\"fingerprint\":\""},
    };
    const char *pinhole = program_built(program_pinhole());

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[8] = {pinhole};
        char out[8192];
        int code;

        for (size_t k = 0; k < 6; k++) {
            argv[k + 1] = cases[i].args[k];
        }
        code = program_run(argv, out, sizeof(out));
        if (code != cases[i].code || !strstr(out, cases[i].says)) {
            fail_msg("case %zu (%s): exit %d, and says: %s", i,
                     cases[i].args[0] ? cases[i].args[0] : "nothing", code, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_connects_and_ends_in_time),
        cmocka_unit_test(a_peer_at_another_relay_is_found),
        cmocka_unit_test(an_unknown_peer_is_said),
        cmocka_unit_test(an_interrupted_call_says_so),
        cmocka_unit_test(stun_shows_the_address),
        cmocka_unit_test(stun_asks_by_ipv6_too),
        cmocka_unit_test(mistakes_are_quoted),
        cmocka_unit_test(a_relay_has_both_families),
        cmocka_unit_test(servers_end_when_they_are_told),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
