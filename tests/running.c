#include "tests/running.h"

#include "tests/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNING_MAX 16

static pid_t running[RUNNING_MAX];

static void note(pid_t from, pid_t to)
{
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (running[i] == from) {
            running[i] = to;
            return;
        }
    }
}

void running_start(struct running *r, const char *const argv[])
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r->pid = program_start(argv, fds[1]);
    close(fds[1]);
    assert_true(r->pid > 0);
    r->fd = fds[0];
    r->len = 0;
    r->out[0] = '\0';
    note(0, r->pid);
}

/* False at its end. */
static int read_more(struct running *r)
{
    char rest[4096];
    size_t room = sizeof(r->out) - 1 - r->len;
    ssize_t n = read(r->fd, room > 0 ? r->out + r->len : rest, room > 0 ? room : sizeof(rest));

    if (n > 0 && room > 0) {
        r->len += (size_t)n;
        r->out[r->len] = '\0';
    }
    return n > 0;
}

/* The nth place at which the text stands, with the end of its line; NULL: not yet. */
static const char *find(const char *in, const char *text, unsigned nth)
{
    const char *at = strstr(in, text);

    while (at != NULL && --nth > 0) {
        at = strstr(at + 1, text);
    }
    return at != NULL && strchr(at, '\n') ? at : NULL;
}

const char *running_await_from(struct running *r, size_t from, const char *text, unsigned nth)
{
    const char *at;

    while ((at = find(r->out + from, text, nth)) == NULL) {
        struct pollfd pfd = {.fd = r->fd, .events = POLLIN};

        if (r->len == sizeof(r->out) - 1 || poll(&pfd, 1, RUNNING_PATIENCE_MS) != 1) {
            fail_msg("'%s' never came after '%s'", text, r->out);
        }
        if (!read_more(r)) {
            fail_msg("it ended without '%s': '%s'", text, r->out);
        }
    }
    return at;
}

const char *running_await(struct running *r, const char *text)
{
    return running_await_from(r, 0, text, 1);
}

int running_finish(struct running *r, int sig)
{
    int status;

    if (sig != 0) {
        kill(r->pid, sig);
    }
    while (read_more(r)) {
    }
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    close(r->fd);
    note(r->pid, 0);
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void running_end_all(void)
{
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (running[i] > 0) {
            kill(running[i], SIGKILL);
            (void)waitpid(running[i], NULL, 0);
            running[i] = 0;
        }
    }
}
