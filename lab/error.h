/* How the lab says what went wrong, and with which exit code the command ends. */
#ifndef LAB_ERROR_H
#define LAB_ERROR_H

#include <stdarg.h>

enum lab_exit {
    LAB_GOOD = 0,
    LAB_FAILED = 1, /* an expectation failed */
    LAB_USAGE = 2,  /* usage, or a bad file */
    LAB_CANNOT = 3, /* this machine cannot; the text says the mend */
    LAB_SKIPPED = 4,
    LAB_BROKEN = 5, /* the lab, not the subject, failed */
    LAB_INTERRUPTED = 130,
};

struct lab_error {
    enum lab_exit code;
    char text[1024]; /* one line or a few, without a trailing newline */
};

/* Fills err and returns -1, so that a function can `return lab_fail(err, ...)`. err may be NULL. */
__attribute__((format(printf, 3, 4))) int lab_fail(struct lab_error *err, enum lab_exit code,
                                                   const char *fmt, ...);
/* The same, with ": " and the text of errno at the end. */
__attribute__((format(printf, 3, 4))) int lab_fail_errno(struct lab_error *err, enum lab_exit code,
                                                         const char *fmt, ...);

#endif
