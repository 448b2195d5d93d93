/* Where a command tells what happens: JSON lines, lines for people, and on a terminal a last line
 * beneath them that is written anew, the status. Without one (no terminal, TERM=dumb, NO_COLOR) the
 * status is not shown. */
#ifndef PH_CLI_SCREEN_H
#define PH_CLI_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#define SCREEN_STATUS_MAX 256

struct screen {
    FILE *out;
    bool json;
    bool live;                      /* there is a status line */
    char status[SCREEN_STATUS_MAX]; /* as it stands there now; empty: none */
};

/* Whether this stream is a terminal whose last line can be written anew. */
bool screen_is_live(FILE *out);
void screen_init(struct screen *s, FILE *out, bool json, bool live);
/* A line of its own, above the status. */
__attribute__((format(printf, 2, 3))) void screen_say(struct screen *s, const char *fmt, ...);
/* In place of what the status was; "": none. Cut to the width of the terminal. */
void screen_status(struct screen *s, const char *text);

#endif
