/* What the plan says of a cell's pair. */
#include "lab/bench/sweep_private.h"
#include "lab/run/outlook.h"
#include "lab/run/trial.h"

#include <stdlib.h>
#include <string.h>

int plan_of(const struct run *run, size_t cell, struct ph_plan_input *in, struct ph_plan *out)
{
    struct lab_error err;
    struct trial_spec peers;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    int rc = spec == NULL || layout == NULL ? -1 : 0;
    memset(in, 0, sizeof(*in));
    memset(out, 0, sizeof(*out));
    if (rc == 0 && matrix_world(run->scenario, &run->matrix.cells[cell], 0, spec, &err) == 0 &&
        layout_compute(spec, layout, &err) == 0 && outlook_facts(layout, in)) {
        matrix_trial(run->scenario, &run->matrix.cells[cell], &peers);
        in->side[0].budget = in->side[1].budget = peers.budget;
        ph_plan_make(in, 1, out);
    }
    free(layout);
    free(spec);
    return rc;
}
