/* Running the built commands from a test. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* $NATLAB and $PINHOLE, or the ones in build/. */
const char *program_natlab(void);
const char *program_pinhole(void);
/* One of them where it is built; otherwise the test ends here, skipped, and says so. */
const char *program_built(const char *path);

/* Starts argv (NULL-terminated) without input; out_fd gets its output and its errors, -1: nobody.
 * Signals are not blocked in it. -1 when it cannot be started. */
pid_t program_start(const char *const argv[], int out_fd);

/* Runs it to its end and returns its exit code (128 + the signal that ended it, -1: not started).
 * Its output and errors, up to cap - 1 bytes, go to `out`, NUL-terminated; out may be NULL. */
int program_run(const char *const argv[], char *out, size_t cap);

/* Whether `natlab doctor` finds all that the kernel world needs; says why not. */
bool program_lab_works(void);

#endif
