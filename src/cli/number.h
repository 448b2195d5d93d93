/* A whole number as people write it. */
#ifndef PH_CLI_NUMBER_H
#define PH_CLI_NUMBER_H

#include <argp.h>

/* All of the text is a number from 1 to `most`, in decimal digits; 0: it is none. */
unsigned long read_number(const char *text, unsigned long most);
/* The same of an argument: what is none ends the program by argp_error, which says what it should
 * be ("port", "number of probes"). */
unsigned long parse_number(const char *arg, unsigned long most, const char *what,
                           struct argp_state *state);

#endif
