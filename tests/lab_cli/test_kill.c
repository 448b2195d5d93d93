/* A run is killed or interrupted at random moments: nothing stays behind, of worlds with
 * port-mapping servers (miniupnpd, the scripted router) neither.
 *
 * A namespace lives by a process in it, a descriptor on it, or a mount of it. This test adopts
 * every process that the killed one leaves (subreaper): when the last of them has ended, and there
 * are as many mounted namespaces and network devices as before, no namespace can be left. */
#include "base/rng.h"
#include "base/time.h"
#include "tests/program.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS     24
#define LONGEST_MS 1500
#define DEATH_MS   10000

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Waits until the process has ended, or the time is over. True: ended. */
static bool wait_for_end(pid_t pid, int64_t timeout_ms)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, (int)timeout_ms);
    close(fd);
    return n > 0;
}

/* Reaps everything that we have adopted. True when nobody is left by the deadline. */
static bool reap_all(int sigchld, int64_t deadline)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid > 0)
            continue;
        if (pid < 0)
            return errno == ECHILD;
        int64_t left = deadline - now_ms();
        if (left <= 0)
            return false;
        struct pollfd p = {.fd = sigchld, .events = POLLIN};
        struct signalfd_siginfo info;
        if (poll(&p, 1, (int)left) > 0 && read(sigchld, &info, sizeof(info)) < 0)
            return false;
    }
}

static size_t count_lines_with(const char *path, const char *word)
{
    FILE *f = fopen(path, "r");
    char line[4096];
    size_t n = 0;
    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f)) {
        if (strstr(line, word))
            n++;
    }
    fclose(f);
    return n;
}

static size_t count_devices(void)
{
    DIR *d = opendir("/sys/class/net");
    size_t n = 0;
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static const char *const scenarios[] = {"scenarios/portmap.yaml", "scenarios/faulty-routers.yaml",
                                        "scenarios/quick.yaml"};
/* A killed run cannot tidy up, an interrupted one must have done so before it ends. */
static const int signals[] = {SIGKILL, SIGKILL, SIGINT, SIGTERM};

static void test_killed_runs_leave_nothing(void **state)
{
    (void)state;
    if (!program_lab_works())
        skip();
    char out[] = "/tmp/natlab-kill-XXXXXX";
    char results[64];
    assert_non_null(mkdtemp(out));
    snprintf(results, sizeof(results), "%s/run", out);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    int sigchld = signalfd(-1, &set, SFD_CLOEXEC);
    assert_true(sigchld >= 0);

    size_t mounts = count_lines_with("/proc/self/mountinfo", "nsfs");
    size_t devices = count_devices();
    struct ph_rng rng;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    ph_rng_seed(&rng, seed);
    for (int i = 0; i < ROUNDS; i++) {
        const char *scenario = scenarios[i % 3];
        int signal = signals[i / 3 % 4];
        const char *argv[] = {program_natlab(), "run", scenario, "--out", results, NULL};
        pid_t pid = program_start(argv, -1);
        assert_true(pid > 0);
        wait_for_end(pid, (int64_t)ph_rng_below(&rng, LONGEST_MS));
        kill(pid, signal);
        if (!reap_all(sigchld, now_ms() + DEATH_MS))
            fail_msg("round %d: after signal %d a process of %s still lives", i, signal, scenario);
        assert_int_equal(count_lines_with("/proc/self/mountinfo", "nsfs"), mounts);
        assert_int_equal(count_devices(), devices);
        const char *rm[] = {"rm", "-rf", results, NULL};
        assert_int_equal(program_run(rm, NULL, 0), 0);
    }
    close(sigchld);
    rmdir(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_runs_leave_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
