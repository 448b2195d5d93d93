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
    o->result.drops = sim_drops(o->world);
    o->result.drops_known = true;
}

static bool is_over(void *user)
{
    const struct outcome *o = user;
    return o->over;
}

/* The world of the cell that this process is at: made once, and put in order for each trial. */
struct stand {
    struct world_spec spec;
    struct layout layout;
    struct world *world; /* NULL: none */
    size_t cell;
    uint64_t seed;
};

static void leave(struct stand *at)
{
    if (at->world != NULL)
        at->world->ops->free(at->world);
    at->world = NULL;
}

static int enter(const struct run *run, const struct message *m, struct stand *at,
                 struct lab_error *err)
{
    if (at->world != NULL && at->cell == m->cell && at->seed == m->world_seed)
        return sim_world_reset(at->world, m->seed, err);
    leave(at);
    at->cell = m->cell;
    at->seed = m->world_seed;
    if (matrix_world(run->scenario, &run->matrix.cells[m->cell], m->world_seed, &at->spec, err) !=
            0 ||
        layout_compute(&at->spec, &at->layout, err) != 0)
        return -1;
    return sim_world_new(&at->layout, m->seed, &at->world, err);
}

static int simulate(const struct run *run, const struct message *m, struct stand *at,
                    struct outcome *o, struct lab_error *err)
{
    const struct scenario *s = run->scenario;
    struct trial *trial = NULL;
    if (enter(run, m, at, err) != 0) {
        leave(at);
        return -1;
    }
    o->world = at->world;
    struct trial_spec ts;
    matrix_trial(s, &run->matrix.cells[m->cell], &ts);
    ts.seed = m->seed;
    ts.deterministic = true;
    int rc = trial_start(at->world, &ts, on_done, o, &trial);
    if (rc != PH_OK) {
        leave(at);
        return lab_fail(err, LAB_BROKEN, "the trial could not start: %s", ph_strerror(rc));
    }
    /* Registration, the call and the drain have deadlines of their own, well below this one. */
    ph_ns limit = at->world->ops->now(at->world) + s->give_up + s->media + 60 * PH_SEC +
                  (ts.faults != NULL ? fault_plan_over(ts.faults) : 0);
    if (!sim_run_while(at->world, limit, is_over, o)) {
        trial_cancel(trial);
        leave(at);
        return lab_fail(err, LAB_BROKEN, "the trial did not end");
    }
    return 0;
}

int worker_sim_main(const struct run *run, int sock)
{
    int rc = LAB_BROKEN, got;
    struct stand *at = calloc(1, sizeof(*at));
    struct message *m = calloc(1, sizeof(*m));
    struct outcome *o = calloc(1, sizeof(*o));
    if (at == NULL || m == NULL || o == NULL)
        goto cleanup;
    while ((got = message_receive(sock, m, 0)) >= 0) {
        struct lab_error err = {0};
        if (got == 0 || m->type != MESSAGE_START || m->cell >= run->matrix.count)
            continue;
        memset(o, 0, sizeof(*o));
        if (simulate(run, m, at, o, &err) != 0)
            run_lab_error(&o->result, err.text);
        m->type = MESSAGE_ENDED;
        m->ok = true;
        m->result = o->result;
        if (message_send(sock, m) != 0)
            break;
    }
    rc = LAB_GOOD;
    leave(at);
cleanup:
    free(o);
    free(m);
    free(at);
    return rc;
}
