#include "lab/run/call_flow.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static void happened(void *user, ph_ns at)
{
    struct call_flow *f = user;
    media_meter_fault(&f->hears[0], at);
    media_meter_fault(&f->hears[1], at);
}

int call_flow_init(struct call_flow *f, const struct fault_run_config *faults)
{
    size_t count = 0;
    memset(f, 0, sizeof(*f));
    f->zero = f->ended = PH_NEVER;
    if (faults != NULL) {
        struct fault_run_config config = *faults;
        config.happened = happened;
        config.happened_user = f;
        int rc = fault_run_new(&config, &f->faults);
        if (rc != PH_OK)
            return rc;
        count = fault_run_schedule(f->faults)->fault_count;
        f->outages = calloc(2 * count + 1, sizeof(*f->outages));
        if (f->outages == NULL)
            return PH_ERR_NOMEM;
    }
    for (size_t i = 0; i < 2; i++)
        media_meter_init(&f->hears[i], count > 0 ? f->outages + i * count : NULL, count);
    return PH_OK;
}

void call_flow_fini(struct call_flow *f)
{
    fault_run_free(f->faults);
    free(f->outages);
    f->faults = NULL;
    f->outages = NULL;
}

void call_flow_begin(struct call_flow *f, ph_ns zero)
{
    if (f->zero != PH_NEVER)
        return;
    f->zero = zero;
    if (f->faults != NULL)
        fault_run_begin(f->faults, zero);
}

void call_flow_switched(struct call_flow *f, unsigned side, ph_ns at)
{
    media_meter_switched(&f->hears[1 - side], at);
}

ph_ns call_flow_enough(const struct call_flow *f, ph_ns media)
{
    if (f->zero == PH_NEVER)
        return PH_NEVER;
    if (f->faults == NULL)
        return f->zero + media;
    return fault_run_over(f->faults) ? fault_run_end(f->faults) + media : PH_NEVER;
}

void call_flow_end(struct call_flow *f, ph_ns now, bool alive)
{
    if (f->ended != PH_NEVER)
        return;
    f->ended = now;
    f->survived = alive && (f->faults == NULL || fault_run_over(f->faults));
    if (f->faults != NULL)
        fault_run_stop(f->faults);
    for (size_t i = 0; i < 2; i++) {
        f->survived = f->survived && media_meter_flows(&f->hears[i], now);
        media_meter_end(&f->hears[i], now);
    }
}

static void tell_flow(const struct media_meter *m, uint64_t sent, ph_ns dial,
                      struct flow_result *out)
{
    out->sent = sent;
    out->received = m->received;
    out->duplicates = m->duplicates;
    out->direct = m->direct;
    out->max_gap = m->max_gap > 0 ? m->max_gap : PH_NEVER;
    if (m->switched == PH_NEVER)
        return;
    out->switched = m->switched > dial ? m->switched - dial : 0;
    out->switch_gap = m->switch_gap > 0 ? m->switch_gap : PH_NEVER;
    if (m->first_direct != PH_NEVER)
        out->first_direct = m->first_direct > m->switched ? m->first_direct - m->switched : 0;
}

/* The larger of the times that are there. */
static ph_ns larger(ph_ns a, ph_ns b)
{
    if (a == PH_NEVER || b == PH_NEVER)
        return a == PH_NEVER ? b : a;
    return ph_max_ns(a, b);
}

/* One that was not over at the end counts as far as there, as gaps do. */
static ph_ns recovery_of(const struct call_flow *f, const struct meter_outage *o)
{
    ph_ns again = o->again == PH_NEVER ? f->ended : o->again;
    return again > o->at ? again - o->at : 0;
}

static void tell_fault(const struct call_flow *f, size_t fault, size_t outage,
                       struct fault_result *out)
{
    ph_ns at = fault_run_at(f->faults, fault);
    *out = (struct fault_result){.what = fault_run_schedule(f->faults)->faults[fault],
                                 .at = PH_NEVER,
                                 .gap = {PH_NEVER, PH_NEVER},
                                 .again = {PH_NEVER, PH_NEVER}};
    if (at == PH_NEVER)
        return;
    out->at = at > f->zero ? at - f->zero : 0;
    for (size_t i = 0; i < 2 && outage < f->hears[i].outage_count; i++) {
        const struct meter_outage *o = &f->hears[i].outages[outage];
        out->gap[i] = o->gap > 0 ? o->gap : PH_NEVER;
        out->again[i] = o->again != PH_NEVER ? o->again - o->at : PH_NEVER;
    }
}

/* The meters know faults in the order in which they happened. Of several at one instant the last is
 * the one that what follows is laid to. */
static size_t rank(const struct call_flow *f, size_t fault)
{
    ph_ns at = fault_run_at(f->faults, fault);
    size_t n = 0;
    while (n < f->hears[0].outage_count && f->hears[0].outages[n].at <= at)
        n++;
    return n > 0 ? n - 1 : 0;
}

static void tell_faults(const struct call_flow *f, struct faults_result *out)
{
    const struct fault_schedule *s = fault_run_schedule(f->faults);
    out->count = s->fault_count;
    out->done = f->hears[0].outage_count;
    out->survived = f->survived;
    for (size_t i = 0; i < s->fault_count && i < FAULT_RESULTS_MAX; i++)
        tell_fault(f, i, rank(f, i), &out->first[i]);
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < f->hears[i].outage_count; k++) {
            const struct meter_outage *o = &f->hears[i].outages[k];
            if (o->gap > 0)
                out->gap = larger(out->gap, o->gap);
            out->recovery = larger(out->recovery, recovery_of(f, o));
        }
    }
}

void call_flow_result(const struct call_flow *f, const uint64_t sent[2], ph_ns dial,
                      struct trial_result *out)
{
    for (size_t i = 0; i < 2; i++)
        tell_flow(&f->hears[i], sent[1 - i], dial, &out->flow[i]);
    if (f->faults != NULL)
        tell_faults(f, &out->faults);
}
