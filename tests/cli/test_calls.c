/* What `call` and `answer` are for people and for scripts: the stream of --pipe, the events of
 * --json, the status line of a terminal. Over loopback, with the built command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/program.h"
#include "tests/running.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES 20000000

static struct running relay;
static char relay_addr[64], folder[64];

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
    snprintf(folder, sizeof(folder), "/tmp/pinhole-calls-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int group_teardown(void **state)
{
    char command[128];

    (void)state;
    running_end_all();
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return folder[0] ? system(command) : 0;
}

/* By a shell: pinhole SUBCOMMAND ... with redirections. What it says on its error output, and on
 * its output where that is not redirected, is what is watched. */
__attribute__((format(printf, 2, 3))) static void shell(struct running *r, const char *fmt, ...)
{
    char args[512], command[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(args, sizeof(args), fmt, ap);
    va_end(ap);
    snprintf(command, sizeof(command), "exec '%s' %s", program_built(program_pinhole()), args);
    running_start(r, (const char *[]){"sh", "-c", command, NULL});
}

static void answer_at(struct running *r, char fingerprint[65], const char *rest)
{
    shell(r, "answer --relay %s --no-port-mapping %s", relay_addr, rest);
    assert_int_equal(sscanf(running_await(r, "fingerprint "), "fingerprint %64s", fingerprint), 1);
    running_await(r, "registered; ");
}

static char *path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % 8];

    snprintf(p, sizeof(paths[0]), "%s/%s", folder, name);
    return p;
}

/* Bytes that look like chance, and differ by the seed. */
static void make_file(const char *name, uint64_t seed, size_t len)
{
    FILE *f = fopen(path(name), "w");

    assert_non_null(f);
    for (size_t i = 0; i < len; i += sizeof(seed)) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        assert_int_equal(fwrite(&seed, 1, len - i < sizeof(seed) ? len - i : sizeof(seed), f),
                         len - i < sizeof(seed) ? len - i : sizeof(seed));
    }
    assert_int_equal(fclose(f), 0);
}

static void assert_same(const char *a, const char *b)
{
    static char x[65536], y[65536];
    FILE *f = fopen(path(a), "r"), *g = fopen(path(b), "r");
    size_t n, m, all = 0;

    assert_true(f && g);
    do {
        n = fread(x, 1, sizeof(x), f);
        m = fread(y, 1, sizeof(y), g);
        all += n;
        if (n != m || memcmp(x, y, n) != 0) {
            fail_msg("%s and %s differ after some %zu bytes", a, b, all);
        }
    } while (n > 0);
    fclose(f);
    fclose(g);
}

/* 20 MB each way at once, files in and files out. */
static void bytes_go_both_ways(void **state)
{
    static struct running answer, call;
    char fp[65], rest[300];

    (void)state;
    make_file("a", 1, BYTES);
    make_file("b", 2, BYTES);
    snprintf(rest, sizeof(rest), "--pipe <%s >%s", path("b"), path("at-b"));
    answer_at(&answer, fp, rest);
    shell(&call, "call %s --relay %s --no-port-mapping --pipe <%s >%s", fp, relay_addr, path("a"),
          path("at-a"));
    assert_int_equal(running_finish(&call, 0), 0);
    assert_int_equal(running_finish(&answer, 0), 0);
    assert_same("a", "at-b");
    assert_same("b", "at-a");
    assert_non_null(strstr(call.out, "stream: sent 20000000 bytes, received 20000000"));
    assert_non_null(strstr(answer.out, "stream: sent 20000000 bytes, received 20000000"));
}

static uint64_t number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Nobody reads what arrives: the sender comes to rest with no more under way than its bounds, and
 * when the reader reads on nothing is missing. */
static void a_slow_reader_holds_the_sender_up(void **state)
{
    static struct running answer, call;
    static char bytes[65536], truth[65536];
    char fp[65], rest[300];
    uint64_t sent = 0, before, most = 262144 + 65536 + 65536 + 65536;
    size_t got = 0;
    ssize_t n;
    int fd;
    FILE *f;

    (void)state;
    make_file("a", 3, 3000000);
    assert_int_equal(mkfifo(path("slow"), 0600), 0);
    fd = open(path("slow"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    snprintf(rest, sizeof(rest), "--pipe </dev/null >%s", path("slow"));
    answer_at(&answer, fp, rest);
    shell(&call, "call %s --relay %s --no-port-mapping --pipe --json <%s >%s", fp, relay_addr,
          path("a"), path("nothing"));
    do {
        before = sent;
        sent = number_after(running_await(&call, "\"event\":\"media\""), "\"stream_sent\":");
        call.len = 0; /* the next second's */
        call.out[0] = '\0';
    } while (sent < 262144 || sent != before);
    assert_in_range(sent, 262144, most);
    f = fopen(path("a"), "r");
    assert_non_null(f);
    while (got < 3000000) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};

        assert_int_equal(poll(&pfd, 1, RUNNING_PATIENCE_MS), 1);
        n = read(fd, bytes, sizeof(bytes));
        assert_true(n > 0);
        assert_int_equal(fread(truth, 1, (size_t)n, f), (size_t)n);
        assert_memory_equal(bytes, truth, (size_t)n);
        got += (size_t)n;
    }
    fclose(f);
    close(fd);
    assert_int_equal(running_finish(&call, 0), 0);
    assert_int_equal(running_finish(&answer, 0), 0);
}

/* The one side has nothing to say and the other little; and who reads there sees the end. */
static void short_words(void **state)
{
    static struct running answer, call;
    char fp[65], rest[300];

    (void)state;
    snprintf(rest, sizeof(rest), "--pipe </dev/null | tr a-z A-Z");
    /* The end of tr is the end of the pipe's output. */
    answer_at(&answer, fp, rest);
    shell(&call, "call %s --relay %s --no-port-mapping --pipe <<'END'\nhello\nEND\n", fp,
          relay_addr);
    running_await(&answer, "HELLO");
    assert_int_equal(running_finish(&call, 0), 0);
    running_finish(&answer, 0);
}

/* Descriptors that are closed are no others' that are opened later. */
static void without_descriptors(void **state)
{
    static struct running answer, call;
    char fp[65];

    (void)state;
    answer_at(&answer, fp, "--pipe <&- >&-");
    shell(&call, "call %s --relay %s --no-port-mapping --pipe <&- >&-", fp, relay_addr);
    assert_int_equal(running_finish(&call, 0), 0);
    assert_int_equal(running_finish(&answer, 0), 0);
    assert_null(strstr(call.out, "stream:"));
}

static void a_peer_that_takes_no_stream(void **state)
{
    static struct running answer, call;
    char fp[65];

    (void)state;
    answer_at(&answer, fp, "");
    shell(&call, "call %s --relay %s --no-port-mapping --pipe </dev/null", fp, relay_addr);
    assert_int_equal(running_finish(&call, 0), 1);
    assert_non_null(strstr(call.out, "the other side takes no stream: it needs --pipe, too"));
    assert_int_equal(running_finish(&answer, SIGTERM), 0);
}

/* Whoever is interrupted says so by its code; the other side knows that the stream was not done. */
static void an_interrupted_stream(void **state)
{
    static struct running answer, call;
    char fp[65];

    (void)state;
    assert_int_equal(mkfifo(path("never"), 0600), 0);
    int fd = open(path("never"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    char rest[300];
    snprintf(rest, sizeof(rest), "--pipe <%s", path("never"));
    answer_at(&answer, fp, rest);
    shell(&call, "call %s --relay %s --no-port-mapping --pipe <%s", fp, relay_addr, path("never"));
    running_await(&call, "connected by the relay");
    running_await(&answer, "connected by the relay");
    assert_int_equal(running_finish(&call, SIGINT), 130);
    assert_null(strstr(call.out, "the call ended before")); /* it was this side's wish */
    assert_int_equal(running_finish(&answer, 0), 1);
    assert_non_null(strstr(answer.out, "the call ended before the stream did"));
    close(fd);
}

/* Who may call can be said: everybody else is refused. */
static void only_one_peer_is_answered(void **state)
{
    static struct running answer, call;
    char fp[65], me[65], rest[300], seed[200];

    (void)state;
    snprintf(seed, sizeof(seed), "--seed-file %s", path("me"));
    shell(&call, "id %s", seed);
    running_await(&call, "\n");
    assert_int_equal(sscanf(call.out, "%64[0-9a-f]", me), 1);
    assert_int_equal(running_finish(&call, 0), 0);
    snprintf(rest, sizeof(rest), "--pipe --from %s </dev/null", me);
    answer_at(&answer, fp, rest);
    shell(&call, "call %s --relay %s --no-port-mapping --pipe </dev/null", fp, relay_addr);
    assert_int_equal(running_finish(&call, 0), 1);
    assert_non_null(strstr(call.out, "refused"));
    shell(&call, "call %s --relay %s --no-port-mapping --pipe %s </dev/null", fp, relay_addr, seed);
    assert_int_equal(running_finish(&call, 0), 0);
    assert_int_equal(running_finish(&answer, 0), 0);
}

/* A descriptor that fails is said. */
static void a_full_disk(void **state)
{
    static struct running answer, call;
    char fp[65];

    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped: there is no /dev/full\n");
        skip();
    }
    answer_at(&answer, fp, "--pipe </dev/null >/dev/full");
    shell(&call, "call %s --relay %s --no-port-mapping --pipe <%s", fp, relay_addr, "/dev/zero");
    assert_int_equal(running_finish(&answer, 0), 3);
    assert_non_null(strstr(answer.out, "cannot write to the standard output: No space left"));
    assert_int_equal(running_finish(&call, 0), 1);
}

/* ---- Events */

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

static void events_of_both_sides(void **state)
{
    static struct running answer, call;
    static const char *const fields[] = {
        "\"peer\":\"",
        "\"t_ms\":",
        "\"path\":\"",
        "\"profile\":\"good\"",
        "\"rtt_ms\":",
        "\"loss_in_permille\":",
        "\"loss_out_permille\":",
        "\"jitter_in_ms\":",
        "\"jitter_out_ms\":",
    };
    char fp[65];

    (void)state;
    shell(&answer, "answer --relay %s --no-port-mapping --json", relay_addr);
    assert_int_equal(sscanf(running_await(&answer, "{\"event\":\"started\""),
                            "{\"event\":\"started\",\"fingerprint\":\"%64[0-9a-f]", fp),
                     1);
    running_await(&answer, "{\"event\":\"registered\"");
    shell(&call, "call %s --relay %s --no-port-mapping --json", fp, relay_addr);
    /* Each has measured, and heard what the other has. */
    running_await(&call, "\"loss_out_permille\":0");
    running_await(&answer, "\"loss_out_permille\":0");
    assert_int_equal(running_finish(&call, SIGINT), 130);
    running_await(&answer, "{\"event\":\"ended\"");
    assert_int_equal(running_finish(&answer, SIGINT), 130);
    for (int k = 0; k < 2; k++) {
        const char *out = k == 0 ? call.out : answer.out;

        assert_int_equal(count(out, k == 0 ? "\"event\":\"calling\"" : "\"event\":\"called\""), 1);
        assert_int_equal(count(out, "\"state\":\"connected\""), 1);
        assert_int_equal(count(out, "\"state\":\"ended\""), 1);
        assert_int_equal(count(out, "\"event\":\"connected\""), 1);
        assert_true(count(out, "\"event\":\"direct\"") >= 1);
        assert_true(count(out, "\"event\":\"media\"") >= 2);
        assert_int_equal(count(out, "\"event\":\"ended\""), 1);
        /* The last second's numbers. */
        const char *last = strstr(out, "\"event\":\"media\""), *next;
        while ((next = strstr(last + 1, "\"event\":\"media\"")) != NULL)
            last = next;
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            const char *at = strstr(last, fields[i]);
            if (!at || at > strchr(last, '\n') || strncmp(at + strlen(fields[i]), "null", 4) == 0)
                fail_msg("no %s in %.*s", fields[i], (int)strcspn(last, "\n"), last);
        }
    }
}

/* ---- A terminal */

/* Runs a call of 1.3 s on a terminal of 60 columns, and gives all that was written there. */
static void call_on_a_terminal(const char *fp, const char *environment, char *out, size_t cap)
{
    struct winsize size = {.ws_row = 24, .ws_col = 60};
    char command[512];
    int terminal, there, status;
    size_t len = 0;

    assert_int_equal(openpty(&terminal, &there, NULL, NULL, &size), 0);
    snprintf(command, sizeof(command),
             "%s exec '%s' call %s --relay %s --no-port-mapping --duration 1.3", environment,
             program_pinhole(), fp, relay_addr);
    pid_t pid = program_start((const char *[]){"sh", "-c", command, NULL}, there);
    assert_true(pid > 0);
    close(there);
    for (;;) {
        struct pollfd pfd = {.fd = terminal, .events = POLLIN};
        assert_int_equal(poll(&pfd, 1, RUNNING_PATIENCE_MS), 1);
        assert_true(len < cap - 1);
        ssize_t n = read(terminal, out + len, cap - 1 - len);
        if (n <= 0)
            break; /* EIO: the other end is closed */
        len += (size_t)n;
    }
    out[len] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(terminal);
}

static void a_status_line(void **state)
{
    static struct running answer;
    static char out[65536];
    char fp[65];

    (void)state;
    answer_at(&answer, fp, "");
    call_on_a_terminal(fp, "unset NO_COLOR; TERM=xterm", out, sizeof(out));
    /* In place of what stood there, cut to the terminal; and away at the end. */
    const char *status = strstr(out, "\r\x1b[K0:01  good  direct ");
    assert_non_null(status);
    assert_true(strcspn(status + 4, "\r\n") <= 59);
    assert_non_null(strstr(status, "\r\x1b[Kended after"));
    assert_int_equal(count(out, "longest gap"), 1); /* of the summary: no line a second */

    static const char *const plain[] = {"NO_COLOR=1 TERM=xterm", "unset NO_COLOR; TERM=dumb"};
    for (size_t i = 0; i < 2; i++) {
        call_on_a_terminal(fp, plain[i], out, sizeof(out));
        assert_null(strchr(out, '\x1b'));
        assert_in_range(count(out, "longest gap"), 2, 3); /* a line a second, and the summary */
    }
    assert_int_equal(running_finish(&answer, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_slow_reader_holds_the_sender_up),
        cmocka_unit_test(short_words),
        cmocka_unit_test(without_descriptors),
        cmocka_unit_test(a_peer_that_takes_no_stream),
        cmocka_unit_test(an_interrupted_stream),
        cmocka_unit_test(only_one_peer_is_answered),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(events_of_both_sides),
        cmocka_unit_test(a_status_line),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
