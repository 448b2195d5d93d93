/* How `pinhole plan` shows a plan: as text, as JSON. */
#ifndef PH_CLI_PLAN_TELL_H
#define PH_CLI_PLAN_TELL_H

#include "cli/facts.h"

#include <stdio.h>

struct plan_view {
    struct facts facts[2]; /* caller, callee */
    bool local_calls;
    struct ph_plan_input input;
    struct ph_plan plan;
};

void plan_text(FILE *to, const struct plan_view *v);
/* 0, or -1 when memory ran out. */
int plan_json(FILE *to, const struct plan_view *v);

#endif
