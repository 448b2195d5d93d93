/* A command that a test runs and watches: what it has said so far, and its end. */
#ifndef TESTS_RUNNING_H
#define TESTS_RUNNING_H

#include <stddef.h>
#include <sys/types.h>

#define RUNNING_PATIENCE_MS 20000

struct running {
    pid_t pid;
    int fd;
    char out[65536];
    size_t len;
};

/* Its output and errors are collected. Fails the test when it cannot be started. */
void running_start(struct running *r, const char *const argv[]);
/* Reads until the text and the end of its line are there; returns where it stands. Fails the test
 * when the command ends or says nothing for too long. */
const char *running_await(struct running *r, const char *text);
/* The same for the nth time that it stands there, from a place of what was said on. */
const char *running_await_from(struct running *r, size_t from, const char *text, unsigned nth);
/* Waits for its end, after a signal; 0: none. Returns its exit code, or 128 + the signal that ended
 * it. What it says meanwhile is kept as far as there is room. */
int running_finish(struct running *r, int sig);

/* Ends those that are still running, since a test failed: for the clean-up of a group. */
void running_end_all(void);

#endif
