#include "cli/number.h"

#include <stdlib.h>

unsigned long read_number(const char *text, unsigned long most)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10); /* too large a one is ULONG_MAX */

    return text[0] >= '0' && text[0] <= '9' && !*rest && n <= most ? n : 0;
}

unsigned long parse_number(const char *arg, unsigned long most, const char *what,
                           struct argp_state *state)
{
    unsigned long n = read_number(arg, most);

    if (n == 0) {
        argp_error(state, "'%s' is not a %s: write a number from 1 to %lu", arg, what, most);
    }
    return n;
}
