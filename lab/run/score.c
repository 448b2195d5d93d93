#include "lab/run/score.h"

struct tally {
    uint32_t asked, good;
};

static void count(struct tally *t, enum rate rate, bool held)
{
    t->asked |= 1u << rate;
    t->good |= held ? 1u << rate : 0;
}

static void count_verdict(struct tally *t, enum rate right, enum right verdict)
{
    count(t, right, verdict == RIGHT_YES);
    count(t, right + 1, verdict == RIGHT_UNKNOWN);
    count(t, right + 2, verdict == RIGHT_WRONG);
}

static void count_netcheck(struct tally *t, const struct netcheck_result *n)
{
    count_verdict(t, RATE_MAPPING_RIGHT, n->verdict.mapping);
    count_verdict(t, RATE_FILTERING_RIGHT, n->verdict.filtering);
    count_verdict(t, RATE_ALLOCATION_RIGHT, n->verdict.allocation);
    if (n->verdict.step != RIGHT_UNASKED)
        count(t, RATE_STEP_RIGHT, n->verdict.step == RIGHT_YES);
    if (n->verdict.drift != RIGHT_UNASKED)
        count(t, RATE_DRIFT_RIGHT, n->verdict.drift == RIGHT_YES);
    if (n->verdict.block != RIGHT_UNASKED)
        count(t, RATE_BLOCK_RIGHT, n->verdict.block == RIGHT_YES);
    count(t, RATE_DOUBLE_NAT, n->double_nat == PH_YES);
    count(t, RATE_MAPPED, n->mapped);
}

static bool won_by(const struct trial_result *r, enum ph_stage stage)
{
    return r->direct && r->stage == stage;
}

static bool skipped(const struct trial_result *r, enum ph_stage stage)
{
    return r->stages[stage].state == PH_STAGE_SKIPPED && r->stages[stage].reason[0] != '\0';
}

static void count_call(struct tally *t, const struct trial_result *r)
{
    bool mapped = r->mapping.protocol != PH_PORTMAP_NONE;
    count(t, RATE_CONNECTED, r->connected);
    count(t, RATE_DIRECT, r->direct);
    count(t, RATE_BY_PORTMAP, won_by(r, PH_STAGE_PORTMAP));
    count(t, RATE_BY_PUNCH, won_by(r, PH_STAGE_PUNCH));
    count(t, RATE_BY_PREDICT, won_by(r, PH_STAGE_PREDICT));
    count(t, RATE_BY_BIRTHDAY, won_by(r, PH_STAGE_BIRTHDAY));
    count(t, RATE_PREDICT_SKIPPED, skipped(r, PH_STAGE_PREDICT));
    count(t, RATE_BIRTHDAY_SKIPPED, skipped(r, PH_STAGE_BIRTHDAY));
    if (r->bystander.asked > 0)
        count(t, RATE_BYSTANDER, r->bystander.answered == r->bystander.asked);
    if (r->faults.count > 0)
        count(t, RATE_SURVIVED, r->faults.survived);
    count(t, RATE_MAPPED, mapped);
    count(t, RATE_DOUBLE_NAT, mapped && r->mapping.reach == PH_PORTMAP_REACH_DOUBLE);
}

void score(const struct trial_result *r, uint32_t *asked, uint32_t *good)
{
    struct tally t = {0};
    switch (r->subject) {
    case SUBJECT_PINHOLE:
        count_call(&t, r);
        break;
    case SUBJECT_NETCHECK:
        count_netcheck(&t, &r->netcheck);
        break;
    case SUBJECT_MAP:
        count(&t, RATE_DOUBLE_NAT, r->map.reach == PH_PORTMAP_REACH_DOUBLE);
        count(&t, RATE_MAPPED, r->map.mapped);
        count(&t, RATE_AS_EXPECTED, r->map.as_expected);
        break;
    case SUBJECT_COUNT:
        break;
    }
    if (r->router_mappings != ROUTER_MAPPINGS_UNKNOWN)
        count(&t, RATE_RELEASED, r->router_mappings == 0);
    *asked = t.asked;
    *good = t.good;
}

/* Of two directions the worse; PH_NEVER: neither has it. */
static ph_ns worse(ph_ns x, ph_ns y)
{
    if (x == PH_NEVER || y == PH_NEVER)
        return x == PH_NEVER ? y : x;
    return ph_max_ns(x, y);
}

static void time_flow(const struct trial_result *r, ph_ns out[SUBJECT_TIME_COUNT])
{
    const struct flow_result *a = &r->flow[0], *b = &r->flow[1];
    out[SUBJECT_TIME_GAP] = r->faults.count > 0 ? r->faults.gap : worse(a->max_gap, b->max_gap);
    out[SUBJECT_TIME_RECOVERY] = r->faults.recovery;
    /* A switch is one's own; what is measured of it needs both, as a direct call does. */
    if (a->switched == PH_NEVER || b->switched == PH_NEVER)
        return;
    out[SUBJECT_TIME_SWITCH_GAP] = worse(a->switch_gap, b->switch_gap);
    out[SUBJECT_TIME_FIRST_DIRECT] = a->first_direct == PH_NEVER || b->first_direct == PH_NEVER
                                         ? PH_NEVER
                                         : ph_max_ns(a->first_direct, b->first_direct);
}

void score_times(const struct trial_result *r, ph_ns out[SUBJECT_TIME_COUNT])
{
    for (int i = 0; i < SUBJECT_TIME_COUNT; i++)
        out[i] = PH_NEVER;
    switch (r->subject) {
    case SUBJECT_PINHOLE:
        out[SUBJECT_TIME_RELAY] = r->setup_relay;
        out[SUBJECT_TIME_DIRECT] = r->setup_direct;
        out[SUBJECT_TIME_MEDIA] = r->setup_media;
        out[SUBJECT_TIME_PORTMAP] = r->portmap_took;
        time_flow(r, out);
        break;
    case SUBJECT_NETCHECK:
        out[SUBJECT_TIME_NETCHECK] = r->netcheck.took;
        break;
    case SUBJECT_MAP:
        if (r->map.mapped)
            out[SUBJECT_TIME_MAP] = r->map.took;
        break;
    case SUBJECT_COUNT:
        break;
    }
}

static uint32_t capped(uint64_t n)
{
    return n < SCORE_ABSENT ? (uint32_t)n : SCORE_ABSENT - 1;
}

static void count_flow(const struct trial_result *r, uint32_t out[SUBJECT_COUNT_COUNT])
{
    uint64_t lost = 0, duplicates = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct flow_result *f = &r->flow[i];
        lost += f->sent > f->received ? f->sent - f->received : 0;
        duplicates += f->duplicates;
    }
    out[SUBJECT_COUNT_LOST] = capped(lost);
    out[SUBJECT_COUNT_DUPLICATES] = capped(duplicates);
    if (!r->drops_known)
        return;
    out[SUBJECT_COUNT_DROPPED] = capped(r->drops.large);
    /* What a fault swallows nobody counts. */
    if (r->faults.count == 0)
        out[SUBJECT_COUNT_UNEXPLAINED] = capped(lost > r->drops.large ? lost - r->drops.large : 0);
}

void score_counts(const struct trial_result *r, uint32_t out[SUBJECT_COUNT_COUNT])
{
    for (int i = 0; i < SUBJECT_COUNT_COUNT; i++)
        out[i] = SCORE_ABSENT;
    if (r->subject != SUBJECT_PINHOLE)
        return;
    count_flow(r, out);
    const struct ph_stage_report *predict = &r->stages[PH_STAGE_PREDICT];
    const struct ph_stage_report *birthday = &r->stages[PH_STAGE_BIRTHDAY];
    uint64_t packets = 0;
    uint32_t peak = 0;
    for (int i = 0; i < PH_STAGE_RELAY; i++) {
        packets += r->stages[i].packets;
        peak = r->stages[i].mappings > peak ? r->stages[i].mappings : peak;
    }
    out[SUBJECT_COUNT_PROBES] = capped((uint64_t)predict->probes + birthday->probes);
    out[SUBJECT_COUNT_PUNCH_PROBES] = capped(r->stages[PH_STAGE_PUNCH].probes);
    out[SUBJECT_COUNT_OPENERS] = capped((uint64_t)predict->openers + birthday->openers);
    out[SUBJECT_COUNT_SOCKETS] =
        capped(predict->sockets > birthday->sockets ? predict->sockets : birthday->sockets);
    out[SUBJECT_COUNT_PEAK_MAPPINGS] = capped(peak);
    out[SUBJECT_COUNT_PACKETS] = capped(packets);
    if (r->bystander.asked > 0)
        out[SUBJECT_COUNT_UNANSWERED] = r->bystander.asked - r->bystander.answered;
    const struct ph_stage_report *hit = birthday->probes_to_hit > 0 ? birthday : predict;
    if (hit->probes_to_hit > 0)
        out[SUBJECT_COUNT_PROBES_TO_HIT] = capped(hit->probes_to_hit);
}
