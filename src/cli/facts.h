/* What is known of one side of a call, as people and `pinhole netcheck --json` write it. */
#ifndef PH_CLI_FACTS_H
#define PH_CLI_FACTS_H

#include "nat/plan.h"

struct facts {
    struct ph_plan_side side;
    bool mapped; /* its router gave it a port that the world can reach */
};

#define FACTS_ERROR 256
#define FACTS_MAX   (1u << 20) /* bytes */

/* Reads the JSON of netcheck (or the object of one family in it), or
 *
 *   mapping=apdm, filtering=apdf, allocation=block:512, external=11.0.0.2:40000, gateway=accept
 *
 * with commas, blanks or line ends in between; pinhole(1) lists the facts. What is left out is not
 * known, but for UDP, which works. False with a text in `error` that quotes what is wrong and says
 * what would be right. */
bool facts_parse(const char *text, size_t len, struct facts *out, char error[FACTS_ERROR]);
/* arg: a file of these, or they themselves. */
bool facts_load(const char *arg, struct facts *out, char error[FACTS_ERROR]);

/* Inside. By the short name, as FACTS_... lists them, or by the long one; -1: none of them. */
int facts_mapping(const char *name);
int facts_filtering(const char *name);
int facts_gateway(const char *name);
int facts_answer(const char *name);
#define FACTS_MAPPINGS   "none, eim, adm, apdm or unknown"
#define FACTS_FILTERINGS "eif, adf, apdf or unknown"
#define FACTS_GATEWAYS   "accept, drop or unknown"
#define FACTS_ANSWERS    "yes, no or unknown"
bool facts_json(const char *text, size_t len, struct facts *out, char error[FACTS_ERROR]);

#endif
