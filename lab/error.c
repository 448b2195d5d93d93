#include "lab/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void fill(struct lab_error *err, enum lab_exit code, const char *fmt, va_list ap)
{
    err->code = code;
    if (vsnprintf(err->text, sizeof(err->text), fmt, ap) < 0)
        err->text[0] = '\0';
}

int lab_fail(struct lab_error *err, enum lab_exit code, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    fill(err, code, fmt, ap);
    va_end(ap);
    return -1;
}

int lab_fail_errno(struct lab_error *err, enum lab_exit code, const char *fmt, ...)
{
    int saved = errno;
    if (err == NULL)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    fill(err, code, fmt, ap);
    va_end(ap);
    size_t len = strlen(err->text);
    char text[128];
    const char *why = strerror_r(saved, text, sizeof(text)); /* GNU's: returns the text */
    if (snprintf(err->text + len, sizeof(err->text) - len, ": %s", why) < 0)
        err->text[len] = '\0';
    errno = saved;
    return -1;
}
