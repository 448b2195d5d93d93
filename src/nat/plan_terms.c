/* What goes into a plan, with its defaults; and the names of what comes out. */
#include "nat/plan.h"

/* Of a counter: far more than any that was seen (nat/sequence.c looks for up to 256). */
#define STEP_MAX 4096

void ph_plan_side(const struct ph_nat_facts *facts, struct ph_plan_side *out)
{
    *out = (struct ph_plan_side){.udp = facts->udp,
                                 .mapping = facts->mapping,
                                 .filtering = facts->filtering,
                                 .allocation = facts->allocation,
                                 .external = facts->reflexive};
}

static void settle_allocation(struct ph_allocation *a)
{
    if (a->type == PH_ALLOCATION_SEQUENTIAL &&
        (a->step == 0 || a->step < -STEP_MAX || a->step > STEP_MAX)) {
        a->type = PH_ALLOCATION_UNKNOWN;
        a->step = 0;
    }
    if (a->low > a->high || (a->low == 0 && a->high != 0))
        a->low = a->high = 0;
    if (a->type == PH_ALLOCATION_BLOCK && a->high == 0)
        a->type = PH_ALLOCATION_RANDOM;
    if (a->confidence > 1)
        a->confidence = 1;
}

void ph_plan_side_settle(struct ph_plan_side *s)
{
    if ((unsigned)s->udp > PH_YES)
        s->udp = PH_ANSWER_UNKNOWN;
    if ((unsigned)s->mapping > PH_MAPPING_APDM)
        s->mapping = PH_MAPPING_UNKNOWN;
    if ((unsigned)s->filtering > PH_FILTERING_APDF)
        s->filtering = PH_FILTERING_UNKNOWN;
    if ((unsigned)s->gateway > PH_GATEWAY_DROP)
        s->gateway = PH_GATEWAY_UNKNOWN;
    settle_allocation(&s->allocation);
}

static uint16_t resolve(uint16_t value, uint16_t usual, uint16_t most)
{
    if (value == 0)
        return usual;
    return value < most ? value : most;
}

struct ph_budget ph_budget_resolve(const struct ph_budget *b)
{
    return (struct ph_budget){.probes = resolve(b->probes, PH_BUDGET_PROBES, PH_BUDGET_PROBES_MOST),
                              .openers =
                                  resolve(b->openers, PH_BUDGET_OPENERS, PH_BUDGET_OPENERS_MOST),
                              .rate = resolve(b->rate, PH_BUDGET_RATE, PH_BUDGET_RATE_MOST),
                              .burst = resolve(b->burst, PH_BUDGET_BURST, PH_BUDGET_BURST_MOST)};
}

ph_ns ph_pace_until(const struct ph_budget *pace, uint64_t n)
{
    return n == 0 ? 0 : (n - 1) / pace->burst * pace->burst * PH_SEC / pace->rate;
}

const char *ph_move_kind_name(enum ph_move_kind k)
{
    static const char *const names[] = {"punch", "fan-in", "mirror", "rendezvous", "sweep"};
    return (unsigned)k < sizeof(names) / sizeof(names[0]) ? names[k] : "?";
}

const char *ph_move_ports_name(enum ph_move_ports p)
{
    static const char *const names[] = {"order", "measured", "own"};
    return (unsigned)p < sizeof(names) / sizeof(names[0]) ? names[p] : "?";
}

const char *ph_plan_outlook_name(enum ph_plan_outlook o)
{
    static const char *const names[] = {"unknown", "direct", "hopeless", "no-udp"};
    return (unsigned)o < sizeof(names) / sizeof(names[0]) ? names[o] : "?";
}

const char *ph_gateway_policy_name(enum ph_gateway_policy g)
{
    static const char *const names[] = {"unknown", "accept", "drop"};
    return (unsigned)g < sizeof(names) / sizeof(names[0]) ? names[g] : "?";
}
