#include "lab/run/fault_schedule.h"

#include "base/rng.h"

#include <stdlib.h>

static struct fault_item draw(const struct fault_step *step, unsigned time, struct ph_rng *rng)
{
    struct fault_item f = {.direction = step->direction, .where = step->where};
    /* All are drawn always, so that one more choice in a plan does not shift the others. */
    uint64_t offset = ph_rng_below(rng, step->to - step->from + 1);
    uint64_t kind = ph_rng_below(rng, step->kind_count);
    uint64_t side = ph_rng_below(rng, 2);
    f.kind = step->kinds[kind];
    f.when = step->from + offset + time * step->every;
    f.lasts = fault_step_lasts(step, f.kind);
    if (f.where == FAULT_AT_ANY)
        f.where = side == 0 ? FAULT_AT_A : FAULT_AT_B;
    return f;
}

static void add_events(struct fault_schedule *s, size_t fault)
{
    const struct fault_item *f = &s->faults[fault];
    for (uint8_t side = 0; side < 2; side++) {
        /* What is of both together is done once. */
        bool meant = incident_has_side(f->kind)
                         ? f->where == FAULT_AT_BOTH || f->where == (enum fault_where)side
                         : side == 0;
        if (!meant)
            continue;
        struct fault_event e = {.when = f->when,
                                .fault = fault,
                                .what = {.kind = f->kind,
                                         .side = side,
                                         .direction = f->direction,
                                         .number = (uint32_t)(2 * fault + side)}};
        s->events[s->event_count++] = e;
        if (f->lasts == 0 || f->lasts == PH_NEVER)
            continue;
        e.when += f->lasts;
        e.what.over = true;
        s->events[s->event_count++] = e;
    }
}

/* Of one moment: what ends before what begins, then as the plan has them. */
static int by_moment(const void *a, const void *b)
{
    const struct fault_event *x = a, *y = b;
    if (x->when != y->when)
        return x->when < y->when ? -1 : 1;
    if (x->what.over != y->what.over)
        return x->what.over ? -1 : 1;
    return x->what.number < y->what.number ? -1 : x->what.number > y->what.number ? 1 : 0;
}

int fault_schedule_make(const struct fault_plan *plan, uint64_t seed, struct fault_schedule *out)
{
    size_t count = 0;
    *out = (struct fault_schedule){0};
    for (size_t i = 0; i < plan->step_count; i++)
        count += plan->steps[i].times;
    out->faults = calloc(count + 1, sizeof(*out->faults));
    out->events = calloc(4 * count + 1, sizeof(*out->events)); /* two sides, and their ends */
    if (out->faults == NULL || out->events == NULL) {
        fault_schedule_free(out);
        return -1;
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        struct ph_rng rng;
        uint64_t parts[2] = {seed, i};
        ph_rng_seed(&rng, ph_hash64(5, parts, sizeof(parts)));
        for (unsigned t = 0; t < plan->steps[i].times; t++) {
            out->faults[out->fault_count] = draw(&plan->steps[i], t, &rng);
            add_events(out, out->fault_count++);
        }
    }
    qsort(out->events, out->event_count, sizeof(*out->events), by_moment);
    out->over = out->event_count > 0 ? out->events[out->event_count - 1].when : 0;
    return 0;
}

void fault_schedule_free(struct fault_schedule *s)
{
    free(s->faults);
    free(s->events);
    *s = (struct fault_schedule){0};
}
