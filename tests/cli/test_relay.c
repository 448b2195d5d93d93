/* `pinhole relay` as a service, over loopback: restarted under a call, drained, looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/program.h"
#include "tests/running.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/pinhole-relay-XXXXXX";
static char seed_file[64], state_file[64];

static void start_relay(struct running *r, const char *listen, char addr[64])
{
    running_start(r, (const char *[]){program_built(program_pinhole()), "relay", "--listen", listen,
                                      "--seed-file", seed_file, "--state", state_file, NULL});
    assert_int_equal(sscanf(running_await(r, "relay on "), "relay on %63s", addr), 1);
}

/* A call that has no other path than the relay. */
static void start_call(struct running *answer, struct running *call, const char *relay)
{
    static char fingerprint[65];
    const char *pinhole = program_pinhole();

    running_start(answer, (const char *[]){pinhole, "answer", "--privacy", "--relay", relay, NULL});
    assert_int_equal(sscanf(running_await(answer, "fingerprint "), "fingerprint %64s", fingerprint),
                     1);
    running_await(answer, "registered");
    running_start(call,
                  (const char *[]){pinhole, "call", fingerprint, "--relay", relay, "--json", NULL});
    running_await_from(call, 0, "\"event\":\"media\"", 2);
}

static int group_setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(seed_file, sizeof(seed_file), "%s/seed", folder);
    snprintf(state_file, sizeof(state_file), "%s/state", folder);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    running_end_all();
    unlink(seed_file);
    unlink(state_file);
    return rmdir(folder);
}

static void a_call_goes_on_in_the_next_process(void **state)
{
    static struct running relay, answer, call;
    char addr[64];
    struct stat st;
    size_t said;

    (void)state;
    start_relay(&relay, "127.0.0.1:0", addr);
    start_call(&answer, &call, addr);
    assert_int_equal(running_finish(&relay, SIGTERM), 0);
    assert_int_equal(stat(state_file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    said = call.len;
    start_relay(&relay, addr, addr);
    running_await(&relay, "goes on with 1 calls");
    assert_int_equal(stat(state_file, &st), -1);
    running_await_from(&call, said, "\"event\":\"media\"", 3);
    assert_int_equal(running_finish(&call, SIGINT), 130);
    assert_null(strstr(call.out, "\"connected\":false"));
    running_await(&answer, "the other side ended it");
    assert_int_equal(running_finish(&answer, SIGTERM), 0);
    assert_int_equal(running_finish(&relay, SIGTERM), 0);
    /* Frames went through the new one. */
    assert_null(strstr(relay.out, "stopped: 0 packets"));
}

static void a_foreign_state_is_refused_with_a_word(void **state)
{
    static struct running relay;
    char addr[64];
    int fd = open(state_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)state;
    assert_int_equal(write(fd, "what is this?", 13), 13);
    close(fd);
    start_relay(&relay, "127.0.0.1:0", addr);
    assert_non_null(strstr(relay.out, "this state is not taken: it is damaged"));
    assert_int_equal(running_finish(&relay, SIGTERM), 0);
    /* Of other addresses: the port was the system's choice. */
    start_relay(&relay, "127.0.0.2:0", addr);
    assert_non_null(strstr(relay.out, "with another seed or other addresses"));
    assert_int_equal(running_finish(&relay, SIGTERM), 0);
}

static void a_drained_relay_ends_with_its_last_call(void **state)
{
    static struct running relay, answer, call;
    char addr[64];
    size_t said;

    (void)state;
    unlink(state_file);
    start_relay(&relay, "127.0.0.1:0", addr);
    start_call(&answer, &call, addr);
    kill(relay.pid, SIGUSR1);
    running_await(&relay, "draining: ");
    said = call.len;
    running_await_from(&call, said, "\"event\":\"media\"", 2);
    assert_int_equal(waitpid(relay.pid, NULL, WNOHANG), 0);
    assert_int_equal(running_finish(&call, SIGINT), 130);
    assert_int_equal(running_finish(&relay, 0), 0);
    assert_int_equal(running_finish(&answer, SIGTERM), 0);
    /* Nothing is left to go on with. */
    assert_int_equal(access(state_file, F_OK), -1);
}

static void draining_has_an_end(void **state)
{
    static struct running relay;

    (void)state;
    running_start(&relay, (const char *[]){program_built(program_pinhole()), "relay", "--listen",
                                           "127.0.0.1:0", "--drain-time", "0.2", "--json", NULL});
    running_await(&relay, "\"event\":\"listening\"");
    assert_int_equal(running_finish(&relay, SIGUSR1), 0);
    assert_non_null(strstr(relay.out, "{\"event\":\"draining\"}"));
    assert_non_null(strstr(relay.out, "{\"event\":\"stopped\""));
}

/* What the server says to these bytes, until it closes. */
static size_t ask(const struct sockaddr_in *to, const char *request, char *out, size_t cap)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = 0;
    ssize_t n;

    assert_int_equal(connect(fd, (const struct sockaddr *)to, sizeof(*to)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (len + 1 < cap && (n = recv(fd, out + len, cap - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    out[len] = '\0';
    close(fd);
    return len;
}

static void metrics_are_served(void **state)
{
    static struct running relay;
    static char out[32768];
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *body;
    unsigned port;
    int fds[12];

    (void)state;
    running_start(&relay, (const char *[]){program_built(program_pinhole()), "relay", "--listen",
                                           "127.0.0.1:0", "--metrics", "127.0.0.1:0", NULL});
    assert_int_equal(sscanf(running_await(&relay, "metrics on "),
                            "metrics on http://127.0.0.1:%u/metrics", &port),
                     1);
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ask(&to, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", out, sizeof(out));
    assert_int_equal(strncmp(out, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(out, "Content-Type: application/openmetrics-text; version=1.0.0"));
    body = strstr(out, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    assert_int_equal(strtoul(strstr(out, "Content-Length: ") + 16, NULL, 10), strlen(body));
    assert_non_null(strstr(body, "pinhole_relay_clients 0\n"));
    assert_string_equal(body + strlen(body) - 6, "# EOF\n");
    ask(&to, "HEAD /metrics HTTP/1.1\r\n\r\n", out, sizeof(out));
    assert_string_equal(strstr(out, "\r\n\r\n"), "\r\n\r\n");
    ask(&to, "GET / HTTP/1.1\r\n\r\n", out, sizeof(out));
    assert_int_equal(strncmp(out, "HTTP/1.1 404 ", 13), 0);
    ask(&to, "POST /metrics HTTP/1.1\r\n\r\n", out, sizeof(out));
    assert_int_equal(strncmp(out, "HTTP/1.1 405 ", 13), 0);
    ask(&to, "HELLO\r\n\r\n", out, sizeof(out));
    assert_int_equal(strncmp(out, "HTTP/1.1 400 ", 13), 0);
    /* So many at once, and no more; when they go there is room again. */
    for (size_t i = 0; i < 12; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
    }
    for (size_t i = 8; i < 12; i++) {
        assert_true(recv(fds[i], out, sizeof(out), 0) <= 0);
    }
    for (size_t i = 0; i < 12; i++) {
        close(fds[i]);
    }
    ask(&to, "GET /metrics HTTP/1.1\r\n\r\n", out, sizeof(out));
    assert_int_equal(strncmp(out, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_int_equal(running_finish(&relay, SIGTERM), 0);
}

static void mistakes_are_quoted(void **state)
{
    static const struct {
        const char *args[8];
        int code;
        const char *says;
    } cases[] = {
        {{"--state", "s"}, 2, "--state 's' needs --seed-file"},
        {{"--drain-time", "soon"}, 2, "'soon'"},
        {{"--max-calls", "0"}, 2, "'0' is not a number of calls"},
        {{"--max-rate", "fast"}, 2, "'fast' is not a number of packets"},
        {{"--metrics", "203.0.113.1:9464"}, 3, "203.0.113.1:9464"},
        {{"--metrics", "here:x"}, 2, "'here:x'"},
    };
    const char *pinhole = program_built(program_pinhole());

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *argv[] = {pinhole,          "relay",          "--listen", "127.0.0.1:0",
                              cases[i].args[0], cases[i].args[1], NULL};
        char out[8192];
        int code = program_run(argv, out, sizeof(out));

        if (code != cases[i].code || !strstr(out, cases[i].says)) {
            fail_msg("case %zu: exit %d, and says: %s", i, code, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_on_in_the_next_process),
        cmocka_unit_test(a_foreign_state_is_refused_with_a_word),
        cmocka_unit_test(a_drained_relay_ends_with_its_last_call),
        cmocka_unit_test(draining_has_an_end),
        cmocka_unit_test(metrics_are_served),
        cmocka_unit_test(mistakes_are_quoted),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
