#include "lab/run/message.h"
#include "lab/run/worker.h"
#include "lab/world/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct outcome {
    const struct world *world;
    bool over;
    struct trial_result result;
};

static void on_done(void *user, const struct trial_result *result)
{
    struct outcome *o = user;
    o->over = true;
    o->result = *result;
    o->result.router_mappings = (int)sim_mappings(o->world);
}

static bool is_over(void *user)
{
    const struct outcome *o = user;
    return o->over;
}

static int simulate(const struct run *run, const struct message *m, struct world_spec *spec,
                    struct layout *layout, struct outcome *o, struct lab_error *err)
{
    const struct scenario *s = run->scenario;
    struct world *world = NULL;
    struct trial *trial = NULL;
    if (matrix_world(s, &run->matrix.cells[m->cell], m->world_seed, spec, err) != 0 ||
        layout_compute(spec, layout, err) != 0 || sim_world_new(layout, m->seed, &world, err) != 0)
        return -1;
    o->world = world;
    struct trial_spec ts = {
        .subject = s->subject,
        .seed = m->seed,
        .stages = matrix_stages(s, &run->matrix.cells[m->cell]),
        .give_up = s->give_up,
        .media = s->media,
        .hold = s->hold,
        .lifetime_s = s->lifetime_s,
        .deterministic = true,
    };
    matrix_peers(s, &run->matrix.cells[m->cell], &ts);
    int rc = trial_start(world, &ts, on_done, o, &trial);
    if (rc != PH_OK) {
        world->ops->free(world);
        return lab_fail(err, LAB_BROKEN, "the trial could not start: %s", ph_strerror(rc));
    }
    /* Registration, the call and the drain have deadlines of their own, well below this one. */
    ph_ns limit = world->ops->now(world) + s->give_up + s->media + 60 * PH_SEC;
    if (!sim_run_while(world, limit, is_over, o)) {
        trial_cancel(trial);
        lab_fail(err, LAB_BROKEN, "the trial did not end");
        rc = -1;
    }
    world->ops->free(world);
    return rc == PH_OK ? 0 : -1;
}

int worker_sim_main(const struct run *run, int sock)
{
    int rc = LAB_BROKEN, got;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    struct message *m = calloc(1, sizeof(*m));
    struct outcome *o = calloc(1, sizeof(*o));
    if (spec == NULL || layout == NULL || m == NULL || o == NULL)
        goto cleanup;
    while ((got = message_receive(sock, m, 0)) >= 0) {
        struct lab_error err = {0};
        if (got == 0 || m->type != MESSAGE_START || m->cell >= run->matrix.count)
            continue;
        memset(o, 0, sizeof(*o));
        if (simulate(run, m, spec, layout, o, &err) != 0)
            run_lab_error(&o->result, err.text);
        m->type = MESSAGE_ENDED;
        m->ok = true;
        m->result = o->result;
        if (message_send(sock, m) != 0)
            break;
    }
    rc = LAB_GOOD;
cleanup:
    free(o);
    free(m);
    free(layout);
    free(spec);
    return rc;
}
