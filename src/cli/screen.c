#include "cli/screen.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ECMA-48: back to the first column, and erase to the end of the line. */
#define ANEW    "\r\x1b[K"
#define COLUMNS 80

bool screen_is_live(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(out)) == 1 && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

void screen_init(struct screen *s, FILE *out, bool json, bool live)
{
    *s = (struct screen){.out = out, .json = json, .live = live && !json};
    setvbuf(out, NULL, _IOLBF, 0);
}

void screen_say(struct screen *s, const char *fmt, ...)
{
    va_list ap;

    if (s->status[0]) {
        fputs(ANEW, s->out);
    }
    va_start(ap, fmt);
    vfprintf(s->out, fmt, ap);
    va_end(ap);
    fputc('\n', s->out);
    if (s->status[0]) {
        fputs(s->status, s->out);
        fflush(s->out);
    }
}

static size_t columns(FILE *out)
{
    struct winsize size;

    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

void screen_status(struct screen *s, const char *text)
{
    size_t most;

    if (!s->live || (!text[0] && !s->status[0])) {
        return;
    }
    most = columns(s->out) - 1; /* in the last column some terminals begin a new line */
    snprintf(s->status, sizeof(s->status), "%.*s", (int)most, text);
    fprintf(s->out, ANEW "%s", s->status);
    fflush(s->out);
}
