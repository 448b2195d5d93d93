#include "lab/run/fault_run.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

struct fault_run {
    struct fault_run_config config;
    struct fault_schedule schedule;
    ph_ns *at; /* of each fault */
    ph_ns zero;
    size_t next;  /* event to be asked for */
    size_t asked; /* of which nobody has told yet */
    bool over;    /* failed, or stopped: nothing more is asked for */
};

int fault_run_new(const struct fault_run_config *config, struct fault_run **out)
{
    struct fault_run *r = calloc(1, sizeof(*r));
    *out = NULL;
    if (r == NULL)
        return PH_ERR_NOMEM;
    r->config = *config;
    r->zero = PH_NEVER;
    if (fault_schedule_make(config->plan, config->seed, &r->schedule) == 0)
        r->at = calloc(r->schedule.fault_count + 1, sizeof(*r->at));
    if (r->at == NULL) {
        fault_schedule_free(&r->schedule);
        free(r);
        return PH_ERR_NOMEM;
    }
    for (size_t i = 0; i < r->schedule.fault_count; i++)
        r->at[i] = PH_NEVER;
    *out = r;
    return PH_OK;
}

static void fail(struct fault_run *r, const struct incident *what, const char *why)
{
    char text[256];
    if (r->over)
        return;
    r->over = true;
    if (snprintf(text, sizeof(text), "the fault %s could not be: %s", incident_name(what->kind),
                 why) < 0)
        text[0] = '\0';
    r->config.failed(r->config.user, text);
}

static void on_done(void *user, const struct incident *what, ph_ns at, const char *error)
{
    struct fault_run *r = user;
    size_t fault = what->number / 2; /* fault_schedule.c numbers them so */
    r->asked--;
    if (error != NULL) {
        fail(r, what, error);
        return;
    }
    if (r->at[fault] != PH_NEVER || what->over || r->over)
        return;
    r->at[fault] = at;
    r->config.happened(r->config.happened_user, at);
}

static void ask(struct fault_run *r, const struct fault_event *e)
{
    struct world *w = r->config.world;
    r->asked++;
    if (!incident_is_of_relay(e->what.kind)) {
        w->ops->disturb(w, &e->what, on_done, r);
        return;
    }
    ph_ns now = w->ops->now(w);
    int err = r->config.relay(r->config.user, e->what.over);
    on_done(r, &e->what, now, err != PH_OK ? ph_strerror(err) : NULL);
}

static void step(void *user)
{
    struct fault_run *r = user;
    struct world *w = r->config.world;
    while (!r->over && r->next < r->schedule.event_count &&
           r->zero + r->schedule.events[r->next].when <= w->ops->now(w))
        ask(r, &r->schedule.events[r->next++]);
    if (!r->over && r->next < r->schedule.event_count)
        w->ops->at(w, r->zero + r->schedule.events[r->next].when, step, r);
}

void fault_run_begin(struct fault_run *r, ph_ns zero)
{
    struct world *w = r->config.world;
    if (r->zero != PH_NEVER || r->schedule.event_count == 0)
        return;
    r->zero = zero;
    w->ops->at(w, zero + r->schedule.events[0].when, step, r);
}

void fault_run_stop(struct fault_run *r)
{
    r->over = true;
}

void fault_run_free(struct fault_run *r)
{
    if (r == NULL)
        return;
    r->config.world->ops->at(r->config.world, PH_NEVER, step, r);
    fault_schedule_free(&r->schedule);
    free(r->at);
    free(r);
}

bool fault_run_over(const struct fault_run *r)
{
    return r->zero != PH_NEVER && r->next == r->schedule.event_count && r->asked == 0;
}

ph_ns fault_run_end(const struct fault_run *r)
{
    return r->zero == PH_NEVER ? PH_NEVER : r->zero + r->schedule.over;
}

const struct fault_schedule *fault_run_schedule(const struct fault_run *r)
{
    return &r->schedule;
}

ph_ns fault_run_at(const struct fault_run *r, size_t fault)
{
    return r->at[fault];
}
