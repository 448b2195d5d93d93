#include "lab/world/sim/link.h"

#include "lab/world/sim/private.h"

#define QUEUE_MAX (100 * PH_MS)
/* Of Ethernet, IPv4 and UDP, for the rate. */
#define OVERHEAD_BYTES 42

static bool drop(struct sim *s, size_t len)
{
    s->drops.packets++;
    s->drops.large += len >= LINK_LARGE ? 1 : 0;
    return false;
}

bool sim_link_cross(struct sim *s, size_t link, int dir, size_t len, ph_ns *arrival)
{
    const struct link_direction *d = sim_link_direction(&s->layout, link, dir);
    struct sim_link_state *state = &s->links[link].dir[dir];
    ph_ns at = s->now + d->delay_ns;
    *arrival = at;
    if (sim_link_only_delays(d))
        return true;
    if (d->loss > 0 && ph_rng_unit(&state->rng) < d->loss)
        return drop(s, len);
    if (d->jitter_ns > 0) {
        uint64_t j = ph_rng_below(&state->rng, 2 * d->jitter_ns + 1);
        at = at + j > d->jitter_ns ? at + j - d->jitter_ns : 0;
    }
    if (d->rate_bps > 0) {
        ph_ns start = ph_max_ns(state->free_at, s->now);
        if (start - s->now > QUEUE_MAX)
            return drop(s, len);
        state->free_at = start + (len + OVERHEAD_BYTES) * 8 * PH_SEC / d->rate_bps;
        at += state->free_at - s->now;
    }
    at = ph_max_ns(at, state->last);
    state->last = at;
    *arrival = at;
    return true;
}
