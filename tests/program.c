#include "tests/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

const char *program_natlab(void)
{
    const char *path = getenv("NATLAB");
    return path ? path : "build/natlab";
}

const char *program_pinhole(void)
{
    const char *path = getenv("PINHOLE");
    return path ? path : "build/pinhole";
}

const char *program_built(const char *path)
{
    if (access(path, X_OK) != 0) {
        print_message("skipped: %s is not built\n", path);
        skip();
    }
    return path;
}

pid_t program_start(const char *const argv[], int out_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid = -1;
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (out_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    else
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    /* posix_spawn promises to leave the strings alone. */
    if (posix_spawnp(&pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return pid;
}

int program_run(const char *const argv[], char *out, size_t cap)
{
    int fds[2];
    int status;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = program_start(argv, fds[1]);
    close(fds[1]);
    size_t len = 0;
    for (;;) {
        char rest[4096];
        bool room = out && len + 1 < cap;
        ssize_t n = read(fds[0], room ? out + len : rest, room ? cap - 1 - len : sizeof(rest));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        if (room)
            len += (size_t)n;
    }
    if (out && cap)
        out[len] = '\0';
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool program_lab_works(void)
{
    const char *argv[] = {program_natlab(), "doctor", NULL};
    char out[8192];
    int code = program_run(argv, out, sizeof(out));
    if (code != 0)
        printf("skipped: `%s doctor` ends with %d:\n%s\n", argv[0], code, code < 0 ? "" : out);
    return code == 0;
}
