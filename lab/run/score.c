#include "lab/run/score.h"

struct tally {
    uint32_t asked, good;
};

static void count(struct tally *t, enum rate rate, bool held)
{
    t->asked |= 1u << rate;
    t->good |= held ? 1u << rate : 0;
}

void score(const struct trial_result *r, uint32_t *asked, uint32_t *good)
{
    struct tally t = {0};
    switch (r->subject) {
    case SUBJECT_PINHOLE:
        count(&t, RATE_CONNECTED, r->connected);
        count(&t, RATE_DIRECT, r->direct);
        count(&t, RATE_BY_PORTMAP, r->direct && r->stage == PH_STAGE_PORTMAP);
        break;
    case SUBJECT_NETCHECK:
    case SUBJECT_MAP:
    case SUBJECT_COUNT:
        break;
    }
    if (r->router_mappings != ROUTER_MAPPINGS_UNKNOWN)
        count(&t, RATE_RELEASED, r->router_mappings == 0);
    *asked = t.asked;
    *good = t.good;
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
        break;
    case SUBJECT_NETCHECK:
    case SUBJECT_MAP:
    case SUBJECT_COUNT:
        break;
    }
}
